"""The signed updates of every weight over one window of steps."""

import numpy as np
import torch
from torch import nn

from ..flat_parameters import FlatParameters
from ..validation import check_positive_int
from .hooks import Observer


class UpdateWindow(Observer):
    """Record Δw of all weights over the steps of one window, with their signs.

    Call `update` after each step, and `pop` what was recorded at the end of a window.

    Parameters
    ----------
    model : torch.nn.Module
        Trainable parameters with two axes or more count: not biases and norms.
    steps : int
        Most steps in a window. Memory is 4 · steps · weights bytes.

    Attributes
    ----------
    layers : dict of str to tuple
        Units and weights per unit of each layer, in order.

    Examples
    --------
    >>> model = nn.Linear(2, 1)
    >>> window = UpdateWindow(model, steps=5)
    >>> with torch.no_grad():
    ...     _ = model.weight.add_(torch.tensor([[0.5, 0.0]]))
    >>> window.update()
    >>> window.split(window.pop())["model"].shape        # (steps, units, weights each)
    (1, 1, 2)
    """

    def __init__(self, model: nn.Module, steps: int):
        self.layers: dict[str, tuple[int, int]] = {}
        self._parameters = []
        flat = FlatParameters(model)
        for part, parameter in zip(flat.slices, flat.parameters, strict=True):
            if parameter.ndim > 1:
                # A layer with several such parameters: each under its own name.
                name = part.name if part.layer in self.layers else part.layer
                self.layers[name] = (len(parameter), parameter[0].numel())
                self._parameters.append(parameter)
        if not self._parameters:
            raise ValueError(
                f"{type(model).__name__} has no trainable parameter of two axes or more"
            )
        self._stops = np.cumsum([p.numel() for p in self._parameters]).tolist()
        self._before = [parameter.detach().clone() for parameter in self._parameters]
        self._window = torch.empty(check_positive_int(steps, "steps"), self._stops[-1])
        self._filled = 0

    @torch.no_grad()
    def update(self) -> None:
        """Record the change of all weights since the last call."""
        if self._filled == len(self._window):
            raise ValueError(
                f"the window of {self._filled} steps is full: pop() before update()"
            )
        row = self._window[self._filled].tensor_split(self._stops[:-1])
        each = zip(row, self._parameters, self._before, strict=True)
        for out, parameter, before in each:
            wide = torch.promote_types(parameter.dtype, torch.float32)
            out.copy_((parameter.to(wide) - before.to(wide)).flatten())
            before.copy_(parameter)
        self._filled += 1

    def pop(self) -> np.ndarray:
        """Return (steps, weights) since the last `pop`; `update` overwrites it."""
        filled, self._filled = self._filled, 0
        return self._window[:filled].numpy()

    take = pop  # former name

    def split(self, updates: np.ndarray) -> dict[str, np.ndarray]:
        """Return (steps, units, weights of each unit) of every layer, as views."""
        parts = np.split(updates, self._stops[:-1], axis=1)
        items = zip(parts, self.layers.items(), strict=True)
        return {name: part.reshape(-1, *shape) for part, (name, shape) in items}
