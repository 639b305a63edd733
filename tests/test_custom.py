"""A reader's own network: a model file, a data file, logs, and the chapter on them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from torch import nn

from netdyn_utils.custom import Task, load_arrays, load_model, open_log
from netdyn_utils.custom.loggers import MAX_BINS, log10_bins
from netdyn_utils.histogram import LogHistogram
from netdyn_utils.tails import fit_power_law

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "a {b} é 文 c"  # spaces, braces, letters outside ASCII
    path.mkdir()
    return path


def write_model(folder, code):
    head = "from __future__ import annotations\nfrom torch import nn\n"
    (folder / "mine.py").write_text(head + code, encoding="utf-8")
    return f"{folder / 'mine.py'}:build"


def save(folder, **changes):
    rng = np.random.default_rng(0)
    arrays = {"x_train": rng.normal(size=(40, 3)), "y_train": np.arange(40) % 2}
    np.savez(folder / "mine.npz", **arrays | changes)
    return folder / "mine.npz"


# Models.

NET = "def build():\n    return nn.Linear(3, 2)\n"


def test_a_model_is_built_again_at_each_call_from_the_seed_of_torch(
    folder, monkeypatch
):
    source = write_model(folder, NET)
    one, other = (torch.manual_seed(3) and load_model(source) for _ in range(2))
    assert isinstance(one, nn.Linear)
    assert torch.equal(one.weight, other.weight)
    write_model(folder, NET.replace("3, 2", "3, 7"))
    monkeypatch.chdir(folder)
    assert load_model("mine.py:build").out_features == 7
    assert [path.name for path in folder.iterdir()] == ["mine.py"]  # and no cache


def test_a_model_may_import_its_neighbours(folder):
    (folder / "netdyn_neighbour.py").write_text("WIDTH = 5\n")
    code = NET.replace("3, 2", "WIDTH, 2")
    source = write_model(folder, f"from netdyn_neighbour import WIDTH\n{code}")
    before = list(sys.path)
    assert load_model(source).in_features == 5
    assert sys.path == before


def test_a_source_that_builds_no_model_is_refused(folder):
    for code in ("def other(): ...\n", "def build():\n    return nn.ReLU\n"):
        with pytest.raises(ValueError, match=r"gave .*it must be a function"):
            load_model(write_model(folder, code))
    for source in ("mine.py", "mine.py:a b", "mine.pt:build"):
        with pytest.raises(ValueError, match="names no function in a file: expected"):
            load_model(source)
    for load, name in ((load_model, "no.py:build"), (load_arrays, "no.npz")):
        with pytest.raises(FileNotFoundError):
            load(str(folder / name))


# Arrays.


def test_arrays_become_a_task_of_classes_pixels_and_indices(folder):
    pixels = np.array([[0, 255]] * 40, np.uint8)
    column = (np.arange(40) % 3)[:, None].astype(np.uint8)
    test = {"x_test": pixels[:4], "y_test": column[:4]}
    task = load_arrays(save(folder, x_train=pixels, y_train=column, **test))
    assert task.train_inputs[0].tolist() == [-1.0, 1.0]
    assert task.train_targets.tolist() == column[:, 0].tolist()
    assert (task.is_classification, task.classes, len(task.test_inputs)) == (True, 3, 4)
    task = load_arrays(save(folder, x_train=np.arange(80).reshape(40, 2)))
    assert task.train_inputs.dtype == torch.int64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": np.full((40, 3), 1e300)}, "x_train has 120 of 120 values"),
        ({"x_train": np.zeros((39, 3))}, r"shapes \(39, 3\) and \(40,\): expected as"),
        ({"y_train": np.arange(40) - 1}, "the class -1: classes count from 0"),
        ({"x_train": np.full((40, 3), "a")}, "has the dtype <U1: expected floats"),
        ({"x_test": np.zeros((4, 3))}, "test data need both"),
        ({"x_test": np.zeros((4, 2)), "y_test": [0] * 4}, r"x_train of \(3,\)"),
    ],
)
def test_invalid_arrays_are_refused(folder, changes, message):
    with pytest.raises(ValueError, match=message):
        load_arrays(save(folder, **changes))


def test_nothing_pickled_is_ever_loaded(folder):
    class Evil:
        def __reduce__(self):
            return Path.touch, (folder / "was run",)

    evil = np.array([Evil()] * 40, object)
    path = save(folder, y_train=evil)
    for write in (lambda: None, lambda: evil.dump(str(path))):
        write()
        with pytest.raises(ValueError, match="pickled objects, which would be code"):
            load_arrays(path)
    assert not (folder / "was run").exists()


def test_a_damaged_file_never_gives_other_numbers(folder):
    path = save(folder)
    whole, expected = path.read_bytes(), load_arrays(path)
    refused = 0
    for place in range(0, len(whole), 29):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            task = load_arrays(path)
        except Exception:  # zipfile, zlib and numpy each have their own
            refused += 1
        else:  # a byte of the zip that says nothing, such as a date
            assert torch.equal(task.train_inputs, expected.train_inputs)
            assert torch.equal(task.train_targets, expected.train_targets)
    assert refused > len(whole) / 29 / 2


# The network against the data.


def some_task(targets=None):
    targets = torch.arange(600) % 4 if targets is None else targets
    x = torch.randn(600, 3, generator=torch.Generator().manual_seed(0))
    return Task(x[:40], targets[:40], x, targets)


@pytest.mark.parametrize(
    ("width", "targets", "message"),
    [
        ((5, 4), None, r"cannot take the first batch, shape \(8, 3\)"),
        ((3, 3), None, r"outputs of shape \(8, 3\) .* expected \(8, 4\), one value"),
        ((3, 2), torch.zeros(600), r"outputs of shape \(8, 2\) .* expected \(8,\), as"),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused(width, targets, message):
    with pytest.raises(ValueError, match=message):
        some_task(targets).check_model(nn.Linear(*width), 8)


def test_evaluation_is_the_mean_over_all_test_samples_and_leaves_no_trace():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    task, state = some_task(), torch.get_rng_state()
    task.check_model(model, 8)
    found = task.evaluate(model)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    outputs = model.eval()(task.test_inputs)
    expected = nn.functional.cross_entropy(outputs, task.test_targets)
    assert found.loss == pytest.approx(expected.item(), rel=1e-5)
    assert found.accuracy == (outputs.argmax(1) == task.test_targets).sum().item() / 600


def test_float_targets_are_a_regression_by_mean_squared_error():
    task, line = some_task(torch.linspace(0, 1, 600)), nn.Linear(3, 1)
    task.check_model(line, 8)  # (samples, 1) for (samples,)
    nn.init.zeros_(line.weight), nn.init.constant_(line.bias, 0.5)
    found = task.evaluate(line)
    expected = np.mean((0.5 - np.linspace(0, 1, 600)) ** 2)
    assert found.loss == pytest.approx(expected, rel=1e-4)
    assert np.isnan(found.accuracy)


def test_no_step_of_adam_is_longer_than_the_bound_of_the_chapter():
    bound = 0.1 / np.sqrt(0.001) / np.sqrt(1 - 0.81 / 0.999)
    # Gradients that grow by β2/β1 from step to step come near to it.
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    adam = torch.optim.Adam([weight], lr=0.01, eps=0.0)
    for step in range(400):
        before = weight.item()
        weight.grad = torch.full_like(weight, (0.999 / 0.9) ** step)
        adam.step()
    # Undone: the correction of the square for its start at zero, still at work here.
    full = abs(weight.item() - before) / 0.01 / np.sqrt(1 - 0.999**400)
    assert 0.99 * bound < full <= bound * (1 + 1e-9)


# Logs.


def test_merged_bins_keep_every_count_and_the_ends():
    values = 10 ** np.random.default_rng(0).uniform(-40, 3, 10_000)
    histogram = LogHistogram.from_values(values)
    edges, counts = log10_bins(histogram)
    assert histogram.counts.size > 2 * MAX_BINS >= 2 * counts.size
    assert (counts.sum(), edges.size) == (10_000, counts.size + 1)
    assert 10 ** edges[[0, -1]] == pytest.approx(histogram.edges[[0, -1]])
    # Two, for a value on an edge may fall on either side of its logarithm.
    assert counts == pytest.approx(np.histogram(np.log10(values), edges)[0], abs=2)


def test_a_log_that_is_not_installed_says_what_to_do(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    with pytest.raises(ImportError, match=r"pip install 'netdyn\[wandb\]'"):
        open_log("wandb", folder)
    assert list(folder.iterdir()) == []


LOGGED = """
import sys
from netdyn_utils.custom import open_log
from netdyn_utils.histogram import LogHistogram
for kind in ("", "tensorboard", "wandb"):
    for name in ("one", "other"):
        with open_log(kind, sys.argv[1], name) as log:
            for step in (100, 200):
                log.scalars(step, loss=1 / step)
                counted = LogHistogram.from_values([0.0, 0.1, 0.2, 3.0])
                log.histogram(step, "updates", counted)
            log.histogram(300, "updates", LogHistogram())
