"""Stochastic gradient descent as a generator of steps, with nothing inside.

Whatever watches the training stands outside the loop::

    for record in train_steps(model, batches, config):
        tracker.update()

and evaluation borrows the model and hands its mode back.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .validation import check_choice, check_positive, check_positive_int


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a network is trained; the defaults are the authors' for the MLP."""

    steps: int = 30_000
    learning_rate: float = 0.1
    batch_size: int | None = 64  # samples a step; None: all of them, always
    optimizer: str = "sgd"  # a name in OPTIMIZERS
    freeze_batchnorm_after: int | None = None  # step; the published CNN script: 100
    seed: int = 0  # of the weights, the order of the batches and dropout

    def __post_init__(self):
        check_positive_int(self.steps, "steps")
        check_positive(self.learning_rate, "learning rate")
        if self.batch_size is not None:
            check_positive_int(self.batch_size, "batch size")
        check_choice(self.optimizer, OPTIMIZERS, "optimizer")
        if self.freeze_batchnorm_after is not None:
            check_positive_int(self.freeze_batchnorm_after, "freeze_batchnorm_after")


@dataclass(frozen=True)
class StepRecord:
    """One step that was taken: its number from 1, and the loss before it, in nats."""

    step: int
    loss: float


@dataclass(frozen=True)
class Evaluation:
    """Mean loss in nats and fraction of right answers on a data set."""

    loss: float
    accuracy: float


class DivergenceError(ArithmeticError):
    """The loss is no longer a finite number, so training cannot go on."""


class SGD:
    """w ← w − lr · ∂L/∂w and nothing else: `torch.optim.SGD` without its options.

    The same bits as torch's, at less overhead per step: on a small network the
    bookkeeping of the general optimizer costs as much as the update itself.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float):
        self.parameters, self.lr = [p for p in parameters if p.requires_grad], lr

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.add_(parameter.grad, alpha=-self.lr)


OPTIMIZERS = {
    "sgd": SGD,
    "momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum=0.9),
    "adam": lambda parameters, lr: torch.optim.Adam(parameters, lr),
}


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean of −ln p(target) in nats, over samples and, if any, places in a sequence."""
    return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())


def train_steps(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    config: TrainConfig,
    *,
    loss_function=cross_entropy,
) -> Iterator[StepRecord]:
    """Train `model` in place and yield after every step.

    Parameters
    ----------
    model : torch.nn.Module
    batches : iterable of (inputs, targets)
        At least ``config.steps`` of them.
    config : TrainConfig
    loss_function : callable (outputs, targets) -> scalar

    Yields
    ------
    StepRecord

    Raises
    ------
    DivergenceError
        If the loss is NaN or infinite; the weights are those of the step before.
    ValueError
        If the batches end before the steps do.

    Examples
    --------
    >>> model = nn.Linear(2, 2)
    >>> batch = torch.eye(2), torch.tensor([0, 1])
    >>> config = TrainConfig(steps=50, learning_rate=1.0)
    >>> losses = [r.loss for r in train_steps(model, [batch] * 50, config)]
    >>> losses[-1] < losses[0]
    True
    """
    optimizer = OPTIMIZERS[config.optimizer](model.parameters(), config.learning_rate)
    model.train()
    source = iter(batches)
    for step in range(1, config.steps + 1):
        batch = next(source, None)
        if batch is None:
            raise ValueError(
                f"the batches ended after {step - 1} of {config.steps} steps: hand in "
                "an endless iterable, as InMemoryBatches is, or fewer steps"
            )
        inputs, targets = batch
        loss = loss_function(model(inputs), targets)
        value = loss.item()
        if not math.isfinite(value):
            raise DivergenceError(
                f"the loss is {value} at step {step} with learning rate "
                f"{config.learning_rate:g}: lower the learning rate, or look for NaN "
                "in the inputs"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step == config.freeze_batchnorm_after:
            freeze_batchnorm(model)
        yield StepRecord(step, value)


def freeze_batchnorm(model: nn.Module) -> None:
    """Let every BatchNorm layer use its running statistics from now on.

    The published CNN script does this unawares: its evaluation at step 100 leaves the
    model in evaluation mode.
    """
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[nn.Module]:
    """Borrow the model in evaluation mode; every layer gets its own mode back.

    >>> model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(3).eval())
    >>> with eval_mode(model):
    ...     any(module.training for module in model.modules())
    False
    >>> [module.training for module in model]
    [True, False]
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield model.eval()
    finally:
        for module, training in modes:
            module.training = training


@torch.no_grad()
def evaluate(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    batch_size: int = 250,
    loss_function=cross_entropy,
) -> Evaluation:
    """Measure loss and accuracy in evaluation mode; the model's mode comes back.

    Parameters
    ----------
    inputs : Tensor, shape (samples, ...)
    targets : Tensor of int64, shape (samples,) or (samples, places)
    batch_size : int
        Samples at a time: bounds the memory, changes the result only in rounding.
    """
    check_positive_int(batch_size, "batch size")
    loss, right = 0.0, 0
    with eval_mode(model):
        for x, y in zip(
            inputs.split(batch_size), targets.split(batch_size), strict=True
        ):
            outputs = model(x)
            loss += loss_function(outputs, y).item() * y.numel()
            right += (outputs.argmax(-1) == y).sum().item()
    return Evaluation(loss / targets.numel(), right / targets.numel())


def resolve_device(device: str = "auto") -> torch.device:
    """Return the device by name; "auto" is the GPU if there is one, else the CPU."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


evaluating, pick_device = eval_mode, resolve_device  # former names
