"""Every run that the verdicts rest on, fixed before any number is compared.

The order is that of computing: all kinds come early with their first seed, so that an
interrupted computation has some runs of every kind.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ..experiments import (
    FIVE_LAYERS,
    ExperimentConfig,
    run_information,
    run_intervals,
    run_perturbation,
    run_updates,
)
from ..experiments.information import InformationRun, information_spec
from ..experiments.intervals import IntervalsRun, intervals_spec
from ..experiments.perturbation import PerturbationRun, perturbation_spec
from ..experiments.updates import UpdatesRun, updates_spec
from ..store import RunSpec, read_record

KINDS = {  # kind of run: what computes it, what finds its record, what reads it
    "updates": (run_updates, updates_spec, UpdatesRun.of),
    "intervals": (run_intervals, intervals_spec, IntervalsRun.of),
    "perturbation": (run_perturbation, perturbation_spec, PerturbationRun.of),
    "information": (run_information, information_spec, InformationRun.of),
}
SEEDS = {
    "mlp": 10,
    "convnet": 3,
    "transformer": 5,
    "landscape": 5,
    "information": 5,
    "controls": 3,
}
SCALE = {"source": "full", "steps": 30_000}  # of MLP and ConvNet
SMALL = {"source": "sample", "steps": 3_000}  # of the controls: enough to decide
FROM = 5_000  # where the authors begin to count intervals
INFORMATION = ((0.01, 50), (0.01, 500), (0.1, 50), (0.1, 500))  # rate and batch size
WIDTHS = (32, 64, 256, 512, 1024)
CONVNETS = {
    "right": {},
    "frozen": {"freeze_batchnorm_after": 100},
    "bare": {"options": {"batchnorm": False}},
}


@dataclass(frozen=True)
class StudyRun:
    """One run: what it is called, which claim it serves, and what it computes."""

    name: str
    claim: str  # "updates", "intervals", "landscape", "information" or "controls"
    kind: str  # one of KINDS
    config: ExperimentConfig = field(repr=False)
    options: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def setting(self) -> str:
        """What the run has in common with those of other seeds."""
        return self.name.rpartition(", seed ")[0]

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.name.rpartition(", seed ")[2])

    @property
    def spec(self) -> RunSpec:
        """What its record is found by."""
        return KINDS[self.kind][1](self.config, **self.options)

    def compute(self, store, data_root=None):
        """Return the run from a store, computing it if it is not there."""
        run = KINDS[self.kind][0]
        return run(self.config, **self.options, store=store, data_root=data_root)

    def read(self, folder: Path):
        """Read the run; FileNotFoundError without a record, ValueError if damaged."""
        return KINDS[self.kind][2](read_record(folder, self.spec))


@cache
def study_runs() -> tuple[StudyRun, ...]:
    """Return all runs of the study, in the order of computing.

    >>> runs = study_runs()
    >>> len({run.name for run in runs}) == len(runs) > 100
    True
    """
    kinds = (_transformers, _mlps, _convnets, _information, _landscapes, _controls)
    queues = [list(kind()) for kind in kinds]
    seeds = range(max(SEEDS.values()))
    return tuple(
        run for seed in seeds for queue in queues for at, run in queue if at == seed
    )


def record_status(run: StudyRun, folder: Path) -> tuple[str, str]:
    """Return "fresh", "stale", "missing" or "damaged", and why; nothing is computed."""
    try:
        record = read_record(folder, run.spec)
    except FileNotFoundError:
        return "missing", ""
    except ValueError as error:
        return "damaged", str(error)
    if record.stale:
        then, now = record.manifest["version"], run.spec.version
        return "stale", f"version {then} of its kind, which is at {now}"
    return "fresh", ""


def _published(network, seed, steps, **changes) -> ExperimentConfig:
    return ExperimentConfig.from_paper(network, steps, seed=seed, **changes)


def _transformers() -> Iterator[tuple[int, StudyRun]]:
    for seed in range(SEEDS["transformer"]):
        for batch in (4, 8, 16):
            for causal in (True, False):
                options = {} if causal else {"options": {"causal": False}}
                config = _published(
                    "transformer", seed, 1_000, batch_size=batch, **options
                )
                kind = "causal" if causal else "no mask"
                name = f"transformer, {kind}, batch {batch}, seed {seed}"
                yield seed, StudyRun(name, "updates", "updates", config)


def _mlps() -> Iterator[tuple[int, StudyRun]]:
    for seed in range(SEEDS["mlp"]):
        for rate in (0.1, 0.01):
            config = _published("mlp", seed, learning_rate=rate, **SCALE)
            name = f"mlp, rate {rate:g}, seed {seed}"
            yield seed, StudyRun(name, "updates", "updates", config)
            start = {"start": FROM}
            name = f"intervals of {name}"
            yield seed, StudyRun(name, "intervals", "intervals", config, start)


def _convnets() -> Iterator[tuple[int, StudyRun]]:
    for seed in range(SEEDS["convnet"]):
        for kind, changes in CONVNETS.items():
            config = _published("convnet", seed, 10_000, source="full", **changes)
            name = f"convnet, {kind}, 10,000 steps, seed {seed}"
            yield seed, StudyRun(name, "updates", "updates", config)
    for kind, changes in CONVNETS.items():
        config = _published("convnet", 0, **SCALE, **changes)
        name = f"convnet, {kind}, seed 0"
        last = SEEDS["convnet"]  # after the seeds: these take longest
        yield last, StudyRun(name, "updates", "updates", config)
        start, name = {"start": FROM}, f"intervals of {name}"
        yield last, StudyRun(name, "intervals", "intervals", config, start)


def _information() -> Iterator[tuple[int, StudyRun]]:
    for seed in range(SEEDS["information"]):
        for rate, batch in INFORMATION:
            config = ExperimentConfig.from_paper(
                "mlp",
                20_000,
                seed=seed,
                source="full",
                window=200,
                options=FIVE_LAYERS,
                learning_rate=rate,
                batch_size=batch,
            )
            name = f"information, rate {rate:g}, batch {batch}, seed {seed}"
            yield seed, StudyRun(name, "information", "information", config)


def _landscapes() -> Iterator[tuple[int, StudyRun]]:
    for seed in range(SEEDS["landscape"]):
        config = ExperimentConfig.from_paper(
            "mlp",
            steps=1,  # the epochs say how long
            seed=seed,
            source="full",
            options=FIVE_LAYERS,
            learning_rate=0.01,
            batch_size=50,
        )
        # One seed has as many values as the paper; for the spread fewer will do.
        counts = (4_999, 500) if seed == 0 else (1_000, 200)
        drawn = {"weights_per_layer": counts[0], "curve_weights": counts[1]}
        name = f"landscape, seed {seed}"
        yield seed, StudyRun(name, "landscape", "perturbation", config, drawn)


def _controls() -> Iterator[tuple[int, StudyRun]]:
    changes = {
        "as it is": {},
        "shuffled labels": {"control": "shuffled labels"},
        "spectral noise": {"control": "spectral noise"},
        "full batch": {"batch_size": None, "steps": 1_000},
        "momentum": {"optimizer": "momentum", "learning_rate": 0.01},
        "adam": {"optimizer": "adam", "learning_rate": 0.001},
        "linear": {"options": {"widths": (784, 10)}},
        **{f"width {w}": {"options": {"widths": (784, w, 10)}} for w in WIDTHS},
    }
    # Three seeds leave open whether there must be something to learn; ten tell.
    many = ("as it is", "shuffled labels", "spectral noise")
    for seed in range(SEEDS["mlp"]):
        for kind, change in changes.items():
            if seed >= SEEDS["controls"] and kind not in many:
                continue
            config = _published("mlp", seed, **{**SMALL, **change})
            name = f"control: {kind}, seed {seed}"
            yield seed, StudyRun(name, "controls", "updates", config)
