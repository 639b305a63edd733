"""Waiting times between large updates of every parameter, streamed and exact.

What is counted is defined by `IntervalCounts.of`. Large updates are rare, so each step
looks once for those above the lowest threshold, and all else is work on these few.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..checks import choose, positive, positive_int
from ..intervals.counts import IntervalCounts
from ..intervals.streaming import IntervalCounter
from .updates import UpdateTracker

LEAST, MOST = 2.0**-149, float(np.finfo(np.float32).max)  # of positive float32
LONGEST = 100_000  # steps of the longest interval that is held apart, by default


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
        Longer intervals are counted together as `longer`; a longer opening or closing
        stands in the entry after `max_interval`. Bounds the memory in long runs, at
        16 bytes per group, threshold and step.

    Raises
    ------
    ValueError
        If a threshold is not positive and finite, or an argument is out of range.

    Notes
    -----
    A NaN never exceeds, an infinite update always does. The window begins after
    `skip` steps and ends where it is read: reading changes nothing.

    Attributes
    ----------
    tracker : UpdateTracker
        The one that was handed in, or that of the model.

    Examples
    --------
    >>> model = nn.Linear(2, 1, bias=False)
    >>> tracker = IntervalTracker(model, [0.4])
    >>> for change in (0.5, 0.0, 0.0, -0.5):
    ...     with torch.no_grad():
    ...         _ = model.weight.add_(torch.tensor([[change, 0.0]]))
    ...     tracker.update()
    >>> tracker.counts(0.4).lengths[-1], tracker.counts(0.4).never
    (np.int64(3), 1)
    """

    def __init__(
        self,
        watched: nn.Module | UpdateTracker,
        thresholds: Sequence[float],
        *,
        groups: str = "layer",
        skip: int = 0,
        max_interval: int = LONGEST,
    ):
        choose(groups, ("layer", "parameter", "all"), "kind of group")
        self.thresholds = tuple(map(_check, thresholds))
        if not 0 < len(set(self.thresholds)) == len(thresholds) < 256:
            raise ValueError(
                f"thresholds must be 1 to 255 different numbers, got {thresholds!r}"
            )
        if skip:
            positive_int(skip, "skip")
        self._shared = isinstance(watched, UpdateTracker)
        self.tracker = watched if self._shared else UpdateTracker(watched)
        self._begun = self._seen = self.tracker.steps
        self.skip = skip

        parameters = self.tracker.parameters
        members = parameters.groups(groups)
        self.groups = tuple(members)
        self._group = np.empty(parameters.numel, np.int32)
        for number, slots in enumerate(members.values()):
            for slot in (parameters.slots[index] for index in slots):
                self._group[slot.start : slot.stop] = number
        self._mask = np.empty(parameters.numel, bool)
        positive_int(max_interval, "max_interval")
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
        if self.steps == 0:
            return
        index, values = self._above(self.tracker.magnitude, self._counter.lowest)
        self._counter.note(self.steps - 1, index, values)

    def counts(self, threshold: float, group: str = "all") -> IntervalCounts:
        """Return the intervals so far above one of the thresholds, of one group.

        Raises
        ------
        ValueError
            If the threshold or the group is not there, or fewer than two steps were
            looked at.
        """
        rank, among = self._rank(threshold), self._among(group)
        if self.steps < 2:
            raise ValueError(
                f"the window has {self.steps} step(s) after the first {self.skip}: an "
                "interval needs two or more"
            )
        wanted = slice(None) if group == "all" else [self.groups.index(group)]
        return self._counter.read(rank, wanted, among, self.steps)

    def exceedances(self, threshold: float, group: str = "all") -> np.ndarray:
        """Return how often each weight exceeded, int32, shape (weights,)."""
        return self._counter.exceedances(self._rank(threshold))[self._among(group)]

    def _rank(self, threshold: float) -> int:
        if threshold not in self.thresholds:
            raise ValueError(
                f"no intervals above {threshold!r} were counted: choose one of "
                f"{self.thresholds}"
            )
        return self.thresholds.index(threshold)

    def _among(self, group: str):
        """Return where the weights of a group are."""
        if group == "all":
            return slice(None)
        choose(group, ("all", *self.groups), "group of parameters")
        return self._group == self.groups.index(group)

    def _above(self, magnitude: Tensor, threshold) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of the weights that reach the threshold, and by what."""
        if magnitude.device.type != "cpu":
            index = torch.nonzero(magnitude >= float(threshold)).squeeze(1)
            return index.cpu().numpy(), magnitude[index].cpu().numpy()
        values = magnitude.numpy()  # which takes a seventh of torch's time for this
        np.greater_equal(values, threshold, out=self._mask)
        index = np.flatnonzero(self._mask)
        return index, values[index]


def _check(threshold: float) -> float:
    """Return a threshold if it is one that float32 magnitudes can be held against."""
    if not LEAST <= positive(threshold, "threshold") <= MOST:
        raise ValueError(
            f"threshold must lie between {LEAST:.2g} and {MOST:.2g}, as float32 do, "
            f"got {threshold!r}"
        )
    return float(threshold)
