"""Somebody's own network: what works from a file; one sentence for what does not."""

import os
import socket
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from torch import nn

from netdyn_utils.histogram import LogHistogram
from netdyn_utils.own import Task, load_arrays, load_model, open_log, wandb_log
from netdyn_utils.own.logs import MOST_BINS, _decades
from netdyn_utils.tails import fit_power_law
from netdyn_utils.tracking import UpdateTracker
from netdyn_utils.training import TrainConfig, train_steps

ROOT = Path(__file__).resolve().parents[1]
ODD = "a {b} é 文 c"  # spaces, braces, letters outside ASCII
NET = "from torch import nn\n\n\ndef build():\n    return nn.Linear(3, 2)\n"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / ODD
    path.mkdir()
    return path


def write(folder, code, name="mine.py"):
    path = folder / name
    path.write_text(code, encoding="utf-8")
    return f"{path}:build"


def savez(folder, **arrays):
    path = folder / "mine.npz"
    np.savez(path, **arrays)
    return path


def some(**changes):
    rng = np.random.default_rng(0)
    arrays = {"x_train": rng.normal(size=(40, 3)), "y_train": np.arange(40) % 2}
    return {**arrays, **changes}


# Models


def test_model_is_what_the_function_builds(folder):
    model = load_model(write(folder, NET))
    assert isinstance(model, nn.Linear)
    assert model.weight.shape == (2, 3)


def test_same_seed_builds_the_same_weights(folder):
    source = write(folder, NET)
    one, other = (torch.manual_seed(3) and load_model(source) for _ in range(2))
    assert torch.equal(one.weight, other.weight)


def test_home_and_relative_paths_count_from_where_they_should(folder, monkeypatch):
    write(folder, NET)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert isinstance(load_model("~/mine.py:build"), nn.Linear)
    monkeypatch.chdir(folder)
    assert isinstance(load_model("mine.py:build"), nn.Linear)


def test_model_may_import_its_neighbours_and_hold_dataclasses(folder):
    (folder / "netdyn_neighbour.py").write_text("WIDTH = 5\n")
    code = (
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from netdyn_neighbour import WIDTH\n"
        "from torch import nn\n"
        "@dataclass\nclass Config:\n    width: int = WIDTH\n"
        "def build():\n    return nn.Linear(Config().width, 2)\n"
    )
    before = list(sys.path)
    assert load_model(write(folder, code)).in_features == 5
    assert sys.path == before


def test_an_edited_file_is_run_anew_and_leaves_nothing_beside_it(folder):
    assert load_model(write(folder, NET)).out_features == 2
    assert load_model(write(folder, NET.replace("3, 2", "3, 7"))).out_features == 7
    assert [path.name for path in folder.iterdir()] == ["mine.py"]


def test_a_class_can_stand_for_the_function(folder):
    code = "from torch import nn\nclass build(nn.Linear):\n    def __init__(self):\n"
    code += "        super().__init__(4, 1)\n"
    assert load_model(write(folder, code)).in_features == 4


@pytest.mark.parametrize(
    "source", ["", "mine.py", ":build", "mine.py:", "mine.py:two words", "C:\\mine.py"]
)
def test_source_without_a_function_is_refused(source):
    with pytest.raises(ValueError, match='names no function in a file: expected "path'):
        load_model(source)


