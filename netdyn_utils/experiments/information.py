"""What updates know of activity, and how steadily they point, along a whole run.

A run is trained once and looked at in windows of steps. Of each window remain a few
numbers: the information between magnitudes of updates and activations, beside its null;
and how far the window's leading direction lies from the one before.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..information.window import CORRECTION_OF as ESTIMATORS
from ..information.window import read_window
from ..principal_direction import PrincipalDirection, alignment, leading_direction
from ..store import RunRecord, RunSpec, RunStore
from ..tracking.activations import ActivationProbe, probe_batch
from ..tracking.update_window import UpdateWindow
from ..validation import check_choice, check_positive_int
from .config import (
    ExperimentConfig,
    TrainingRun,
    load_data,
    run_spec,
    stored_run,
)

VERSION = 1  # raised when, and only when, the numbers of a record are meant to change
NEUTRAL = {"permutations": 20}  # see `config.NEUTRAL`
DIRECTIONS = ("path", "updates", "magnitudes")
PER_CLASS = 10  # samples of each class in the probe batch
AGGREGATES = {"per_step": "steps", "pooled": "window"}  # and their names in a record


@dataclass(frozen=True, eq=False)
class InformationSeries:
    """Information in each window, nats, beside what permuted units give.

    nan where nothing could be said: all updates, or all activations, were the same.
    """

    nats: np.ndarray  # (windows,)
    null_mean: np.ndarray  # (windows,)
    null_spread: np.ndarray  # (windows,), standard deviation of the null

    @property
    def excess(self) -> np.ndarray:
        """Information beyond the mean of the null, (windows,); may be negative."""
        return self.nats - self.null_mean


@dataclass(frozen=True, eq=False)
class InformationRun:
    """A run's information and directions, read as the chapter needs them.

    Parameters
    ----------
    record : RunRecord
    layers : tuple of str
    steps : array of int64, (windows,)
        Step at which each window ends.
    loss : array, (windows,)
        Mean training loss in nats.
    """

    record: RunRecord
    layers: tuple[str, ...]
    steps: np.ndarray
    loss: np.ndarray

    @classmethod
    def of(cls, record: RunRecord) -> "InformationRun":
        """Read the arrays of a record."""
        layers = tuple(record["layers"].tolist())
        return cls(record, layers, record["steps"], record["loss"])

    def information(
        self,
        estimator: str = "rank",
        *,
        aggregate: str = "per_step",
        layer: str = "all",
    ) -> InformationSeries:
        """Return the information of each window.

        Parameters
        ----------
        estimator : {"rank", "linear"}
            Rank bins with the correction of Miller and Madow; or linear bins without.
        aggregate : {"per_step", "pooled"}
            The mean over steps of the information at one step; or that of all pairs of
            the window at once.
        layer : str
            "all" pools the pairs of all layers.
        """
        check_choice(estimator, ESTIMATORS, "estimator")
        check_choice(aggregate, AGGREGATES, "aggregate")
        check_choice(layer, ("all", *self.layers), "layer")
        place = ("all", *self.layers).index(layer)
        name = f"information_{AGGREGATES[aggregate]}_{estimator}"
        rows = self.record[name][:, place]
        return InformationSeries(*rows.T)

    def alignment(self, direction: str = "path") -> np.ndarray:
        """Return β* of each window with the one before, (windows − 1,).

        Parameters
        ----------
        direction : {"path", "updates", "magnitudes"}
            Leading direction of the weights themselves in the window; of their updates
            with signs; of the magnitudes.
        """
        place = DIRECTIONS.index(check_choice(direction, DIRECTIONS, "direction"))
        return self.record["alignment"][:, place]

    def explained(self, direction: str = "path") -> np.ndarray:
        """Return the leading direction's share of the variance, (windows,)."""
        place = DIRECTIONS.index(check_choice(direction, DIRECTIONS, "direction"))
        return self.record["explained"][:, place]


def run_information(
    config: ExperimentConfig,
    *,
    permutations: int = NEUTRAL["permutations"],
    store: RunStore | None = None,
    device: str = "auto",
    data_root=None,
) -> InformationRun:
    """Train a network and measure information and alignment in every window.

    Parameters
    ----------
    config : ExperimentConfig
        Windows have ``config.window`` steps; what is left at the end is not measured.
    permutations : int
        Arrangements of units in each null.
    store, device, data_root
        As for `run_updates`.

    Raises
    ------
    ValueError
        If the run has fewer than two windows.
    DivergenceError
        If the loss is no longer finite; nothing is stored.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from netdyn_utils.training import TrainConfig
    >>> config = ExperimentConfig(window=20, train=TrainConfig(steps=40))
    >>> run = run_information(config, permutations=2, store=RunStore(Path(mkdtemp())))
    >>> run.information("rank").nats.shape, run.alignment("path").shape
    ((2,), (1,))
    """
    spec = information_spec(config, permutations=permutations, data_root=data_root)

    def compute(target):
        data = load_data(config, data_root)
        return _train_and_inform(config, data, target, permutations)

    return InformationRun.of(stored_run(spec, compute, store, device))


def information_spec(
    config: ExperimentConfig,
    *,
    permutations: int = NEUTRAL["permutations"],
    data_root=None,
) -> RunSpec:
    """Return what the record of `run_information` is found by."""
    check_positive_int(permutations, "permutations")
    if config.train.steps < 2 * config.window:
        raise ValueError(
            f"{config.train.steps} steps are fewer than two windows of "
            f"{config.window}: take more steps or a smaller window"
        )
    asked = {"permutations": permutations}
    return run_spec(
        "information", VERSION, config, asked, neutral=NEUTRAL, data_root=data_root
    )


def _train_and_inform(config, data, device, permutations):
    training = TrainingRun(config, data, device)
    probe = ActivationProbe(training.model, *probe_batch(*training.test_set, PER_CLASS))
    window = UpdateWindow(training.model, config.window)
    found = {
        f"information_{a}_{e}": [] for a in AGGREGATES.values() for e in ESTIMATORS
    }
    steps, losses, aligned, explained, before = [], [], [], [], None
    for step, loss in _windows(training, (probe, window), config.window):
        updates, activations = window.pop(), probe.pop()
        magnitudes = np.abs(updates)
        layers = [
            (part, activations[layer].mean(axis=1))  # over classes
            for layer, part in window.split(magnitudes).items()
        ]
        readings = read_window(
            layers, seed=config.train.seed, permutations=permutations
        )
        for (aggregate, estimator), rows in readings.items():
            found[f"information_{AGGREGATES[aggregate]}_{estimator}"].append(rows)
        now: list[PrincipalDirection] = [
            leading_direction(rows)
            for rows in (np.cumsum(updates, axis=0), updates, magnitudes)
        ]
        if before is not None:
            aligned.append([alignment(*pair) for pair in zip(before, now, strict=True)])
        explained.append([direction.explained_variance_ratio for direction in now])
        steps.append(step)
        losses.append(loss)
        before = now
    return {
        "layers": np.array(list(window.layers)),
        "steps": np.array(steps),
        "loss": np.array(losses),
        "alignment": np.array(aligned),
        "explained": np.array(explained),
        "final": training.digest(),
        **{name: np.array(rows) for name, rows in found.items()},
    }


def _windows(training, observers, size: int) -> Iterator[tuple[int, float]]:
    """Train, let all observers see each step, and yield at the end of each window."""
    losses = []
    for step in training.steps():
        for observer in observers:
            observer.update()
        losses.append(step.loss)
        if len(losses) == size:
            yield step.step, float(np.mean(losses))
            losses.clear()
