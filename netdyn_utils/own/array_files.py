"""Arrays of somebody's own, from an npz file: read as numbers, never run.

``allow_pickle=False`` throughout: a pickled object in the file would be code.
"""

import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .tasks import Task

NEEDED, OPTIONAL = ("x_train", "y_train"), ("x_test", "y_test")
# What a damaged zip can raise, in numpy and beneath it; a wrong header is a ValueError.
DAMAGE = (OSError, EOFError, KeyError, ValueError, MemoryError, RuntimeError)
DAMAGE += (zipfile.BadZipFile, zlib.error, struct.error, pickle.UnpicklingError)
HOW = "np.savez(path, x_train=..., y_train=...)"


def load_arrays(path: str | Path) -> Task:
    """Read a learning task from an npz file.

    Parameters
    ----------
    path : str or Path
        Of a file with the arrays x_train and y_train, and if wanted x_test and y_test,
        samples along the first axis. It may begin with ``~``; a relative path counts
        from the current folder.

    Returns
    -------
    Task
        Inputs: uint8 is taken for pixels and scaled to [−1, 1], as the book's own
        images are; other whole numbers are kept, for an embedding; floats become
        float32. Targets: whole numbers are classes from 0, floats are numbers to be met
        (regression). A column of classes, shape (samples, 1), becomes (samples,).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged or no npz, an array is missing or holds objects, text, NaN or
        infinities, lengths differ, or a class is negative.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "mine.npz"
    >>> np.savez(path, x_train=np.zeros((5, 3)), y_train=np.arange(5))
    >>> load_arrays(path)
    Task(classification: 5 samples of shape (3,), 5 classes, no test data)
    """
    path = Path(path).expanduser().absolute()
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give the npz file itself")
    if not path.exists():
        raise FileNotFoundError(
            f"there is no file {path}: give the path of the data from the current "
            f"folder, {Path.cwd()}, or in full"
        )
    arrays = _read(path)
    tensors = {
        name: (_inputs if name.startswith("x") else _targets)(array, name, path)
        for name, array in arrays.items()
    }
    try:
        return Task(*(tensors.get(name) for name in (*NEEDED, *OPTIONAL)))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays that a task is made from."""
    names, arrays = _load(path)
    missing = [name for name in NEEDED if name not in names]
    if len(set(names) & set(OPTIONAL)) == 1:
        missing += [name for name in OPTIONAL if name not in names]
    if missing:
        raise ValueError(
            f"{path} has no {' and no '.join(missing)}, but "
            f"{', '.join(sorted(names)) or 'nothing by name'}: write it with {HOW}, "
            "and both x_test and y_test or neither"
        )
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # any file can lie in a zip
            raise ValueError(f"{name} in {path} is no array: write it with {HOW}")
    return arrays


def _load(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """Return all names in the file, and the arrays that have a meaning here."""
    name, arrays = "", {}
    try:
        with path.open("rb") as file:  # by itself, numpy leaves a damaged one open
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return [], {}
            with found:
                for name in (n for n in (*NEEDED, *OPTIONAL) if n in found.files):
                    arrays[name] = found[name]
                return found.files, arrays
    except DAMAGE as error:
        if name and "Object arrays" in str(error):
            raise ValueError(
                f"{name} in {path} holds pickled objects, which would be code and are "
                f"not loaded: make it an array of numbers, then write it with {HOW}"
            ) from error
        reason = str(error).strip() or type(error).__name__
        if not name and "pickle" in reason:
            reason = "text, or pickled objects, which would be code and are not loaded"
        raise ValueError(
            f"{path} cannot be read as an npz file ({' '.join(reason.split())}): it is "
            f"damaged, cut off or something else; write it again with {HOW}"
        ) from error


def _inputs(array: np.ndarray, name: str, path: Path) -> Tensor:
    if array.dtype == np.uint8:
        return torch.from_numpy(array).float().div_(255).sub_(0.5).div_(0.5)
    if np.issubdtype(array.dtype, np.integer):
        return torch.from_numpy(_whole(array, name, path))
    return torch.from_numpy(_real(array, name, path))


def _targets(array: np.ndarray, name: str, path: Path) -> Tensor:
    if array.dtype == bool or np.issubdtype(array.dtype, np.integer):
        classes = _whole(array, name, path)
        column = classes.ndim == 2 and classes.shape[1] == 1
        return torch.from_numpy(classes[:, 0].copy() if column else classes)
    return torch.from_numpy(_real(array, name, path))


def _whole(array: np.ndarray, name: str, path: Path) -> np.ndarray:
    if array.dtype == np.uint64 and array.size and array.max() > 2**63 - 1:
        raise ValueError(
            f"{name} in {path} has numbers above 2**63: store smaller ones"
        )
    return array.astype(np.int64)


def _real(array: np.ndarray, name: str, path: Path) -> np.ndarray:
    if not (array.dtype == bool or np.issubdtype(array.dtype, np.floating)):
        raise ValueError(
            f"{name} in {path} has the dtype {array.dtype}: expected floats or whole "
            "numbers"
        )
    with np.errstate(over="ignore"):  # what overflows float32 is counted here
        real = array.astype(np.float32)
    wrong = int(real.size - np.isfinite(real).sum())
    if wrong:
        raise ValueError(
            f"{name} in {path} has {wrong:,} of {real.size:,} values that are NaN or "
            "infinite in single precision: fill or drop them, or scale the array"
        )
    return real
