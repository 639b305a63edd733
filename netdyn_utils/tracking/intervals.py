"""Waiting times between large updates of every parameter, streamed and exact.

What is counted is defined by `IntervalCounts.of`. Large updates are rare, so each step
looks once for those above the lowest threshold and only keeps them; every 16,384 of
them are sorted by weight and step, and their intervals counted in one go.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..intervals.counts import IntervalCounts
from ..validation import check_choice, check_positive, check_positive_int
from .updates import UpdateTracker

MIN_FLOAT32, MAX_FLOAT32 = 2.0**-149, float(np.finfo(np.float32).max)  # positive ones
MAX_INTERVAL = 100_000  # steps of the longest interval that is counted apart
BUFFER_SIZE = 1 << 14  # large updates that are kept before they are counted
INITIAL_LENGTHS = 1_024  # lengths there is room for at first; doubled when needed


class IntervalTracker:
    """Count the steps between large updates of the same parameter, per group.

    Parameters
    ----------
    watched : torch.nn.Module or UpdateTracker
        A model, or a tracker of one, whose abs(Δw) is then used instead of taken
        again: call ``tracker.update()`` and after it ``intervals.update()``.
    thresholds : sequence of float
        One or more, all different, in the unit of the weight. An update is large if
        abs(Δw) ≥ threshold, compared in float32. Each costs 12 bytes per parameter.
    groups : "layer", "parameter" or "all"
        What is kept apart; "all" can be asked for in any case.
    skip : int
        Steps at the beginning that are not looked at.
    max_interval : int
        Longer intervals are counted together, as overflow; a longer censored interval
        is in the entry after `max_interval`. Bounds the memory in long runs, at 16
        bytes per group, threshold and step.

    Attributes
    ----------
    tracker : UpdateTracker
        The one that was handed in, or that of the model.

    Raises
    ------
    ValueError
        If a threshold is not positive and finite, or an argument is out of range.

    Notes
    -----
    A NaN never exceeds, an infinite update always does. The window begins after
    `skip` steps and ends where it is read: reading changes nothing.

    Examples
    --------
    >>> model = nn.Linear(2, 1, bias=False)
    >>> tracker = IntervalTracker(model, [0.4])
    >>> for change in (0.5, 0.0, 0.0, -0.5):
    ...     with torch.no_grad():
    ...         _ = model.weight.add_(torch.tensor([[change, 0.0]]))
    ...     tracker.update()
    >>> tracker.counts(0.4).lengths[-1], tracker.counts(0.4).n_never
    (np.int64(3), 1)
    """

    def __init__(
        self,
        watched: nn.Module | UpdateTracker,
        thresholds: Sequence[float],
        *,
        groups: str = "layer",
        skip: int = 0,
        max_interval: int = MAX_INTERVAL,
    ):
        self.thresholds = tuple(map(_check_threshold, thresholds))
        if not 0 < len(set(self.thresholds)) == len(thresholds) < 256:
            raise ValueError(
                f"thresholds must be 1 to 255 different numbers, got {thresholds!r}"
            )
        self.skip = check_positive_int(skip, "skip") if skip else 0
        self._shared = isinstance(watched, UpdateTracker)
        self.tracker = watched if self._shared else UpdateTracker(watched)
        self._begun = self._seen = self.tracker.steps

        parameters = self.tracker.parameters
        members = parameters.groups(groups)
        self.groups = tuple(members)
        self._group = np.empty(parameters.numel, np.int32)
        for number, indices in enumerate(members.values()):
            for part in (parameters.slices[index] for index in indices):
                self._group[part.start : part.stop] = number
        self._mask = np.empty(parameters.numel, bool)
        check_positive_int(max_interval, "max_interval")
        self._counter = IntervalCounter(
            self._group, len(self.groups), self.thresholds, max_interval
        )

    @property
    def steps(self) -> int:
        """How many steps the window has so far, those after the first `skip`."""
        return max(self._seen - self._begun - self.skip, 0)

    @torch.no_grad()
    def update(self) -> None:
        """Look for large updates in the step that was just taken."""
        if not self._shared:
            self.tracker.update()
        self._seen += 1
        if self.tracker.steps != self._seen:
            raise ValueError(
                f"the tracker has seen {self.tracker.steps} steps and the intervals "
                f"{self._seen}: call tracker.update() and then intervals.update(), "
                "both once after each step"
            )
        if self.steps:
            self._counter.add(self.steps - 1, *self._large(self.tracker.magnitude))

    def counts(self, threshold: float, group: str = "all") -> IntervalCounts:
        """Return the intervals so far above one of the thresholds, of one group.

        Raises
        ------
        ValueError
            If the threshold or the group is not there, or fewer than two steps were
            looked at.
        """
        rank, weights = self._rank(threshold), self._weights(group)
        if self.steps < 2:
            raise ValueError(
                f"the window has {self.steps} step(s) after the first {self.skip}: an "
                "interval needs two or more"
            )
        groups = slice(None) if group == "all" else [self.groups.index(group)]
        return self._counter.read(rank, groups, weights, self.steps)

    def exceedances(self, threshold: float, group: str = "all") -> np.ndarray:
        """Return how often each weight exceeded, int32, shape (weights,)."""
        return self._counter.exceedances(self._rank(threshold))[self._weights(group)]

    def _rank(self, threshold: float) -> int:
        if threshold not in self.thresholds:
            raise ValueError(
                f"no intervals above {threshold!r} were counted: choose one of "
                f"{self.thresholds}"
            )
        return self.thresholds.index(threshold)

    def _weights(self, group: str):
        """Return where the weights of a group are."""
        if group == "all":
            return slice(None)
        check_choice(group, ("all", *self.groups), "group of parameters")
        return self._group == self.groups.index(group)

    def _large(self, magnitude: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices and magnitudes that reach the lowest threshold."""
        threshold = self._counter.lowest
        if magnitude.device.type != "cpu":
            index = torch.nonzero(magnitude >= float(threshold)).squeeze(1)
            return index.cpu().numpy(), magnitude[index].cpu().numpy()
        values = magnitude.numpy()  # which takes a seventh of torch's time for this
        np.greater_equal(values, threshold, out=self._mask)
        index = np.flatnonzero(self._mask)
        return index, values[index]


