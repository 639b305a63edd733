"""The runs of the study, fixed before any number was compared.

The first seed of every kind comes first, so that an interrupted computation has some
runs of every kind.
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
from ..experiments.information import INFORMATION, InformationRun
from ..experiments.intervals import INTERVALS, IntervalsRun
from ..experiments.perturbation import PERTURBATION, PerturbationRun
from ..experiments.updates import UPDATES, UpdatesRun
from ..store import RunSpec, read_record

KINDS = {  # of runs: experiment, its function, and the reader of its record
    "updates": (UPDATES, run_updates, UpdatesRun.of),
    "intervals": (INTERVALS, run_intervals, IntervalsRun.of),
    "perturbation": (PERTURBATION, run_perturbation, PerturbationRun.of),
    "information": (INFORMATION, run_information, InformationRun.of),
}
SEEDS = {"mlp": 10, "convnet": 3, "transformer": 5, "five layers": 5, "controls": 3}
FIRST_INTERVAL_STEP = 5_000  # as in the paper
RATES_AND_BATCHES = ((0.01, 50), (0.01, 500), (0.1, 50), (0.1, 500))
WIDTHS = (32, 64, 256, 512, 1024)
MASKS = {"causal": {}, "no mask": {"options": {"causal": False}}}
CONVNETS = {
    "right": {},
    "frozen": {"freeze_batchnorm_after": 100},
    "bare": {"options": {"batchnorm": False}},
}
CONTROLS = {
    "as it is": {},
    "shuffled labels": {"control": "shuffled labels"},
    "spectral noise": {"control": "spectral noise"},
    "full batch": {"batch_size": None, "steps": 1_000},
    "momentum": {"optimizer": "momentum", "learning_rate": 0.01},
    "adam": {"optimizer": "adam", "learning_rate": 0.001},
    "linear": {"options": {"widths": (784, 10)}},
    **{f"width {w}": {"options": {"widths": (784, w, 10)}} for w in WIDTHS},
}
LEARNING_CONTROLS = (*CONTROLS,)[:3]  # with ten seeds: three were inconclusive


@dataclass(frozen=True)
class StudyRun:
    """One run of a setting, which other seeds share."""

    setting: str
    kind: str  # one of KINDS
    config: ExperimentConfig = field(repr=False)
    options: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def claim(self) -> str:
        """Group of claims that it tests: its kind, "landscape" or "controls"."""
        if self.setting.startswith("control: "):
            return "controls"
        return "landscape" if self.kind == "perturbation" else self.kind

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.config.train.seed

    @property
    def name(self) -> str:
        """Setting and seed."""
        return f"{self.setting}, seed {self.seed}"

    @property
    def spec(self) -> RunSpec:
        """Specification of its record."""
        return KINDS[self.kind][0].spec(self.config, **self.options)

    def compute(self, store, data_root=None):
        """Return the run from a store, computing it if it is not there."""
        run = KINDS[self.kind][1]
        return run(self.config, **self.options, store=store, data_root=data_root)

    def read(self, folder: Path):
        """Read the run; FileNotFoundError without a record, ValueError if damaged."""
        return KINDS[self.kind][2](read_record(folder, self.spec))


@cache
def study_runs() -> tuple[StudyRun, ...]:
    """Return all runs of the study, in the order of computing."""
    return tuple(run for seed in range(max(SEEDS.values())) for run in _runs(seed))


def record_status(run: StudyRun, folder: Path) -> tuple[str, str]:
    """Return "fresh", "stale", "missing" or "damaged", and why."""
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


def _runs(seed: int) -> Iterator[StudyRun]:
    """Yield the runs of one seed."""

    def config(network, steps=30_000, seed=seed, **changes):
        return ExperimentConfig.from_paper(network, steps, seed=seed, **changes)

    def updates_and_intervals(setting, config):
        yield StudyRun(setting, "updates", config)
        start = {"start": FIRST_INTERVAL_STEP}
        yield StudyRun(f"intervals of {setting}", "intervals", config, start)

    if seed < SEEDS["transformer"]:
        for batch in (4, 8, 16):
            for mask, change in MASKS.items():
                setting = f"transformer, {mask}, batch {batch}"
                one = config("transformer", 1_000, batch_size=batch, **change)
                yield StudyRun(setting, "updates", one)
    for rate in (0.1, 0.01):
        one = config("mlp", learning_rate=rate, source="full")
        yield from updates_and_intervals(f"mlp, rate {rate:g}", one)
    for variant, change in CONVNETS.items():
        if seed < SEEDS["convnet"]:
            one = config("convnet", 10_000, source="full", **change)
            yield StudyRun(f"convnet, {variant}, 10,000 steps", "updates", one)
        elif seed == SEEDS["convnet"]:  # the long runs of seed 0, which take longest
            one = config("convnet", seed=0, source="full", **change)
            yield from updates_and_intervals(f"convnet, {variant}", one)
    if seed < SEEDS["five layers"]:
        deep = {"source": "full", "options": FIVE_LAYERS}
        for rate, batch in RATES_AND_BATCHES:
            size = {"learning_rate": rate, "batch_size": batch, "window": 200}
            setting = f"information, rate {rate:g}, batch {batch}"
            yield StudyRun(
                setting, "information", config("mlp", 20_000, **deep, **size)
            )
        # `epochs` is the length of training. One seed has as many values as the paper.
        one = config("mlp", 1, **deep, learning_rate=0.01, batch_size=50)
        counts = (1_000, 200) if seed else (4_999, 500)
        options = dict(zip(("weights_per_layer", "curve_weights"), counts, strict=True))
        yield StudyRun("landscape", "perturbation", one, options)
    for control, change in CONTROLS.items():
        if seed < SEEDS["controls"] or control in LEARNING_CONTROLS:
            one = config("mlp", **{"source": "sample", "steps": 3_000, **change})
            yield StudyRun(f"control: {control}", "updates", one)
