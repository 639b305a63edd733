"""A reader's own network and data.

A model file is code: naming it runs it. A data file is numbers: nothing in it is run.
"""

import runpy
import sys
from dataclasses import dataclass
from math import nan
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.batches import InMemoryBatches
from ..data.images import ImageData
from ..training import Evaluation, cross_entropy, eval_mode, evaluate

REQUIRED, OPTIONAL = ("x_train", "y_train"), ("x_test", "y_test")
EVAL_BATCH_SIZE = 250  # bounds the memory of an evaluation


@dataclass(frozen=True, eq=False, repr=False)
class Task:
    """Inputs and targets, to train on and, if there are any, to test on.

    Parameters
    ----------
    train_inputs, test_inputs : Tensor, shape (samples, ...)
    train_targets, test_targets : Tensor
        Classes from 0, int64, shape (samples,) or (samples, places), learned by cross
        entropy; or numbers, float32, (samples, ...), learned by mean squared error.

    Examples
    --------
    >>> task = Task(torch.zeros(4, 3), torch.tensor([0.0, 1.0, 2.0, 3.0]))
    >>> task
    Task(regression: 4 samples of shape (3,), targets of shape (), no test data)
    >>> task.loss(torch.ones(4, 1), task.train_targets).item()     # (1 + 0 + 1 + 4) / 4
    1.5
    """

    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor | None = None
    test_targets: Tensor | None = None

    def __post_init__(self):
        if (self.test_inputs is None) != (self.test_targets is None):
            raise ValueError("test data need both x_test and y_test: give both or none")
        train, test = self._samples("train"), self._samples("test")
        for part, (x, y) in {"train": train, "test": test or train}.items():
            if not x.numel() or not y.numel() or len(x) != len(y):
                raise ValueError(
                    f"x_{part} and y_{part} have the shapes {tuple(x.shape)} and "
                    f"{tuple(y.shape)}: expected as many samples in each, at least one"
                )
            for name, own, like in zip("xy", (x, y), train, strict=True):
                if (own.shape[1:], own.dtype) != (like.shape[1:], like.dtype):
                    raise ValueError(
                        f"{name}_{part} has samples of {tuple(own.shape[1:])}, "
                        f"{own.dtype}, but {name}_train of {tuple(like.shape[1:])}, "
                        f"{like.dtype}"
                    )
            if self.is_classification and y.min() < 0:
                raise ValueError(
                    f"y_{part} has the class {int(y.min())}: classes count from 0; "
                    "for a regression store y as floats"
                )

    def _samples(self, part: str) -> tuple[Tensor, Tensor] | None:
        x, y = getattr(self, f"{part}_inputs"), getattr(self, f"{part}_targets")
        return None if x is None else (x, y)

    @classmethod
    def of(cls, images: ImageData) -> "Task":
        """Return the task of an image set, see `netdyn_utils.data.load_images`."""
        train = images.train_inputs, images.train_targets
        return cls(*train, images.test_inputs, images.test_targets)

    @property
    def is_classification(self) -> bool:
        """Whether the targets are classes."""
        return not self.train_targets.is_floating_point()

    @property
    def classes(self) -> int:
        """How many classes there are, the highest one plus 1; 0 for a regression."""
        parts = [p for p in (self.train_targets, self.test_targets) if p is not None]
        return max(int(p.max()) + 1 for p in parts) if self.is_classification else 0

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the cross entropy in nats, or the mean squared error."""
        if self.is_classification:
            return cross_entropy(outputs, targets)
        # Reshaped, for (samples, 1) and (samples,) would broadcast to a square.
        return F.mse_loss(outputs.reshape(targets.shape), targets)

    def batches(self, batch_size: int, generator: torch.Generator) -> InMemoryBatches:
        """Return batches of the training data without end."""
        return InMemoryBatches(
            self.train_inputs, self.train_targets, batch_size, generator=generator
        )

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> Evaluation:
        """Return loss and accuracy (or NaN) on the test data, if any, or the others."""
        x, y = self._samples("test") or self._samples("train")
        if self.is_classification:
            return evaluate(model, x, y, batch_size=EVAL_BATCH_SIZE)
        with eval_mode(model):
            outputs = torch.cat([model(part) for part in x.split(EVAL_BATCH_SIZE)])
        return Evaluation(self.loss(outputs, y).item(), nan)

    @torch.no_grad()
    def check_model(self, model: nn.Module, batch_size: int) -> None:
        """Refuse a network to which the first batch does not fit, with the shapes."""
        x, y = self.train_inputs[:batch_size], self.train_targets[:batch_size]
        name, shape, targets = type(model).__name__, tuple(x.shape), tuple(y.shape)
        try:
            with eval_mode(model):
                outputs = model(x)
        except Exception as error:
            raise ValueError(
                f"{name} cannot take the first batch, shape {shape}, {x.dtype}: {error}"
            ) from error
        got = tuple(getattr(outputs, "shape", ()))  # a tuple of tensors has none
        if self.is_classification:
            fits = got[:-1] == targets and got[-1] >= self.classes
            expected = f"{(*targets, self.classes)}, one value a class"
        else:
            fits = got[:1] == targets[:1] and outputs.numel() == y.numel()
            expected = f"{targets}, as the targets"
        if not fits:
            raise ValueError(
                f"{name} gives outputs of shape {got} for inputs of shape {shape}: "
                f"expected {expected}; classes are whole numbers, floats a regression"
            )

    measure, check, classifies = evaluate, check_model, is_classification  # former

    def __repr__(self):
        x, y, test = self.train_inputs, self.train_targets, self._samples("test")
        kind, own = "regression", f"targets of shape {tuple(y.shape[1:])}"
        if self.is_classification:
            kind, own = "classification", f"{self.classes} classes"
        own += f", {len(test[0]):,} to test" if test else ", no test data"
        return f"Task({kind}: {len(x):,} samples of shape {tuple(x.shape[1:])}, {own})"


def load_arrays(path: str | Path) -> Task:
    """Read a learning task from an npz file of numbers; pickled objects are refused.

    Parameters
    ----------
    path : str or Path
        With the arrays x_train and y_train, and optionally x_test and y_test, samples
        along the first axis. Inputs of uint8 are pixels and scaled to [−1, 1], other
        whole numbers are kept, for an embedding, and floats become float32. Targets
        that are whole numbers are classes, floats are numbers (regression).

    Raises
    ------
    OSError, zipfile.BadZipFile, ValueError
        If the file is missing or damaged, or an array is missing, holds objects, text,
        NaN or infinities, or does not fit the others.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "mine.npz"
    >>> np.savez(path, x_train=np.zeros((5, 3)), y_train=np.arange(5))
    >>> load_arrays(path)
    Task(classification: 5 samples of shape (3,), 5 classes, no test data)
    """
    path = Path(path).expanduser().absolute()
    remedy = "write it with np.savez(path, x_train=..., y_train=...)"
    with path.open("rb") as file:  # by itself, numpy leaves a damaged one open
        try:
            found = np.load(file, allow_pickle=False)
            names = getattr(found, "files", ())  # a bare npy file has none
            arrays = {n: found[n] for n in (*REQUIRED, *OPTIONAL) if n in names}
        except ValueError as error:  # numpy's own advice is to unpickle it
            raise ValueError(
                f"{path} is no npz file of numbers, and pickled objects, which would "
                f"be code, are not loaded: {remedy}"
            ) from error
    if missing := [name for name in REQUIRED if name not in arrays]:
        raise ValueError(f"{path} has no {' and no '.join(missing)}: {remedy}")
    tensors = {name: _to_tensor(array, name) for name, array in arrays.items()}
    return Task(*(tensors.get(name) for name in (*REQUIRED, *OPTIONAL)))


def _to_tensor(array: np.ndarray, name: str) -> Tensor:
    """Return pixels scaled, classes as int64, and other numbers as finite float32."""
    targets, kind = name in ("y_train", "y_test"), array.dtype.kind
    if array.dtype == np.uint8 and not targets:
        return torch.from_numpy(array).float().div_(255).sub_(0.5).div_(0.5)
    if kind in "iu" or (kind == "b" and targets):
        whole = torch.from_numpy(array.astype(np.int64))
        return whole.flatten() if targets and whole.shape[1:] == (1,) else whole
    if kind not in "fb":
        raise ValueError(
            f"{name} has the dtype {array.dtype}: expected floats or whole numbers"
        )
    with np.errstate(over="ignore"):  # what overflows float32 is counted below
        real = torch.from_numpy(array.astype(np.float32))
    if wrong := int((~real.isfinite()).sum()):
        raise ValueError(
            f"{name} has {wrong:,} of {real.numel():,} values that are NaN or infinite "
            "in single precision: fill or drop them, or scale the array"
        )
    return real


def load_model(source: str) -> nn.Module:
    """Run a Python file and return the network that a function in it builds.

    Parameters
    ----------
    source : str
        ``"path/to/file.py:function"``; the function, or class, takes no arguments. The
        file runs again at each call and may import from its own folder. Call
        ``torch.manual_seed`` before for the same weights each time.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "mine.py"
    >>> code = "from torch import nn\\ndef build():\\n    return nn.Linear(3, 2)\\n"
    >>> _ = path.write_text(code)
    >>> load_model(f"{path}:build")
    Linear(in_features=3, out_features=2, bias=True)
    """
    file, _, name = source.rpartition(":")
    path = Path(file).expanduser().absolute()
    if path.suffix != ".py" or not name.isidentifier():
        raise ValueError(
            f"model={source!r} names no function in a file: expected "
            '"path/to/file.py:function"'
        )
    before = list(sys.path)
    sys.path.insert(0, str(path.parent))
    try:
        # Not imported: that would write a cache beside the file, and miss a quick edit.
        build = runpy.run_path(str(path), run_name="netdyn_custom").get(name)
        model = build() if callable(build) else build
    finally:
        sys.path[:] = before
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"{name} in {path} gave {model!r:.60}: it must be a function that takes "
            "nothing and returns a torch.nn.Module"
        )
    return model
