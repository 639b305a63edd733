"""The updates of every weight over one window of steps, with their signs.

Histograms forget which weight moved when. What follows needs it: the direction that a
window of updates shares, and what the updates know of activity. So one window is held
at a time, whatever the length of the run.
"""

import numpy as np
import torch
from torch import nn

from ..flat_parameters import FlatParameters
from ..validation import check_positive_int


class UpdateWindow:
    """Hold Δw of all weights over the steps of one window.

    Make it after the model and before the first step, call `update` after each step,
    and `pop` what is there at the end of a window.

    Parameters
    ----------
    model : torch.nn.Module
        Weights are the trainable parameters with two axes or more: units (outputs) and
        what feeds them. Biases and norms do not count here.
    steps : int
        Most steps in a window. Memory is 4 · steps · weights bytes.

    Attributes
    ----------
    layers : dict of str to tuple
        Units and weights per unit of each layer, in order.

    Raises
    ------
    ValueError
        If the model has no weights.

    Examples
    --------
    >>> model = nn.Linear(2, 1)
    >>> window = UpdateWindow(model, steps=5)
    >>> with torch.no_grad():
    ...     _ = model.weight.add_(torch.tensor([[0.5, 0.0]]))
    >>> window.update()
    >>> updates = window.pop()
    >>> window.split(updates)["model"].shape             # (steps, units, weights each)
    (1, 1, 2)
    """

    def __init__(self, model: nn.Module, steps: int):
        flat = FlatParameters(model)
        self.layers: dict[str, tuple[int, int]] = {}
        self._parameters = []
        for part, parameter in zip(flat.slices, flat.parameters, strict=True):
            if parameter.ndim > 1:
                # A layer with several such parameters: each under its own name.
                name = part.name if part.layer in self.layers else part.layer
                self.layers[name] = (len(parameter), parameter[0].numel())
                self._parameters.append(parameter)
        if not self._parameters:
            raise ValueError(
                f"{type(model).__name__} has no weights, that is no trainable "
                "parameters with two axes or more"
            )
        self._stops = np.cumsum([p.numel() for p in self._parameters]).tolist()
        self._before = [parameter.detach().clone() for parameter in self._parameters]
        self._window = torch.empty(check_positive_int(steps, "steps"), self._stops[-1])
        self._filled = 0

    @torch.no_grad()
    def update(self) -> None:
        """Keep the change of all weights since the last call."""
        if self._filled == len(self._window):
            raise ValueError(
                f"the window of {len(self._window)} steps is full: pop() what is "
                "there before the next update()"
            )
        row, start = self._window[self._filled], 0
        for parameter, before, stop in zip(
            self._parameters, self._before, self._stops, strict=True
        ):
            row[start:stop].copy_((parameter - before).flatten())
            before.copy_(parameter)
            start = stop
        self._filled += 1

    def pop(self) -> np.ndarray:
        """Return (steps, weights), float32, since the last call of this.

        A view that holds until the next `update`.
        """
        filled, self._filled = self._filled, 0
        return self._window[:filled].numpy()

    take = pop  # former name

    def split(self, updates: np.ndarray) -> dict[str, np.ndarray]:
        """Return (steps, units, weights of each unit) of every layer, as views."""
        parts = np.split(updates, self._stops[:-1], axis=1)
        return {
            name: part.reshape(len(updates), *shape)
            for part, (name, shape) in zip(parts, self.layers.items(), strict=True)
        }
