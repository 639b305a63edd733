"""Which single weights are displaced, and what of a network is copied in float64."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..checks import choose, positive_int
from ..flat_parameters import layer_of


@dataclass(frozen=True, eq=False)
class Drawn:
    """The weights of one layer that are displaced."""

    name: str  # of the parameter
    shape: tuple[int, ...]
    index: Tensor  # row-major, ascending, (weights,)

    @property
    def unit(self) -> Tensor:
        """Which output each weight leads into, (weights,)."""
        return self.index // self.shape[1:].numel()

    @property
    def column(self) -> Tensor:
        """Which of that output's weights each one is, (weights,)."""
        return self.index % self.shape[1:].numel()


def layer_weights(model: nn.Module) -> dict[str, tuple[str, Tensor]]:
    """Return name and value of each layer's weight: two axes or more, and no norm's.

    >>> [*layer_weights(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))]
    ['0']
    """
    norms = {
        f"{name}.weight".removeprefix(".")
        for name, module in model.named_modules()
        if isinstance(module, nn.LayerNorm)
    }
    return {
        layer_of(name): (name, value.detach())
        for name, value in model.named_parameters()
        if name.rpartition(".")[2] == "weight" and value.ndim > 1 and name not in norms
    }


def draw_weights(
    model: nn.Module,
    count: int | Mapping[str, int],
    *,
    generator: torch.Generator,
    layers: Sequence[str] | None = None,
) -> list[Drawn]:
    """Draw weights of each layer, without replacement.

    Parameters
    ----------
    model : torch.nn.Module
    count : int or mapping from layer to int
    generator : torch.Generator
    layers : sequence of str, optional
        Default: those of the mapping, or all that have weights.

    Raises
    ------
    ValueError
        If a layer has no weights, or fewer than are asked for.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> drawn = draw_weights(model, {"2": 2, "0": 1}, generator=torch.Generator())
    >>> [(one.name, one.index.tolist()) for one in drawn]
    [('2.weight', [0, 1]), ('0.weight', [2])]
    """
    weights = layer_weights(model)
    if not weights:
        raise ValueError(
            f"{type(model).__name__} has no weights with two axes or more to displace"
        )
    if isinstance(layers, str):
        raise ValueError(f"layers must be a sequence of names, got one name {layers!r}")
    counts = count if isinstance(count, Mapping) else dict.fromkeys(weights, count)
    layers = list(counts if layers is None else layers)
    if not layers or len(set(layers)) < len(layers):
        raise ValueError(f"layers must be one or more different names, got {layers}")
    return [_draw(model, weights, layer, counts, generator) for layer in layers]


def float64_state(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers by name, real ones in float64."""
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: as_float64(tensor.detach()).clone() for name, tensor in named}


def as_float64(x: Tensor) -> Tensor:
    """Return real numbers in float64, and indices as they are."""
    return x.double() if x.is_floating_point() else x


def _draw(model, weights, layer, counts, generator) -> Drawn:
    """Draw the weights of one layer."""
    if layer not in weights and layer in dict(model.named_modules()):
        raise ValueError(
            f"layer {layer!r} has no weights with two axes or more: choose from "
            f"{', '.join(weights)}"
        )
    name, value = weights[choose(layer, weights, "layer")]
    if layer not in counts:
        raise ValueError(f"weights_per_layer says nothing of layer {layer!r}: add it")
    count = positive_int(counts[layer], f"weights_per_layer of {layer!r}")
    if count > value.numel():
        raise ValueError(
            f"layer {layer!r} has {value.numel():,} weights, fewer than {count:,}: ask "
            f"for fewer, or pass a mapping such as {{{layer!r}: {value.numel()}, ...}}"
        )
    order = torch.randperm(
        value.numel(), generator=generator, device=generator.device
    ).to(value.device)
    return Drawn(name, value.shape, order[:count].sort().values)
