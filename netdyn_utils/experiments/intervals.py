"""Waiting times and drift of a whole run, by running it twice.

The first pass counts every update, and its histogram says which are large. The second
is the same run again, bit by bit, watched with these thresholds. That it was the same
is proved, not hoped for: the final parameters and all counts of updates must agree.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ..intervals.counts import IntervalCounts
from ..store import RunRecord, RunSpec, RunStore, environment_info
from ..tracking.drift import DriftCurves, DriftRecorder
from ..tracking.intervals import IntervalTracker
from ..tracking.updates import UpdateTracker
from .config import (
    ExperimentConfig,
    TrainingRun,
    load_data,
    prefixed,
    run_spec,
    stored_run,
    strip_prefix,
)
from .updates import UpdatesRun, run_updates

VERSION = 1  # raised when, and only when, the numbers of a record are meant to change
NEUTRAL = {"shares": (0.01, 0.005), "start": 0}  # see `config.NEUTRAL`
PROBES = {"transformer": 16}  # samples of the fixed batch for the drift, …
PROBE = 64  # … and of the other networks
ARRAYS = {  # of `IntervalCounts`, by their names in a record
    "counts": "counts",
    "opening": "left_censored",
    "closing": "right_censored",
    "events": "exceedance_histogram",
}


class ReplayError(RuntimeError):
    """A run that was made again did not come out the same."""


@dataclass(frozen=True, eq=False)
class IntervalsRun:
    """A run's intervals, read as the chapters need them.

    Parameters
    ----------
    record : RunRecord
    groups : tuple of str
        Names of the layers.
    shares, thresholds : tuple of float
        What share of the updates was asked to be large, and from what size on, in the
        unit of the weight, that made them: at most that share, to a bin of the
        histogram.
    start : int
        Step before the window, which ends with the run.
    cells : tuple of tuple of IntervalCounts
        ``cells[share][group]``.
    drift : DriftCurves
        Displacement of the weights and change of the activations in the window; its
        starts count from the beginning of the window.
    """

    record: RunRecord
    groups: tuple[str, ...]
    shares: tuple[float, ...]
    thresholds: tuple[float, ...]
    start: int
    cells: tuple[tuple[IntervalCounts, ...], ...]
    drift: DriftCurves

    @classmethod
    def of(cls, record: RunRecord) -> "IntervalsRun":
        """Read the arrays of a record."""
        arrays = record.arrays
        groups, shares, thresholds = (
            tuple(arrays[name].tolist()) for name in ("groups", "shares", "thresholds")
        )
        start, stop = arrays["window"].tolist()
        cells = tuple(
            tuple(
                IntervalCounts(
                    threshold,
                    stop - start,
                    *(_ragged(arrays, name, i * len(groups) + j) for name in ARRAYS),
                    overflow=int(arrays["longer"][i, j]),
                    serial_moments=tuple(arrays["pairs"][i, j].tolist()),
                )
                for j in range(len(groups))
            )
            for i, threshold in enumerate(thresholds)
        )
        drift = DriftCurves.from_arrays(strip_prefix(arrays, "drift_"))
        return cls(record, groups, shares, thresholds, start, cells, drift)

    def counts(self, share: float | None = None, group: str = "all") -> IntervalCounts:
        """Return the intervals of a layer, or of all, above the threshold of a share.

        Without a share: of the first that was asked for.
        """
        share = self.shares[0] if share is None else share
        if share not in self.shares or group not in ("all", *self.groups):
            raise ValueError(
                f"no intervals of share {share!r} and group {group!r}: there are "
                f"{self.shares} and {('all', *self.groups)}"
            )
        row = self.cells[self.shares.index(share)]
        if group == "all":
            return sum(row[1:], row[0])
        return row[self.groups.index(group)]


def run_intervals(
    config: ExperimentConfig,
    *,
    shares: tuple[float, ...] = NEUTRAL["shares"],
    start: int = NEUTRAL["start"],
    store: RunStore | None = None,
    device: str = "auto",
    data_root=None,
) -> IntervalsRun:
    """Count the intervals between the largest updates of a run, and its drift.

    Parameters
    ----------
    config : ExperimentConfig
        As for `run_updates`, which is the first pass.
    shares : tuple of float
        Shares of all updates in the window, zeros included, that count as large, each
        in (0, 1).
    start : int
        Step before the window, at the border of two windows of `config`. The window
        reaches from there to the end of the run.
    store, device, data_root
        As for `run_updates`.

    Returns
    -------
    IntervalsRun

    Raises
    ------
    ValueError
        If a share, the start or the window makes no sense.
    ReplayError
        If the second pass differs from the first; it says in what. Nothing is stored.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from netdyn_utils.training import TrainConfig
    >>> config = ExperimentConfig(window=10, train=TrainConfig(steps=20))
    >>> run = run_intervals(config, store=RunStore(Path(mkdtemp())))
    >>> found = run.counts(0.01)
    >>> run.groups, found.weights, found.exceedance_fraction <= 0.01
    (('fc1', 'fc2'), 101770, True)
    """
    store = store or RunStore.default()
    spec = intervals_spec(config, shares=shares, start=start, data_root=data_root)

    def compute(target):
        first = run_updates(config, store=store, device=device, data_root=data_root)
        data = load_data(config, data_root)
        return _second_pass(config, shares, start, first, data, target)

    return IntervalsRun.of(stored_run(spec, compute, store, device))


def intervals_spec(
    config: ExperimentConfig,
    *,
    shares: tuple[float, ...] = NEUTRAL["shares"],
    start: int = NEUTRAL["start"],
    data_root=None,
) -> RunSpec:
    """Return what the record of `run_intervals` is found by."""
    shares = tuple(float(share) for share in shares)
    if not shares or not all(0 < share < 1 for share in shares):
        raise ValueError(f"shares must lie between 0 and 1, got {shares}")
    begins = range(0, config.train.steps, config.window)
    if start not in begins:
        raise ValueError(
            f"start={start!r} is not where a window of the run begins: choose one of "
            f"{[*begins][:9]} …, or another config.window"
        )
    if config.train.steps - start < 2:
        raise ValueError(
            f"a window from step {start} to {config.train.steps} holds no interval: it "
            "needs two steps or more"
        )
    asked = {"shares": shares, "start": start}
    return run_spec(
        "intervals", VERSION, config, asked, neutral=NEUTRAL, data_root=data_root
    )


def _second_pass(config, shares, start, first, data, device):
    """Make a run again, count its intervals and drift, and prove it was the same."""
    sizes = first.updates.histogram("all", slice(start // config.window, None))
    thresholds = [sizes.tail_threshold(share) for share in shares]
    training = TrainingRun(config, data, device)
    tracker = UpdateTracker(training.model)
    # Two shares may end in one bin of the histogram.
    intervals = IntervalTracker(tracker, [*dict.fromkeys(thresholds)], skip=start)
    drift = DriftRecorder(
        training.model,
        training.test_set[0][: PROBES.get(config.network, PROBE)],
        steps=config.train.steps - start,
        skip=start,
    )
    for _ in training.steps():
        tracker.update()
        intervals.update()
        drift.update()
    machine = {"threads": torch.get_num_threads(), "device": device.type}
    _compare(first, tracker.histogram(), training.digest(), machine)

    groups = intervals.groups
    cells = [[intervals.counts(t, group) for group in groups] for t in thresholds]
    flat = [cell for row in cells for cell in row]
    arrays = {
        "groups": np.array(groups),
        "shares": np.array(shares),
        "thresholds": np.array(thresholds),
        "window": np.array([start, config.train.steps]),
        "longer": np.array([[cell.overflow for cell in row] for row in cells]),
        "pairs": np.array([[cell.serial_moments for cell in row] for row in cells]),
        **prefixed("drift_", drift.curves().to_arrays()),
    }
    for name, field in ARRAYS.items():
        arrays[name] = np.concatenate([getattr(cell, field) for cell in flat])
        stops = np.cumsum([len(getattr(cell, field)) for cell in flat])
        arrays[f"{name}_stops"] = stops
    return arrays


def _compare(first: UpdatesRun, again, final, machine) -> None:
    """Raise if the second pass was another run than the first, and say how."""
    once, differs = first.updates.histogram(), []
    if not np.array_equal(first.record.arrays.get("final"), final):
        differs.append("the final parameters")
    same = np.array_equal(once.counts, again.counts) and once.start == again.start
    if not same or (once.zeros, once.total) != (again.zeros, again.total):
        differs.append("the counts of updates")
    if not differs:
        return
    then, now = first.record.manifest, {**environment_info(), **machine}
    names = ("threads", "device", "versions", "processor")
    changes = [
        f"{n}: {then.get(n)} then, {now[n]} now" for n in names if then.get(n) != now[n]
    ]
    raise ReplayError(
        f"the second pass is not the first again: {' and '.join(differs)} differ. "
        f"{'; '.join(changes) or 'Nothing is known to have changed'}. Make both passes "
        "with the same code on one machine: delete the record of the first pass"
        f"{f' ({first.record.path})' if first.record.path else ''}, and start again"
    )


def _ragged(arrays, name: str, number: int) -> np.ndarray:
    """Return one of several arrays of unequal lengths that lie end to end."""
    stops = arrays[f"{name}_stops"]
    return arrays[name][stops[number - 1] if number else 0 : stops[number]]
