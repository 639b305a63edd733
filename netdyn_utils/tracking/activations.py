"""What the layers of a model give on a fixed batch, and how active each unit is.

The activations of a layer are the output of the module that owns its parameters, in
evaluation mode; no mode, BatchNorm statistic, gradient or random number is changed.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..flat_parameters import named_parameters
from ..training import eval_mode
from ..validation import check_positive_int
from .hooks import Observer


class LayerOutputs:
    """A function from a batch to the output of each layer of a model."""

    def __init__(self, model: nn.Module):
        for name, module in model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                raise ValueError(
                    f"module {name or type(module).__name__!r} is a script or trace, "
                    "whose layers cannot be seen: pass the model it was made from"
                )
        self._model, self._names = model, {}
        for one in named_parameters(model):
            self._names.setdefault(one.owner, one.layer)

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> dict[str, Tensor]:
        """Return (samples, units …) by layer, without layers that did not run."""
        found: dict[str, Tensor] = {}

        def record(module, _inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            if isinstance(output, Tensor) and output.ndim > 1:
                if output.dtype not in (torch.float32, torch.float64):
                    output = output.float()
                name = self._names[module]
                found.pop(name, None)  # the last call of a layer counts
                found[name] = output.clone()  # in-place ReLU may follow

        hooks = [module.register_forward_hook(record) for module in self._names]
        try:
            # What has been compiled would not call the hooks.
            with eval_mode(self._model), torch.compiler.set_stance("force_eager"):
                self._model(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        self.last = next(reversed(found), None)  # of the layers, to have run
        return {name: found[name] for name in self._names.values() if name in found}


class UsedActivations(TorchFunctionMode):
    """Collects which activation functions are called, by their names."""

    KNOWN = "relu relu6 leaky_relu elu selu celu gelu silu mish tanh sigmoid softplus"

    def __init__(self):
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "").removesuffix("_")
        if name in self.KNOWN.split():
            self.names.add(name)
        return function(*args, **(kwargs or {}))


def activation_of(outputs: LayerOutputs, inputs: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the activation function that a model applies between its layers."""
    with UsedActivations() as used:
        outputs(inputs)
    if len(used.names) > 1:
        raise ValueError(
            f"the model uses {' and '.join(sorted(used.names))}: say which one makes "
            "the activity of a unit, for example activation=torch.relu"
        )
    for name in used.names:
        return getattr(torch, name, None) or getattr(nn.functional, name)
    return lambda active: active


class ActivationProbe(Observer):
    """Record the mean activation of every unit on a fixed batch, per class.

    Call `update` after each step, and `pop` what was recorded at the end of a window.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : Tensor, (samples, ...)
        The fixed batch; `probe_batch` selects one with as many samples of each class.
    labels : Tensor of int64, (samples,)
    activation : callable, optional
        What the network applies to the output of every layer but the last; found by
        running the model once if it uses one kind only.

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
        self,
        model: nn.Module,
        inputs: Tensor,
        labels: Tensor,
        *,
        activation: Callable[[Tensor], Tensor] | None = None,
    ):
        if not 0 < len(inputs) == len(labels) == labels.numel():
            raise ValueError(
                f"expected one class label for each sample, at least one, got "
                f"{len(inputs)} inputs and labels of shape {tuple(labels.shape)}"
            )
        self._outputs, self._inputs = LayerOutputs(model), inputs
        self._activation = activation or activation_of(self._outputs, inputs)
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
            if name != self._outputs.last:
                active = self._activation(active)
            if active.ndim > 2:  # (samples, units, places …)
                active = active.flatten(2).mean(2)
            means.append((self._weights.to(active) @ active).float())
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