def test_missing_model_file_is_named_with_the_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(FileNotFoundError, match=r"no file .*nets\.py: .* current fold"):
        load_model("nets.py:build")
    with pytest.raises(ValueError, match="is a folder: expected"):
        load_model(f"{folder}:build")


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("def other():\n    pass\n", r"has no 'build': it defines other; expected"),
        ("import os\n", r"has no 'build': it defines no function"),
        ("build = 3\n", r"has a int, and no function, 'build'"),
        ("def build():\n    return None\n", r"build\(\) in .* returned None: it must"),
        ("def build():\n    return [1]\n", r"returned a list: it must return a torch"),
        (
            "from torch.nn import ReLU\ndef build():\n    return ReLU\n",
            "the class ReLU",
        ),
        ("def build():\n    x = 1\n    return x / 0\n", r"ZeroDivisionError: .*line 3"),
        ("def build(a):\n    return a\n", "missing 1 required positional argument"),
        (
            "def build():\n    raise SystemExit\n",
            r"raised SystemExit \(line 2\): it is",
        ),
        ("def build(:\n", r"could not be run, it raised SyntaxError: .* \(line 1\)"),
        ("\nimport no_such_thing\n", r"ModuleNotFoundError: No module .*\(line 2\)"),
        ("raise SystemExit(2)\n", r"could not be run, it raised SystemExit: 2"),
        ("\0", "could not be run"),
    ],
)
def test_what_is_wrong_with_a_model_file_is_one_sentence(folder, code, sentence):
    source = write(folder, code)
    with pytest.raises(ValueError, match=sentence) as caught:
        load_model(source)
    assert str(folder / "mine.py") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_run_that_was_not_named(folder):
    write(folder, "raise RuntimeError('was run')\n", "conftest.py")
    write(folder, "raise RuntimeError('was run')\n", "__init__.py")
    assert isinstance(load_model(write(folder, NET)), nn.Linear)


# Arrays


def test_arrays_become_a_task(folder):
    test = {"x_test": np.ones((4, 3)), "y_test": np.array([0, 1, 0, 1])}
    task = load_arrays(savez(folder, **some(**test)))
    assert task.train_inputs.dtype == torch.float32
    assert task.train_targets.dtype == torch.int64
    assert (task.classifies, task.classes, len(task.test_inputs)) == (True, 2, 4)
    assert str(task) == (
        "Task(classification: 40 samples of shape (3,), 2 classes, 4 to test)"
    )


def test_pixels_are_scaled_indices_kept_and_columns_of_classes_flattened(folder):
    pixels = np.array([[0, 255]] * 40, np.uint8)
    column = (np.arange(40) % 2)[:, None].astype(np.uint8)
    task = load_arrays(savez(folder, x_train=pixels, y_train=column))
    assert task.train_inputs[0].tolist() == [-1.0, 1.0]
    assert task.train_targets.shape == (40,)
    task = load_arrays(savez(folder, **some(x_train=np.arange(80).reshape(40, 2))))
    assert task.train_inputs.dtype == torch.int64


