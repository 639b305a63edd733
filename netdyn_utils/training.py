"""Training as a generator of steps, and evaluation; observers are called outside.

``for record in train_steps(model, batches, config): tracker.update()`` is all of it.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

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
    seed: int = 0  # of the weights, the order of the batches, and dropout

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
    """Number of a step, from 1, and the loss before it, in nats."""

    step: int
    loss: float


@dataclass(frozen=True)
class Evaluation:
    """Mean loss in nats, and accuracy as a fraction, on a data set."""

    loss: float
    accuracy: float


class DivergenceError(ArithmeticError):
    """The loss is NaN or infinite."""


class SGD:
    """The same bits as `torch.optim.SGD` without options, with less overhead."""

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
    """Return the mean of −ln p(target) in nats over samples and their positions."""
    return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())


def train_steps(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    config: TrainConfig,
    *,
    loss_function=cross_entropy,
) -> Iterator[StepRecord]:
    """Train `model` in place; yield step number and loss after every step.

    `batches` are pairs (inputs, targets), at least ``config.steps`` of them. Raises
    DivergenceError if the loss is NaN or infinite; the weights are those before the
    step.

    >>> model = nn.Linear(2, 2)
    >>> batch = torch.eye(2), torch.tensor([0, 1])
    >>> config = TrainConfig(steps=50, learning_rate=1.0)
    >>> losses = [r.loss for r in train_steps(model, [batch] * 50, config)]
    >>> losses[-1] < losses[0]
    True
    """
    optimizer = OPTIMIZERS[config.optimizer](model.parameters(), config.learning_rate)
    model.train()
    step = 0
    for step, (inputs, targets) in enumerate(islice(batches, config.steps), start=1):
        loss = loss_function(model(inputs), targets)
        value = loss.item()
        if not math.isfinite(value):
            raise DivergenceError(
                f"the loss is {value} at step {step} with learning rate "
                f"{config.learning_rate:g}: lower it, or look for NaN in the inputs"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step == config.freeze_batchnorm_after:
            for module in model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        yield StepRecord(step, value)
    if step < config.steps:
        raise ValueError(
            f"the batches ended after {step} of {config.steps} steps: pass an endless "
            "iterable, such as InMemoryBatches, or ask for fewer steps"
        )


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[nn.Module]:
    """Put a model in evaluation mode for a block; then restore the mode of each layer.

    >>> model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(3).eval())
    >>> with eval_mode(model):
    ...     assert not any(module.training for module in model.modules())
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
    """Return the mean loss and the accuracy in evaluation mode.

    `targets` are int64, shape (samples,) or (samples, positions). `batch_size` bounds
    the memory, and changes the result only in rounding.
    """
    check_positive_int(batch_size, "batch size")
    loss, right = 0.0, 0
    parts = inputs.split(batch_size), targets.split(batch_size)
    with eval_mode(model):
        for x, y in zip(*parts, strict=True):
            outputs = model(x)
            loss += loss_function(outputs, y).item() * y.numel()
            right += (outputs.argmax(-1) == y).sum().item()
    return Evaluation(loss / targets.numel(), right / targets.numel())


def resolve_device(device: str = "auto") -> torch.device:
    """Return a device by name; "auto" is the GPU if there is one, else the CPU."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


evaluating, pick_device = eval_mode, resolve_device  # former names
