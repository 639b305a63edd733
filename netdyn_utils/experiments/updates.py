"""From a configuration to a stored record, computed once.

Each ``run_…`` asks the store for a run and computes it only if it is not there. What a
run is (network, data, training) makes its key; the version beside each kind says when
its numbers were last meant to change.
"""

from dataclasses import dataclass

import numpy as np

from ..histogram import WindowedHistograms
from ..store import RunRecord, RunSpec, RunStore
from ..tracking.updates import UpdateTracker
from ..training import DivergenceError, evaluate
from .config import (
    ExperimentConfig,
    TrainingRun,
    load_data,
    prefixed,
    run_spec,
    stored_run,
    strip_prefix,
)

VERSION = 1  # raised when, and only when, the numbers of a record are meant to change
LOSS_POINTS = 1_000  # at most so many means of the training loss are kept
EVALUATIONS = 20  # measurements on the test data in a run, at most
EVALUATE_EVERY = 50  # steps between two of them, at least


@dataclass(frozen=True, eq=False)
class UpdatesRun:
    """A run's record, read as the chapters need it.

    Parameters
    ----------
    record : RunRecord
    updates : WindowedHistograms
        Counts of abs(Δw) per layer and window.
    rms : WindowedHistograms
        Counts of parameters by their √⟨Δw²⟩, per layer and window.
    """

    record: RunRecord
    updates: WindowedHistograms
    rms: WindowedHistograms

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
        """How many parameters are trained."""
        return self.updates.histogram().total // self.updates.stops[-1]


def run_updates(
    config: ExperimentConfig,
    *,
    store: RunStore | None = None,
    device: str = "auto",
    data_root=None,
) -> UpdatesRun:
    """Train a network and count every update, or read the run that did.

    Parameters
    ----------
    config : ExperimentConfig
    store : RunStore, optional
        Where records lie; see `RunStore.default`.
    device : str
        "auto", "cpu", "cuda" …; noted in the manifest, not part of the key.
    data_root : path, optional
        Folder of the full data sets; see `load_images`.

    Raises
    ------
    DivergenceError
        If the loss is no longer finite; nothing is stored.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from netdyn_utils.training import TrainConfig
    >>> config = ExperimentConfig(window=5, train=TrainConfig(steps=10))
    >>> run = run_updates(config, store=RunStore(Path(mkdtemp())))
    >>> run.parameters, run.updates.groups, run.updates.stops
    (101770, ('fc1', 'fc2'), (5, 10))
    """
    spec = updates_spec(config, data_root)

    def compute(target):
        return _train_and_count(config, load_data(config, data_root), target)

    return UpdatesRun.of(stored_run(spec, compute, store, device))


def updates_spec(config: ExperimentConfig, data_root=None) -> RunSpec:
    """Return what the record of `run_updates` is found by."""
    return run_spec("updates", VERSION, config, data_root=data_root)


def _train_and_count(config: ExperimentConfig, data, device) -> dict[str, np.ndarray]:
    train, training = config.train, TrainingRun(config, data, device)
    model, test_set = training.model, training.test_set
    tracker = UpdateTracker(model, window=config.window)

    every = max(-(-train.steps // EVALUATIONS), EVALUATE_EVERY)
    losses, tests = [], [(0, *_row(evaluate(model, *test_set)))]
    for step in training.steps():
        tracker.update()
        losses.append(step.loss)
        if step.step % every == 0 or step.step == train.steps:
            tests.append((step.step, *_row(evaluate(model, *test_set))))

    if not np.isfinite(tests[-1][1]):  # the very last step, which no loss came after
        raise DivergenceError(
            f"the test loss is {tests[-1][1]} after step {train.steps} with learning "
            f"rate {train.learning_rate:g}: lower the learning rate"
        )
    stops = _loss_stops(train.steps)
    means = np.add.reduceat(losses, np.r_[0, stops[:-1]]) / np.diff(stops, prepend=0)
    return {
        "loss_steps": stops,
        "loss": means.astype(np.float32),
        "tests": np.array(tests),
        "final": training.digest(),
        **prefixed("updates_", tracker.histograms().to_arrays()),
        **prefixed("rms_", tracker.rms_histograms().to_arrays()),
    }


def _row(evaluation) -> tuple[float, float]:
    """Return loss and accuracy as a row of the record."""
    return evaluation.loss, evaluation.accuracy


def _loss_stops(steps: int) -> np.ndarray:
    """Return where the blocks end over which the training loss is averaged."""
    size = -(-steps // LOSS_POINTS)
    return np.append(np.arange(size, steps, size), steps)
