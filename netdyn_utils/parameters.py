"""Which parameters count, in which order, as one flat vector and back.

The rule is the same for every network: each trainable parameter once, in the order
of ``model.named_parameters()``. Shared parameters count once, frozen ones and
buffers (BatchNorm's running statistics) never.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Slot:
    """Where one parameter lies in the flat vector."""

    name: str
    layer: str
    start: int
    stop: int


class FlatParameters:
    """The trainable parameters of a model as one vector of `numel` weights.

    Parameters
    ----------
    model : torch.nn.Module
        At least one parameter must require a gradient; dtypes may differ, and so may
        devices.

    Attributes
    ----------
    slots : tuple of Slot
        Name, layer, start and stop of every parameter, in order.
    numel : int

    Raises
    ------
    ValueError
        If nothing is trainable, or a parameter has no real values yet (a lazy layer
        before its first batch) or complex ones.

    Examples
    --------
    >>> flat = FlatParameters(nn.Linear(3, 2))
    >>> flat.numel, [slot.name for slot in flat.slots]
    (8, ['weight', 'bias'])
    >>> vector = flat.vector()
    >>> flat.assign(vector * 0)
    >>> flat.vector().abs().sum().item()
    0.0
    """

    def __init__(self, model: nn.Module):
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        if not named:
            raise ValueError(
                f"{type(model).__name__} has no trainable parameters: call this after "
                "building the model, and check requires_grad"
            )
        for name, parameter in named:
            _check_real(name, parameter)
        self.parameters = tuple(parameter for _, parameter in named)
        ends = torch.tensor([p.numel() for p in self.parameters]).cumsum(0).tolist()
        self.numel = ends[-1]
        self.slots = tuple(
            Slot(name, layer_of(name), end - parameter.numel(), end)
            for (name, parameter), end in zip(named, ends, strict=True)
        )

    def groups(self, by: str) -> dict[str, list[int]]:
        """Return the indices of the slots of each "parameter", "layer" or "all"."""
        keys = {
            "parameter": [slot.name for slot in self.slots],
            "layer": [slot.layer for slot in self.slots],
            "all": ["all"] * len(self.slots),
        }[by]
        return {
            key: [index for index, other in enumerate(keys) if other == key]
            for key in dict.fromkeys(keys)
        }

    def vector(self) -> Tensor:
        """Return a copy of all parameters, shape (weights,), on the first's device.

        In float32, or in float64 if a parameter has it: no value is rounded.
        """
        wide = any(p.dtype == torch.float64 for p in self.parameters)
        kind = {"dtype": torch.float64 if wide else torch.float32}
        kind["device"] = self.parameters[0].device
        parts = [p.detach().to(**kind).reshape(-1) for p in self.parameters]
        return torch.cat(parts)  # always a copy, of one part too

    def read(self, like: Tensor) -> Tensor:
        """Return all parameters in the dtype and on the device of `like`.

        The live block itself where there is one, so do not write to it.
        """
        block = self.block()
        if block is not None and (block.dtype, block.device) == (
            like.dtype,
            like.device,
        ):
            return block
        current = torch.empty_like(like)
        for slot, parameter in zip(self.slots, self.parameters, strict=True):
            part = current[slot.start : slot.stop]
            part.copy_(parameter.detach().reshape(-1))
        return current

    @torch.no_grad()
    def assign(self, vector: Tensor) -> None:
        """Write `vector`, shape (weights,), into the parameters."""
        if vector.shape != (self.numel,):
            raise ValueError(
                f"the vector has shape {tuple(vector.shape)}, the parameters need "
                f"({self.numel},)"
            )
        for slot, parameter in zip(self.slots, self.parameters, strict=True):
            parameter.copy_(vector[slot.start : slot.stop].view_as(parameter))

    @torch.no_grad()
    def bind(self) -> "FlatParameters":
        """Move the parameters into one block of memory, each a view of it.

        Their values, identity and gradients stay as they are, so an optimizer made
        before goes on working; only a whole-vector reading becomes one operation
        instead of one per parameter. One dtype and one device are needed.
        """
        kinds = {(p.dtype, p.device) for p in self.parameters}
        if len(kinds) > 1:
            raise ValueError(
                "parameters of several dtypes or devices cannot share one block: "
                f"{sorted(map(str, kinds))}"
            )
        storage = torch.cat([p.detach().reshape(-1) for p in self.parameters])
        for slot, parameter in zip(self.slots, self.parameters, strict=True):
            parameter.data = storage[slot.start : slot.stop].view_as(parameter)
        return self

    def block(self) -> Tensor | None:
        """Return the live vector if the parameters still lie in one block in order.

        Whoever moved them there: `bind` on this object or on another one.
        """
        first = self.parameters[0]
        address = first.data_ptr()
        for slot, parameter in zip(self.slots, self.parameters, strict=True):
            if (
                parameter.dtype != first.dtype
                or parameter.device != first.device
                or not parameter.is_contiguous()
                or parameter.data_ptr() != address + slot.start * first.element_size()
            ):
                return None
        offset = first.storage_offset()
        elements = first.untyped_storage().nbytes() // first.element_size()
        if elements < offset + self.numel:  # neighbours by chance, not one block
            return None
        return torch.as_strided(first.detach(), (self.numel,), (1,), offset)


def layer_of(name: str) -> str:
    """Return the layer of a parameter's dotted name.

    >>> layer_of("blocks.0.attention.weight"), layer_of("weight")
    ('blocks.0.attention', 'model')
    """
    return name.rpartition(".")[0] or "model"


def _check_real(name: str, parameter: Tensor) -> None:
    if isinstance(parameter, nn.parameter.UninitializedParameter):
        raise ValueError(
            f"parameter {name!r} has no shape yet: run a batch through the model first"
        )
    if not parameter.is_floating_point():
        raise ValueError(
            f"parameter {name!r} is {parameter.dtype}: only real floating-point "
            "parameters can be tracked"
        )
