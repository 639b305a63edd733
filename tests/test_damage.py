"""Damaged files are named, and nothing that is read is executed."""

import ast
import io
from pathlib import Path

import numpy as np
import pytest

import netdyn_utils
from netdyn_utils.data import images

PACKAGE = Path(netdyn_utils.__file__).parent
UNSAFE = {"cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "os.system"}
UNSAFE |= {"pickle.load", "pickle.loads", "yaml.load", "yaml.unsafe_load"}
UNSAFE |= {"eval", "exec", "compile", "__import__", "yaml.full_load"}
SAFE = {"shell": "False", "weights_only": "True", "allow_pickle": "False"}


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_damaged_data_are_named_and_never_returned(damage, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (20, 28, 28), np.uint8), np.arange(20, dtype=np.uint8)
    arrays = {"x_train": x, "y_train": y % 10, "x_test": x[:10], "y_test": y[:10]}
    np.savez_compressed(buffer := io.BytesIO(), **arrays)
    path, whole = tmp_path / "mnist.npz", buffer.getvalue()
    digests = [images.hashlib.sha256(arrays[key]).hexdigest() for key in images.KEYS]
    monkeypatch.setitem(images.SHA256, ("mnist", "full"), tuple(digests))
    handled = 0
    for place in rng.integers(len(whole), size=25):
        changed = bytearray(whole)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed if damage == "flip" else whole[:place])
        try:
            found, _ = images.read_arrays("mnist", "full", tmp_path)
        except ValueError as error:
            handled += f"{path}" in str(error) and "delete it" in str(error)
        else:  # a byte that says nothing of the arrays: a time, a flag
            handled += all(np.array_equal(found[key], arrays[key]) for key in arrays)
    assert handled == 25


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_nothing_that_is_read_is_executed(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names}
            assert not {*names, getattr(node, "module", "")} & UNSAFE
            assert getattr(node, "module", "") != "pickle" or names == {
                "UnpicklingError"
            }
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        assert name not in UNSAFE
        given = {k.arg: ast.unparse(k.value) for k in node.keywords}
        assert all(given.get(k, value) == value for k, value in SAFE.items())
        assert name != "torch.load" or "weights_only" in given
