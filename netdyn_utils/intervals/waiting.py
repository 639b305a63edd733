"""Waiting times between large updates: the definition, and exact counts of them.

A weight *exceeds* at a step if abs(Δw) ≥ threshold there. An *interval* is the number
of steps from one exceedance of a weight to the next of the same weight. A window of
`steps` steps cuts two more off: what lies before a weight's first exceedance and after
its last. How long those would have been is not known, only that they were at least
that long. They are censored, and stand apart: `opening` and `closing` count them by
that least length, and neither enters a fit, a mean, B or M.

So the three kinds of stretches of a weight that exceeds at all, its opening, its
intervals and its closing, always sum to steps + 1.
"""

from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from ..checks import positive, positive_int
from .bursts import burstiness, memory


def exceedance_intervals(magnitudes: ArrayLike, threshold: float) -> np.ndarray:
    """Return the steps between successive large updates of the same weight.

    Parameters
    ----------
    magnitudes : array, (steps, weights)
        abs(Δw); a NaN never exceeds.
    threshold : float
        Above zero, in the unit of the magnitudes, compared in their precision.

    Returns
    -------
    array, int64 (intervals,)
        Weight by weight, in order of time. Censored ends are not among them, see
        `IntervalCounts.of`.

    Examples
    --------
    >>> exceedance_intervals([[0, 9], [5, 0], [0, 0], [7, 9], [6, 0]], threshold=5)
    array([2, 1, 3])
    """
    weight, step = np.nonzero(_exceeds(magnitudes, threshold).T)
    return np.diff(step)[np.diff(weight) == 0]


