"""Waiting times and drift of a run, in two identical passes.

The first pass counts every update, and its histogram gives the thresholds of large
updates. The second pass repeats the run and records intervals with these thresholds.
Final parameters and all counts of updates must agree, or it is an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..histogram import LogHistogram
from ..intervals.counts import IntervalCounts
from ..store import RunRecord, environment_changes, environment_info
from ..tracking.drift import DriftCurves, DriftRecorder
from ..tracking.intervals import IntervalTracker
from ..tracking.updates import UpdateTracker
from .config import (
    Experiment,
    ExperimentConfig,
    TrainingRun,
    machine,
    prefixed,
    strip_prefix,
)
from .updates import UpdatesRun, run_updates

FRACTIONS = (0.01, 0.005)
PROBE_SIZE = {"mlp": 64, "convnet": 64, "transformer": 16}  # samples, for the drift
ON_DISK = {  # arrays of a record, and the fields of `IntervalCounts` that they hold
    "counts": "counts",
    "opening": "left_censored",
    "closing": "right_censored",
    "events": "exceedance_histogram",
}


class ReplayError(RuntimeError):
    """The second pass of a run differs from the first."""


@dataclass(frozen=True, eq=False)
class IntervalsRun:
    """Intervals and drift in the part of a run after `start`."""

    record: RunRecord
    groups: tuple[str, ...]  # layers
    fractions: tuple[float, ...]  # of the updates, at most, that count as large
    thresholds: tuple[float, ...]  # of their magnitude, one for each fraction
    start: int  # step
    cells: Mapping[tuple[float, str], IntervalCounts]  # by fraction and layer
    drift: DriftCurves  # its steps count from `start`

    @classmethod
    def of(cls, record: RunRecord) -> "IntervalsRun":
        """Read the arrays of a record."""
        arrays = record.arrays
        groups, fractions, thresholds = (
            tuple(arrays[name].tolist()) for name in ("groups", "shares", "thresholds")
        )
        start, stop = arrays["window"].tolist()
        parts = [np.split(arrays[n], arrays[f"{n}_stops"][:-1]) for n in ON_DISK]
        cells, columns = {}, zip(*parts, strict=True)
        for i, fraction in enumerate(fractions):
            for j, group in enumerate(groups):
                cells[fraction, group] = IntervalCounts(
                    thresholds[i],
                    stop - start,
                    **dict(zip(ON_DISK.values(), next(columns), strict=True)),
                    overflow=int(arrays["longer"][i, j]),
                    serial_moments=tuple(arrays["pairs"][i, j].tolist()),
                )
        drift = DriftCurves.from_arrays(strip_prefix(arrays, "drift_"))
        return cls(record, groups, fractions, thresholds, start, cells, drift)

    def counts(self, fraction=None, group="all") -> IntervalCounts:
        """Return the intervals of a layer or all; by default of the first fraction."""
        fraction = self.fractions[0] if fraction is None else fraction
        if fraction not in self.fractions or group not in ("all", *self.groups):
            known = f"{self.fractions} and {('all', *self.groups)}"
            wanted = f"fraction {fraction!r} and group {group!r}"
            raise ValueError(f"no intervals of {wanted}: there are {known}")
        names = self.groups if group == "all" else (group,)
        first, *others = (self.cells[fraction, name] for name in names)
        return sum(others, first)


def run_intervals(
    config: ExperimentConfig,
    *,
    fractions: tuple[float, ...] = FRACTIONS,
    start: int = 0,
    **where,
) -> IntervalsRun:
    """Count the intervals between large updates of a run, and measure its drift.

    Parameters
    ----------
    config : ExperimentConfig
        As for `run_updates`, which is the first pass.
    fractions : tuple of float
        Fractions of all updates, zeros included, that count as large.
    start : int
        Step after which intervals count, to the end: where a window of `config` ends.
    **where
        `store`, `device` and `data_root`, as for `run_updates`.

    Raises
    ------
    ReplayError
        If the second pass differs from the first; nothing is stored.
    """

    def compute(training, **options):
        return _second_pass(run_updates(config, **where), training, **options)

    options = {"shares": fractions, "start": start}
    return IntervalsRun.of(INTERVALS.record(compute, config, **options, **where))


def _check(config: ExperimentConfig, shares, start) -> None:
    if not shares or not all(0 < share < 1 for share in shares):
        raise ValueError(f"fractions must lie between 0 and 1, got {shares}")
    begins = range(0, config.train.steps - 1, config.window)  # two steps at least
    if start not in begins:
        raise ValueError(
            f"start={start!r} is not where a window of two steps or more begins: "
            f"choose one of {[*begins][:9]} …, or another config.window"
        )


INTERVALS = Experiment("intervals", 1, {"shares": FRACTIONS, "start": 0}, _check)


def _second_pass(first: UpdatesRun, training: TrainingRun, *, shares, start):
    config = training.config
    sizes = first.updates.histogram("all", slice(start // config.window, None))
    thresholds = [sizes.tail_threshold(share) for share in shares]
    tracker = UpdateTracker(training.model)
    # Two fractions may end in one bin of the histogram.
    intervals = IntervalTracker(tracker, [*dict.fromkeys(thresholds)], skip=start)
    drift = DriftRecorder(
        training.model,
        training.test_set[0][: PROBE_SIZE[config.network]],
        steps=config.train.steps - start,
        skip=start,
    )
    for _ in training.steps():
        tracker.update()
        intervals.update()
        drift.update()
    _verify_replay(first, tracker.histogram(), training)
    groups = intervals.groups
    cells = [[intervals.counts(t, group) for group in groups] for t in thresholds]
    arrays = {
        "groups": np.array(groups),
        "shares": np.array(shares, float),
        "thresholds": np.array(thresholds),
        "window": np.array([start, config.train.steps]),
        "longer": np.array([[cell.overflow for cell in row] for row in cells]),
        "pairs": np.array([[cell.serial_moments for cell in row] for row in cells]),
        **prefixed("drift_", drift.curves().to_arrays()),
    }
    for name, attribute in ON_DISK.items():  # cells end to end
        parts = [getattr(cell, attribute) for row in cells for cell in row]
        arrays[name] = np.concatenate(parts)
        arrays[f"{name}_stops"] = np.cumsum([len(part) for part in parts])
    return arrays


def _verify_replay(first: UpdatesRun, again: LogHistogram, training) -> None:
    """Raise if the second pass differs from the first, and name what changed."""
    histograms = first.updates.histogram(), again
    same = {
        "final parameters": (first.record.arrays.get("final"), training.digest()),
        "counts of updates": (
            np.r_[h.start, h.zeros, h.total, h.counts] for h in histograms
        ),
    }
    differing = [name for name, pair in same.items() if not np.array_equal(*pair)]
    if not differing:
        return
    now = {**machine(training.device), **environment_info()}
    changed = environment_changes(first.record.manifest, now) or "nothing known changed"
    raise ReplayError(
        f"the second pass differs from the first in {' and '.join(differing)} "
        f"({changed}). Make both passes with the same code on one machine: delete the "
        f"record of the first pass ({first.record.path}), and start again"
    )
