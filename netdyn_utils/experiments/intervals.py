"""Waiting times and drift of a run, in two identical passes.

The first pass counts every update, and its histogram gives the thresholds of large
updates. The second pass is the same run, watched with these thresholds. It is verified:
the final parameters and all counts of updates must agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ..intervals.counts import IntervalCounts
from ..store import RunRecord, environment_info
from ..tracking.drift import DriftCurves, DriftRecorder
from ..tracking.intervals import IntervalTracker
from ..tracking.updates import UpdateTracker
from .config import Experiment, ExperimentConfig, TrainingRun, prefixed, strip_prefix
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
    """Intervals and drift in a window of one run, which ends with the run."""

    record: RunRecord
    groups: tuple[str, ...]  # layers
    fractions: tuple[float, ...]  # of the updates, at most, that count as large
    thresholds: tuple[float, ...]  # of their magnitude, one for each fraction
    start: int  # step before the window
    cells: Mapping[tuple[float, str], IntervalCounts]  # by fraction and layer
    drift: DriftCurves  # its starts count from the beginning of the window

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

    def counts(
        self, fraction: float | None = None, group: str = "all"
    ) -> IntervalCounts:
        """Return the intervals of a layer or all; by default of the first fraction."""
        fraction = self.fractions[0] if fraction is None else fraction
        if fraction not in self.fractions or group not in ("all", *self.groups):
            raise ValueError(
                f"no intervals of fraction {fraction!r} and group {group!r}: there are "
                f"{self.fractions} and {('all', *self.groups)}"
            )
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
        Fractions of all updates in the window, zeros included, that count as large.
    start : int
        Step before the window, at the border of two windows of `config`. The window
        reaches from there to the end of the run.
    **where
        `store`, `device` and `data_root`, as for `run_updates`.

    Raises
    ------
    ReplayError
        If the second pass differs from the first; nothing is stored.
    """

    def two_passes(config, data, device, **options):
        return _second_pass(
            run_updates(config, **where), config, data, device, **options
        )

    record = INTERVALS.record(
        two_passes, config, shares=fractions, start=start, **where
    )
    return IntervalsRun.of(record)


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
intervals_spec = INTERVALS.spec


def _second_pass(first: UpdatesRun, config, data, device, *, shares, start):
    sizes = first.updates.histogram("all", slice(start // config.window, None))
    thresholds = [sizes.tail_threshold(share) for share in shares]
    training = TrainingRun(config, data, device)
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
    _verify_replay(first, tracker.histogram(), training.digest(), device)

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


def _verify_replay(first: UpdatesRun, again, final, device) -> None:
    """Raise if the second pass differs from the first, and name what changed."""
    once, differing = first.updates.histogram(), []
    if not np.array_equal(first.record.arrays.get("final"), final):
        differing.append("the final parameters")
    same = np.array_equal(once.counts, again.counts)
    summary = [(h.start, h.zeros, h.total) for h in (once, again)]
    if not same or summary[0] != summary[1]:
        differing.append("the counts of updates")
    if not differing:
        return
    then = first.record.manifest
    now = {"threads": torch.get_num_threads(), "device": device.type}
    now |= {n: environment_info()[n] for n in ("versions", "processor")}
    changes = [
        f"{n}: {then.get(n)} then, {v} now" for n, v in now.items() if then.get(n) != v
    ]
    raise ReplayError(
        f"the second pass is not the first again: {' and '.join(differing)} differ. "
        f"{'; '.join(changes) or 'Nothing is known to have changed'}. Make both passes "
        f"with the same code on one machine: delete the record of the first pass "
        f"({first.record.path}), and start again"
    )
