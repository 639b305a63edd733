"""Exponential or power law, and the displacement of a weight at which that changes.

Both are fitted to the largest changes of the loss, above the same threshold. The sign
of their likelihood ratio says which fits better. The better of two may still be wrong,
see `alternatives`; and exponential groups of different means together may look like a
power law, see `exponential_mixture`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..validation import check_level, check_positive_int, real_numbers

TAIL_FRACTION = 0.1  # of the values, the largest
MIN_TAIL_COUNT = 20  # values in a tail


@dataclass(frozen=True)
class LikelihoodRatio:
    """Power law against exponential on the largest values of a sample.

    >>> print(power_law_or_exponential(np.random.default_rng(0).exponential(1, 10_000)))
    exponential: z = -5.3 on 1,000 values above 2.3 (rate 1, alpha 4.08)
    """

    loglik_ratio: float  # mean of ln p(power law) − ln p(exponential), nats per value
    z: float  # the ratio over its standard error: above 0 for the power law
    n: int  # values in the tail
    xmin: float  # the tail lies above it
    alpha: float  # exponent of the density of the power law
    rate: float  # of the exponential, per unit of x

    @property
    def preferred(self) -> str:
        """Name of the distribution that fits better."""
        return "power law" if self.loglik_ratio > 0 else "exponential"

    def __str__(self):
        return (
            f"{self.preferred}: z = {self.z:.1f} on {self.n:,} values above "
            f"{self.xmin:.2g} (rate {self.rate:.3g}, alpha {self.alpha:.3g})"
        )


@dataclass(frozen=True, eq=False)
class Crossover:
    """Where the exponential gives way to the power law as displacements grow."""

    deltas: np.ndarray  # displacements, ascending, in the unit of a weight
    ratios: np.ndarray  # `LikelihoodRatio.loglik_ratio` at each
    low: np.ndarray  # bootstrap interval of each ratio
    high: np.ndarray
    delta: float  # where the ratio turns positive for good; nan if it never does
    interval: tuple[float, float]  # of `delta`, over the resamples that have one
    undecided: float  # fraction of the resamples without one

    def __repr__(self):
        low, high = self.interval
        return (
            f"Crossover(at {self.delta:.2g}, {low:.2g} to {high:.2g}; none in "
            f"{self.undecided:.0%} of the resamples)"
        )


def power_law_or_exponential(
    x: ArrayLike, *, fraction: float = TAIL_FRACTION
) -> LikelihoodRatio:
    """Fit both to the largest values of a sample and say which fits better.

    The tail is that fraction of the values, the largest; x, (samples,), is finite and
    not negative. A ValueError if the tail has fewer than 20 values, or does not reach
    above the threshold.

    Notes
    -----
    With the threshold c at the largest value below the tail, by maximum likelihood:
    p(x) = λ e^(−λ(x−c)) with 1/λ = ⟨x − c⟩, and p(x) = (s/c)(x/c)^(−s−1) with
    1/s = ⟨ln(x/c)⟩ and alpha = s + 1. z is Vuong's, the ratio over its standard error
    for independent values (Clauset, Shalizi & Newman, SIAM Review 51 (2009), app. C).
    """
    x = real_numbers(x, "values")
    n = round(fraction * x.size) if 0 < fraction < 1 else 0
    if x.ndim != 1 or not np.isfinite(x).all() or (x < 0).any():
        raise ValueError(
            "expected one axis of finite values that are not negative, such as "
            f"abs(ΔL); got shape {x.shape}"
        )
    if n < MIN_TAIL_COUNT:
        raise ValueError(
            f"a fraction {fraction!r} of {len(x):,} values is no tail: choose one in "
            f"(0, 1) that leaves at least {MIN_TAIL_COUNT}"
        )
    ratio, spread, xmin, alpha, rate = (float(v[0]) for v in _fit_both(x[None], n))
    if not np.isfinite(ratio):
        raise ValueError(
            f"the largest {n:,} values do not rise above {xmin:g}, or that is zero: "
            "choose a smaller fraction"
        )
    z = ratio / spread * n**0.5 if spread else 0.0
    return LikelihoodRatio(ratio, z, n, xmin, alpha, rate)


def crossover_delta(
    deltas: ArrayLike,
    changes: ArrayLike,
    *,
    rng: np.random.Generator,
    fraction: float = TAIL_FRACTION,
    replicates: int = 500,
    level: float = 0.95,
) -> Crossover:
    """Find the displacement from which on the power law fits better.

    Displacements, (deltas,), ascend and are positive; changes of the loss are those of
    the same weights at each, (deltas, weights), of any sign. `rng` resamples weights,
    the same for every displacement. Between two the ratio is linear in ln δ.
    """
    deltas = real_numbers(deltas, "displacements")
    changes = np.abs(real_numbers(changes, "changes"))
    if changes.shape[:1] != deltas.shape or changes.ndim != 2 or len(deltas) < 2:
        raise ValueError(
            f"expected one row of changes for each of two displacements or more, got "
            f"{changes.shape} for {deltas.shape}"
        )
    if (np.diff(deltas, prepend=0.0) <= 0).any():
        raise ValueError("displacements must be positive and ascending")
    tests = [power_law_or_exponential(row, fraction=fraction) for row in changes]
    ratios = np.array([test.loglik_ratio for test in tests])
    weights = changes.shape[1]
    replicates = check_positive_int(replicates, "replicates")
    resamples = rng.integers(weights, size=(replicates, weights))
    again = np.array([_fit_both(row[resamples], tests[0].n)[0] for row in changes])
    found = [_zero_crossing(deltas, column) for column in again.T]
    found = np.array(found)[np.isfinite(found)]
    tails = (0.5 - check_level(level) / 2, 0.5 + level / 2)
    low, high = np.nanquantile(again, tails, axis=1)
    interval = tuple(np.quantile(found, tails)) if len(found) else (np.nan, np.nan)
    delta, undecided = _zero_crossing(deltas, ratios), 1 - len(found) / replicates
    return Crossover(deltas, ratios, low, high, delta, interval, undecided)


def exponential_mixture(
    x: ArrayLike, groups: ArrayLike, *, rng: np.random.Generator
) -> np.ndarray:
    """Draw a sample in which every group is exponential with the group's own mean.

    Values that are not negative, and the group of each, for instance its layer.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> layer = np.repeat(np.arange(5), 1_000)
    >>> means = np.array([1.0, 1.2, 1.5, 3.0, 15.0])[layer]
    >>> x = exponential_mixture(means, layer, rng=rng)
    >>> power_law_or_exponential(x[layer == 4], fraction=0.5).preferred
    'exponential'
    >>> power_law_or_exponential(x, fraction=0.5).preferred
    'power law'
    """
    x, groups = real_numbers(x, "values"), np.asarray(groups)
    if x.shape != groups.shape or x.ndim != 1 or not x.size:
        shapes = f"{x.shape} and {groups.shape}"
        raise ValueError(f"expected a group for each value, got shapes {shapes}")
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=x) / counts
    return rng.exponential(means[place])


def _fit_both(x, n):
    """Return ratio, its spread, xmin, alpha and rate of each row, (rows,)."""
    top = -np.partition(-x, n, axis=1)[:, : n + 1]
    xmin = top.min(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(top / xmin)
        rate = n / (top - xmin).sum(axis=1, keepdims=True)  # xmin itself adds nothing
        s = n / logs.sum(axis=1, keepdims=True)
        power = np.log(s / xmin) - (s + 1) * logs
        gap = power - np.log(rate) + rate * (top - xmin)
        at_xmin = np.log(s / xmin) - np.log(rate)  # leave xmin out
        ratio = (gap.sum(axis=1) - at_xmin[:, 0]) / n
        squares = (gap**2).sum(axis=1) - at_xmin[:, 0] ** 2
        spread = np.sqrt(np.maximum(squares / n - ratio**2, 0))
    return ratio, spread, xmin[:, 0], s[:, 0] + 1, rate[:, 0]


def _zero_crossing(deltas, ratios):
    """Return where a curve turns positive for good, linear in the logarithm."""
    last = np.flatnonzero(np.append(True, ~(np.asarray(ratios) > 0)))[-1] - 1
    if last < 0:
        return float(deltas[0])
    if last == len(deltas) - 1:
        return np.nan
    below, above = ratios[last : last + 2]
    part = -below / (above - below)
    return float(deltas[last] * (deltas[last + 1] / deltas[last]) ** part)
