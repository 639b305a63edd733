"""The first part of a record computed again, and compared with what is stored.

Not the whole run, but its first window: the same configuration with fewer steps, for
nothing in a run depends on how many are still to come. On the processor, the threads
and the versions that made the record every count must agree, and every float to twelve
digits: a sum in another order is no other number. Elsewhere the rounding differs in
every step, the paths drift apart, and it must agree within the tolerance of each
quantity.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from ..experiments.config import strip_prefix
from ..experiments.intervals import IntervalsRun
from ..experiments.updates import UpdatesRun, updates_spec
from ..histogram import LogHistogram
from ..perturbation import PerturbationResponse
from ..store import RunRecord, RunStore, environment_info, read_record
from .protocol import StudyRun, record_status, study_runs

SETTINGS = (  # one run of each kind; beside them every control
    *("transformer, causal, batch 8", "transformer, no mask, batch 8"),
    *("mlp, rate 0.1", "information, rate 0.1, batch 50", "intervals of mlp, rate 0.1"),
    *("convnet, right, 10,000 steps", "convnet, frozen, 10,000 steps", "landscape"),
)
PASSING = ("same", "close", "skipped")  # statuses that do not speak against a record
FIRST_EPOCHS = 50  # before the first measurement of a landscape
FEW = {"weights_per_layer": 50, "curve_weights": 20}  # of those that were displaced
ROUNDING = 1e-12  # relative distance that a sum in another order makes
SINGLE = 1e-6  # the same of a mean that was kept in single precision
# On another processor or another number of threads, in relative distance. Measured over
# the first windows, quantities come out 0.00002 to 0.08 apart there, and some of those
# of another seed always more than 0.1. What hangs on a few values is chance sooner.
TOLERANCE, WIDE = 0.1, 0.5


@dataclass(frozen=True)
class Verification:
    """What came of computing a part of one record again."""

    run: StudyRun
    status: str  # one of PASSING, "differs", or that of a record that cannot be read
    detail: str = ""

    def __str__(self):
        return f"{self.status:8} {self.run.name}: {self.detail}"


@dataclass(frozen=True, eq=False)
class Comparison:
    """One quantity, as it is stored and as it came out again."""

    name: str
    stored: np.ndarray
    again: np.ndarray
    rounding: float = ROUNDING  # distance that is none, of floats
    tolerance: float = TOLERANCE  # distance that another machine makes

    @property
    def distance(self) -> float:
        """Σ|again − stored| / Σ|stored|; infinite if they are not even of one shape.

        >>> Comparison("counts", np.array([3, 1]), np.array([2, 2])).distance
        0.5
        """
        if self.stored.shape != self.again.shape:
            return np.inf
        floats = self.stored.dtype.kind == "f"
        if np.array_equal(self.stored, self.again, equal_nan=floats):
            return 0.0
        if self.stored.dtype.kind not in "fiub":
            return np.inf
        then, now = self.stored.astype(float), self.again.astype(float)
        if not np.array_equal(np.isnan(then), np.isnan(now)):
            return np.inf
        return float(np.nansum(np.abs(now - then)) / max(np.nansum(np.abs(then)), 1e-9))

    @property
    def same(self) -> bool:
        """Whether counts are the same, and floats up to the rounding of a sum."""
        floats = self.stored.dtype.kind == "f" and self.again.dtype.kind == "f"
        return self.distance <= (self.rounding if floats else 0)


def verified_runs() -> tuple[StudyRun, ...]:
    """Return the runs that are computed again, those that need no full data first.

    >>> [run.name for run in verified_runs()][:2]
    ['transformer, causal, batch 8, seed 0', 'transformer, no mask, batch 8, seed 0']
    """
    wanted = {f"{name}, seed 0" for name in SETTINGS}
    runs = [
        run
        for run in study_runs()
        if run.name in wanted or (run.claim == "controls" and run.seed == 0)
    ]
    return tuple(sorted(runs, key=lambda run: (not is_cheap(run), is_slow(run))))


def is_cheap(run: StudyRun) -> bool:
    """Say whether a run needs no images but those that ship with the package."""
    return run.config.source == "sample"


def is_slow(run: StudyRun) -> bool:
    """Say whether even the first part takes minutes: a landscape needs its epochs."""
    return run.kind == "perturbation"


def first_part(run: StudyRun) -> StudyRun:
    """Return the same run, cut to the first part that can be compared.

    One window of updates; two of information, for alignment needs both; of intervals
    one window after the start of the counting; of a landscape the first measurement, at
    fewer of the same weights.
    """
    config, options = run.config, dict(run.options)
    if run.kind == "perturbation":
        return replace(run, options={**options, "epochs": (FIRST_EPOCHS,), **FEW})
    windows = 2 if run.kind == "information" else 1
    steps = options.get("start", 0) + windows * config.window
    return replace(
        run, config=replace(config, train=replace(config.train, steps=steps))
    )


def verify_record(
    run: StudyRun, folder: Path, *, data_root=None, tolerance: bool = False
) -> Verification:
    """Compute the first part of a run again and compare it with its record.

    Parameters
    ----------
    run : StudyRun
    folder : Path
        Where the records lie.
    data_root : path, optional
        Folder of the full data sets; see `load_images`.
    tolerance : bool
        Compare within the tolerances even where processor, threads and versions have
        the names that they had: virtual processors of one name differ.
    """
    status, why = record_status(run, folder)
    if status in ("missing", "damaged"):
        return Verification(run, status, why or "no record: `make results`")
    record = read_record(folder, run.spec)
    with TemporaryDirectory() as work, _threads(record.manifest["threads"]):
        try:
            again = first_part(run).compute(RunStore(Path(work)), data_root).record
        except FileNotFoundError as error:
            return Verification(run, "skipped", str(error))
        compared = list(compare_first_part(record, again, run, folder))
    return _judge(run, record, again, compared, tolerance)


def _judge(run, record, again, compared, tolerance: bool) -> Verification:
    config = again.config
    part = f"the first {config.get('steps', 0):,} steps"
    if "epochs" in config:
        part = f"the first {config['epochs'][0]} epochs"
    spent = f"{part} in {again.manifest['seconds']:.0f} s"
    if all(one.same for one in compared):
        return Verification(run, "same", f"{spent}, the same")
    changed = changed_environment(
        record.manifest, {**again.manifest, **environment_info()}
    )
    worst = max(compared, key=lambda one: one.distance / one.tolerance)
    by = f"by {worst.distance:.2g}, {worst.tolerance:g} is allowed on another machine"
    why = changed or "processor, threads and versions are named as they were then"
    if (changed or tolerance) and worst.distance <= worst.tolerance:
        detail = f"{spent}; furthest off is {worst.name}, {by} ({why})"
        return Verification(run, "close", detail)
    names = ", ".join(one.name for one in compared if not one.same)
    detail = f"{spent}; {names}; furthest off is {worst.name}, {by} ({why})"
    return Verification(run, "differs", detail)


def changed_environment(then, now) -> str:
    """Return what differs between the machines of two manifests, in words."""
    names = ("processor", "threads", "device")
    changes = [f"{n} {then[n]} → {now[n]}" for n in names if then[n] != now[n]]
    changes += [
        f"{name} {version} → {now['versions'][name]}"
        for name, version in then["versions"].items()
        if name != "netdyn" and now["versions"][name] != version
    ]
    return ", ".join(changes)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute on so many threads, numpy's products too; then on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with threadpool_limits(number):
            yield
    finally:
        torch.set_num_threads(before)


def compare_first_part(
    record: RunRecord, again: RunRecord, run: StudyRun, folder: Path
) -> Iterator[Comparison]:
    """Yield what can be compared of a record and the first part of its run."""
    if record.kind == "intervals":  # they rest on the updates of the same run
        return _intervals(record, again, run, folder)
    compare = {
        "updates": _updates,
        "information": _information,
        "perturbation": _perturbation,
    }
    return compare[record.kind](record, again)


def _updates(record, again):
    then, now = UpdatesRun.of(record), UpdatesRun.of(again)
    # A layer may have a hundred parameters only, whose sizes fall into other bins on
    # another machine; of updates there are enough.
    for name, groups in (("updates", then.updates.groups), ("rms", ("all",))):
        for group in groups:
            first = [getattr(run, name).histogram(group, 0) for run in (then, now)]
            wide = TOLERANCE if name == "updates" else WIDE
            yield Comparison(f"{name} of {group}", *_counts(*first), tolerance=wide)
            tops = [np.array([histogram.max]) for histogram in first]
            yield Comparison(f"largest {name} of {group}", *tops, tolerance=WIDE)
    (stops, mean), (steps, losses) = then.loss, now.loss
    stops = stops[stops <= steps[-1]]
    ends = np.searchsorted(steps, stops) + 1
    held = losses[: ends[-1]].astype(float)
    means = np.add.reduceat(held, np.r_[0, ends[:-1]]) / np.diff(ends, prepend=0)
    yield Comparison(
        "training loss", mean[: len(stops)], means.astype(np.float32), ROUNDING
    )
    _, mine, theirs = np.intersect1d(
        then.tests[:, 0], now.tests[:, 0], return_indices=True
    )
    yield Comparison("test loss", then.tests[mine, 1], now.tests[theirs, 1])


def _information(record, again):
    windows = len(again["steps"])
    for name, array in again.arrays.items():
        if name.startswith("information_"):
            # How far permutations scatter is itself a matter of chance: on another
            # machine only the bits of it could be compared.
            yield Comparison(name, record[name][:windows, ..., :2], array[..., :2])
    for name in ("loss", "alignment", "explained"):
        yield Comparison(name, record[name][: len(again[name])], again[name])


def _perturbation(record, again):
    epoch = int(again["tests"][0, 0])
    for kind in ("response", "held_out", "curve"):
        then, now = (
            PerturbationResponse.from_arrays(
                strip_prefix(each.arrays, f"{kind}{epoch}_")
            )
            for each in (record, again)
        )
        held = {pair: k for k, pair in enumerate(_places(then))}
        place = [held.get(pair, -1) for pair in _places(now)]
        yield Comparison(
            f"weights of {kind}", np.array(place) >= 0, np.full(len(place), True)
        )
        yield Comparison(
            f"{kind} at epoch {epoch}", then.response[..., place], now.response
        )
    yield Comparison("losses", record["tests"][0, :3], again["tests"][0, :3])


def _places(response) -> list[tuple[int, int]]:
    return list(zip(response.layer.tolist(), response.index.tolist(), strict=True))


def _intervals(record, again, run, folder):
    """Compare the drift after the start, and the counts with those of the updates.

    A threshold belongs to the whole run, so the first window has no intervals of its
    own. But the record of updates must give the same threshold, and as many updates
    above it as the intervals have ends.
    """
    lags, other = record["drift_lags"], again["drift_lags"]
    _, mine, theirs = np.intersect1d(lags, other, return_indices=True)
    for name in ("displacement", "distance", "alignment"):
        then, now = record[f"drift_{name}"], again[f"drift_{name}"]
        yield Comparison(f"drift, {name}", then[0, mine], now[0, theirs])
    first = UpdatesRun.of(read_record(folder, updates_spec(run.config)))
    found = IntervalsRun.of(record)
    later = slice(found.start // run.config.window, None)
    whole = first.updates.histogram(window=later)
    for share, threshold in zip(found.fractions, found.thresholds, strict=True):
        name = f"threshold of {share:.1%}"
        again_at = whole.tail_threshold(share)
        yield Comparison(name, np.array([threshold]), np.array([again_at]))
        above = whole.counts[whole.edges[:-1] >= threshold].sum()
        ends = found.counts(share).exceedances
        yield Comparison(
            f"updates above the {name}", np.array([ends]), np.array([above])
        )


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