class IntervalCounter:
    """The counts of `IntervalTracker`, from the large updates of step after step.

    `group`, int32 (weights,), numbers the group of each weight, below `groups`.
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
        self._buffer: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._buffered = 0
        # Of each weight: step of the last exceedance, exceedances, last interval. The
        # step before the first makes a left-censored interval a difference of steps.
        shape = len(thresholds), len(group)
        self._last = np.full(shape, -1, np.int32)
        self._often, self._before = np.zeros((2, *shape), np.int32)
        # Intervals and left-censored ones by length, index 0 empty; serial moments.
        self._cells = np.zeros((len(thresholds), groups, 2, 0), np.int64)
        self._moments = np.zeros((len(thresholds), groups, 6), np.int64)

    @property
    def lowest(self) -> np.float32:
        """The threshold that whatever is added must reach."""
        return self._ascending[0]

    def add(self, step: int, index: np.ndarray, values: np.ndarray) -> None:
        """Take the weights, ascending, and magnitudes that are large in a step."""
        self._buffer.append((step, index, values))
        self._buffered += len(index)
        if self._buffered >= BUFFER_SIZE or len(self._buffer) >= BUFFER_SIZE:
            self.flush()

    def read(self, rank: int, groups, weights, steps: int) -> IntervalCounts:
        """Return the intervals of one group, selected by its number and its weights."""
        self.flush()
        last, often = self._last[rank, weights], self._often[rank, weights]
        right_censored = (steps - last[often > 0]).clip(max=self.max_interval + 1)
        closed, left_censored = self._cells[rank, groups].sum(0)[:, 1:]
        return IntervalCounts(
            self.thresholds[rank],
            steps,
            np.trim_zeros(closed[: self.max_interval], "b").copy(),
            np.trim_zeros(left_censored, "b").copy(),
            np.bincount(right_censored)[1:],
            np.bincount(often),
            overflow=int(closed[self.max_interval :].sum()),
            serial_moments=tuple(self._moments[rank, groups].sum(0).tolist()),
        )

    def exceedances(self, rank: int) -> np.ndarray:
        """Return how often each weight exceeded a threshold, int32, (weights,)."""
        self.flush()
        return self._often[rank].copy()

    def flush(self) -> None:
        """Count the intervals that end with the exceedances in the buffer."""
        if self._buffered:
            steps, indices, values = zip(*self._buffer, strict=True)
            self._make_room(steps[-1])
            # Weight, step and number of thresholds reached as one number, to sort by.
            reached = np.searchsorted(self._ascending, np.concatenate(values), "right")
            since = np.repeat(np.array(steps) - steps[0], [len(i) for i in indices])
            keys = np.concatenate(indices) << 32 | since << 8 | reached
            keys.sort()
            for low, rank in enumerate(self._ranks):
                keys = keys[(keys & 0xFF) > low]
                self._close(rank, keys >> 32, (keys >> 8 & 0xFFFFFF) + steps[0])
        self._buffer, self._buffered = [], 0

    def _close(self, rank: int, weight: np.ndarray, step: np.ndarray) -> None:
        """Close intervals at exceedances of one threshold, by weight and step."""
        if not weight.size:
            return
        first = np.diff(weight, prepend=-1) != 0  # of its weight since the last flush
        begins, ends = np.flatnonzero(first), np.flatnonzero(np.append(first[1:], True))
        those = weight[begins]
        length = np.diff(step, prepend=0)
        length[begins] = step[begins] - self._last[rank, those]
        censored = np.zeros(len(step), bool)
        censored[begins] = self._often[rank, those] == 0

        group = self._group[weight].astype(np.int64)
        size = self._cells.shape[-1]
        cell = (group * 2 + censored) * size + np.minimum(length, size - 1)
        cells = self._cells[rank].reshape(-1)
        cells += np.bincount(cell, minlength=cells.size)

        length[censored] = 0  # from here on: no interval
        a = np.append(0, length[:-1])
        a[begins] = self._before[rank, those]
        b = length * (a > 0)
        runs = np.flatnonzero(np.diff(group, prepend=-1))  # stretches of one group
        moments = self._moments[rank].T
        for k, terms in enumerate((np.sign(b), a, b, a * a, b * b, a * b)):
            np.add.at(moments[k], group[runs], np.add.reduceat(terms, runs))

        self._last[rank, those] = step[ends]
        self._often[rank, those] += (ends - begins + 1).astype(np.int32)
        self._before[rank, those] = length[ends]

    def _make_room(self, step: int) -> None:
        """Let the counters hold every length there can be."""
        size = max(INITIAL_LENGTHS, 1 << (step + 1).bit_length())
        size = min(size, self.max_interval + 2)  # the last: all longer ones
        missing = size - self._cells.shape[-1]
        if missing > 0:
            self._cells = np.pad(self._cells, [(0, 0)] * 3 + [(0, missing)])


def _check_threshold(threshold: float) -> float:
    """Return a threshold if float32 magnitudes can be compared with it."""
    if not MIN_FLOAT32 <= check_positive(threshold, "threshold") <= MAX_FLOAT32:
        raise ValueError(
            f"threshold must lie between {MIN_FLOAT32:.2g} and {MAX_FLOAT32:.2g}, as "
            f"float32 do, got {threshold!r}"
        )
    return float(threshold)
