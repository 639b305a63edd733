"""The streamed form of `IntervalCounts`: the large updates of one step after another.

What is counted is defined by `IntervalCounts.of`. Large updates are rare, so they are
only noted; every 16,384 of them are sorted by weight and step, and their intervals
counted in one go. Held per weight and threshold are three whole numbers of four bytes:
the step of the last exceedance, how many there were, and the last interval.
"""

from collections.abc import Sequence

import numpy as np

from .counts import IntervalCounts

FIRST_SIZE = 1_024  # lengths there is room for at first; doubled when needed
NOTED = 1 << 14  # large updates that are noted before they are counted


class IntervalCounter:
    """Exact counts of intervals per group of weights and threshold.

    Parameters
    ----------
    group : array of int32, (weights,)
        The number of the group that each weight belongs to.
    groups : int
        Number of groups.
    thresholds : sequence of float
        All different, at most 255.
    max_interval : int
        Longest interval that is held apart.

    Examples
    --------
    >>> counter = IntervalCounter(np.zeros(2, np.int32), 1, [0.5, 5.0], 100)
    >>> for step, values in enumerate(([0, 9], [1, 0], [0, 7])):
    ...     index = np.flatnonzero(values)
    ...     counter.note(step, index, np.float32(values)[index])
    >>> counter.read(0, slice(None), slice(None), steps=3)
    IntervalCounts(1 intervals of 2 to 2 steps: 3 exceedances of 0.5 by 2 of 2 weights \
in 3 steps)
    """

    def __init__(
        self,
        group: np.ndarray,
        groups: int,
        thresholds: Sequence[float],
        max_interval: int,
    ):
        self._group, self.thresholds = group, thresholds
        self.max_interval = max_interval
        self._ranks = np.argsort(thresholds)
        self._ascending = np.float32(thresholds)[self._ranks]
        self._notes: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._noted = 0
        # Of each weight: step of the last exceedance, exceedances, last interval. The
        # step before the first makes an opening the difference of two steps, too.
        shape = len(thresholds), len(group)
        self._last = np.full(shape, -1, np.int32)
        self._often, self._before = np.zeros((2, *shape), np.int32)
        # Intervals and openings by length, index 0 empty; sums over successive ones.
        self._cells = np.zeros((len(thresholds), groups, 2, 0), np.int64)
        self._pairs = np.zeros((len(thresholds), groups, 6), np.int64)

    @property
    def lowest(self) -> np.float32:
        """The threshold that whatever is noted must reach."""
        return self._ascending[0]

    def note(self, step: int, index: np.ndarray, values: np.ndarray) -> None:
        """Take the magnitudes of one step that reach the lowest threshold.

        Parameters
        ----------
        step : int
            From 0 on, larger with each call.
        index, values : array (exceedances,)
            Which weights they are, ascending, and how large, float32.
        """
        self._notes.append((step, index, values))
        self._noted += len(index)
        if self._noted >= NOTED or len(self._notes) >= NOTED:
            self.flush()

    def read(self, rank: int, groups, weights, steps: int) -> IntervalCounts:
        """Return the intervals above a threshold in `steps` steps so far.

        `groups` and `weights` select the same group, by its number and by its weights.
        """
        self.flush()
        last, often = self._last[rank, weights], self._often[rank, weights]
        closing = (steps - last[often > 0]).clip(max=self.max_interval + 1)
        closed, opening = self._cells[rank, groups].sum(0)[:, 1:]
        return IntervalCounts(
            self.thresholds[rank],
            steps,
            np.trim_zeros(closed[: self.max_interval], "b").copy(),
            np.trim_zeros(opening, "b").copy(),
            np.bincount(closing)[1:],
            np.bincount(often),
            longer=int(closed[self.max_interval :].sum()),
            pairs=tuple(self._pairs[rank, groups].sum(0).tolist()),
        )

    def exceedances(self, rank: int) -> np.ndarray:
        """Return how often each weight exceeded a threshold, int32, (weights,)."""
        self.flush()
        return self._often[rank].copy()

    def flush(self) -> None:
        """Count the intervals that end with the exceedances noted so far."""
        if self._noted:
            steps, indices, values = zip(*self._notes, strict=True)
            self._make_room(steps[-1])
            # Weight, step and number of thresholds reached as one number, to sort by.
            reached = np.searchsorted(self._ascending, np.concatenate(values), "right")
            since = np.repeat(np.array(steps) - steps[0], [len(i) for i in indices])
            keys = np.concatenate(indices) << 32 | since << 8 | reached
            keys.sort()
            for low, rank in enumerate(self._ranks):
                keys = keys[(keys & 0xFF) > low]
                self._close(rank, keys >> 32, (keys >> 8 & 0xFFFFFF) + steps[0])
        self._notes, self._noted = [], 0

    def _close(self, rank: int, weight: np.ndarray, step: np.ndarray) -> None:
        """Close intervals at exceedances of one threshold, by weight and step."""
        if not weight.size:
            return
        first = np.diff(weight, prepend=-1) != 0  # of its weight since the last flush
        begins, ends = np.flatnonzero(first), np.flatnonzero(np.append(first[1:], True))
        those = weight[begins]
        length = np.diff(step, prepend=0)
        length[begins] = step[begins] - self._last[rank, those]
        opening = np.zeros(len(step), bool)
        opening[begins] = self._often[rank, those] == 0

        group = self._group[weight].astype(np.int64)
        size = self._cells.shape[-1]
        cell = (group * 2 + opening) * size + np.minimum(length, size - 1)
        cells = self._cells[rank].reshape(-1)
        cells += np.bincount(cell, minlength=cells.size)

        length[opening] = 0  # from here on: no interval
        a = np.append(0, length[:-1])
        a[begins] = self._before[rank, those]
        b = length * (a > 0)
        runs = np.flatnonzero(np.diff(group, prepend=-1))  # stretches of one group
        pairs = self._pairs[rank].T
        for k, terms in enumerate((np.sign(b), a, b, a * a, b * b, a * b)):
            np.add.at(pairs[k], group[runs], np.add.reduceat(terms, runs))

        self._last[rank, those] = step[ends]
        self._often[rank, those] += (ends - begins + 1).astype(np.int32)
        self._before[rank, those] = length[ends]

    def _make_room(self, step: int) -> None:
        """Let the counters hold every length there can be."""
        size = max(FIRST_SIZE, 1 << (step + 1).bit_length())
        size = min(size, self.max_interval + 2)  # the last: all longer ones
        held = self._cells.shape[-1]
        if size > held:
            self._cells = np.pad(self._cells, [(0, 0)] * 3 + [(0, size - held)])
