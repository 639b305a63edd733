"""How active each unit is on a fixed batch, at every step of a run.

A unit's activation is its mean over the samples of a class, for each class; the mean
over classes then weighs every digit alike. One small forward pass a step, nothing else.
"""

import numpy as np
import torch
from torch import Tensor, nn

from ..checks import positive_int
from .activations import LayerOutputs


class ActivationProbe:
    """Record the mean activation of every unit on a fixed batch, per class.

    Make it before the first step and call `update` after each.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : Tensor, (samples, ...)
        The fixed batch; `probe_batch` draws one with as many samples of each class.
        A hundred images cost about a fifth of a training step of the five-layer MLP.
    labels : Tensor of int64, (samples,)
        Class of each sample, whatever the model is trained for.
    activation : callable
        What the network applies to the output of every layer but the last.

    Attributes
    ----------
    layers : tuple of str
    classes : array of int64, (classes,)
        The labels that occur, ascending.

    Raises
    ------
    ValueError
        If inputs and labels differ in number, or there are none.

    Notes
    -----
    The units of a layer lie along axis 1 of its output; further axes (the places of an
    image) are averaged. See `LayerOutputs` for what a layer's output is.

    Examples
    --------
    >>> model = nn.Linear(2, 2, bias=False)
    >>> _ = nn.init.eye_(model.weight)
    >>> batch = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    >>> probe = ActivationProbe(model, batch, torch.tensor([0, 0, 1]))
    >>> probe.update()
    >>> probe.take()["model"][0]                              # (classes, units)
    array([[2., 0.],
           [0., 1.]], dtype=float32)
    """

    def __init__(
        self, model: nn.Module, inputs: Tensor, labels: Tensor, *, activation=torch.relu
    ):
        if labels.shape != (len(inputs),) or not len(inputs):
            raise ValueError(
                f"got {len(inputs)} inputs and labels of shape {tuple(labels.shape)}: "
                "expected one class label for each sample, and at least one sample"
            )
        self._outputs, self._inputs = LayerOutputs(model), inputs
        self._activation = activation
        classes, place, counts = labels.unique(return_inverse=True, return_counts=True)
        self.classes = classes.cpu().numpy()
        members = nn.functional.one_hot(place, len(classes)).T.to(inputs.device)
        self._weights = members / counts.unsqueeze(1)  # (classes, samples): a mean
        self.layers = tuple(self._outputs(inputs))
        self._means: list[list[Tensor]] = []

    @torch.no_grad()
    def update(self) -> None:
        """Measure all units on the fixed batch, after a step."""
        outputs = self._outputs(self._inputs)
        means = []
        for name, output in outputs.items():
            active = output if name == self.layers[-1] else self._activation(output)
            # (samples, units, places …) → (samples, units)
            active = active.flatten(2).mean(2) if active.ndim > 2 else active
            means.append(self._weights @ active)
        self._means.append(means)

    def take(self) -> dict[str, np.ndarray]:
        """Return (steps, classes, units) of each layer since the last call of this."""
        if not self._means:
            raise ValueError("nothing was recorded: call update() after a step first")
        taken, self._means = self._means, []
        return {
            name: torch.stack([means[k] for means in taken]).cpu().numpy()
            for k, name in enumerate(self.layers)
        }


def probe_batch(
    inputs: Tensor, labels: Tensor, per_class: int
) -> tuple[Tensor, Tensor]:
    """Return the first `per_class` samples of each class, and their labels.

    >>> probe_batch(torch.arange(6), torch.tensor([0, 1, 0, 1, 0, 1]), 2)[0]
    tensor([0, 2, 1, 3])
    """
    positive_int(per_class, "per_class")
    places = []
    for label in labels.unique():
        found = (labels == label).nonzero().flatten()[:per_class]
        if len(found) < per_class:
            raise ValueError(
                f"class {label.item()} has {len(found)} samples, {per_class} were "
                "asked for: lower per_class"
            )
        places.append(found)
    index = torch.cat(places)
    return inputs[index], labels[index]
