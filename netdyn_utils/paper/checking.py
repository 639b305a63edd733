"""Part of a record computed anew and held against what is stored.

Not the whole run, but its first window: the same configuration with fewer steps, for
nothing in a run depends on how many are still to come. On the processor, the threads
and the versions that made the record it must agree to the last bit. Elsewhere sums of
floats are rounded in another order, the paths drift apart, and it must agree as well as
the tolerance of each quantity says, see `parts`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from threadpoolctl import threadpool_limits

from ..experiments import run_information, run_intervals, run_perturbation, run_updates
from ..store.provenance import surroundings
from ..store.runs import RunRecord, RunStore
from .parts import Part, parts
from .plan import PaperRun, paper_runs
from .standing import standing

NAMES = (  # one run of each kind; beside them every control
    *("transformer, causal, batch 8", "transformer, no mask, batch 8"),
    *("mlp, rate 0.1", "information, rate 0.1, batch 50", "intervals of mlp, rate 0.1"),
    *("convnet, right, 10,000 steps", "convnet, frozen, 10,000 steps", "landscape"),
)
GOOD = ("same", "close", "skipped")  # words of which none speaks against a record
FIRST = 50  # epochs before the first measurement of a landscape
FEW = {"weights_per_layer": 50, "curve_weights": 20}  # of those that were displaced


@dataclass(frozen=True)
class Check:
    """What came of computing a part of one record anew."""

    run: PaperRun
    word: str  # one of `GOOD`, "differs", or how a record stands that cannot be read
    told: str = ""

    def __str__(self):
        return f"{self.word:8} {self.run.name}: {self.told}"


def checked_runs() -> tuple[PaperRun, ...]:
    """Return the runs that are computed anew, those that need no full data first.

    >>> [run.name for run in checked_runs()][:2]
    ['transformer, causal, batch 8, seed 0', 'transformer, no mask, batch 8, seed 0']
    """
    wanted = {f"{name}, seed 0" for name in NAMES}
    runs = [
        run
        for run in paper_runs()
        if run.name in wanted
        or (run.claim == "controls" and run.name.endswith("seed 0"))
    ]
    return tuple(sorted(runs, key=lambda run: (not is_cheap(run), is_slow(run))))


def is_cheap(run: PaperRun) -> bool:
    """Say whether a run needs no images but those that ship with the package."""
    return run.config.source == "sample"


def is_slow(run: PaperRun) -> bool:
    """Say whether even the first part takes minutes: a landscape needs its epochs."""
    return run.start.func is run_perturbation


def first_part(run: PaperRun) -> PaperRun:
    """Return the same run, cut to the first part that can be compared.

    One window of updates; two of information, for alignment needs both; of intervals
    one window after the start of the counting; of a landscape the first measurement, at
    fewer of the same weights.
    """
    start, config = run.start, run.config
    steps = {
        run_updates: config.window,
        run_information: 2 * config.window,
        run_intervals: start.keywords.get("start", 0) + config.window,
        run_perturbation: config.train.steps,
    }[start.func]
    fewer = {"epochs": (FIRST,), **FEW} if start.func is run_perturbation else {}
    cut = replace(config, train=replace(config.train, steps=steps))
    return replace(run, start=partial(start.func, cut, **{**start.keywords, **fewer}))


def recheck(
    run: PaperRun, folder: Path, *, data_root=None, elsewhere: bool = False
) -> Check:
    """Compute the first part of a run anew and compare it with its record.

    Parameters
    ----------
    run : PaperRun
    folder : Path
        Where the records lie.
    data_root : path, optional
        Folder of the full data sets; see `load_images`.
    elsewhere : bool
        Hold it to the tolerances even where processor, threads and versions have the
        names that they had: virtual processors of one name differ.
    """
    found = standing(run, folder)
    if found.record is None:
        return Check(run, found.word, found.fault or "no record: `make results`")
    record = found.record
    with TemporaryDirectory() as work, _threads(record.manifest["threads"]):
        try:
            again = first_part(run).compute(RunStore(Path(work)), data_root).record
        except FileNotFoundError as error:
            return Check(run, "skipped", str(error))
        compared = list(parts(record, again, folder))
    return _judge(run, record, again, compared, elsewhere)


def _judge(
    run, record: RunRecord, again: RunRecord, compared: list[Part], elsewhere: bool
) -> Check:
    told = again.manifest
    spent = f"{_said(told)} in {told['seconds']:.0f} s"
    if all(part.same for part in compared):
        return Check(run, "same", f"{spent}, bit for bit")
    changed = _changed(record.manifest, {**told, **surroundings()})
    worst = max(compared, key=lambda part: part.distance / part.tolerance)
    by = f"by {worst.distance:.2g}, {worst.tolerance:g} is allowed on another machine"
    why = changed or "processor, threads and versions are named as they were then"
    if (changed or elsewhere) and worst.distance <= worst.tolerance:
        told = f"{spent}; furthest off is {worst.name}, {by} ({why})"
        return Check(run, "close", told)
    names = ", ".join(part.name for part in compared if not part.same)
    told = f"{spent}; {names}; furthest off is {worst.name}, {by} ({why})"
    return Check(run, "differs", told)


def _said(manifest) -> str:
    """Return which part of the run a manifest is of."""
    config = manifest["config"]
    if "epochs" in config:
        return f"the first {config['epochs'][0]} epochs"
    return f"the first {config['train']['steps']:,} steps"


def _changed(then, now) -> str:
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
