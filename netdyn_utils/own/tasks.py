"""What a network is to learn: inputs, targets, and the loss that they call for."""

from dataclasses import dataclass
from math import nan

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.batches import InMemoryBatches
from ..data.images import ImageData
from ..training import cross_entropy, evaluating

AT_ONCE = 250  # samples of an evaluation: bounds the memory


@dataclass(frozen=True, eq=False, repr=False)
class Task:
    """Inputs and targets, to train on and if there are any to test on.

    Parameters
    ----------
    train_inputs, test_inputs : Tensor, shape (samples, ...)
    train_targets, test_targets : Tensor
        int64, shape (samples,) or (samples, places): classes from 0, learned by cross
        entropy. Or float32, shape (samples, ...): numbers, learned by mean squared
        error.

    Raises
    ------
    ValueError
        If lengths or shapes disagree, there is no sample, or a class is negative.

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
        _check_pair(self.train_inputs, self.train_targets, "train")
        if (self.test_inputs is None) != (self.test_targets is None):
            raise ValueError("test data need both x_test and y_test: give both or none")
        if self.test_inputs is None:
            return
        _check_pair(self.test_inputs, self.test_targets, "test")
        for letter, one, other in (
            ("x", self.train_inputs, self.test_inputs),
            ("y", self.train_targets, self.test_targets),
        ):
            if one.shape[1:] != other.shape[1:] or one.dtype != other.dtype:
                raise ValueError(
                    f"{letter}_train has samples of shape {tuple(one.shape[1:])} and "
                    f"{one.dtype}, {letter}_test of {tuple(other.shape[1:])} and "
                    f"{other.dtype}: both must agree"
                )

    @classmethod
    def of(cls, images: ImageData) -> "Task":
        """Return the task of an image set, see `netdyn_utils.data.load_images`."""
        train = images.train_inputs, images.train_targets
        return cls(*train, images.test_inputs, images.test_targets)

    @property
    def classifies(self) -> bool:
        """Whether the targets are classes."""
        return not self.train_targets.is_floating_point()

    @property
    def classes(self) -> int:
        """How many classes there are, the highest one plus 1; 0 for a regression."""
        parts = [t for t in (self.train_targets, self.test_targets) if t is not None]
        return max(int(t.max()) + 1 for t in parts) if self.classifies else 0

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the cross entropy in nats, or the mean squared error."""
        if self.classifies:
            return cross_entropy(outputs, targets)
        # Reshaped, for (samples, 1) and (samples,) would spread to a square.
        return F.mse_loss(outputs.reshape(targets.shape), targets)

    def batches(self, batch_size: int, generator: torch.Generator) -> InMemoryBatches:
        """Return batches of the training data without end."""
        return InMemoryBatches(
            self.train_inputs, self.train_targets, batch_size, generator=generator
        )

    @torch.no_grad()
    def measure(self, model: nn.Module) -> tuple[float, float]:
        """Return loss and share of right answers on test data, or training data.

        In evaluation mode; the model's own mode comes back. The share is NaN for a
        regression.
        """
        inputs, targets = self.test_inputs, self.test_targets
        if inputs is None:
            inputs, targets = self.train_inputs, self.train_targets
        loss, right = 0.0, 0
        with evaluating(model):
            for x, y in zip(inputs.split(AT_ONCE), targets.split(AT_ONCE), strict=True):
                outputs = model(x)
                loss += self.loss(outputs, y).item() * len(y)
                if self.classifies:
                    right += (outputs.argmax(-1) == y).sum().item()
        share = right / targets.numel() if self.classifies else nan
        return loss / len(targets), share

    @torch.no_grad()
    def check(self, model: nn.Module, batch_size: int) -> None:
        """Try the first batch in evaluation mode: does the network fit the data?

        Raises
        ------
        ValueError
            If the network cannot take the inputs, or its outputs do not fit the
            targets; the message has both shapes.
        """
        x, y = self.train_inputs[:batch_size], self.train_targets[:batch_size]
        name, shape = type(model).__name__, tuple(x.shape)
        try:
            with evaluating(model):
                outputs = model(x)
        except Exception as error:
            raise ValueError(
                f"{name} cannot take the first batch, shape {shape}, {x.dtype}: "
                f"{type(error).__name__}: {error}; make the model's input and x_train "
                "agree"
            ) from error
        if not isinstance(outputs, Tensor):
            raise ValueError(
                f"{name} returned a {type(outputs).__name__} for a batch of inputs: "
                "it must return one tensor"
            )
        got, targets = tuple(outputs.shape), tuple(y.shape)
        if self.classifies:
            if got[:-1] != targets or got[-1:] < (self.classes,):
                raise ValueError(
                    f"{name} gives outputs of shape {got} for inputs of shape {shape}, "
                    f"but the targets are {self.classes} classes of shape {targets}: "
                    f"expected outputs {(*targets, self.classes)}, one value a class, "
                    "or store y as floats for a regression"
                )
        elif got[:1] != targets[:1] or outputs.numel() != y.numel():
            raise ValueError(
                f"{name} gives outputs of shape {got} for inputs of shape {shape}, but "
                f"the targets have shape {targets}: both must agree, or store y as "
                "whole numbers for a classification"
            )
        self._check_last_batch(model, batch_size)

    def _check_last_batch(self, model, batch_size):
        """Refuse a lone sample at the end of an epoch where a layer needs two."""
        kinds = nn.modules.batchnorm._BatchNorm
        needs_two = any(isinstance(module, kinds) for module in model.modules())
        if needs_two and 1 in (batch_size, len(self.train_inputs) % batch_size):
            raise ValueError(
                f"{len(self.train_inputs):,} samples in batches of {batch_size} leave "
                "a batch of one, and BatchNorm needs two: choose another batch_size"
            )

    def __repr__(self):
        kind = "classification" if self.classifies else "regression"
        shape = f"targets of shape {tuple(self.train_targets.shape[1:])}"
        tests = "no test data"
        if self.test_inputs is not None:
            tests = f"{len(self.test_inputs):,} to test"
        return (
            f"Task({kind}: {len(self.train_inputs):,} samples of shape "
            f"{tuple(self.train_inputs.shape[1:])}, "
            f"{f'{self.classes} classes' if self.classifies else shape}, {tests})"
        )


def _check_pair(inputs: Tensor, targets: Tensor, part: str) -> None:
    if inputs.ndim == 0 or targets.ndim == 0 or not 0 < len(inputs) == len(targets):
        shapes = f"{tuple(inputs.shape)} and {tuple(targets.shape)}"
        raise ValueError(
            f"x_{part} and y_{part} have the shapes {shapes}: expected as many samples "
            "in each along the first axis, and at least one"
        )
    if not targets.numel() or not inputs.numel():
        raise ValueError(f"x_{part} or y_{part} holds no number: check their shapes")
    if not targets.is_floating_point() and targets.min() < 0:
        raise ValueError(
            f"y_{part} has the class {int(targets.min())}: classes count from 0 up; "
            "renumber them, or store y as floats for a regression"
        )
