"""Which parameters of a model a tracker watches, and what has changed about them."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from operator import is_

from torch import Tensor, nn

from ..flat_parameters import Named
from ..validation import check_choice

Groups = str | Sequence[str] | Callable[[str], str | None]


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


def mesh_of(parameter: Tensor):
    """Return the processes that a parameter is spread over (DTensor), else None."""
    return getattr(parameter, "device_mesh", None)


def is_owner(parameter: Tensor, meshes: Sequence) -> bool:
    """Say whether this process counts the part that it has, and not a replica of it.

    Each process counts its own shards; of replicas, the first process of the mesh does.
    A plain parameter beside sharded ones, on `meshes`, is a replica on each of them.
    """
    if (mesh := mesh_of(parameter)) is not None:
        pairs = zip(parameter.placements, mesh.get_coordinate(), strict=True)
        return all(kind.is_shard() or place == 0 for kind, place in pairs)
    return not any(any(mesh.get_coordinate()) for mesh in meshes)
