"""Slices of the loss landscape along random directions, for the picture.

A network does not change if one layer is made larger and the next one smaller, but a
random direction of fixed length would look steep from the one and flat from the other.
So each filter of the direction gets the norm of the network's own filter.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..training import cross_entropy, eval_mode
from ..validation import check_positive, check_positive_int
from .scan import as_float64, float64_state


@dataclass(frozen=True, eq=False, repr=False)
class LossLine:
    """Loss in nats at w + step·d: `steps` (points,), `losses` (points,), float64."""

    steps: np.ndarray
    losses: np.ndarray

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything as arrays, for a run's record."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]):
        """Read back what `to_arrays` gave."""
        return cls(**arrays)

    def __repr__(self):
        reach, low, high = self.steps[-1], self.losses.min(), self.losses.max()
        return (
            f"{type(self).__name__}({' × '.join(map(str, self.losses.shape))} points "
            f"within ±{reach:g}, loss {low:.4g} to {high:.4g})"
        )


class LossPlane(LossLine):
    """Loss in nats at w + a·d + b·e: ``losses[i, j]`` at a, b = steps[i], steps[j]."""


def random_direction(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """Return a random direction with the norms of the model's own filters.

    Parameters
    ----------
    model : torch.nn.Module
    generator : torch.Generator

    Returns
    -------
    dict of Tensor, float64
        By parameter name, for those with two axes or more. Biases and norms have
        none: they stay where they are.

    Notes
    -----
    d ← d/‖d‖·‖w‖ for each filter w, the weights into one unit or channel, of normal
    d: H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein, "Visualizing the loss
    landscape of neural nets", NeurIPS (2018), section 4.

    Examples
    --------
    >>> model = nn.Linear(3, 2)
    >>> direction = random_direction(model, torch.Generator().manual_seed(0))
    >>> sizes = [w.flatten(1).norm(dim=1) for w in (direction["weight"], model.weight)]
    >>> torch.allclose(sizes[0], sizes[1].double(), rtol=1e-6)
    True
    """
    direction = {}
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            filters = parameter.detach().double().flatten(1)
            kind = {"dtype": torch.float64, "device": generator.device}
            normal = torch.randn(filters.shape, generator=generator, **kind)
            normal = normal.to(filters.device)
            own, drawn = (part.norm(dim=1, keepdim=True) for part in (filters, normal))
            direction[name] = (normal * (own / drawn)).view(parameter.shape)
    return direction


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
        A classifier; evaluated in evaluation mode and in float64, on copies of its
        parameters.
    inputs, targets : Tensor, (samples, ...) and (samples,)
    generator : torch.Generator
        Draws the directions (`random_direction`), nearly orthogonal as they are.
    steps : int
        Points along each direction, odd: the middle one is the network itself.
    reach : float
        The last step, in units of the filters' norms.
    batch_size : int
        Samples at a time.

    Returns
    -------
    LossPlane

    Examples
    --------
    >>> model, x = nn.Linear(2, 2), torch.eye(2)
    >>> generator = torch.Generator().manual_seed(0)
    >>> plane = loss_plane(model, x, torch.tensor([0, 1]), generator=generator, steps=3)
    >>> plane.steps, plane.losses.shape
    (array([-1.,  0.,  1.]), (3, 3))
    """
    directions = [random_direction(model, generator) for _ in range(2)]
    batch = inputs, targets, batch_size
    return LossPlane(*_slice(model, directions, steps, reach, batch))


def loss_line(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    generator: torch.Generator,
    steps: int = 51,
    reach: float = 1.0,
    batch_size: int = 1_000,
) -> LossLine:
    """Measure the loss along one random direction; arguments as for `loss_plane`."""
    directions = [random_direction(model, generator)]
    batch = inputs, targets, batch_size
    return LossLine(*_slice(model, directions, steps, reach, batch))


@torch.no_grad()
def _slice(model, directions, steps, reach, batch) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps, and the loss on the grid that they span."""
    inputs, targets, size = batch
    check_positive_int(size, "batch size")
    if check_positive_int(steps, "steps") % 2 == 0 or steps < 3:
        raise ValueError(
            f"steps must be odd and 3 or more, so that the network itself is the "
            f"middle one, got {steps}"
        )
    half = np.arange(1, steps // 2 + 1) / (steps // 2) * check_positive(reach, "reach")
    places = np.concatenate([-half[::-1], [0.0], half])
    losses = np.zeros((steps,) * len(directions))
    state = float64_state(model)
    with eval_mode(model):
        for point in np.ndindex(losses.shape):
            moved = dict(state)
            for step, direction in zip(places[list(point)], directions, strict=True):
                for name, part in direction.items():
                    moved[name] = moved[name] + step * part
            for x, y in zip(inputs.split(size), targets.split(size), strict=True):
                out = torch.func.functional_call(model, moved, (as_float64(x),))
                losses[point] += cross_entropy(out, y).item() * y.numel()
    return places, losses / targets.numel()
