"""Slices of the loss landscape along random directions, for the picture.

A network does not change if one layer is made larger and the next one smaller, but a
random direction of fixed length would look steep from the one and flat from the other.
So each filter of the direction gets the norm of the network's own filter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..checks import positive, positive_int
from ..training import cross_entropy, evaluating
from .scan import as_float64, float64_state


class _Slice:
    """What slices of one and of two directions share: they go into a record."""

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


@dataclass(frozen=True, eq=False, repr=False)
class LossLine(_Slice):
    """Loss in nats at w + step·d: `steps` (points,), `losses` (points,), float64."""

    steps: np.ndarray
    losses: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class LossPlane(_Slice):
    """Loss in nats at w + a·d + b·e: ``losses[i, j]`` at a, b = steps[i], steps[j]."""

    steps: np.ndarray
    losses: np.ndarray


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
            drawn = torch.randn(filters.shape, generator=generator, **kind)
            drawn = drawn.to(filters.device)
            sizes = filters.norm(dim=1, keepdim=True) / drawn.norm(dim=1, keepdim=True)
            direction[name] = (drawn * sizes).view(parameter.shape)
    return direction


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
    """Measure the loss along a random direction through the weights.

    Parameters
    ----------
    model : torch.nn.Module
        A classifier; evaluated in evaluation mode and in float64, on copies of its
        parameters.
    inputs, targets : Tensor, (samples, ...) and (samples,)
    generator : torch.Generator
        Draws the direction (`random_direction`).
    steps : int
        Points, odd: the middle one is the network itself.
    reach : float
        The last step, in units of the filters' norms.
    batch_size : int
        Samples at a time.

    Returns
    -------
    LossLine

    Examples
    --------
    >>> model, x = nn.Linear(2, 2), torch.eye(2)
    >>> generator = torch.Generator().manual_seed(0)
    >>> line = loss_line(model, x, torch.tensor([0, 1]), generator=generator, steps=3)
    >>> line.steps
    array([-1.,  0.,  1.])
    """
    directions = [random_direction(model, generator)]
    places = _places(steps, reach)
    batch = inputs, targets, batch_size
    return LossLine(places, _losses(model, directions, places[:, None], batch))


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

    Arguments are those of `loss_line`, with `steps` points along each direction. Two
    independent directions of so many weights are nearly orthogonal.
    """
    directions = [random_direction(model, generator) for _ in range(2)]
    places = _places(steps, reach)
    grid = np.stack(np.meshgrid(places, places, indexing="ij"), -1).reshape(-1, 2)
    losses = _losses(model, directions, grid, (inputs, targets, batch_size))
    return LossPlane(places, losses.reshape(len(places), -1))


def _places(steps, reach) -> np.ndarray:
    if positive_int(steps, "steps") % 2 == 0 or steps < 3:
        raise ValueError(
            f"steps must be odd and 3 or more, so that the network itself is the "
            f"middle one, got {steps}"
        )
    half = np.arange(1, steps // 2 + 1) / (steps // 2) * positive(reach, "reach")
    return np.concatenate([-half[::-1], [0.0], half])


@torch.no_grad()
def _losses(model, directions: Sequence[dict], places: np.ndarray, batch) -> np.ndarray:
    """Return the loss at each place, a row of coordinates along the directions."""
    (inputs, targets, size), losses = batch, np.zeros(len(places))
    positive_int(size, "batch size")
    state = float64_state(model)
    with evaluating(model):
        for k, place in enumerate(places.tolist()):
            moved = dict(state)
            for step, direction in zip(place, directions, strict=True):
                for name, part in direction.items():
                    moved[name] = moved[name] + step * part
            for x, y in zip(inputs.split(size), targets.split(size), strict=True):
                out = torch.func.functional_call(model, moved, (as_float64(x),))
                losses[k] += cross_entropy(out, y).item() * y.numel()
    return losses / targets.numel()
