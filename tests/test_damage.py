"""Files that were changed or cut off: each is named, none believed, none executed."""

import ast
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from netdyn_utils.store.provenance import unseal
from small_book import REPOSITORY, TINY, environment, make_book, start, told

import netdyn_utils
from netdyn_utils.data import image_files
from netdyn_utils.notebook_params import Job, read_parameters
from netdyn_utils.recorded import read_recorded
from netdyn_utils.rerun import cached, fingerprints, run_notebook, write_manifest
from netdyn_utils.store import RunStore
from netdyn_utils.sweeps.results import read_row

TIMES = 50


def damages(raw, seed=0):
    """Yield changed copies of bytes: flips of a byte, then cuts."""
    rng = np.random.default_rng(seed)
    for _ in range(TIMES):
        changed = bytearray(raw)
        changed[rng.integers(len(raw))] ^= int(rng.integers(1, 256))
        yield bytes(changed)
    for _ in range(TIMES):
        yield raw[: rng.integers(len(raw))]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run that stands: its job, what it rests on, its folder."""
    root = make_book(tmp_path_factory.mktemp("book"), **{"01_tiny": TINY})
    source = root / "notebooks" / "01_tiny.ipynb"
    job = Job(source, root / "sweep" / "key" / source.name, {"steps": 4})
    (parts,) = fingerprints([job], root)
    run = run_notebook(job.source, job.output, job.parameters)
    write_manifest(run, source, parts)
    assert cached(job, parts)[0].status == "ok"
    return job, parts, root


@pytest.fixture
def damaged():
    """Change a file for a while; it is as it was afterwards."""
    kept = {}

    def change(path, raw):
        kept.setdefault(path, path.read_bytes())
        path.write_bytes(raw)

    yield change
    for path, raw in kept.items():
        path.write_bytes(raw)


def says_the_same(raw, whole):
    """Say whether JSON means what it meant: only white space was changed."""
    try:
        return repr(json.loads(raw)) == repr(json.loads(whole))
    except ValueError:
        return False


def test_a_damaged_manifest_of_a_run_is_never_believed(done, damaged):
    job, parts, root = done
    path, harmless = job.output.parent / "run.json", 0
    whole = path.read_bytes()
    for raw in damages(whole):
        damaged(path, raw)
        run, reason = cached(job, parts)
        row = read_row(root / "sweep", "key", {})
        if says_the_same(raw, whole):
            harmless += 1
            assert (run.status, row.recorded["square"]) == ("ok", 16)
            continue
        assert run is None
        assert reason.startswith("its last run cannot be read")
        assert (row.status, row.recorded) == ("damaged", {})
        assert row.error
    assert harmless < 10


def test_a_manifest_that_seals_something_else_is_no_run(done, damaged):
    job, parts, root = done
    for content in ({}, {"status": "ok"}, {"status": 3}, []):
        sealed = netdyn_utils.store.provenance.seal(dict(content))
        damaged(job.output.parent / "run.json", sealed.encode())
        assert cached(job, parts)[0] is None
        row = read_row(root / "sweep", "key", {})
        assert row.status == "damaged"
        assert "is no manifest of a run" in row.error


def test_a_damaged_executed_notebook_is_run_again(done, damaged):
    job, parts, _ = done
    for raw in damages(job.output.read_bytes()):
        damaged(job.output, raw)
        assert cached(job, parts) == (None, "its last output was changed")
        try:
            found = read_recorded(job.output)
        except ValueError as error:
            said = str(error)
        else:
            assert isinstance(found, dict)
            continue
        assert str(job.output) in said


def test_a_damaged_notebook_is_named_or_declares_what_can_be_read(done, damaged):
    job, _, root = done
    named = 0
    for seed in range(4):
        for raw in damages(job.source.read_bytes(), seed):
            damaged(job.source, raw)
            try:
                assert all(p.name.isidentifier() for p in read_parameters(job.source))
                fingerprints([job], root)
            except ValueError as error:
                said = str(error)
            else:
                continue
            assert job.source.name in said
            named += 1
    assert named > 4 * TIMES


def test_damaged_data_are_named_and_never_taken(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (20, 28, 28), np.uint8),
        "y_train": np.arange(20, dtype=np.uint8) % 10,
        "x_test": rng.integers(0, 256, (10, 28, 28), np.uint8),
        "y_test": np.arange(10, dtype=np.uint8),
    }
    np.savez_compressed(buffer := io.BytesIO(), **arrays)
    path, whole = tmp_path / "mnist.npz", buffer.getvalue()
    path.write_bytes(whole)
    # The real set's digests are of the real set: those of the stand-in for once.
    digests = tuple(
        image_files.hashlib.sha256(arrays[key]).hexdigest() for key in image_files.KEYS
    )
    monkeypatch.setitem(image_files.SHA256, ("mnist", "full"), digests)
    _, digest = image_files.read_arrays("mnist", "full", tmp_path)
    taken = 0
    for raw in damages(whole):
        path.write_bytes(raw)
        try:
            found, same = image_files.read_arrays("mnist", "full", tmp_path)
        except ValueError as error:
            said = str(error)
        else:  # a byte that says nothing of the arrays: a time, a flag
            assert same == digest
            assert all(np.array_equal(found[key], arrays[key]) for key in arrays)
            taken += 1
            continue
        assert str(path) in said
        assert "delete it and fetch it again" in said
    assert taken < 10


def test_the_times_of_files_decide_nothing(done, tmp_path):
    job, parts, root = done
    store = RunStore(tmp_path / "runs")
    run = store.get("k", {}, "d", "s", lambda: {"x": [1.0]})
    data = root / "data" / "mnist.npz"
    data.parent.mkdir(exist_ok=True)
    data.write_bytes(b"one")
    before = fingerprints([job], root)
    tomorrow, then = 4e9, 1.0  # the clock went back; the clock was not set
    for moment in (tomorrow, then):
        for path in [*job.output.parent.iterdir(), data, *run.path.parent.iterdir()]:
            os.utime(path, (moment, moment))
        assert fingerprints([job], root) == before
        assert cached(job, parts)[0].status == "ok"
        again = store.get("k", {}, "d", "s", lambda: {"x": [2.0]})
        assert again.manifest == run.manifest
    data.write_bytes(b"two")  # of the same length and of the same time
    os.utime(data, (then, then))
    assert fingerprints([job], root) != before


SET_BACK = """import time
_true, _begun = time.time, time.time()
time.time = lambda: _true() - 3600 * (_true() > _begun + 1)
"""  # every process finds its clock an hour back, one second after it began


def test_a_clock_that_is_set_back_changes_no_run(tmp_path):
    root = make_book(tmp_path / "book", **{"01_tiny": TINY})
    (root / "plan.yaml").write_text("notebook: tiny\ngrid: {steps: [2, 3]}\n")
    (tmp_path / "sitecustomize.py").write_text(SET_BACK)
    paths = {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}"}
    code = "import time; t = time.time(); time.sleep(1.1); print(time.time() < t)"
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, env=environment(**paths)) == b"True\n"
    mode = ("-p", "mode=slow")
    for words in (("run", "tiny", *mode), ("sweep", "plan.yaml", "--workers", "1")):
        begun = time.monotonic()
        process = start(root, *words, env=environment(**paths))
        said = told(process.communicate(timeout=120)[0])
        assert process.returncode == 0, said
        taken = time.monotonic() - begun
        for path in root.rglob("run.json"):
            assert 0 < unseal(path.read_text("utf-8"))["seconds"] < taken
    assert len(list(root.rglob("run.json"))) == 3


PACKAGE = Path(netdyn_utils.__file__).parent
RUN_ON_REQUEST = {PACKAGE / "own" / "model_files.py"}  # a network whose path was given


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_nothing_that_is_read_is_ever_executed(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name.partition(".")[0] for alias in node.names}
            names |= {(getattr(node, "module", "") or "").partition(".")[0]}
            assert not names & {"cPickle", "dill", "cloudpickle", "joblib"}
            assert not names & {"marshal", "shelve"}
            pickle = isinstance(node, ast.ImportFrom) and node.module == "pickle"
            assert not pickle or names == {"pickle", "UnpicklingError"}
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle":
            assert node.attr == "UnpicklingError"  # to be caught, never to be made
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {k.arg: ast.unparse(k.value) for k in node.keywords}
        assert name not in {"eval", "__import__", "os.system"}
        assert name not in {"exec", "compile"} or path in RUN_ON_REQUEST
        assert given.get("shell", "False") == "False"
        assert name not in {"yaml.load", "yaml.unsafe_load", "yaml.full_load"}
        if name == "YAML":
            assert given["typ"] == "'safe'"
        if name == "torch.load":
            assert given.get("weights_only") == "True"
        if name in {"np.load", "numpy.load"}:
            assert given.get("allow_pickle", "False") == "False"
