"""Drift of weights and activations against the lag, from a live model.

The run is cut into stretches that do not overlap. At the start of each, weights and
activations are copied; at lags that are even in the logarithm they are compared with
the current ones. So there is one copy at a time, and most steps cost nothing.
"""

from copy import deepcopy
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
from .hooks import Observer

LAGS_PER_OCTAVE = 2


@dataclass(frozen=True, eq=False, repr=False)
class DriftCurves:
    """Displacement of weights and change of activations against the lag."""

    starts: np.ndarray  # steps
    lags: np.ndarray  # steps
    layers: tuple[str, ...]
    sizes: tuple[int, ...]  # weights of each layer
    displacement: np.ndarray  # (starts, lags, layers), mean of (w(t + lag) − w(t))²
    active: tuple[str, ...]  # layers whose activations were measured
    distance: np.ndarray  # (starts, lags, active), relative L2 distance
    alignment: np.ndarray  # (starts, lags, active), linear CKA

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
        """Return all fields as arrays."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays) -> "DriftCurves":
        """Return the curves of which `to_arrays` gave the arrays."""
        tuples = ("layers", "sizes", "active")
        return cls(**arrays | {name: tuple(arrays[name].tolist()) for name in tuples})


class DriftRecorder(Observer):
    """Compare weights and activations with those of some steps ago.

    Parameters
    ----------
    model : torch.nn.Module
    probe : Tensor
        A fixed batch of inputs, (samples, ...); 64 to 256 samples are enough.
    steps : int
        Length of the run after the first `skip` steps, 2 or more.
    starts : int
        Stretches the run is cut into; fewer if they would be shorter than 2 steps.
    skip : int
        Steps before the first start.
    at_most : int
        Weights and units to follow in each layer: the same random choice in each run.
        Places in a sequence count as samples; channels and places of an image as units.

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
    ):
        if check_positive_int(steps, "steps") < 2:
            raise ValueError("a run of 1 step has no lags to compare: two or more")
        self._at_most = check_positive_int(at_most, "at_most")
        self._generator = torch.Generator().manual_seed(0)
        self._outputs, self._probe, self._step = LayerOutputs(model), probe, -skip

        stretch = steps // min(check_positive_int(starts, "starts"), steps // 2)
        begins = np.arange(steps // stretch) * stretch
        octaves = np.arange(LAGS_PER_OCTAVE * np.log2(stretch) + 1) / LAGS_PER_OCTAVE
        lags = np.unique(np.append(np.rint(2**octaves), stretch)).astype(np.int64)
        lags = lags[lags <= stretch]
        times = begins[:, None] + lags
        self._due = {int(time): place for place, time in np.ndenumerate(times)}

        self._parameters = FlatParameters(model)
        groups = self._parameters.groups("layer")
        indices = [
            np.concatenate([np.arange(part.start, part.stop) for part in parts])
            for parts in groups.values()
        ]
        self._chosen = [index[self._choose(len(index))] for index in indices]
        self._units: dict[str, np.ndarray] = {}
        self._before, self._active = self._weights(), self._activations()
        weights, units = (
            np.full((*times.shape, len(each)), np.nan)
            for each in (groups, self._active)
        )
        self._curves = DriftCurves(
            *(begins, lags, tuple(groups), tuple(map(len, indices)), weights),
            *(tuple(self._active), units, units.copy()),
        )

    def update(self) -> None:
        """Compare after a step, if it is at one of the lags."""
        self._step += 1
        if self._step in self._due:
            place = self._due[self._step]
            weights, activations = self._weights(), self._activations()
            pairs = zip(self._before, weights, strict=True)
            self._curves.displacement[place] = [((b - a) ** 2).mean() for a, b in pairs]
            pairs = [(self._active[name], now) for name, now in activations.items()]
            self._curves.distance[place] = [relative_distance(*pair) for pair in pairs]
            self._curves.alignment[place] = [linear_cka(*pair) for pair in pairs]
        if self._step in self._curves.starts:
            self._before, self._active = self._weights(), self._activations()

    def curves(self) -> DriftCurves:
        """Return what was measured so far; NaN at lags that are still to come."""
        return deepcopy(self._curves)

    def _choose(self, count: int) -> np.ndarray:
        """Choose `at_most` of `count` indices at random, ascending."""
        order = torch.randperm(count, generator=self._generator)
        return order[: self._at_most].sort().values.numpy()

    def _weights(self) -> list[np.ndarray]:
        """Return the chosen weights of each layer, float64."""
        vector = self._parameters.to_vector().cpu().double().numpy()
        return [vector[index] for index in self._chosen]

    def _activations(self) -> dict[str, np.ndarray]:
        """Return the output of each layer on the probe, (samples, units)."""
        found = {}
        for name, output in self._outputs(self._probe).items():
            # (samples, places, units) of a sequence, else (samples, units …)
            axes = (0, 1) if output.ndim == 3 else (1, -1)
            matrix = output.flatten(*axes).cpu().numpy()
            if name not in self._units:
                self._units[name] = self._choose(matrix.shape[1])
            found[name] = matrix[:, self._units[name]]
        return found