@dataclass(frozen=True)
class BinnedIntervals:
    """Intervals in bins of whole numbers; the edges lie halfway between two."""

    edges: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class IntervalCounts:
    """How often each interval occurred, exactly, with the censored ends apart.

    Parameters
    ----------
    threshold : float
        In the unit of the weight.
    steps : int
        Length of the window.
    counts, opening, closing : array, int64 (longest,)
        Entry k − 1 counts the intervals of k steps; the weights whose first exceedance
        was the k-th step; those whose last was the k-th step from the end.
    events : array, int64 (most + 1,)
        Entry n counts the weights that exceeded n times.
    longer : int
        Intervals too long to be held apart, see `IntervalTracker`.
    pairs : tuple of int, optional
        Sums over successive intervals a, b of a weight, of 1, a, b, a², b², ab: what
        `memory` needs.

    Examples
    --------
    >>> counts = IntervalCounts.of([[0, 9], [5, 0], [0, 0], [7, 9], [6, 0]], 5)
    >>> counts
    IntervalCounts(3 intervals of 1 to 3 steps: 5 exceedances of 5 by 2 of 2 weights \
in 5 steps)
    >>> counts.opening, counts.closing
    (array([1, 1]), array([1, 1]))
    >>> (counts + counts).counts
    array([2, 2, 2])
    """

    threshold: float
    steps: int
    counts: np.ndarray
    opening: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    closing: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    events: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    longer: int = 0
    pairs: tuple[int, ...] | None = None

    @classmethod
    def of(cls, magnitudes: ArrayLike, threshold: float) -> "IntervalCounts":
        """Count the intervals of magnitudes, (steps, weights): what is streamed."""
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
        sums = (np.ones_like(a), a, b, a * a, b * b, a * b)
        return cls(
            threshold,
            steps,
            np.bincount(gaps[~first])[1:],
            np.bincount(step[first] + 1)[1:],
            np.bincount(steps - step[last])[1:],
            np.bincount(np.bincount(weight, minlength=weights)),
            pairs=tuple(int(row.sum()) for row in sums),
        )

    def __add__(self, other: "IntervalCounts") -> "IntervalCounts":
        if (self.threshold, self.steps) != (other.threshold, other.steps):
            raise ValueError(
                f"intervals above {self.threshold:g} in {self.steps} steps and above "
                f"{other.threshold:g} in {other.steps} do not add up: count both with "
                "the same threshold over the same number of steps"
            )
        longer, pairs = self.longer + other.longer, None
        if self.pairs and other.pairs:
            pairs = tuple(map(sum, zip(self.pairs, other.pairs, strict=True)))
        names = ("counts", "opening", "closing", "events")
        sums = [_sum(getattr(self, n), getattr(other, n)) for n in names]
        return IntervalCounts(self.threshold, self.steps, *sums, longer, pairs)

    @property
    def lengths(self) -> np.ndarray:
        """Steps 1 to the longest interval, one for each entry of `counts`."""
        return np.arange(1, len(self.counts) + 1)

    @property
    def total(self) -> int:
        """How many intervals there are, `longer` ones included."""
        return int(self.counts.sum()) + self.longer

    @property
    def weights(self) -> int:
        """How many weights were watched; `never` of them did not exceed."""
        return int(self.events.sum())

    @property
    def never(self) -> int:
        """How many weights never exceeded; they have no interval, open or closed."""
        return int(self.events[0])

    @property
    def per_weight(self) -> np.ndarray:
        """Exceedances of each weight, ascending, int64 (weights,), for the null."""
        return np.repeat(np.arange(len(self.events)), self.events)

    @property
    def exceedances(self) -> int:
        """How many large updates there were."""
        return int(np.arange(len(self.events)) @ self.events)

    @property
    def share(self) -> float:
        """Exceedances over all updates."""
        return self.exceedances / (self.weights * self.steps)

    @property
    def burstiness(self) -> float:
        """B of all intervals pooled, see `burstiness`; `longer` ones left out.

        Pooling weights of unequal rates raises it: hold it against that of
        `interval_null`, which has the same rates.
        """
        self.require()
        mean = self.lengths @ self.counts / self.counts.sum()
        square = (self.lengths - mean) ** 2 @ self.counts / self.counts.sum()
        return burstiness(mean, sqrt(square))

    @property
    def memory(self) -> float:
        """M, the correlation of successive intervals of a weight, all pooled.

        Goh & Barabási (2008); pooling weights of unequal rates raises it too.
        """
        if self.pairs is None:
            raise ValueError("successive intervals were not kept: track with memory")
        return memory(self.pairs)

    def binned(self, per_octave: int = 8) -> BinnedIntervals:
        """Return the counts in bins of whole numbers, about even in the logarithm.

        >>> IntervalCounts(1.0, 99, np.ones(20, int)).binned(2).edges
        array([ 0.5,  1.5,  2.5,  3.5,  5.5,  7.5, 10.5, 15.5, 22.5])
        """
        positive_int(per_octave, "bins per octave")
        self.require()
        octaves = np.arange((np.log2(self.lengths[-1]) + 2) * per_octave) / per_octave
        first = np.unique(np.rint(2**octaves).astype(int))
        first = first[: np.searchsorted(first, len(self.counts), "right") + 1]
        counts = np.add.reduceat(np.append(self.counts, 0), first[:-1] - 1)
        return BinnedIntervals(first - 0.5, counts)

    def require(self) -> None:
        """Say why there is nothing to measure, if so."""
        if not self.counts.any():
            raise ValueError(
                f"no weight exceeded {self.threshold:g} twice in {self.steps:,} steps "
                f"({self.exceedances:,} exceedances in all): there is no interval, "
                "lower the threshold or watch longer"
            )

    def __repr__(self):
        found = f"{self.total:,} intervals"
        if self.counts.any():
            low, high = np.flatnonzero(self.counts)[[0, -1]] + 1
            found += f" of {low:,} to {high:,} steps"
        return (
            f"IntervalCounts({found}: {self.exceedances:,} exceedances of "
            f"{self.threshold:.4g} by {self.weights - self.never:,} of "
            f"{self.weights:,} weights in {self.steps:,} steps)"
        )


def _exceeds(magnitudes, threshold):
    """Return where magnitudes, (steps, weights), reach the threshold."""
    magnitudes = np.asarray(magnitudes)
    if magnitudes.ndim != 2 or len(magnitudes) < 2:
        raise ValueError(
            f"magnitudes of shape {magnitudes.shape}: expected (steps, weights) with "
            "two steps or more, since no interval fits in less"
        )
    return magnitudes >= float(positive(threshold, "threshold"))


def _sum(one, other):
    """Add two arrays of counts, the shorter one continued by zeros."""
    long, short = (one, other) if len(one) >= len(other) else (other, one)
    total = long.copy()
    total[: len(short)] += short
    return total
