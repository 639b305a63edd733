"""The updates of every weight over one window of steps, with their signs.

Histograms forget which weight moved when. What follows needs it: the direction that a
window of updates shares, and what the updates know of activity. So one window is held
at a time, whatever the length of the run.
"""

import numpy as np
import torch
from torch import nn

from ..checks import positive_int
from ..parameters import FlatParameters


class UpdateWindow:
    """Hold Δw of all weights over the steps of one window.

    Make it after the model and before the first step, call `update` after each step,
    and `take` what is there at the end of a window.

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
    >>> updates = window.take()
    >>> window.split(updates)["model"].shape             # (steps, units, weights each)
    (1, 1, 2)
    """

    def __init__(self, model: nn.Module, steps: int):
        parameters = FlatParameters(model)
        kept = [
            (slot, parameter)
            for slot, parameter in zip(
                parameters.slots, parameters.parameters, strict=True
            )
            if parameter.ndim > 1
        ]
        if not kept:
            raise ValueError(
                f"{type(model).__name__} has no weights, that is no trainable "
                "parameters with two axes or more"
            )
        self.layers: dict[str, tuple[int, int]] = {}
        for slot, parameter in kept:
            # A layer with several such parameters: each under its own name.
            taken = slot.layer in self.layers
            name = slot.name if taken else slot.layer
            self.layers[name] = (len(parameter), parameter[0].numel())
        sizes = [parameter.numel() for _, parameter in kept]
        self._stops = np.cumsum(sizes).tolist()
        self._parameters = [parameter for _, parameter in kept]
        self._before = [parameter.detach().clone() for parameter in self._parameters]
        self._window = torch.empty(positive_int(steps, "steps"), self._stops[-1])
        self._filled = 0

    @torch.no_grad()
    def update(self) -> None:
        """Keep the change of all weights since the last call."""
        if self._filled == len(self._window):
            raise ValueError(
                f"the window of {len(self._window)} steps is full: take() what is "
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

    def take(self) -> np.ndarray:
        """Return (steps, weights), float32, since the last call of this.

        A view that holds until the next `update`.
        """
        filled, self._filled = self._filled, 0
        return self._window[:filled].numpy()

    def split(self, updates: np.ndarray) -> dict[str, np.ndarray]:
        """Return (steps, units, weights of each unit) of every layer, as views."""
        starts = [0, *self._stops]
        return {
            name: updates[:, starts[k] : starts[k + 1]].reshape(len(updates), *shape)
            for k, (name, shape) in enumerate(self.layers.items())
        }
