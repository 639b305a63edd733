"""What the layers of a model give on a fixed batch, and how active each unit is.

The activations of a layer are the output of the module that owns its parameters, in
evaluation mode; no mode, BatchNorm statistic, gradient or random number is changed.
"""

import numpy as np
import torch
from torch import Tensor, nn

from ..flat_parameters import FlatParameters, layer_of
from ..training import eval_mode
from ..validation import check_positive_int


class LayerOutputs:
    """A function from a batch to the output of each layer of a model."""

    def __init__(self, model: nn.Module):
        modules = dict(model.named_modules())
        modules.setdefault(layer_of("weight"), model)  # layer of its own parameters
        layers = FlatParameters(model).groups("layer")
        self._model, self._names = model, {modules[name]: name for name in layers}

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> dict[str, Tensor]:
        """Return (samples, units …) by layer, without layers that did not run."""
        found: dict[str, Tensor] = {}

        def record(module, _inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            if isinstance(output, Tensor) and output.ndim > 1:
                found[self._names[module]] = output.clone()  # in-place ReLU may follow

        hooks = [module.register_forward_hook(record) for module in self._names]
        try:
            with eval_mode(self._model):
                self._model(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return {name: found[name] for name in self._names.values() if name in found}


class ActivationProbe:
    """Record the mean activation of every unit on a fixed batch, per class.

    Call `update` after each step, and `pop` what was recorded at the end of a window.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : Tensor, (samples, ...)
        The fixed batch; `probe_batch` selects one with as many samples of each class.
    labels : Tensor of int64, (samples,)
    activation : callable
        What the network applies to the output of every layer but the last.

    Attributes
    ----------
    layers : tuple of str
    classes : array of int64, (classes,)
        The labels that occur, ascending.

    Notes
    -----
    Units lie along axis 1 of a layer's output; further axes (the places of an image)
    are averaged.

    Examples
    --------
    >>> model = nn.Linear(2, 2, bias=False)
    >>> _ = nn.init.eye_(model.weight)
    >>> batch = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    >>> probe = ActivationProbe(model, batch, torch.tensor([0, 0, 1]))
    >>> probe.update()
    >>> probe.pop()["model"][0]                               # (classes, units)
    array([[2., 0.],
           [0., 1.]], dtype=float32)
    """

    def __init__(
        self, model: nn.Module, inputs: Tensor, labels: Tensor, *, activation=torch.relu
    ):
        if not 0 < len(inputs) == len(labels) == labels.numel():
            raise ValueError(
                f"expected one class label for each sample, at least one, got "
                f"{len(inputs)} inputs and labels of shape {tuple(labels.shape)}"
            )
        self._outputs, self._inputs = LayerOutputs(model), inputs
        self._activation = activation
        classes, place, counts = labels.unique(return_inverse=True, return_counts=True)
        self.classes = classes.cpu().numpy()
        means = nn.functional.one_hot(place).T / counts.unsqueeze(1)
        self._weights = means.to(inputs.device)  # (classes, samples)
        self.layers = tuple(self._outputs(inputs))
        self._means: list[list[Tensor]] = []

    @torch.no_grad()
    def update(self) -> None:
        """Measure all units on the fixed batch, after a step."""
        means = []
        for name, active in self._outputs(self._inputs).items():
            if name != self.layers[-1]:
                active = self._activation(active)
            if active.ndim > 2:  # (samples, units, places …)
                active = active.flatten(2).mean(2)
            means.append(self._weights @ active)
        self._means.append(means)

    def pop(self) -> dict[str, np.ndarray]:
        """Return (steps, classes, units) of each layer since the last `pop`."""
        if not self._means:
            raise ValueError("nothing was recorded: call update() after a step first")
        rows, self._means = self._means, []
        columns = zip(self.layers, zip(*rows, strict=True), strict=True)
        return {name: torch.stack(means).cpu().numpy() for name, means in columns}

    take = pop  # former name


def probe_batch(
    inputs: Tensor, labels: Tensor, per_class: int
) -> tuple[Tensor, Tensor]:
    """Return the first `per_class` samples of each class, and their labels.

    >>> probe_batch(torch.arange(6), torch.tensor([0, 1, 0, 1, 0, 1]), 2)[0]
    tensor([0, 2, 1, 3])
    """
    check_positive_int(per_class, "per_class")
    classes, counts = labels.unique(return_counts=True)
    if counts.min() < per_class:
        rarest = classes[counts.argmin()].item()
        raise ValueError(
            f"class {rarest} has {counts.min()} samples: lower per_class={per_class}"
        )
    index = torch.cat([(labels == k).nonzero()[:per_class, 0] for k in classes])
    return inputs[index], labels[index]
