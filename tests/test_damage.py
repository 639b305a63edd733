"""Damaged files are named, and nothing that is read is executed."""

import ast
import io
from pathlib import Path

import numpy as np
import pytest

import netdyn_utils
from netdyn_utils.data import images as image_files

TIMES = 25


def damages(raw, seed=0):
    """Yield changed copies of bytes: flips of a byte, then cuts."""
    rng = np.random.default_rng(seed)
    for _ in range(TIMES):
        changed = bytearray(raw)
        changed[rng.integers(len(raw))] ^= int(rng.integers(1, 256))
        yield bytes(changed)
    for _ in range(TIMES):
        yield raw[: rng.integers(len(raw))]


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
        if name in {"yaml.load", "yaml.load_all"}:
            loader = [*map(ast.unparse, node.args[1:]), given.get("Loader")][0]
            assert loader in {"yaml.SafeLoader", "_Strict"}
        assert name not in {"yaml.unsafe_load", "yaml.full_load"}
        if name == "torch.load":
            assert given.get("weights_only") == "True"
        if name in {"np.load", "numpy.load"}:
            assert given.get("allow_pickle", "False") == "False"
