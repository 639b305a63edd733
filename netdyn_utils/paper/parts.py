"""What a record and the first part of the same run, computed anew, have in common."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..experiments.intervals import IntervalsRun
from ..experiments.updates import UpdatesRun
from ..histogram import LogHistogram
from ..perturbation.response import PerturbationResponse
from ..store.records import read_record
from ..store.runs import RunRecord, run_key

ROUNDED = 1e-6  # of a mean that was kept in single precision
# On another processor or another number of threads, in relative distance. Measured over
# the first windows, quantities come out 0.00002 to 0.08 apart there, and some of those
# of another seed always more than 0.1. What hangs on a few values is chance sooner.
TOLERANCE, WIDE = 0.1, 0.5


@dataclass(frozen=True, eq=False)
class Part:
    """One quantity, as it is stored and as it came out anew."""

    name: str
    then: np.ndarray
    now: np.ndarray
    rounding: float = 0.0  # distance that is none
    tolerance: float = TOLERANCE  # distance that another machine makes

    @property
    def distance(self) -> float:
        """Σ|now − then| / Σ|then|; infinite if they are not even of one shape.

        >>> Part("counts", np.array([3, 1]), np.array([2, 2])).distance
        0.5
        """
        if self.then.shape != self.now.shape:
            return np.inf
        if np.array_equal(self.then, self.now, equal_nan=self.then.dtype.kind == "f"):
            return 0.0
        then, now = self.then.astype(float), self.now.astype(float)
        if not np.array_equal(np.isnan(then), np.isnan(now)):
            return np.inf
        return float(np.nansum(np.abs(now - then)) / max(np.nansum(np.abs(then)), 1e-9))

    @property
    def same(self) -> bool:
        """Whether both are the same to the last bit that is kept."""
        return self.distance <= self.rounding


def parts(record: RunRecord, again: RunRecord, folder: Path) -> Iterator[Part]:
    """Yield what can be compared of a record and the first part of its run.

    Parameters
    ----------
    record : RunRecord
        Of the whole run.
    again : RunRecord
        Of `first_part` of it.
    folder : Path
        Of the other records: intervals rest on the updates of the same run.
    """
    return {
        "updates": _updates,
        "information": _information,
        "perturbation": _perturbation,
        "intervals": _intervals,
    }[record.kind](record, again, folder)


def _updates(record, again, _folder):
    then, now = UpdatesRun.of(record), UpdatesRun.of(again)
    # A layer may have a hundred parameters only, whose sizes fall into other bins on
    # another machine; of updates there are enough.
    for name, groups in (("updates", then.updates.groups), ("rms", ("all",))):
        for group in groups:
            first = [getattr(run, name).histogram(group, 0) for run in (then, now)]
            wide = TOLERANCE if name == "updates" else WIDE
            yield Part(f"{name} of {group}", *_counts(*first), tolerance=wide)
            tops = [np.array([histogram.largest]) for histogram in first]
            yield Part(f"largest {name} of {group}", *tops, tolerance=WIDE)
    (stops, mean), (steps, losses) = then.loss, now.loss
    stops = stops[stops <= steps[-1]]
    ends = np.searchsorted(steps, stops) + 1
    held = losses[: ends[-1]].astype(float)
    means = np.add.reduceat(held, np.r_[0, ends[:-1]]) / np.diff(ends, prepend=0)
    yield Part("training loss", mean[: len(stops)], means.astype(np.float32), ROUNDED)
    _, mine, theirs = np.intersect1d(
        then.tests[:, 0], now.tests[:, 0], return_indices=True
    )
    yield Part("test loss", then.tests[mine, 1], now.tests[theirs, 1])


def _information(record, again, _folder):
    windows = len(again["steps"])
    for name, array in again.arrays.items():
        if name.startswith("information_"):
            # How far permutations scatter is itself a matter of chance: on another
            # machine only the bits of it could be compared.
            yield Part(name, record[name][:windows, ..., :2], array[..., :2])
    for name in ("loss", "alignment", "explained"):
        yield Part(name, record[name][: len(again[name])], again[name])


def _perturbation(record, again, _folder):
    epoch = int(again["tests"][0, 0])
    for kind in ("response", "held_out", "curve"):
        then, now = (
            PerturbationResponse.from_arrays(
                {
                    name.removeprefix(f"{kind}{epoch}_"): array
                    for name, array in each.arrays.items()
                    if name.startswith(f"{kind}{epoch}_")
                }
            )
            for each in (record, again)
        )
        held = {pair: k for k, pair in enumerate(_places(then))}
        place = [held.get(pair, -1) for pair in _places(now)]
        yield Part(
            f"weights of {kind}", np.array(place) >= 0, np.full(len(place), True)
        )
        yield Part(f"{kind} at epoch {epoch}", then.response[..., place], now.response)
    yield Part("losses", record["tests"][0, :3], again["tests"][0, :3])


def _places(response) -> list[tuple[int, int]]:
    return list(zip(response.layer.tolist(), response.index.tolist(), strict=True))


def _intervals(record, again, folder):
    """Compare the drift after the start, and the counts with those of the updates.

    A threshold belongs to the whole run, so the first window has no intervals of its
    own. But the record of updates must give the same threshold, and as many updates
    above it as the intervals have ends.
    """
    lags, other = record["drift_lags"], again["drift_lags"]
    _, mine, theirs = np.intersect1d(lags, other, return_indices=True)
    for name in ("displacement", "distance", "alignment"):
        then, now = record[f"drift_{name}"], again[f"drift_{name}"]
        yield Part(f"drift, {name}", then[0, mine], now[0, theirs])
    config = {k: v for k, v in record.config.items() if k not in ("shares", "start")}
    key = run_key("updates", config, record.manifest["data"])
    first = UpdatesRun.of(read_record(folder / f"updates-{key}.json", ""))
    run = IntervalsRun.of(record)
    whole = first.updates.histogram(window=slice(run.start // config["window"], None))
    for share, threshold in zip(run.shares, run.thresholds, strict=True):
        name = f"threshold of {share:.1%}"
        found = whole.threshold(share)
        yield Part(name, np.array([threshold]), np.array([found]))
        above = whole.counts[whole.edges[:-1] >= threshold].sum()
        ends = run.counts(share).exceedances
        yield Part(f"updates above the {name}", np.array([ends]), np.array([above]))


def _counts(one: LogHistogram, other: LogHistogram) -> list[np.ndarray]:
    """Return the counts of two histograms on common bins, exact zeros first."""
    start = min(one.start, other.start)
    stop = max(h.start + h.counts.size for h in (one, other))
    rows = []
    for histogram in (one, other):
        row = np.zeros(1 + stop - start, np.int64)
        row[0] = histogram.zeros
        row[1 + histogram.start - start :][: histogram.counts.size] = histogram.counts
        rows.append(row)
    return rows
