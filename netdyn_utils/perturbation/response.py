"""What a scan of single-weight perturbations found, as a small frozen record."""

from dataclasses import dataclass

import numpy as np

from ..validation import check_choice

NAMES = ("layers", "excluded")


@dataclass(frozen=True, eq=False, repr=False)
class PerturbationResponse:
    """Loss response to single displaced weights, ΔL = L(w + δ e_k) − L(w), in nats."""

    layers: tuple[str, ...]  # names of those that were scanned
    layer: np.ndarray  # index of each weight's layer, (weights,)
    index: np.ndarray  # row-major place in its layer's weights, (weights,)
    deltas: np.ndarray  # sizes of the displacement, ascending, in units of the weight
    loss: float  # L(w), mean over all samples
    response: np.ndarray  # ΔL for +δ and −δ, float64, (deltas, 2, weights)
    samples: int  # that L is the mean over
    method: str  # the path that computed it: "chain" or "general"
    excluded: tuple[str, ...] = ()  # parameters with two axes or more, not scanned

    @property
    def antisymmetric(self) -> np.ndarray:
        """(ΔL(+δ) − ΔL(−δ))/2, odd in δ, (deltas, weights)."""
        return (self.response[:, 0] - self.response[:, 1]) / 2

    @property
    def symmetric(self) -> np.ndarray:
        """(ΔL(+δ) + ΔL(−δ))/2, even in δ, (deltas, weights)."""
        return (self.response[:, 0] + self.response[:, 1]) / 2

    odd, even = antisymmetric, symmetric  # former names

    def changes(self, delta: float, layer: str = "all") -> np.ndarray:
        """Return ΔL of a layer's weights, or of all, for a signed δ, (weights,)."""
        sign = 0 if delta > 0 else 1
        return self.response[self._place(delta), sign, self.of(layer)]

    def gradient(self, delta: float, layer: str = "all") -> np.ndarray:
        """Return antisymmetric/δ, which tends to ∂L/∂w_k as δ shrinks, (weights,)."""
        place = self._place(delta)
        return self.antisymmetric[place, self.of(layer)] / self.deltas[place]

    def curvature(self, delta: float, layer: str = "all") -> np.ndarray:
        """Return 2·symmetric/δ², which tends to ∂²L/∂w_k² as δ shrinks, (weights,)."""
        place = self._place(delta)
        return 2 * self.symmetric[place, self.of(layer)] / self.deltas[place] ** 2

    def of(self, layer: str = "all") -> np.ndarray:
        """Return which weights belong to a layer, or to "all", bool, (weights,)."""
        if layer == "all":
            return np.ones(len(self.layer), bool)
        check_choice(layer, ("all", *self.layers), "layer")
        return self.layer == self.layers.index(layer)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything as arrays, for a run's record."""
        arrays = {name: np.asarray(value) for name, value in vars(self).items()}
        return {n: a for n, a in arrays.items() if n != "excluded" or a.size}

    @classmethod
    def from_arrays(cls, arrays) -> "PerturbationResponse":
        """Read back what `to_arrays` gave."""
        scalars = {name: arrays[name].item() for name in ("loss", "samples", "method")}
        names = {n: tuple(arrays[n].tolist()) for n in NAMES if n in arrays}
        return cls(**{**arrays, **scalars, **names})

    def _place(self, delta: float) -> int:
        """Return which of the sizes abs(delta) is."""
        near = np.flatnonzero(np.isclose(self.deltas, abs(delta), rtol=1e-12, atol=0))
        if not near.size:
            sizes = ", ".join(f"±{size:g}" for size in self.deltas)
            raise ValueError(f"delta={delta:g} was not scanned: choose one of {sizes}")
        return int(near[0])

    def __repr__(self):
        left = f", not scanned: {', '.join(self.excluded)}" if self.excluded else ""
        return (
            f"PerturbationResponse({len(self.index):,} weights of {len(self.layers)} "
            f"layers, δ from ±{self.deltas[0]:g} to ±{self.deltas[-1]:g}, loss "
            f"{self.loss:.4g} over {self.samples:,} samples{left})"
        )
