"""The loss on a random plane through the weights, for the picture.

A network does not change if one layer is scaled up and the next one down, but a random
direction of fixed length would look steep from the one and flat from the other. So each
filter of a direction gets the norm of the network's own filter.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..training import cross_entropy
from ..validation import check_positive, check_positive_int
from .float64 import as_float64, float64_copy


@dataclass(frozen=True, eq=False, repr=False)
class LossPlane:
    """Loss in nats at w + a·d + b·e: ``losses[i, j]`` at a, b = steps[i], steps[j]."""

    steps: np.ndarray  # in units of the filters' norms, (points,)
    losses: np.ndarray  # float64, (points, points)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything as arrays, for a run's record."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "LossPlane":
        """Read back what `to_arrays` gave."""
        return cls(**arrays)

    def __repr__(self):
        low, high = self.losses.min(), self.losses.max()
        return (
            f"LossPlane({' × '.join(map(str, self.losses.shape))} points within "
            f"±{self.steps[-1]:g}, loss {low:.4g} to {high:.4g})"
        )


def random_direction(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """Return a random direction, by parameter, in which filters have the model's norms.

    d ← d/‖d‖·‖w‖ for each filter w, the weights into one unit or channel, of normal d
    (Li et al., "Visualizing the loss landscape of neural nets", NeurIPS 2018, section
    4). Biases and norms are left out: they stay where they are.
    """
    direction = {}
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            own = parameter.detach().double().flatten(1)
            kind = {"dtype": torch.float64, "device": generator.device}
            normal = torch.randn(own.shape, generator=generator, **kind).to(own.device)
            scale = own.norm(dim=1, keepdim=True) / normal.norm(dim=1, keepdim=True)
            direction[name] = (normal * scale).view(parameter.shape)
    return direction


@torch.no_grad()
def loss_plane(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    generator: torch.Generator,
    steps: int = 21,
    reach: float = 1.0,
    batch_size: int = 1_000,
) -> LossPlane:
    """Measure the loss on the plane of two random directions through the weights.

    Parameters
    ----------
    model : torch.nn.Module
        A classifier; evaluated in evaluation mode and in float64, on a copy.
    inputs, targets : Tensor, (samples, ...) and (samples,)
    generator : torch.Generator
        Of the directions, nearly orthogonal as they are; see `random_direction`.
    steps, reach : int and float
        Points along each direction, odd so that the middle one is the network itself,
        and the last of them in units of the filters' norms.

    Examples
    --------
    >>> model, x = nn.Linear(2, 2), torch.eye(2)
    >>> generator = torch.Generator().manual_seed(0)
    >>> plane = loss_plane(model, x, torch.tensor([0, 1]), generator=generator, steps=3)
    >>> plane.steps, plane.losses.shape
    (array([-1.,  0.,  1.]), (3, 3))
    """
    if check_positive_int(steps, "steps") % 2 == 0 or steps < 3:
        raise ValueError(
            f"steps must be odd and 3 or more, so that the network itself is the "
            f"middle one, got {steps}"
        )
    check_positive_int(batch_size, "batch size")
    one, other = (random_direction(model, generator) for _ in range(2))
    half = np.arange(1, steps // 2 + 1) / (steps // 2) * check_positive(reach, "reach")
    places = np.concatenate([-half[::-1], [0.0], half])
    losses = np.zeros((steps, steps))
    copy = float64_copy(model)
    own = {name: copy.get_parameter(name).clone() for name in one}
    for i, j in np.ndindex(losses.shape):
        for name, weight in own.items():
            moved = weight + places[i] * one[name] + places[j] * other[name]
            copy.get_parameter(name).copy_(moved)
        for x, y in zip(
            inputs.split(batch_size), targets.split(batch_size), strict=True
        ):
            loss = cross_entropy(copy(as_float64(x)), y)
            losses[i, j] += loss.item() * y.numel()
    return LossPlane(places, losses / targets.numel())
