"""Which parameters count, in which order, as one flat vector and back.

The rule is the same for every network: each trainable parameter once, in the order
of ``model.named_parameters()``. Shared parameters count once, frozen ones and
buffers (BatchNorm's running statistics) never.
"""

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from .validation import check_choice


@dataclass(frozen=True)
class ParamSlice:
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
    slices : tuple of ParamSlice
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
    >>> flat.numel, [part.name for part in flat.slices]
    (8, ['weight', 'bias'])
    >>> flat.to_vector().shape
    torch.Size([8])
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
        ends = tuple(accumulate(parameter.numel() for parameter in self.parameters))
        self.numel = ends[-1]
        self.slices = tuple(
            ParamSlice(name, layer_of(name), end - parameter.numel(), end)
            for (name, parameter), end in zip(named, ends, strict=True)
        )

    def groups(self, by: str) -> dict[str, list[int]]:
        """Return the indices of the slices of each "parameter", "layer" or "all"."""
        check_choice(by, ("layer", "parameter", "all"), "kind of group")
        members: dict[str, list[int]] = {}
        for index, part in enumerate(self.slices):
            key = {"layer": part.layer, "parameter": part.name, "all": "all"}[by]
            members.setdefault(key, []).append(index)
        return members

    def to_vector(self) -> Tensor:
        """Return a copy of all parameters, shape (weights,), on the first's device.

        In float32, or in float64 if a parameter has it: no value is rounded.
        """
        wide = any(p.dtype == torch.float64 for p in self.parameters)
        dtype = torch.float64 if wide else torch.float32
        device = self.parameters[0].device
        return self._copy_into(torch.empty(self.numel, dtype=dtype, device=device))

    def read_into(self, vector: Tensor) -> Tensor:
        """Return all parameters in the dtype and on the device of `vector`.

        The live block where there is one, so do not write to it; else `vector`, which
        then holds a copy.
        """
        block = self.flat_view()
        same = block is not None and block.dtype == vector.dtype
        if same and block.device == vector.device:
            return block
        return self._copy_into(vector)

    def _copy_into(self, vector: Tensor) -> Tensor:
        for part, parameter in zip(self.slices, self.parameters, strict=True):
            vector[part.start : part.stop].copy_(parameter.detach().reshape(-1))
        return vector

    @torch.no_grad()
    def share_storage(self) -> "FlatParameters":
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
        for part, parameter in zip(self.slices, self.parameters, strict=True):
            parameter.data = storage[part.start : part.stop].view_as(parameter)
        return self

    def flat_view(self) -> Tensor | None:
        """Return the live vector if the parameters still lie in one block in order.

        Whoever moved them there: `share_storage` on this object or on another one.
        """
        first = self.parameters[0]
        address = first.data_ptr()
        for part, parameter in zip(self.slices, self.parameters, strict=True):
            if (
                parameter.dtype != first.dtype
                or parameter.device != first.device
                or not parameter.is_contiguous()
                or parameter.data_ptr() != address + part.start * first.element_size()
            ):
                return None
        offset = first.storage_offset()
        elements = first.untyped_storage().nbytes() // first.element_size()
        if elements < offset + self.numel:  # neighbours by chance, not one block
            return None
        return torch.as_strided(first.detach(), (self.numel,), (1,), offset)

    vector, bind = to_vector, share_storage  # former names


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
