"""Training runs in which every update is counted."""

from dataclasses import dataclass

import numpy as np

from ..histogram import WindowedHistograms
from ..store import RunRecord, RunStore
from ..tracking.updates import UpdateTracker
from ..training import DivergenceError, evaluate
from .config import Experiment, ExperimentConfig, TrainingRun, prefixed, strip_prefix

UPDATES = Experiment("updates", version=1)
MAX_LOSS_POINTS = 1_000  # of the training loss, which is averaged between them
MAX_EVALUATIONS = 20  # on the test data, in one run
MIN_EVALUATION_STEPS = 50  # between two evaluations


@dataclass(frozen=True, eq=False)
class UpdatesRun:
    """Histograms of updates and losses of one run."""

    record: RunRecord
    updates: WindowedHistograms  # of abs(Δw), per layer and window
    rms: WindowedHistograms  # of the parameters' √⟨Δw²⟩, per layer and window

    @classmethod
    def of(cls, record: RunRecord) -> "UpdatesRun":
        """Read the arrays of a record."""
        parts = (strip_prefix(record.arrays, prefix) for prefix in ("updates_", "rms_"))
        return cls(record, *map(WindowedHistograms.from_arrays, parts))

    @property
    def loss(self) -> tuple[np.ndarray, np.ndarray]:
        """Steps and mean training loss in nats over the steps since the one before."""
        return self.record["loss_steps"], self.record["loss"]

    @property
    def tests(self) -> np.ndarray:
        """Rows of (step, test loss in nats, test accuracy), shape (tests, 3)."""
        return self.record["tests"]

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        return self.updates.histogram().total // self.updates.stops[-1]


def run_updates(
    config: ExperimentConfig,
    *,
    store: RunStore | None = None,
    device: str = "auto",
    data_root=None,
) -> UpdatesRun:
    """Train a network and count every update, or read the run from the store.

    `store` is `RunStore.default()` by default, `data_root` the folder of the full data
    sets, see `load_images`. `device`, such as "auto", "cpu" or "cuda", is noted in the
    manifest, but not part of the key. If the loss is no longer finite, DivergenceError
    is raised and nothing is stored.

    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from netdyn_utils.training import TrainConfig
    >>> config = ExperimentConfig(window=5, train=TrainConfig(steps=10))
    >>> run = run_updates(config, store=RunStore(Path(mkdtemp())))
    >>> run.parameters, run.updates.groups, run.updates.stops
    (101770, ('fc1', 'fc2'), (5, 10))
    """
    options = {"store": store, "device": device, "data_root": data_root}
    return UpdatesRun.of(UPDATES.record(_count_updates, config, **options))


def _count_updates(training: TrainingRun) -> dict[str, np.ndarray]:
    config, last = training.config, training.config.train.steps
    tracker = UpdateTracker(training.model, window=config.window)
    every = max(-(-last // MAX_EVALUATIONS), MIN_EVALUATION_STEPS)
    losses, tests = [], []

    def test(step):
        found = evaluate(training.model, *training.test_set)
        tests.append((step, found.loss, found.accuracy))

    test(0)
    for step in training.steps():
        tracker.update()
        losses.append(step.loss)
        if step.step % every == 0 or step.step == last:
            test(step.step)
    if not np.isfinite(tests[-1][1]):  # no training loss comes after the last step
        raise DivergenceError(
            f"the test loss is {tests[-1][1]} after step {last} with learning rate "
            f"{config.train.learning_rate:g}: lower the learning rate"
        )
    size = -(-last // MAX_LOSS_POINTS)
    stops = np.append(np.arange(size, last, size), last)
    means = np.add.reduceat(losses, np.r_[0, stops[:-1]]) / np.diff(stops, prepend=0)
    return {
        "loss_steps": stops,
        "loss": means.astype(np.float32),
        "tests": np.array(tests),
        "final": training.digest(),
        **prefixed("updates_", tracker.histograms().to_arrays()),
        **prefixed("rms_", tracker.rms_histograms().to_arrays()),
    }
