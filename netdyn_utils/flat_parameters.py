"""The trainable parameters of a model as one flat vector.

They are in the order of ``model.named_parameters()``: shared ones once, without frozen
ones and buffers (BatchNorm's running statistics).
"""

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from .validation import check_choice


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
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        if not named:
            kind = type(model).__name__
            raise ValueError(f"{kind} has no trainable parameters: see requires_grad")
        for name, parameter in named:
            if isinstance(parameter, nn.parameter.UninitializedParameter):
                raise ValueError(
                    f"{name!r} has no shape yet: run a batch through the model first"
                )
            if not parameter.is_floating_point():
                raise ValueError(
                    f"parameter {name!r} is {parameter.dtype}: only real "
                    "floating-point parameters can be tracked"
                )
        self.parameters = tuple(parameter for _, parameter in named)
        stops = [*accumulate(parameter.numel() for parameter in self.parameters)]
        self.numel = stops[-1]
        self.slices = tuple(
            ParamSlice(name, layer_of(name), stop - parameter.numel(), stop)
            for (name, parameter), stop in zip(named, stops, strict=True)
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
        return self._copy_into(torch.empty(self.numel, dtype=dtype, device=device))

    def read_into(self, vector: Tensor) -> Tensor:
        """Return `vector` with a copy of all parameters, or the live view if it fits.

        Do not write to what is returned.
        """
        view = self.flat_view()
        wanted = vector.dtype, vector.device
        if view is not None and (view.dtype, view.device) == wanted:
            return view
        return self._copy_into(vector)

    def _copy_into(self, vector: Tensor) -> Tensor:
        for part, parameter in zip(self.slices, self.parameters, strict=True):
            vector[part.start : part.stop].copy_(parameter.detach().reshape(-1))
        return vector

    @torch.no_grad()
    def share_storage(self) -> "FlatParameters":
        """Make the parameters views of one tensor, which is then read without a copy.

        Values, identities and gradients stay, so an optimizer made before goes on.
        """
        kinds = {(p.dtype, p.device) for p in self.parameters}
        if len(kinds) > 1:
            raise ValueError(f"several dtypes or devices cannot share storage: {kinds}")
        storage = torch.cat([p.detach().reshape(-1) for p in self.parameters])
        for part, parameter in zip(self.slices, self.parameters, strict=True):
            parameter.data = storage[part.start : part.stop].view_as(parameter)
        return self

    def flat_view(self) -> Tensor | None:
        """Return the live vector if the parameters share one storage, in order."""
        first = self.parameters[0]
        size, offset = first.element_size(), first.storage_offset()
        for part, parameter in zip(self.slices, self.parameters, strict=True):
            if (
                (parameter.dtype, parameter.device) != (first.dtype, first.device)
                or not parameter.is_contiguous()
                or parameter.data_ptr() != first.data_ptr() + part.start * size
            ):
                return None
        if first.untyped_storage().nbytes() < (offset + self.numel) * size:
            return None  # adjacent in memory by chance
        return torch.as_strided(first.detach(), (self.numel,), (1,), offset)

    vector, bind = to_vector, share_storage  # former names


def layer_of(name: str) -> str:
    """Return the layer that a parameter's dotted name begins with.

    >>> layer_of("blocks.0.attention.weight"), layer_of("weight")
    ('blocks.0.attention', 'model')
    """
    return name.rpartition(".")[0] or "model"
