"""Which parameters of a model a tracker watches, and what has changed about them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import is_

import torch
from torch import Tensor, nn

from ..validation import check_choice

# What these wrap keeps its name: runs with and without them can be compared.
WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "OptimizedModule": "_orig_mod",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "CheckpointWrapper": "_checkpoint_wrapped_module",
}
ROOT = "model"  # the layer of parameters that belong to no submodule
Groups = str | Sequence[str] | Callable[[str], str | None]


@dataclass(frozen=True)
class Named:
    """A trainable parameter, its name, its layer, and the module of that layer."""

    name: str
    layer: str
    parameter: Tensor
    owner: nn.Module


def named_parameters(model: nn.Module) -> list[Named]:
    """Return each trainable parameter once, in the model's order, without wrappers."""
    found: list[Named] = []
    seen: set[int] = set()

    def visit(module: nn.Module, prefix: str, layer: str, owner: nn.Module) -> None:
        for key, parameter in module._parameters.items():
            if parameter is not None and id(parameter) not in seen:
                seen.add(id(parameter))
                if parameter.requires_grad:
                    found.append(Named(prefix + key, layer, parameter, owner))
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


def group_function(groups: Groups) -> Callable[[Named], str | None]:
    """Return the group of a parameter as `groups` says; None leaves it out."""
    if callable(groups):
        return lambda one: groups(one.name)
    if isinstance(groups, str):
        check_choice(groups, ("layer", "parameter", "all"), "kind of group")
        return {
            "layer": lambda one: one.layer,
            "parameter": lambda one: one.name,
            "all": lambda _: "all",
        }[groups]
    names = list(groups)

    def listed(one: Named) -> str | None:
        for name in names:
            if one.name == name or one.name.startswith(f"{name}."):
                return name
        return None

    return listed


class Structure:
    """The dictionaries of a model's modules, to notice in no time that they changed."""

    def __init__(self, model: nn.Module):
        modules = list(model.modules())
        self._dicts = [d for m in modules for d in (m._modules, m._parameters)]
        self._items = list(self._live())
        self._parameters = list(
            {
                id(p): p
                for m in modules
                for p in m._parameters.values()
                if p is not None
            }.values()
        )
        self._trainable = [p.requires_grad for p in self._parameters]

    def _live(self) -> Iterator[object]:
        return chain.from_iterable(d.values() for d in self._dicts)

    def changed(self) -> bool:
        """Say whether a module or parameter came, went, froze or thawed."""
        return (
            sum(map(len, self._dicts)) != len(self._items)
            or not all(map(is_, self._live(), self._items))
            or [p.requires_grad for p in self._parameters] != self._trainable
        )


def local_part(parameter: Tensor) -> Tensor:
    """Return the values that this process has of a parameter, its shard if split."""
    tensor = parameter.detach()
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def is_owner(parameter: Tensor) -> bool:
    """Say whether this process counts the part that it has, and not a replica of it.

    Where a parameter is sharded over processes (DTensor) each counts its own shard; of
    replicas, the first process of the mesh counts.
    """
    if not hasattr(parameter, "placements"):
        return True
    places = parameter.device_mesh.get_coordinate()
    pairs = zip(parameter.placements, places, strict=True)
    return all(kind.is_shard() or place == 0 for kind, place in pairs)


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
