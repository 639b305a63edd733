"""All runs of the study, read from their records, and what they say as numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..store.runs import RunStore
from .facts import (
    TAILS,
    information_facts,
    interval_facts,
    landscape_facts,
    update_facts,
)
from .plan import paper_runs

EPOCHS = (50, 100)
DELTAS = (0.01, -0.01, 1.0, -1.0)
SHARES = (0.01, 0.005)  # of the largest updates, between which are intervals
JUDGED = (  # settings whose tails are judged: every network as it should be run
    "mlp, rate 0.1",
    "mlp, rate 0.01",
    "convnet, right, 10,000 steps",
    "transformer, causal, batch 4",
    "transformer, causal, batch 8",
    "transformer, causal, batch 16",
)
LAYERED = tuple(JUDGED[at] for at in (0, 1, 2, 4))  # whose layers are judged too
LEARNING = tuple(
    f"control: {name}" for name in ("as it is", "shuffled labels", "spectral noise")
)


@dataclass(frozen=True, eq=False)
class Study:
    """Runs by setting, each a tuple by seed.

    Parameters
    ----------
    runs : mapping
        Setting to the runs that have it, see `PaperRun.setting`.
    missing : tuple of str
        Names of runs without a record.
    stale : tuple of str
        Names of runs whose record comes from other code than that which is here.
    """

    runs: Mapping[str, tuple] = field(repr=False)
    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()

    def __getitem__(self, setting: str) -> tuple:
        """Return the runs of a setting, by seed."""
        if setting not in self.runs:
            raise KeyError(f"{setting!r}: choose one of {sorted(self.runs)}")
        return self.runs[setting]

    def of(self, claim: str) -> dict[str, tuple]:
        """Return the settings that belong to a claim, see `PaperRun.claim`."""
        wanted = {run.setting for run in paper_runs() if run.claim == claim}
        return {name: runs for name, runs in self.runs.items() if name in wanted}

    def runs_of(self, claim: str) -> list:
        """Return the runs that belong to a claim."""
        return [run for runs in self.of(claim).values() for run in runs]

    @property
    def records(self) -> list:
        """Return the records of all runs."""
        return [run.record for runs in self.runs.values() for run in runs]


def read_study(folder: str | Path) -> Study:
    """Read the records of all runs; nothing is computed.

    Parameters
    ----------
    folder : str or Path
        ``book/results`` of the repository.

    Raises
    ------
    LookupError
        If it holds no record of the study.
    """
    store = RunStore(Path(folder), (Path(folder),), compute=False)
    found, missing, stale = {}, [], []
    for planned in paper_runs():
        try:
            run = planned.compute(store)
        except LookupError:
            missing.append(planned.name)
            continue
        found.setdefault(planned.setting, {})[planned.seed] = run
        if run.record.stale:
            stale.append(planned.name)
    if not found:
        raise LookupError(
            f"there is no record of the study in {folder}: the records come with the "
            "repository, not with the installed package; clone it, or name the folder"
        )
    runs = {name: tuple(of[seed] for seed in sorted(of)) for name, of in found.items()}
    return Study(runs, tuple(missing), tuple(stale))


Facts = Mapping[str, Mapping[str, tuple[float, ...]]]  # setting, fact, run by run


def facts_of(study: Study, *, seed: int = 0) -> Facts:
    """Return the facts of every setting of a study, each a tuple by run.

    Parameters
    ----------
    study : Study
    seed : int
        Of the nulls that are drawn.
    """
    rng = np.random.default_rng(seed)
    facts = {}
    for claim in ("updates", "controls"):
        for name, runs in study.of(claim).items():
            asked = _asked(name)
            facts[name] = _gather([update_facts(run, **asked) for run in runs])
    for name, runs in study.of("intervals").items():
        for share in SHARES:
            found = [interval_facts(run, share) for run in runs]
            facts[f"{name}, {share:.1%}"] = _gather(found)
    for runs in study.of("landscape").values():
        for epoch in EPOCHS:
            for delta in DELTAS:
                found = [landscape_facts(run, epoch, delta) for run in runs]
                facts[f"landscape, epoch {epoch}, {delta:+g}"] = _gather(found)
    for name, runs in study.of("information").items():
        facts[name] = _gather([information_facts(run, rng) for run in runs])
    return facts


def _asked(setting: str) -> dict:
    """Return which parts of a run are judged: those that the paper looks at."""
    if setting in LEARNING:
        return {"judged": ("late",), "tails": ("thousandth",)}
    if setting not in JUDGED:
        return {}
    whole = setting.startswith("transformer")
    layered = ("whole" if whole else "late") if setting in LAYERED else None
    judged = ("whole",) if whole else ("early", "late")
    return {"judged": judged, "tails": tuple(TAILS), "layers": layered}


def _gather(found: list[dict[str, float]]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(one[name] for one in found) for name in found[0]}