"""


def test_logs_hold_what_was_logged_and_contact_no_host(folder):
    events = "tensorboard.backend.event_processing.event_accumulator"
    events = pytest.importorskip(events)
    pytest.importorskip("wandb")
    with socket.create_server(("127.0.0.1", 0)) as proxy:  # for all requests
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
        env |= {n: address for name in names for n in (name, name.lower())}
        command = [sys.executable, "-W", "error", "-c", LOGGED, str(folder / "logs")]
        run(command, folder, {**env, "NO_PROXY": "", "no_proxy": ""})
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):  # there was no request
            proxy.accept()

    log = events.EventAccumulator(str(folder / "logs" / "one")).Reload()
    loss = [(e.step, e.value) for e in log.Scalars("loss")]
    assert loss == [(100, pytest.approx(0.01)), (200, pytest.approx(0.005))]
    assert [e.value for e in log.Scalars("updates/zeros")] == [0.25, 0.25, 0]
    assert sum(log.Histograms("updates/log10")[0].histogram_value.bucket) == 3
    written = list((folder / "logs" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(written) == 2
    assert all(b"updates/log10" in path.read_bytes() for path in written)


def run(command, folder, env=None):
    """Run a command in a folder and expect it to succeed."""
    look = {"capture_output": True, "text": True, "timeout": 300, "check": False}
    done = subprocess.run(command, cwd=folder, env=env, **look)
    assert done.returncode == 0, done.stderr


# The chapter, by plain papermill.


def test_the_chapter_reports_on_a_custom_network(folder):
    source = write_model(
        folder,
        "def build():\n    return nn.Sequential("
        "nn.Linear(3, 20), nn.ReLU(), nn.Dropout(0.1), nn.Linear(20, 2))\n",
    )
    path, output = save(folder), folder.parent / "out.ipynb"
    given = {"model": "mine.py:build", "data": "mine.npz", "optimizer": "momentum"}
    given |= {"log": "tensorboard", "steps": 90, "batch_size": 8}
    words = [word for key, value in given.items() for word in ("-p", key, str(value))]
    chapter = str(ROOT / "notebooks" / "08_your_model.ipynb")
    run([sys.executable, "-m", "papermill", chapter, str(output), *words], folder)
    cells = nbformat.read(output, as_version=4).cells
    outputs = [out for cell in cells for out in cell.get("outputs", ())]
    texts = [value for out in outputs for value in out.get("data", {}).values()]
    page = "\n".join(text for text in texts if isinstance(text, str))
    assert "(122, ['0', '1', '2', '3'])" in page
    assert "40 samples of shape (3,), 2 classes, no test data" in page
    assert "1 of 1 second passes ended with the same weights, bit for bit." in page
    assert "sgd" not in page
    assert list((folder / "logs" / "momentum-seed0").glob("events.*"))
    largest, alpha = plain_loop(source, path)
    assert f"<td>{largest:.2g}</td>" in page
    assert f"<td>{alpha:.2f}</td>" in page


def plain_loop(source, path):
    """Return the largest update and alpha of the chapter's run, made apart from it."""
    torch.manual_seed(0)
    model, task = load_model(source), load_arrays(path)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    batches = iter(task.batches(8, torch.Generator().manual_seed(0)))
    magnitudes = []
    for _ in range(90):
        before = nn.utils.parameters_to_vector(model.parameters()).detach()
        x, y = next(batches)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        after = nn.utils.parameters_to_vector(model.parameters()).detach()
        magnitudes.append((after - before).numpy())
    histogram = LogHistogram.from_values(magnitudes)
    return histogram.max, fit_power_law(histogram.edges, histogram.counts).alpha
