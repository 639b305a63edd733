"""The first part of a record computed again, and compared with the record.

The same configuration is run with fewer steps: no step depends on how many follow. On
the processor, threads and versions of the record every count must agree, and every
float to twelve digits. Elsewhere rounding differs in every step, and each quantity must
agree within a tolerance.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from ..experiments.intervals import IntervalsRun
from ..experiments.perturbation import PerturbationRun
from ..experiments.updates import UPDATES, UpdatesRun
from ..histogram import LogHistogram, code_count
from ..store import RunStore, environment_changes, environment_info, read_record
from .protocol import StudyRun, record_status, study_runs

SETTINGS = (  # besides all controls
    *("transformer, causal, batch 8", "transformer, no mask, batch 8"),
    *("mlp, rate 0.1", "information, rate 0.1, batch 50", "intervals of mlp, rate 0.1"),
    *("convnet, right, 10,000 steps", "convnet, frozen, 10,000 steps", "landscape"),
)
PASSING = ("same", "close", "skipped")  # statuses
FIRST_EPOCH = 50  # of the measurements of a landscape
FEW_WEIGHTS = {"weights_per_layer": 50, "curve_weights": 20}
ROUNDING = 1e-12  # relative distance due to another order of summation
# Relative distances on another processor or number of threads. Measured over the first
# windows, they are 0.00002 to 0.08, and some of another seed always exceed 0.1. The rms
# of the few parameters of a layer and the largest update vary more.
TOLERANCE, WIDE_TOLERANCE, WIDE = 0.1, 0.5, ("rms", "largest")


def relative_distance(stored: np.ndarray, again: np.ndarray) -> float:
    """Return Σ|again − stored| / Σ|stored|; infinite for arrays of unlike shape."""
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
    """Return the run cut to its first window, two for alignments, or first epoch."""
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
    """Compare the first part of a run with its record; return a status and the reason.

    With ``tolerance`` small differences pass even if the processor has the same name.
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
    detail = f"the first {first} in {again.manifest['seconds']:.0f} s"
    differing = [name for name, off in distances.items() if off > ROUNDING]
    if not differing:
        return "same", f"{detail}, the same"

    def allowed(name):
        return WIDE_TOLERANCE if name.startswith(WIDE) else TOLERANCE

    worst = max(distances, key=lambda name: distances[name] / allowed(name))
    changed = environment_changes(record.manifest, again.manifest | environment_info())
    is_close = (changed or tolerance) and distances[worst] <= allowed(worst)
    return "close" if is_close else "differs", (
        f"{detail}; {', '.join(differing)} differ, {worst} most, by "
        f"{distances[worst]:.2g}, and {allowed(worst):g} is allowed on another machine "
        f"({changed or 'processor, threads and versions have the same names'})"
    )


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Set the number of threads of torch and numpy's products for a block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with threadpool_limits(number):
            yield
    finally:
        torch.set_num_threads(before)


# For each kind: name, stored and computed value of what can be compared.


def _shared(then, now) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the elements that two arrays have in common."""
    return np.intersect1d(then, now, return_indices=True)[1:]


def _updates(record, again, *_):
    then, now = UpdatesRun.of(record), UpdatesRun.of(again)
    for name, groups in (("updates", then.updates.groups), ("rms", ("all",))):
        for group in groups:
            first = [getattr(run, name).histogram(group, 0) for run in (then, now)]
            yield f"{name} of {group}", *map(dense_counts, first)
            yield f"largest {name} of {group}", *(histogram.max for histogram in first)
    size, losses = then.loss[0][0], now.loss[1]  # steps of a mean; losses step by step
    means = losses[: losses.size // size * size].reshape(-1, size).mean(1, dtype=float)
    yield "training loss", then.loss[1][: means.size], means.astype(np.float32)
    mine, theirs = _shared(then.tests[:, 0], now.tests[:, 0])
    yield "test loss", then.tests[mine, 1], now.tests[theirs, 1]


def dense_counts(histogram: LogHistogram) -> np.ndarray:
    """Return the counts of all bins, exact zeros last."""
    counts = np.zeros(code_count() + 1, np.int64)
    counts[histogram.start :][: histogram.counts.size] = histogram.counts
    counts[-1] = histogram.zeros
    return counts


def _information(record, again, *_):
    for name, array in again.arrays.items():
        if name.startswith("information_"):  # not the null's spread, which is chance
            yield name, record[name][: len(array), ..., :2], array[..., :2]
        elif name in ("loss", "alignment", "explained"):
            yield name, record[name][: len(array)], array


def _perturbation(record, again, *_):
    runs = PerturbationRun.of(record), PerturbationRun.of(again)
    for kind in ("responses", "held_out", "curves"):
        then, now = (getattr(run, kind)[FIRST_EPOCH] for run in runs)
        weights = [one.layer * 2**32 + one.index for one in (then, now)]
        mine, theirs = _shared(*weights)
        yield f"weights of {kind}", np.sort(weights[1]), weights[0][mine]
        yield kind, then.response[..., mine], now.response[..., theirs]
    yield "losses", record["tests"][0, :3], again["tests"][0, :3]


def _intervals(record, again, run, folder):
    # A threshold belongs to the whole run, so the first window has no intervals that
    # could be compared. But the record of updates gives thresholds and exceedances too.
    mine, theirs = _shared(record["drift_lags"], again["drift_lags"])
    for name in ("displacement", "distance", "alignment"):
        then, now = record[f"drift_{name}"], again[f"drift_{name}"]
        yield f"drift, {name}", then[0, mine], now[0, theirs]
    found = IntervalsRun.of(record)
    first = UpdatesRun.of(read_record(folder, UPDATES.spec(run.config)))
    later = slice(found.start // run.config.window, None)
    whole = first.updates.histogram(window=later)
    for fraction, threshold in zip(found.fractions, found.thresholds, strict=True):
        name = f"threshold of {fraction:.1%}"
        yield name, threshold, whole.tail_threshold(fraction)
        above = whole.counts[whole.edges[:-1] >= threshold].sum()
        yield f"updates above the {name}", found.counts(fraction).exceedances, above


QUANTITIES = {
    "updates": _updates,
    "information": _information,
    "perturbation": _perturbation,
    "intervals": _intervals,
}
