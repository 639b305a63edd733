"""Intervals between large updates of every parameter, streamed and exact.

What is counted is defined by `IntervalCounts.of`. Large updates are rare: each step
puts those above the lowest threshold into a buffer; when it is full they are sorted by
weight and step, and their intervals counted.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..flat_parameters import named_parameters
from ..intervals.counts import IntervalCounts
from ..validation import check_choice, check_positive_int
from .hooks import Observer
from .updates import UpdateTracker
from .watched import Groups, group_function

MIN_FLOAT32, MAX_FLOAT32 = 2.0**-149, float(np.finfo(np.float32).max)  # positive ones
MAX_INTERVAL = 100_000  # steps; longer intervals are counted together
BUFFER_SIZE = 1 << 14  # large updates, or steps, that are counted in one go
INITIAL_LENGTHS = 1_024  # lengths there is room for at first; doubled when needed
_STATE = ("_last", "_count", "_before", "_cells", "_moments")


class IntervalTracker(Observer):
    """Count the steps between large updates of the same parameter, per group.

    Parameters
    ----------
    watched : torch.nn.Module or UpdateTracker
        A model, or the tracker of one, whose magnitudes are then used: call
        ``tracker.update()`` and after it ``intervals.update()``.
    thresholds : sequence of float
        An update is large if abs(Δw) ≥ threshold, compared in float32; NaN never is,
        infinity always. Each threshold costs 12 bytes per parameter.
    groups : "layer", "parameter" or "all"
        What is counted separately; the total, "all", always is.
    skip : int
        Steps at the beginning that do not count.
    max_interval : int
        Longer intervals are counted together, as overflow. Bounds the memory in long
        runs, at 16 bytes per group, threshold and step.

    Attributes
    ----------
    tracker : UpdateTracker
        The one that was passed in, or that of the model.

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
        groups: Groups = "layer",
        skip: int = 0,
        max_interval: int = MAX_INTERVAL,
    ):
        self.thresholds = tuple(map(float, thresholds))
        in_range = [t for t in {*self.thresholds} if MIN_FLOAT32 <= t <= MAX_FLOAT32]
        if not 0 < len(in_range) == len(thresholds) < 256:
            raise ValueError(
                "thresholds must be 1 to 255 different positive numbers that float32 "
                f"can hold, got {thresholds!r}"
            )
        self.skip = check_positive_int(skip, "skip") if skip else 0
        self._shared = isinstance(watched, UpdateTracker)
        self.tracker = watched if self._shared else UpdateTracker(watched)
        self.max_interval = check_positive_int(max_interval, "max_interval")
        self._start = self._seen = self.tracker.steps
        self._ranks = np.argsort(self.thresholds)
        self._ascending = np.float32(self.thresholds)[self._ranks]
        self._buffer: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._buffered = 0

        tracker = self.tracker
        tracker.keep_magnitudes()
        self._revision = tracker.revision
        group_of = group_function(groups)
        owner = {one.name: group_of(one) for one in named_parameters(tracker.model)}
        self.groups = tuple({owner[name]: None for name, *_ in tracker.slots})
        self._group = np.empty(tracker.numel, np.int32)  # number of its group
        for name, _, start, stop in tracker.slots:
            self._group[start:stop] = self.groups.index(owner[name])
        self._mask = np.empty(tracker.numel, bool)
        # Of each weight: step of the last exceedance, exceedances, last interval. The
        # step before the first makes a left-censored interval a difference of steps.
        shape = len(thresholds), tracker.numel
        self._last = np.full(shape, -1, np.int32)
        self._count, self._before = np.zeros((2, *shape), np.int32)
        # Intervals and left-censored ones by length, index 0 empty; serial moments.
        shape = len(thresholds), len(self.groups)
        self._cells = np.zeros((*shape, 2, 0), np.int64)
        self._moments = np.zeros((*shape, 6), np.int64)

    @property
    def steps(self) -> int:
        """Steps that count so far, those after the first `skip`."""
        return max(self._seen - self._start - self.skip, 0)

    @torch.no_grad()
    def update(self) -> None:
        """Look for large updates, after a step."""
        if not self._shared:
            self.tracker.update()
        self._seen += 1
        if self.tracker.steps != self._seen:
            raise ValueError(
                f"the tracker counted {self.tracker.steps} steps and the intervals "
                f"{self._seen}: call tracker.update() and then intervals.update(), "
                "both once after each step"
            )
        if self.tracker.revision != self._revision:
            raise ValueError(
                "parameters were added, removed, replaced or frozen: the intervals of "
                "the model as it was end here; make a new IntervalTracker"
            )
        if self.steps:
            index, values = self._large(self.tracker.magnitude)
            self._buffer.append((self.steps - 1, index, values))
            self._buffered += len(index)
            if max(self._buffered, len(self._buffer)) >= BUFFER_SIZE:
                self._flush()

    def state_dict(self) -> dict[str, object]:
        """Return what resuming needs, as tensors and numbers.

        The state of a tracker that was passed in is not part of it.
        """
        self._flush()
        return {
            "thresholds": list(self.thresholds),
            "groups": list(self.groups),
            "steps": [self._start, self._seen, self.skip],
            **{name: torch.from_numpy(getattr(self, name).copy()) for name in _STATE},
            "tracker": None if self._shared else self.tracker.state_dict(),
        }

    def load_state_dict(self, state: Mapping) -> None:
        """Go on where `state_dict` was taken, with the same thresholds and groups."""
        for name in ("thresholds", "groups"):
            mine = list(getattr(self, name))
            if mine != state[name]:
                raise ValueError(f"the state has {name} {state[name]}, and this {mine}")
        if not self._shared:
            self.tracker.load_state_dict(state["tracker"])
        self._start, self._seen, self.skip = state["steps"]
        for name in _STATE:
            setattr(self, name, state[name].numpy().copy())
        self._buffer, self._buffered = [], 0
        self._revision = self.tracker.revision

    def counts(self, threshold: float, group: str = "all") -> IntervalCounts:
        """Return the intervals so far, of a group and threshold; two steps or more."""
        if threshold not in self.thresholds:
            raise ValueError(
                f"no intervals above {threshold!r} were counted: choose one of "
                f"{self.thresholds}"
            )
        if self.steps < 2:
            raise ValueError(
                f"{self.steps} step(s) after the first {self.skip} were counted: an "
                "interval needs two or more"
            )
        rank, groups, weights = (
            self.thresholds.index(threshold),
            slice(None),
            slice(None),
        )
        if group != "all":
            check_choice(group, ("all", *self.groups), "group of parameters")
            groups = [self.groups.index(group)]
            weights = self._group == groups[0]
        self._flush()
        last, count = self._last[rank, weights], self._count[rank, weights]
        right_censored = (self.steps - last[count > 0]).clip(max=self.max_interval + 1)
        closed, left_censored = self._cells[rank, groups].sum(0)[:, 1:]
        return IntervalCounts(
            self.thresholds[rank],
            self.steps,
            np.trim_zeros(closed[: self.max_interval], "b").copy(),
            np.trim_zeros(left_censored, "b").copy(),
            np.bincount(right_censored)[1:],
            np.bincount(count),
            overflow=int(closed[self.max_interval :].sum()),
            serial_moments=tuple(self._moments[rank, groups].sum(0).tolist()),
        )

    def _large(self, magnitude: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices and magnitudes that reach the lowest threshold."""
        if magnitude.device.type != "cpu":
            index = (magnitude >= float(self._ascending[0])).nonzero().squeeze(1)
            return index.cpu().numpy(), magnitude[index].cpu().numpy()
        values = magnitude.numpy()  # which takes a seventh of torch's time for this
        np.greater_equal(values, self._ascending[0], out=self._mask)
        index = np.flatnonzero(self._mask)
        return index, values[index]

    def _flush(self) -> None:
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
                if keys.size:
                    self._close(rank, keys >> 32, (keys >> 8 & 0xFFFFFF) + steps[0])
        self._buffer, self._buffered = [], 0

    def _close(self, rank: int, weight: np.ndarray, step: np.ndarray) -> None:
        """Close intervals at exceedances of one threshold, by weight and step."""
        first = np.diff(weight, prepend=-1) != 0  # of its weight since the last flush
        begins, ends = np.flatnonzero(first), np.flatnonzero(np.append(first[1:], True))
        unique = weight[begins]
        length = np.diff(step, prepend=0)
        length[begins] = step[begins] - self._last[rank, unique]
        censored = np.zeros(len(step), bool)
        censored[begins] = self._count[rank, unique] == 0

        group = self._group[weight].astype(np.int64)
        size = self._cells.shape[-1]
        cell = (group * 2 + censored) * size + np.minimum(length, size - 1)
        cells = self._cells[rank].reshape(-1)
        cells += np.bincount(cell, minlength=cells.size)

        length[censored] = 0  # from here on: no interval
        a = np.append(0, length[:-1])
        a[begins] = self._before[rank, unique]
        b = length * (a > 0)
        runs = np.flatnonzero(np.diff(group, prepend=-1))  # stretches of one group
        moments = self._moments[rank].T
        for k, terms in enumerate((np.sign(b), a, b, a * a, b * b, a * b)):
            np.add.at(moments[k], group[runs], np.add.reduceat(terms, runs))

        self._last[rank, unique] = step[ends]
        self._count[rank, unique] += (ends - begins + 1).astype(np.int32)
        self._before[rank, unique] = length[ends]

    def _make_room(self, step: int) -> None:
        """Enlarge the counters to hold every length there can be."""
        size = max(INITIAL_LENGTHS, 1 << (step + 1).bit_length())
        size = min(size, self.max_interval + 2)  # the last: all longer ones
        missing = size - self._cells.shape[-1]
        if missing > 0:
            self._cells = np.pad(self._cells, [(0, 0)] * 3 + [(0, missing)])
