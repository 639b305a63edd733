"""What the layers of a model give on a batch, without leaving a trace in the model.

The activations of a layer are the output of the module that owns its parameters, in
evaluation mode, and the mode comes back: no BatchNorm statistic, no gradient and no
random number of a run is touched.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..checks import choose
from ..parameters import FlatParameters, layer_of
from ..training import evaluating


class LayerOutputs:
    """Run a batch through a model and return what each of its layers gives.

    Parameters
    ----------
    model : torch.nn.Module
    layers : iterable of str, optional
        Names as in `FlatParameters.groups`; all that have trainable parameters unless
        given.

    Raises
    ------
    ValueError
        If a layer is not one of the model's.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> outputs = LayerOutputs(model)(torch.eye(2))
    >>> {name: tuple(output.shape) for name, output in outputs.items()}
    {'0': (2, 3), '2': (2, 1)}
    """

    def __init__(self, model: nn.Module, layers: Iterable[str] | None = None):
        known = tuple(FlatParameters(model).groups("layer"))
        owners = {
            layer_of(f"{name}.w" if name else "w"): module
            for name, module in model.named_modules()
        }
        names = known if layers is None else tuple(layers)
        self._modules = {choose(n, known, "layer"): owners[n] for n in names}
        self._model = model

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> dict[str, Tensor]:
        """Return the outputs by layer, in the layers' order.

        A layer that was not run, or that gives no tensor of samples and units, is left
        out; of a tuple the first part counts.
        """
        found: dict[str, Tensor] = {}

        def keep(name):
            def hook(_module, _inputs, output):
                output = output[0] if isinstance(output, tuple) else output
                if isinstance(output, Tensor) and output.ndim > 1:
                    found[name] = output.clone()  # an in-place ReLU may follow

            return hook

        hooks = [
            module.register_forward_hook(keep(name))
            for name, module in self._modules.items()
        ]
        try:
            with evaluating(self._model):
                self._model(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return {name: found[name] for name in self._modules if name in found}
