"""Drift of a live model: what `drift` measures, at a few starts and many lags.

The run is cut into stretches that do not overlap. At the start of each the weights and
the activations on a fixed batch are kept; at lags that are even in the logarithm they
are compared with what they have become. So one copy is held at a time, whatever the
length of the run, and most steps cost nothing.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..diffusion import (
    DiffusionExponent,
    diffusion_exponent,
    linear_cka,
    relative_distance,
)
from ..flat_parameters import FlatParameters
from ..validation import check_choice, check_positive_int
from .activations import LayerOutputs

LAGS_PER_OCTAVE = 2


@dataclass(frozen=True, eq=False, repr=False)
class DriftCurves:
    """Displacement of weights and change of activations against the lag.

    `displacement`, (starts, lags, layers), is the mean of (w(start + lag) − w(start))²
    over the weights of a layer; `distance` and `alignment`, (starts, lags, active), are
    the relative L2 distance and the linear CKA of a layer's activations at these steps.
    """

    starts: np.ndarray  # steps
    lags: np.ndarray  # steps
    layers: tuple[str, ...]
    sizes: tuple[int, ...]  # weights of each layer
    displacement: np.ndarray
    active: tuple[str, ...]  # layers whose activations were seen
    distance: np.ndarray
    alignment: np.ndarray

    def squares(self, layer: str = "all") -> np.ndarray:
        """Return the displacement of a layer, or of all weights, (starts, lags)."""
        if layer == "all":
            return np.average(self.displacement, axis=-1, weights=self.sizes)
        check_choice(layer, ("all", *self.layers), "layer")
        return self.displacement[..., self.layers.index(layer)]

    def exponent(self, layer: str = "all", *, level: float = 0.95) -> DiffusionExponent:
        """Return γ of MSD ~ τ^γ of a layer, or of all weights, over all lags."""
        return diffusion_exponent(self.lags, self.squares(layer), level=level)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything as arrays, for a run's record."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays) -> "DriftCurves":
        """Read back what `to_arrays` gave."""
        tuples = ("layers", "sizes", "active")
        return cls(**arrays | {name: tuple(arrays[name].tolist()) for name in tuples})

    def __repr__(self):
        return (
            f"DriftCurves({len(self.layers)} layers, {len(self.starts)} starts, lags "
            f"{self.lags[0]:,} to {self.lags[-1]:,} steps)"
        )


class DriftRecorder:
    """Compare weights and activations with what they were some steps ago.

    Make it before the first step and call `update` after each.

    Parameters
    ----------
    model : torch.nn.Module
    probe : Tensor
        A fixed batch of inputs, (samples, ...); 64 to 256 samples do.
    steps : int
        Length of the run, 2 or more.
    starts : int
        Stretches the run is cut into; fewer if they would be shorter than 2 steps.
    skip : int
        Steps before the first start, which come on top of `steps`.
    at_most : int
        Weights of a layer that are followed, and units of a layer's activations: drawn
        at random where there are more.
    generator : torch.Generator, optional
        Draws them; by default one with seed 0, of its own.

    Notes
    -----
    A layer's activations are the output of the module that owns its parameters, in
    evaluation mode. Places in a sequence count as samples;
    channels and places of an image are units.

    Examples
    --------
    >>> model = nn.Linear(2, 1, bias=False)
    >>> _ = nn.init.zeros_(model.weight)
    >>> recorder = DriftRecorder(model, torch.eye(2), steps=4, starts=2)
    >>> for _ in range(4):
    ...     with torch.no_grad():
    ...         _ = model.weight.add_(0.5)
    ...     recorder.update()
    >>> recorder.curves().squares("model")
    array([[0.25, 1.  ],
           [0.25, 1.  ]])
    """

    def __init__(
        self,
        model: nn.Module,
        probe: Tensor,
        *,
        steps: int,
        starts: int = 10,
        skip: int = 0,
        at_most: int = 2_000,
        generator: torch.Generator | None = None,
    ):
        if check_positive_int(steps, "steps") < 2:
            raise ValueError("a run of 1 step has no lags to compare: two or more")
        self._outputs, self._probe, self._steps = LayerOutputs(model), probe, -skip
        stretch = steps // min(check_positive_int(starts, "starts"), steps // 2)
        octaves = np.arange(LAGS_PER_OCTAVE * np.log2(stretch) + 1) / LAGS_PER_OCTAVE
        lags = np.unique(np.append(np.rint(2**octaves), stretch)).astype(np.int64)
        self.lags = lags[lags <= stretch]
        self.starts = np.arange(steps // stretch) * stretch
        self._begins = set(self.starts.tolist())
        self._due = {
            int(start + lag): (i, j)
            for i, start in enumerate(self.starts)
            for j, lag in enumerate(self.lags)
        }
        self._parameters = FlatParameters(model)
        self._at_most = check_positive_int(at_most, "at_most")
        self._generator = generator or torch.Generator().manual_seed(0)
        members = self._parameters.groups("layer")
        slices = self._parameters.slices
        self.layers = tuple(members)
        self._chosen, self._sizes = [], []
        for indices in members.values():
            index = torch.cat(
                [torch.arange(slices[i].start, slices[i].stop) for i in indices]
            )
            self._chosen.append(index[self._draw(len(index))])
            self._sizes.append(len(index))
        self._units: dict[str, Tensor] = {}
        self._before, self._active = self._weights(), self._activations()
        shape = len(self.starts), len(self.lags)
        self._displacement = np.full((*shape, len(self.layers)), np.nan)
        self._distance, self._alignment = np.full(
            (2, *shape, len(self._active)), np.nan
        )

    def update(self) -> None:
        """Compare, if it is time for it, after a step."""
        self._steps += 1
        place = self._due.get(self._steps)
        if place is not None:
            for k, now in enumerate(self._weights()):
                self._displacement[(*place, k)] = ((now - self._before[k]) ** 2).mean()
            for k, (name, now) in enumerate(self._activations().items()):
                before = self._active[name]
                self._distance[(*place, k)] = relative_distance(before, now)
                self._alignment[(*place, k)] = linear_cka(before, now)
        if self._steps in self._begins:
            self._before, self._active = self._weights(), self._activations()

    def curves(self) -> DriftCurves:
        """Return what was measured so far; NaN where it was not yet."""
        return DriftCurves(
            self.starts,
            self.lags,
            self.layers,
            tuple(self._sizes),
            self._displacement.copy(),
            tuple(self._active),
            self._distance.copy(),
            self._alignment.copy(),
        )

    def _draw(self, count: int) -> Tensor:
        """Draw `at_most` of `count` indices, ascending."""
        order = torch.randperm(count, generator=self._generator)
        return order[: self._at_most].sort().values

    def _weights(self) -> list[np.ndarray]:
        """Return the chosen weights of each layer, float64."""
        vector = self._parameters.to_vector().cpu().double()
        return [vector[index].numpy() for index in self._chosen]

    def _activations(self) -> dict[str, np.ndarray]:
        """Return the output of each layer on the probe, (samples, units)."""
        found = {}
        for name, output in self._outputs(self._probe).items():
            # (samples, places, units) of a sequence, else (samples, units …)
            axes = (0, 1) if output.ndim == 3 else (1, -1)
            matrix = output.flatten(*axes)
            if name not in self._units:
                self._units[name] = self._draw(matrix.shape[1])
            found[name] = matrix[:, self._units[name]].cpu().numpy()
        return found
