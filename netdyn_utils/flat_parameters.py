"""The trainable parameters of a model as one flat vector.

They are in the order of ``model.named_parameters()``: shared ones once, without frozen
ones and buffers (BatchNorm's running statistics). Names leave out what wraps a model.
"""

from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor, nn

from .validation import check_choice

# What these wrap keeps its name: runs with and without them can be compared.
WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "OptimizedModule": "_orig_mod",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "CheckpointWrapper": "_checkpoint_wrapped_module",
}
ROOT = "model"  # the layer of parameters that belong to no submodule


@dataclass(frozen=True)
class Named:
    """A parameter, its name and layer without wrappers, and that layer's module."""

    name: str
    path: str  # torch's own name
    layer: str
    parameter: Tensor
    owner: nn.Module


def named_parameters(model: nn.Module, *, frozen: bool = False) -> list[Named]:
    """Return each trainable parameter once, in order; or the frozen ones as well."""
    paths = {id(p): path for path, p in model.named_parameters()}
    found: list[Named] = []
    seen: set[int] = set()

    def visit(module: nn.Module, prefix: str, layer: str, owner: nn.Module) -> None:
        for key, parameter in module._parameters.items():
            if parameter is not None and id(parameter) not in seen:
                seen.add(id(parameter))
                if parameter.requires_grad or frozen:
                    path = paths[id(parameter)]
                    found.append(Named(prefix + key, path, layer, parameter, owner))
        for key, child in module._modules.items():
            if child is None or id(child) in visited:
                continue
            visited.add(id(child))
            if WRAPPERS.get(type(module).__name__) == key:
                visit(child, prefix, layer, child)
            elif key == "parametrizations":  # weight norm, low-rank adapters, …
                for tensor, original in child.items():
                    visit(original, f"{prefix}{tensor}.", layer, owner)
            else:
                visit(child, f"{prefix}{key}.", f"{prefix}{key}", child)

    visited = {id(model)}
    visit(model, "", "", model)
    root = f"({ROOT})" if any(one.layer == ROOT for one in found) else ROOT
    return [replace(one, layer=one.layer or root) for one in found]


def check_countable(one: Named) -> None:
    """Refuse a parameter that has no real values to count."""
    name, parameter = one.name, one.parameter
    if isinstance(parameter, nn.parameter.UninitializedParameter):
        raise ValueError(
            f"parameter {name!r} has no shape yet: run a batch through the model first"
        )
    if parameter.is_meta:
        raise ValueError(
            f"parameter {name!r} is on the meta device and has no values: load the "
            "weights first"
        )
    if parameter.layout != torch.strided:
        raise ValueError(
            f"parameter {name!r} is stored as {parameter.layout}: only dense "
            "parameters can be tracked (sparse gradients are fine)"
        )
    if not parameter.is_floating_point():
        raise ValueError(
            f"parameter {name!r} is {parameter.dtype}: only real floating-point "
            "parameters can be tracked; for a complex one, track torch.view_as_real"
        )


@dataclass(frozen=True)
class ParamSlice:
    """Place of one parameter in the flat vector."""

    name: str
    layer: str
    start: int
    stop: int


class FlatParameters:
    """The trainable parameters of a model as one vector of `numel` weights.

    `parameters` are those of torch, `slices` their names, layers and positions in the
    vector. Dtypes and devices may differ. A model without trainable parameters, or with
    one that is complex or has no values yet (a lazy layer), is a ValueError.

    >>> flat = FlatParameters(nn.Linear(3, 2))
    >>> flat.numel, [part.name for part in flat.slices]
    (8, ['weight', 'bias'])
    >>> flat.to_vector().shape
    torch.Size([8])
    """

    def __init__(self, model: nn.Module):
        named = named_parameters(model)
        if not named:
            kind = type(model).__name__
            raise ValueError(f"{kind} has no trainable parameters: see requires_grad")
        for one in named:
            check_countable(one)
        self.parameters = tuple(one.parameter for one in named)
        stops = [*accumulate(parameter.numel() for parameter in self.parameters)]
        self.numel = stops[-1]
        self.slices = tuple(
            ParamSlice(one.name, one.layer, stop - one.parameter.numel(), stop)
            for one, stop in zip(named, stops, strict=True)
        )

    def groups(self, by: str) -> dict[str, list[ParamSlice]]:
        """Return the slices of each "parameter", of each "layer", or of "all"."""
        check_choice(by, ("layer", "parameter", "all"), "kind of group")
        members: dict[str, list[ParamSlice]] = {}
        for part in self.slices:
            key = {"layer": part.layer, "parameter": part.name, "all": "all"}[by]
            members.setdefault(key, []).append(part)
        return members

    def to_vector(self) -> Tensor:
        """Return a copy, shape (weights,): float32, or float64 if a parameter is."""
        wide = any(p.dtype == torch.float64 for p in self.parameters)
        dtype = torch.float64 if wide else torch.float32
        device = self.parameters[0].device
        vector = torch.empty(self.numel, dtype=dtype, device=device)
        for part, parameter in zip(self.slices, self.parameters, strict=True):
            vector[part.start : part.stop].copy_(parameter.detach().reshape(-1))
        return vector
