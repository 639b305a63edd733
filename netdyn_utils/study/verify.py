"""The first part of a record computed again, and compared with what is stored.

The same configuration is run with fewer steps: nothing in a run depends on how many are
still to come. On the processor, threads and versions that made the record every count
must agree, and every float to twelve digits. Elsewhere rounding differs in every step,
and each quantity must agree within its tolerance.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from ..experiments.config import strip_prefix
from ..experiments.intervals import IntervalsRun
from ..experiments.updates import UpdatesRun, updates_spec
from ..histogram import LogHistogram, code_count
from ..perturbation import PerturbationResponse
from ..store import RunStore, environment_info, read_record
from .protocol import StudyRun, record_status, study_runs

SETTINGS = (  # one run of each kind; all controls are verified too
    *("transformer, causal, batch 8", "transformer, no mask, batch 8"),
    *("mlp, rate 0.1", "information, rate 0.1, batch 50", "intervals of mlp, rate 0.1"),
    *("convnet, right, 10,000 steps", "convnet, frozen, 10,000 steps", "landscape"),
)
PASSING = ("same", "close", "skipped")  # statuses that do not speak against a record
FIRST_EPOCH = 50  # of the measurements of a landscape
FEW_WEIGHTS = {"weights_per_layer": 50, "curve_weights": 20}
ROUNDING = 1e-12  # relative distance that a sum in another order makes
# On another processor or another number of threads, in relative distance. Measured over
# the first windows, quantities come out 0.00002 to 0.08 apart there, and some of those
# of another seed always more than 0.1. Sizes of a layer's parameters, which may be only
# a hundred, and the largest update vary more.
TOLERANCE, WIDE_TOLERANCE, WIDE = 0.1, 0.5, ("rms", "largest")


def relative_distance(stored: np.ndarray, again: np.ndarray) -> float:
    """Return Σ|again − stored| / Σ|stored|; infinite for arrays of unlike shape.

    >>> relative_distance(np.array([3, 1]), np.array([2, 2]))
    0.5
    """
    stored, again = np.asarray(stored), np.asarray(again)
    if stored.shape != again.shape:
        return np.inf
    if stored.dtype.kind not in "fiub":
        return 0.0 if np.array_equal(stored, again) else np.inf
    then, now = stored.astype(float), again.astype(float)
    if not np.array_equal(np.isnan(then), np.isnan(now)):
        return np.inf
    return float(np.nansum(np.abs(now - then)) / max(np.nansum(np.abs(then)), 1e-9))


def verified_runs() -> tuple[StudyRun, ...]:
    """Return the runs that are computed again, those that need no full data first."""
    chosen = [r for r in study_runs() if r.setting in SETTINGS or r.claim == "controls"]
    chosen.sort(key=lambda r: (r.config.source == "full", r.kind == "perturbation"))
    return tuple(run for run in chosen if run.seed == 0)


def truncated_run(run: StudyRun) -> StudyRun:
    """Return the same run, cut to the first part that can be compared.

    One window of updates; two of information, for alignment needs both; one after the
    first step of intervals; of a landscape its first epoch, at fewer weights.
    """
    if run.kind == "perturbation":
        few = {"epochs": (FIRST_EPOCH,), **FEW_WEIGHTS}
        return replace(run, options={**run.options, **few})
    windows = 2 if run.kind == "information" else 1
    steps = run.options.get("start", 0) + windows * run.config.window
    train = replace(run.config.train, steps=steps)
    return replace(run, config=replace(run.config, train=train))


def verify_record(
    run: StudyRun, folder: Path, *, data_root=None, tolerance: bool = False
) -> tuple[str, str]:
    """Compute the first part of a run again and compare it with its record.

    Returns a status, one of PASSING, "differs", "missing" or "damaged", and the reason.
    With ``tolerance`` the tolerances hold even where processor, threads and versions
    have the same names: virtual processors of one name differ.
    """
    status, why = record_status(run, folder)
    if status in ("missing", "damaged"):
        return status, why or "no record: `make results`"
    record = read_record(folder, run.spec)
    with TemporaryDirectory() as work, _threads(record.manifest["threads"]):
        try:
            again = truncated_run(run).compute(RunStore(Path(work)), data_root).record
        except FileNotFoundError as error:
            return "skipped", str(error)
    compared = QUANTITIES[record.kind](record, again, run, folder)
    distances = {name: relative_distance(*pair) for name, *pair in compared}
    first = f"{again.config.get('steps', 0):,} steps"
    if "epochs" in again.config:
        first = f"{again.config['epochs'][0]} epochs"
    spent = f"the first {first} in {again.manifest['seconds']:.0f} s"
    differing = [name for name, off in distances.items() if off > ROUNDING]
    if not differing:
        return "same", f"{spent}, the same"

    def allowed(name):
        return WIDE_TOLERANCE if name.startswith(WIDE) else TOLERANCE

    worst = max(distances, key=lambda name: distances[name] / allowed(name))
    changed = changed_environment(record.manifest, again.manifest | environment_info())
    is_close = (changed or tolerance) and distances[worst] <= allowed(worst)
    detail = (
        f"{spent}; {', '.join(differing)}; furthest off is {worst}, by "
        f"{distances[worst]:.2g}, {allowed(worst):g} is allowed on another machine "
        f"({changed or 'processor, threads and versions are named as they were then'})"
    )
    return "close" if is_close else "differs", detail


def changed_environment(then, now) -> str:
    """Return what differs between the machines of two manifests."""
    before, after = (
        {n: manifest[n] for n in ("processor", "threads", "device")}
        | {n: v for n, v in manifest["versions"].items() if n != "netdyn"}
        for manifest in (then, now)
    )
    pairs = ((name, old, after[name]) for name, old in before.items())
    return ", ".join(f"{n} {old} → {new}" for n, old, new in pairs if old != new)


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


# What can be compared of a record and the first part of its run: name, stored, again.


def _shared(then, now) -> tuple[np.ndarray, np.ndarray]:
    """Return where the elements lie that two arrays share."""
    return np.intersect1d(then, now, return_indices=True)[1:]


def _updates(record, again, *_):
    then, now = UpdatesRun.of(record), UpdatesRun.of(again)
    for name, groups in (("updates", then.updates.groups), ("rms", ("all",))):
        for group in groups:
            first = [getattr(run, name).histogram(group, 0) for run in (then, now)]
            yield f"{name} of {group}", *map(_dense, first)
            yield f"largest {name} of {group}", *(histogram.max for histogram in first)
    (stops, mean), (steps, losses) = then.loss, now.loss
    ends = np.searchsorted(steps, stops[stops <= steps[-1]]) + 1
    sums = np.add.reduceat(losses[: ends[-1]].astype(float), np.r_[0, ends[:-1]])
    means = (sums / np.diff(ends, prepend=0)).astype(np.float32)
    yield "training loss", mean[: len(ends)], means
    mine, theirs = _shared(then.tests[:, 0], now.tests[:, 0])
    yield "test loss", then.tests[mine, 1], now.tests[theirs, 1]


def _dense(histogram: LogHistogram) -> np.ndarray:
    """Return the counts of all bins, exact zeros last."""
    counts = np.zeros(code_count() + 1, np.int64)
    counts[histogram.start :][: histogram.counts.size] = histogram.counts
    counts[-1] = histogram.zeros
    return counts


def _information(record, again, *_):
    for name, array in again.arrays.items():
        if name.startswith("information_"):
            # Not the spread of the null: that is itself a matter of chance.
            yield name, record[name][: len(array), ..., :2], array[..., :2]
        elif name in ("loss", "alignment", "explained"):
            yield name, record[name][: len(array)], array


def _perturbation(record, again, *_):
    epoch = int(again["tests"][0, 0])
    for kind in ("response", "held_out", "curve"):
        then, now = (
            PerturbationResponse.from_arrays(strip_prefix(r.arrays, f"{kind}{epoch}_"))
            for r in (record, again)
        )
        weights = [one.layer * 2**32 + one.index for one in (then, now)]
        mine, theirs = _shared(*weights)
        yield f"weights of {kind}", np.sort(weights[1]), weights[0][mine]
        name = f"{kind} at epoch {epoch}"
        yield name, then.response[..., mine], now.response[..., theirs]
    yield "losses", record["tests"][0, :3], again["tests"][0, :3]


def _intervals(record, again, run, folder):
    """Compare the drift, and the counts with those of the updates.

    A threshold belongs to the whole run, so the first window has no intervals of its
    own. But the record of updates must give the same threshold, and as many updates
    above it as the intervals have ends.
    """
    mine, theirs = _shared(record["drift_lags"], again["drift_lags"])
    for name in ("displacement", "distance", "alignment"):
        then, now = record[f"drift_{name}"], again[f"drift_{name}"]
        yield f"drift, {name}", then[0, mine], now[0, theirs]
    found = IntervalsRun.of(record)
    first = UpdatesRun.of(read_record(folder, updates_spec(run.config)))
    later = slice(found.start // run.config.window, None)
    whole = first.updates.histogram(window=later)
    for share, threshold in zip(found.fractions, found.thresholds, strict=True):
        name, ends = f"threshold of {share:.1%}", found.counts(share).exceedances
        yield name, threshold, whole.tail_threshold(share)
        above = whole.counts[whole.edges[:-1] >= threshold].sum()
        yield f"updates above the {name}", ends, above


QUANTITIES = {
    "updates": _updates,
    "information": _information,
    "perturbation": _perturbation,
    "intervals": _intervals,
}
