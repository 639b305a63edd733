"""Waiting times between large updates: the definition, and exact counts of them.

A weight *exceeds* at a step if abs(Δw) ≥ threshold there. An *interval* is the number
of steps from one exceedance of a weight to the next of the same weight. A window of
`steps` steps cuts two more off: what lies before a weight's first exceedance and after
its last. How long those would have been is not known, only that they were at least
that long. They are censored, and kept apart: `left_censored` and `right_censored`
count them by that least length, and neither enters a fit, a mean, B or M.

So the stretches of a weight that exceeds at all, censored ones included, always sum to
steps + 1.

References
----------
K.-I. Goh, A.-L. Barabási, "Burstiness and memory in complex systems", EPL 81 (2008)
48002, doi 10.1209/0295-5075/81/48002: B and M.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from ..validation import check_positive, check_positive_int


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
    counts, left_censored, right_censored : array, int64 (longest,)
        Entry k − 1 counts the intervals of k steps; the weights whose first exceedance
        was the k-th step; those whose last was the k-th step from the end.
    exceedance_histogram : array, int64 (most + 1,)
        Entry n counts the weights that exceeded n times.
    longer : int
        Overflow: intervals too long to be counted by length, see `IntervalTracker`.
    pairs : tuple of int, optional
        Serial moments: sums over successive intervals a, b of a weight, of 1, a, b, a²,
        b², ab, from which M is computed.

    Examples
    --------
    >>> counts = IntervalCounts.of([[0, 9], [5, 0], [0, 0], [7, 9], [6, 0]], 5)
    >>> counts
    IntervalCounts(3 intervals of 1 to 3 steps: 5 exceedances of 5 by 2 of 2 weights \
in 5 steps)
    >>> counts.left_censored, counts.right_censored
    (array([1, 1]), array([1, 1]))
    >>> (counts + counts).counts
    array([2, 2, 2])
    """

    threshold: float
    steps: int
    counts: np.ndarray
    left_censored: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    right_censored: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    exceedance_histogram: np.ndarray = field(
        default_factory=lambda: np.zeros(1, np.int64)
    )
    longer: int = 0
    pairs: tuple[int, ...] | None = None

    opening = property(lambda self: self.left_censored, doc="Former name.")
    closing = property(lambda self: self.right_censored, doc="Former name.")
    events = property(lambda self: self.exceedance_histogram, doc="Former name.")
    never = property(lambda self: self.n_never, doc="Former name.")
    memory = property(lambda self: self.memory_coefficient, doc="Former name.")

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
        names = ("counts", "left_censored", "right_censored", "exceedance_histogram")
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
        """How many weights were watched; `n_never` of them did not exceed."""
        return int(self.exceedance_histogram.sum())

    @property
    def n_never(self) -> int:
        """How many weights never exceeded: they have no interval, censored or not."""
        return int(self.exceedance_histogram[0])

    @property
    def per_weight(self) -> np.ndarray:
        """Exceedances of each weight, ascending, int64 (weights,): for the null."""
        numbers = np.arange(len(self.exceedance_histogram))
        return np.repeat(numbers, self.exceedance_histogram)

    @property
    def exceedances(self) -> int:
        """How many large updates there were."""
        numbers = np.arange(len(self.exceedance_histogram))
        return int(numbers @ self.exceedance_histogram)

    @property
    def share(self) -> float:
        """Exceedances over all updates."""
        return self.exceedances / (self.weights * self.steps)

    @property
    def burstiness(self) -> float:
        """B of all intervals pooled, see `burstiness`; `longer` ones left out.

        Pooling weights of unequal rates raises it: compare it with that of
        `interval_null`, which has the same rates.
        """
        self.raise_if_empty()
        return burstiness_of(self.counts)

    @property
    def memory_coefficient(self) -> float:
        """M, the correlation of successive intervals of a weight, all pooled.

        Pooling weights of unequal rates raises it too.
        """
        if self.pairs is None:
            raise ValueError("successive intervals were not kept: track with memory")
        return memory_coefficient(self.pairs)

    def binned(self, per_octave: int = 8) -> BinnedIntervals:
        """Return the counts in bins of whole numbers, about even in the logarithm.

        >>> IntervalCounts(1.0, 99, np.ones(20, int)).binned(2).edges
        array([ 0.5,  1.5,  2.5,  3.5,  5.5,  7.5, 10.5, 15.5, 22.5])
        """
        check_positive_int(per_octave, "bins per octave")
        self.raise_if_empty()
        octaves = np.arange((np.log2(self.lengths[-1]) + 2) * per_octave) / per_octave
        first = np.unique(np.rint(2**octaves).astype(int))
        first = first[: np.searchsorted(first, len(self.counts), "right") + 1]
        counts = np.add.reduceat(np.append(self.counts, 0), first[:-1] - 1)
        return BinnedIntervals(first - 0.5, counts)

    def raise_if_empty(self) -> None:
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
            f"{self.threshold:.4g} by {self.weights - self.n_never:,} of "
            f"{self.weights:,} weights in {self.steps:,} steps)"
        )


