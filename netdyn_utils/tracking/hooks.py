"""Calling an observer after the steps of one or more optimizers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch.optim import Optimizer


class Observer(ABC):
    """What looks at a model after each step: called by hand, or by an optimizer."""

    @abstractmethod
    def update(self) -> None:
        """Look at the model after a step."""

    def attach(self, *optimizers: Optimizer) -> "StepHook":
        """Call `update` after each step of an optimizer, until the handle is removed.

        With several optimizers a step is over when each of them has stepped, or when
        one is about to step again. Steps that a gradient scaler skips are not counted;
        batches whose gradients are accumulated make one step. Do not call `update` as
        well, or each step counts twice. Attach a tracker before the intervals that use
        it. The handle that is returned has ``remove()`` and is a context manager.

        >>> from torch import nn, optim
        >>> from netdyn_utils import UpdateTracker
        >>> model = nn.Linear(2, 1)
        >>> optimizer = optim.SGD(model.parameters(), 0.1)
        >>> tracker = UpdateTracker(model)
        >>> with tracker.attach(optimizer):
        ...     _ = optimizer.step()
        >>> tracker.steps
        1
        """
        return StepHook(self.update, optimizers)


class StepHook:
    """Call a function once per step of all optimizers, until `remove`.

    A step is over when every optimizer has stepped, or when one that has stepped is
    about to step again.
    """

    def __init__(self, call: Callable[[], None], optimizers: Sequence[Optimizer]):
        if not optimizers:
            raise ValueError("attach needs an optimizer, and got none")
        optimizers = [_innermost(optimizer) for optimizer in optimizers]
        self._call, self._waiting = call, len(optimizers)
        self._stepped: set[int] = set()
        self._handles = [
            handle
            for optimizer in optimizers
            for handle in (
                optimizer.register_step_pre_hook(self._before),
                optimizer.register_step_post_hook(self._after),
            )
        ]

    def _before(self, optimizer: Optimizer, *_) -> None:
        if id(optimizer) in self._stepped:
            self._finish()

    def _after(self, optimizer: Optimizer, *_) -> None:
        self._stepped.add(id(optimizer))
        if len(self._stepped) == self._waiting:
            self._finish()

    def _finish(self) -> None:
        self._stepped.clear()
        self._call()

    def remove(self) -> None:
        """Stop; a step that only some of the optimizers took is counted before."""
        if self._stepped:
            self._finish()
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()


def _innermost(optimizer: Optimizer) -> Optimizer:
    """Return the optimizer inside the wrappers of Accelerate and Lightning."""
    while isinstance(inner := getattr(optimizer, "optimizer", None), Optimizer):
        optimizer = inner
    return optimizer