def test_float_targets_are_a_regression(folder):
    task = load_arrays(savez(folder, **some(y_train=np.linspace(0, 1, 40))))
    assert not task.classifies
    task.check(nn.Linear(3, 1), 8)  # (samples, 1) for (samples,)
    expected = np.mean((0.5 - np.linspace(0, 1, 40)) ** 2)
    loss = task.loss(torch.full((40, 1), 0.5), task.train_targets)
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"x_train": np.full((40, 3), np.nan)}, r"x_train in .* 120 of 120 values"),
        ({"x_train": np.full((40, 3), 1e300)}, "infinite in single precision"),
        ({"y_train": np.full(40, np.inf)}, r"y_train in .* 40 of 40 values"),
        ({"x_train": np.zeros((39, 3))}, r"shapes \(39, 3\) and \(40,\): expected as"),
        ({"x_train": np.zeros((0, 3)), "y_train": np.zeros(0)}, "at least one"),
        ({"x_train": np.float64(3.0)}, r"shapes \(\) and \(40,\)"),
        ({"y_train": np.arange(40) - 1}, "the class -1: classes count from 0"),
        ({"x_train": np.full((40, 3), "a")}, "has the dtype <U1: expected floats"),
        ({"x_train": np.zeros((40, 3), complex)}, "dtype complex128: expected floats"),
        ({"y_train": np.full(40, None)}, "y_train in .* holds pickled objects, which"),
        ({"x_test": np.zeros((4, 3))}, "has no y_test, but x_test, x_train, y_train"),
        (
            {"x_test": np.zeros((4, 2)), "y_test": np.zeros(4, int)},
            r"x_train has samples of shape \(3,\) .* x_test of \(2,\)",
        ),
        (
            {"x_test": np.zeros((4, 3)), "y_test": np.zeros(4)},
            "y_train has samples .*int64, y_test .*float32",
        ),
        ({"y_train": np.full(40, 2**63, np.uint64)}, r"numbers above 2\*\*63"),
    ],
)
def test_what_is_wrong_with_arrays_is_one_sentence(folder, changes, sentence):
    path = savez(folder, **some(**changes))
    with pytest.raises(ValueError, match=sentence) as caught:
        load_arrays(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_arrays_and_files_are_named(folder, monkeypatch):
    with pytest.raises(ValueError, match="has no x_train and no y_train, but images"):
        load_arrays(savez(folder, images=np.zeros(3)))
    monkeypatch.chdir(folder)
    with pytest.raises(FileNotFoundError, match=r"no file .*other\.npz: give the path"):
        load_arrays("other.npz")
    with pytest.raises(ValueError, match="is a folder: give the npz"):
        load_arrays(folder)
    np.save("bare.npy", np.zeros(3))
    with pytest.raises(
        ValueError, match="has no x_train and no y_train, but nothing by"
    ):
        load_arrays("bare.npy")


def test_a_pickle_is_never_loaded(folder):
    class Evil:
        def __reduce__(self):
            return Path.touch, (folder / "was run",)

    evil = np.array([Evil()] * 40, object)
    path = savez(folder, **some(y_train=evil))
    with pytest.raises(ValueError, match=r"y_train in .* holds pickled objects"):
        load_arrays(path)
    evil.dump(str(path))
    with pytest.raises(ValueError, match="pickled objects, which would be code and ar"):
        load_arrays(path)
    assert not (folder / "was run").exists()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_file_is_refused_wherever_it_is_cut(folder, save):
    path = folder / "mine.npz"
    save(path, **some())
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cannot be read as an npz file") as caught:
            load_arrays(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_changed_file_is_refused_or_makes_no_difference(folder, save):
    path = folder / "mine.npz"
    save(path, **some())
    whole = path.read_bytes()
    expected = load_arrays(path)
    refused = 0
    for place in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        path.write_bytes(changed)
        try:
            task = load_arrays(path)
        except ValueError:
            refused += 1
        else:  # a byte of the zip that says nothing, such as a date
            assert torch.equal(task.train_inputs, expected.train_inputs)
            assert torch.equal(task.train_targets, expected.train_targets)
    assert refused > len(whole) / 3 * 0.7


def test_other_files_are_no_arrays(folder):
    path = folder / "mine.npz"
    path.write_text("hello, these are no arrays at all")
    with pytest.raises(ValueError, match=r"as an npz file \(text, or pickled objects"):
        load_arrays(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train", "hello")
        archive.writestr("y_train", "hello")
    with pytest.raises(ValueError, match=r"x_train in .* is no array: write it with"):
        load_arrays(path)


# The network against the data


class Gives(nn.Module):
    """A network that returns what it is told to."""

    def __init__(self, output):
        super().__init__()
        self.weight, self.output = nn.Parameter(torch.zeros(1)), output

    def forward(self, x):
        return self.output(x)


def task_of(targets=None):
    return Task(
        torch.zeros(40, 3), torch.arange(40) % 4 if targets is None else targets
    )


@pytest.mark.parametrize(
    ("model", "targets", "sentence"),
    [
        (
            nn.Linear(5, 4),
            None,
            r"Linear cannot take the first batch, shape \(8, 3\), ",
        ),
        (
            nn.Linear(3, 3),
            None,
            r"outputs of shape \(8, 3\) .*expected outputs \(8, 4\)",
        ),
        (nn.Linear(3, 1), None, "one value a class, or store y as floats"),
        (Gives(lambda x: (x, x)), None, "returned a tuple for a batch"),
        (Gives(lambda x: x.sum()), None, r"outputs of shape \(\) for"),
        (Gives(lambda _: torch.zeros(8, 4, 5)), None, r"shape \(8, 4, 5\)"),
        (nn.Linear(3, 2), torch.zeros(40), "both must agree, or store y as whole"),
        (Gives(lambda _: torch.zeros(4, 2)), torch.zeros(40), r"shape \(4, 2\)"),
        (nn.BatchNorm1d(3), torch.zeros(40, 3), "batches of 13 leave a batch of one"),
    ],
)
def test_what_does_not_fit_is_one_sentence(model, targets, sentence):
    size = 13 if isinstance(model, nn.BatchNorm1d) else 8
    with pytest.raises(ValueError, match=sentence):
        task_of(targets).check(model, size)


def test_checking_and_measuring_leave_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    task_of().check(model, 8)
    task_of().measure(model)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training


def test_measure_is_the_mean_over_all_samples_of_the_test_data():
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(600, 3, generator=rng), torch.randint(2, (600,), generator=rng)
    model = nn.Linear(3, 2)
    loss, share = Task(x[:9], y[:9], x, y).measure(model)
    outputs = model(x)
    assert loss == pytest.approx(nn.functional.cross_entropy(outputs, y).item())
    assert share == (outputs.argmax(1) == y).sum().item() / 600
    loss, share = Task(x, y.float()).measure(nn.Linear(3, 1))
    assert loss > 0
    assert np.isnan(share)


def test_no_step_of_adam_is_longer_than_the_bound_of_the_chapter():
    bound = 0.1 / np.sqrt(0.001) / np.sqrt(1 - 0.81 / 0.999)
    torch.manual_seed(0)
    model = nn.Linear(3, 4)
    tracker = UpdateTracker(model)
    task, config = (
        task_of(),
        TrainConfig(steps=300, learning_rate=0.01, optimizer="adam"),
    )
    batches = task.batches(8, torch.Generator().manual_seed(0))
    for _ in train_steps(model, batches, config, loss_function=task.loss):
        tracker.update()
    assert 0.01 < 1.001 * tracker.histogram().largest < 1.001 * bound * 0.01
    # Gradients that grow by β2/β1 from step to step come near to it.
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    adam = torch.optim.Adam([weight], lr=0.01, eps=0.0)
    for power in range(-6_000, 0):
        before = weight.item()
        weight.grad = torch.full_like(weight, (0.999 / 0.9) ** max(power, -200))
        adam.step()
    assert 0.99 * bound < abs(weight.item() - before) / 0.01 <= bound


# Logs


def test_a_log_that_is_off_writes_nothing(folder):
    with open_log("", folder / "logs") as log:
        log.scalars(1, loss=0.5)
        log.histogram(1, "updates", LogHistogram.of([1.0]))
    assert list(folder.iterdir()) == []


def test_an_unknown_log_or_mode_is_refused(folder):
    with pytest.raises(ValueError, match=r"unknown log 'tensorbord'.*'tensorboard'"):
        open_log("tensorbord", folder)
    with pytest.raises(ValueError, match="unknown mode of wandb 'of'"):
        wandb_log("netdyn", mode="of")


@pytest.mark.parametrize("kind", ["tensorboard", "wandb"])
def test_a_log_that_is_not_installed_says_what_to_install(folder, kind, monkeypatch):
    monkeypatch.setitem(sys.modules, kind, None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    with pytest.raises(ImportError, match=rf"pip install 'netdyn\[{kind}\]'"):
        open_log(kind, folder)
    assert list(folder.iterdir()) == []


def test_merged_bins_keep_every_count_and_the_ends():
    values = 10 ** np.random.default_rng(0).uniform(-40, 3, 10_000)
    histogram = LogHistogram.of(values)
    edges, counts = _decades(histogram)
    assert histogram.counts.size > 2 * MOST_BINS >= 2 * counts.size
    assert (counts.sum(), edges.size) == (10_000, counts.size + 1)
    ends = histogram.edges[[0, -1]]
    assert 10 ** edges[[0, -1]] == pytest.approx(ends)
    assert counts == pytest.approx(np.histogram(np.log10(values), edges)[0], abs=2)


LOGGED = """
import sys
from netdyn_utils.histogram import LogHistogram
from netdyn_utils.own import open_log
for name in ("one", "other"):
    with open_log(sys.argv[1], sys.argv[2], name) as log:
        for step in (100, 200):
            log.scalars(step, loss=1 / step)
            log.histogram(step, "updates", LogHistogram.of([0.0, 0.1, 0.2, 3.0]))
        log.histogram(300, "updates", LogHistogram())
"""


def run_log(kind, folder):
    """Log two runs in a process of its own; return how often it asked for a host.

    Every request would go through the proxy, whatever language makes it.
    """
    command = [sys.executable, "-W", "error", "-c", LOGGED, kind, str(folder / "logs")]
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        proxies = {n: address for name in names for n in (name, name.lower())}
        kept = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
        run = subprocess.run(
            command,
            cwd=folder,
            env={**kept, **proxies, "NO_PROXY": "", "no_proxy": ""},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        return waiting(proxy)


def waiting(server):
    """Return how many connections nobody has answered."""
    server.setblocking(False)
    number = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            number += 1
    return number


def test_tensorboard_reads_back_what_was_logged(folder):
    pytest.importorskip("tensorboard")
    assert run_log("tensorboard", folder) == 0
    from tensorboard.backend.event_processing import event_accumulator

    events = event_accumulator.EventAccumulator(str(folder / "logs" / "one")).Reload()
    loss = [(e.step, e.value) for e in events.Scalars("loss")]
    assert loss == [(100, pytest.approx(0.01)), (200, pytest.approx(0.005))]
    assert [e.value for e in events.Scalars("updates/zeros")][:2] == [0.25, 0.25]
    assert sum(events.Histograms("updates/log10")[0].histogram_value.bucket) == 3


def test_wandb_writes_offline_and_asks_nobody(folder):
    pytest.importorskip("wandb")
    assert run_log("wandb", folder) == 0
    runs = list((folder / "logs" / "wandb").glob("offline-run-*"))
    assert len(runs) == 2
    for run in runs:
        (written,) = run.glob("*.wandb")
        assert b"updates/log10" in written.read_bytes()
    assert [path.name for path in folder.iterdir()] == ["logs"]


# The chapter, by plain papermill


def papermill(folder, *given):
    output = folder.parent / "out.ipynb"
    words = (word for key, value in given for word in ("-r", key, str(value)))
    numbers = ("-p", "steps", "90", "-p", "batch_size", "8")
    chapter = str(ROOT / "notebooks" / "08_your_model.ipynb")
    command = [sys.executable, "-m", "papermill", chapter, str(output)]
    run = subprocess.run(
        [*command, *words, *numbers, "--no-progress-bar"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    cells = nbformat.read(output, as_version=4).cells
    outputs = [out for cell in cells for out in cell.get("outputs", ())]
    texts = [value for out in outputs for value in out.get("data", {}).values()]
    return run, "\n".join(text for text in texts if isinstance(text, str))


def test_the_chapter_reports_on_a_network_of_ones_own(folder):
    code = (
        "from torch import nn\ndef build():\n    return nn.Sequential("
        "nn.Linear(3, 20), nn.ReLU(), nn.Dropout(0.1), nn.Linear(20, 2))\n"
    )
    source, path = write(folder, code), savez(folder, **some())
    run, shown = papermill(
        *(folder, ("model", "mine.py:build"), ("data", "mine.npz")),
        ("optimizer", "momentum"),
    )
    assert run.returncode == 0, run.stderr
    assert "(122, ['0', '1', '2', '3'])" in shown
    assert "40 samples of shape (3,), 2 classes, no test data" in shown
    assert "1 of 1 second passes ended with the weights of the first" in shown
    assert "those on the training data" in shown
    assert "sgd" not in shown
    largest, alpha = plain_loop(source, path)
    assert f"The largest update: momentum {largest:.2g} (" in shown
    assert f"momentum **{alpha:.2f}**" in shown


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
    histogram = LogHistogram.of(magnitudes)
    return histogram.largest, fit_power_law(histogram.edges, histogram.counts).alpha


def test_the_chapter_stops_where_two_passes_differ(folder):
    code = (
        "import os\nimport torch\nfrom torch import nn\ndef build():\n"
        "    torch.manual_seed(int.from_bytes(os.urandom(4), 'big'))\n"
        "    return nn.Linear(3, 1)\n"
    )
    write(folder, code)
    savez(folder, **some(y_train=np.linspace(0, 1, 40)))
    run, _ = papermill(
        *(folder, ("model", f"{folder}/mine.py:build"), ("data", "mine.npz")),
        ("optimizer", "sgd"),
    )
    assert run.returncode != 0
    assert "ended with different weights" in run.stderr