def burstiness(mean: float, deviation: float, *, events: int | None = None) -> float:
    """Return B = (σ − μ)/(σ + μ): −1 regular, 0 random, towards 1 bursty.

    Parameters
    ----------
    mean, deviation : float
        μ and σ of the intervals, in steps.
    events : int, optional
        How many events one sequence had: corrects what its finite length does to B.
        Not for intervals pooled from many weights.

    Notes
    -----
    K.-I. Goh, A.-L. Barabási, EPL 81 (2008) 48002. With `events` = n and r = σ/μ,
    (√(n+1) r − √(n−1)) / ((√(n+1) − 2) r + √(n−1)): E.-K. Kim, H.-H. Jo, Phys. Rev. E
    94 (2016) 032311, for n events and n intervals, the ends of the window joined.
    Intervals are whole numbers, so random times with p exceedances per step have
    σ/μ = √(1 − p), and B is a little below 0.

    Examples
    --------
    >>> burstiness(10.0, 0.0), burstiness(10.0, 10.0), burstiness(10.0, 30.0)
    (-1.0, 0.0, 0.5)
    >>> burstiness(1.0, 9**0.5, events=10)                # all ten at one moment
    1.0
    """
    check_positive(mean, "mean interval")
    if not 0 <= deviation < np.inf:
        raise ValueError(f"deviation must be finite, zero or above, got {deviation!r}")
    if events is None:
        return float((deviation - mean) / (deviation + mean))
    if check_positive_int(events, "events") < 2:
        raise ValueError("one event has no interval: the correction needs two or more")
    most, least = sqrt(events + 1), sqrt(events - 1)
    ratio = deviation / mean
    return float((most * ratio - least) / ((most - 2) * ratio + least))


def burstiness_of(counts) -> float:
    """Return B of counts of the intervals of 1, 2, … steps."""
    lengths, total = np.arange(1, len(counts) + 1), counts.sum()
    mean = lengths @ counts / total
    return burstiness(mean, sqrt((lengths - mean) ** 2 @ counts / total))


def memory_coefficient(moments: Sequence[float]) -> float:
    """Return the correlation of a and b from the sums of 1, a, b, a², b², ab.

    >>> memory_coefficient((3, 6, 9, 14, 29, 20))         # (1, 2), (2, 3), (3, 4)
    1.0
    """
    n, a, b, aa, bb, ab = moments
    spread = (n * aa - a * a) * (n * bb - b * b)
    if n < 2 or spread <= 0:
        raise ValueError(
            f"{n} pair(s) of successive intervals, or all of them equal: there is no "
            "correlation, watch longer or lower the threshold"
        )
    return float((n * ab - a * b) / sqrt(spread))


def _exceeds(magnitudes, threshold):
    """Return where magnitudes, (steps, weights), reach the threshold."""
    magnitudes = np.asarray(magnitudes)
    if magnitudes.ndim != 2 or len(magnitudes) < 2:
        raise ValueError(
            f"magnitudes of shape {magnitudes.shape}: expected (steps, weights) with "
            "two steps or more, since no interval fits in less"
        )
    return magnitudes >= float(check_positive(threshold, "threshold"))


def _sum(one, other):
    """Add two arrays of counts, the shorter one continued by zeros."""
    long, short = (one, other) if len(one) >= len(other) else (other, one)
    total = long.copy()
    total[: len(short)] += short
    return total
