"""Waiting times between large updates: the definition, and exact counts of them.

A weight *exceeds* at a step if abs(Δw) ≥ threshold there. An *interval* is the number
of steps from one exceedance of a weight to its next. A window of `steps` steps cuts off
what lies before a weight's first exceedance and after its last. Only a lower bound of
their lengths is known: they are censored, counted apart by that bound, and enter no
fit, mean, B or M. All intervals of a weight, censored ones included, sum to steps + 1.

B and M: K.-I. Goh, A.-L. Barabási, EPL 81 (2008) 48002, doi 10.1209/0295-5075/81/48002.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from ..validation import check_positive, check_positive_int, real_numbers


def exceedance_intervals(magnitudes: ArrayLike, threshold: float) -> np.ndarray:
    """Return the steps between successive large updates of the same weight.

    Magnitudes abs(Δw), (steps, weights), and threshold in the same unit; NaN never
    exceeds. The intervals, int64, come weight by weight, without the censored ends.

    >>> exceedance_intervals([[0, 9], [5, 0], [0, 0], [7, 9], [6, 0]], threshold=5)
    array([2, 1, 3])
    """
    weight, step = np.nonzero(_exceeds(magnitudes, threshold).T)
    return np.diff(step)[np.diff(weight) == 0]


@dataclass(frozen=True, eq=False, repr=False)
class IntervalCounts:
    """How often each interval occurred, exactly, with the censored ends apart.

    Entry k − 1 of `counts` is the number of intervals of k steps, of `left_censored`
    the number of weights whose first exceedance was the k-th step, of `right_censored`
    of those whose last was the k-th step from the end.

    >>> counts = IntervalCounts.of([[0, 9], [5, 0], [0, 0], [7, 9], [6, 0]], 5)
    >>> counts
    IntervalCounts(3 intervals of up to 3 steps: 5 exceedances of 5 by 2 of 2 weights \
in 5 steps)
    >>> counts.left_censored, counts.right_censored, (counts + counts).counts
    (array([1, 1]), array([1, 1]), array([2, 2, 2]))
    """

    threshold: float  # in the unit of the weight
    steps: int  # length of the window
    counts: np.ndarray  # int64 (longest,), as the next two
    left_censored: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    right_censored: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    # entry n: number of weights that exceeded n times
    exceedance_histogram: np.ndarray = field(default_factory=lambda: np.zeros(1, int))
    overflow: int = 0  # intervals longer than the `max_interval` of a tracker
    # sums over successive intervals a, b of a weight, of 1, a, b, a², b², ab
    serial_moments: tuple[int, ...] | None = None

    @classmethod
    def of(cls, magnitudes: ArrayLike, threshold: float) -> "IntervalCounts":
        """Count the intervals of magnitudes, (steps, weights)."""
        exceeds = _exceeds(magnitudes, threshold)
        weight, step = np.nonzero(exceeds.T)
        return cls.from_times(weight, step, *exceeds.shape, float(threshold))

    @classmethod
    def from_times(cls, weight, step, steps, weights, threshold) -> "IntervalCounts":
        """Count the intervals of exceedances, sorted by weight and then by step."""
        first = np.diff(weight, prepend=-1) != 0
        last = np.diff(weight, append=weights) != 0
        gaps = np.diff(step, prepend=0)  # not an interval where a weight begins
        both = ~first[:-1] & ~first[1:]
        a, b = gaps[:-1][both], gaps[1:][both]
        return cls(
            threshold,
            steps,
            np.bincount(gaps[~first])[1:],
            np.bincount(step[first] + 1)[1:],
            np.bincount(steps - step[last])[1:],
            np.bincount(np.bincount(weight, minlength=weights)),
            serial_moments=(len(a), *map(int, (a.sum(), b.sum(), a @ a, b @ b, a @ b))),
        )

    def __add__(self, other: "IntervalCounts") -> "IntervalCounts":
        window = self.threshold, self.steps
        if window != (other.threshold, other.steps):
            raise ValueError(
                f"intervals with (threshold, steps) = {window} and "
                f"{(other.threshold, other.steps)} do not add up: take the same ones"
            )
        arrays, moments = [], None
        names = ("counts", "left_censored", "right_censored", "exceedance_histogram")
        for parts in ((getattr(self, name), getattr(other, name)) for name in names):
            arrays.append(np.zeros(max(map(len, parts)), np.int64))
            for part in parts:
                arrays[-1][: len(part)] += part
        if self.serial_moments and other.serial_moments:
            pairs = zip(self.serial_moments, other.serial_moments, strict=True)
            moments = tuple(map(sum, pairs))
        return IntervalCounts(*window, *arrays, self.overflow + other.overflow, moments)

    @property
    def lengths(self) -> np.ndarray:
        """Steps 1 to the longest interval, one for each entry of `counts`."""
        return np.arange(1, len(self.counts) + 1)

    @property
    def total(self) -> int:
        """Number of intervals, overflow included."""
        return int(self.counts.sum()) + self.overflow

    @property
    def weights(self) -> int:
        """Number of weights, those that never exceeded included."""
        return int(self.exceedance_histogram.sum())

    @property
    def n_never(self) -> int:
        """Number of weights that never exceeded."""
        return int(self.exceedance_histogram[0])

    @property
    def per_weight(self) -> np.ndarray:
        """Exceedances of each weight, ascending, int64 (weights,): for the null."""
        histogram = self.exceedance_histogram
        return np.repeat(np.arange(len(histogram)), histogram)

    @property
    def exceedances(self) -> int:
        """Number of large updates."""
        return int(self.per_weight.sum())

    @property
    def exceedance_fraction(self) -> float:
        """Large updates over all updates."""
        return self.exceedances / (self.weights * self.steps)

    # Pooling weights of unequal rates raises B and M: compare them with those of
    # `interval_null`, which has the same rates.

    @property
    def burstiness(self) -> float:
        """B of all intervals pooled, without the overflow."""
        self.raise_if_empty()
        return burstiness_of(self.counts)

    @property
    def memory_coefficient(self) -> float:
        """M, the correlation of successive intervals of a weight, all pooled."""
        if self.serial_moments is None:
            raise ValueError("these counts have no serial moments, so M is unknown")
        return memory_coefficient(self.serial_moments)

    def binned(self, per_octave: int = 8) -> tuple[np.ndarray, np.ndarray]:
        """Return log-spaced edges halfway between whole numbers, and counts.

        >>> IntervalCounts(1.0, 99, np.ones(20, int)).binned(2)[0]
        array([ 0.5,  1.5,  2.5,  3.5,  5.5,  7.5, 10.5, 15.5, 22.5])
        """
        check_positive_int(per_octave, "bins per octave")
        self.raise_if_empty()
        octaves = np.arange((np.log2(len(self.counts)) + 2) * per_octave) / per_octave
        first = np.unique(np.rint(2**octaves).astype(int))
        first = first[: np.searchsorted(first, len(self.counts), "right") + 1]
        counts = np.add.reduceat(np.append(self.counts, 0), first[:-1] - 1)
        return first - 0.5, counts

    def raise_if_empty(self) -> None:
        """Raise a ValueError if there is no interval to measure."""
        if not self.counts.any():
            raise ValueError(
                f"no weight exceeded {self.threshold:g} twice in {self.steps:,} steps: "
                "there is no interval, lower the threshold or observe more steps"
            )

    def __repr__(self):
        return (
            f"IntervalCounts({self.total:,} intervals of up to {len(self.counts):,} "
            f"steps: {self.exceedances:,} exceedances of {self.threshold:.4g} by "
            f"{self.weights - self.n_never:,} of {self.weights:,} weights in "
            f"{self.steps:,} steps)"
        )


def burstiness(mean: float, deviation: float) -> float:
    """Return B = (σ − μ)/(σ + μ): −1 regular, 0 random, towards 1 bursty.

    μ and σ are mean and standard deviation of the intervals. These are whole numbers,
    so random times with p exceedances per step have σ/μ = √(1 − p), and B is a little
    below 0.

    >>> burstiness(10.0, 0.0), burstiness(10.0, 10.0), burstiness(10.0, 30.0)
    (-1.0, 0.0, 0.5)
    """
    check_positive(mean, "mean interval")
    if not 0 <= deviation < np.inf:
        raise ValueError(f"deviation must be finite, zero or above, got {deviation!r}")
    return float((deviation - mean) / (deviation + mean))


def burstiness_of(counts) -> float:
    """Return B of counts of the intervals of 1, 2, … steps."""
    lengths, total = np.arange(1, len(counts) + 1), counts.sum()
    mean = lengths @ counts / total
    return burstiness(mean, sqrt((lengths - mean) ** 2 @ counts / total))


def memory_coefficient(moments: Sequence[float]) -> float:
    """Return the correlation of a and b from the sums of 1, a, b, a², b², ab."""
    n, a, b, aa, bb, ab = moments
    spread = (n * aa - a * a) * (n * bb - b * b)
    if n < 2 or spread <= 0:
        raise ValueError(
            f"{n} pairs of successive intervals, or all of them equal: there is no "
            "correlation, observe more steps or lower the threshold"
        )
    return float((n * ab - a * b) / sqrt(spread))


def _exceeds(magnitudes, threshold):
    """Return where magnitudes, (steps, weights), reach the threshold."""
    magnitudes = real_numbers(magnitudes, "magnitudes", single=True)
    if magnitudes.ndim != 2 or len(magnitudes) < 2:
        raise ValueError(
            f"magnitudes of shape {magnitudes.shape}: expected (steps, weights) with "
            "two steps or more, since no interval fits in less"
        )
    return magnitudes >= float(check_positive(threshold, "threshold"))
