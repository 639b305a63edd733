"""Information between updates and activations, and stability of their direction.

Each window of a run gives the information between magnitudes of updates and
activations, its null, and the alignment of the leading direction with the last one.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from ..information.window import CORRECTION_OF as ESTIMATORS
from ..information.window import read_window
from ..principal_direction import alignment, leading_direction
from ..store import RunRecord
from ..tracking.activations import ActivationProbe, probe_batch
from ..tracking.update_window import UpdateWindow
from ..validation import check_choice, check_positive_int
from .config import Experiment, ExperimentConfig, TrainingRun

DIRECTIONS = ("path", "updates", "magnitudes")  # of weights, Δw and abs(Δw)
PER_CLASS = 10  # samples of each class in the probe batch
AGGREGATES = {"per_step": "steps", "pooled": "window"}  # and their names in a record


@dataclass(frozen=True, eq=False)
class InformationSeries:
    """Information of each window and its permutation null, nats; nan if constant."""

    nats: np.ndarray
    null_mean: np.ndarray
    null_spread: np.ndarray  # standard deviation

    @property
    def excess(self) -> np.ndarray:
        """Information beyond the mean of the null; may be negative."""
        return self.nats - self.null_mean


@dataclass(frozen=True, eq=False)
class InformationRun:
    """Information and directions in the windows of one run."""

    record: RunRecord
    layers: tuple[str, ...]
    steps: np.ndarray  # at which each window ends, (windows,)
    loss: np.ndarray  # mean of the training loss in nats, (windows,)

    @classmethod
    def of(cls, record: RunRecord) -> "InformationRun":
        """Read the arrays of a record."""
        layers = tuple(record["layers"].tolist())
        return cls(record, layers, record["steps"], record["loss"])

    def information(
        self, estimator="rank", *, aggregate="per_step", layer="all"
    ) -> InformationSeries:
        """Return the information of each window, of a layer or of all layers pooled.

        "rank" bins have the correction of Miller and Madow, "linear" bins none;
        "per_step" is the mean over steps, "pooled" that of all pairs of the window.
        """
        check_choice(estimator, ESTIMATORS, "estimator")
        check_choice(aggregate, AGGREGATES, "aggregate")
        layers = ("all", *self.layers)
        place = layers.index(check_choice(layer, layers, "layer"))
        rows = self.record[f"information_{AGGREGATES[aggregate]}_{estimator}"][:, place]
        return InformationSeries(*rows.T)

    def alignment(self, direction: str = "path") -> np.ndarray:
        """Return β* of each window with the one before, (windows − 1,)."""
        return self._of_direction("alignment", direction)

    def explained(self, direction: str = "path") -> np.ndarray:
        """Return the variance fraction of the leading direction, (windows,)."""
        return self._of_direction("explained", direction)

    def _of_direction(self, name, direction):
        place = DIRECTIONS.index(check_choice(direction, DIRECTIONS, "direction"))
        return self.record[name][:, place]


def run_information(
    config: ExperimentConfig, *, permutations: int = 20, **where
) -> InformationRun:
    """Train a network and measure information and alignment in every window.

    Windows have ``config.window`` steps; an incomplete last one is not measured.
    `permutations` is their number in each null; `where` are `store`, `device` and
    `data_root` of `run_updates`. ValueError for fewer than two windows.
    """
    record = INFORMATION.record(_inform, config, permutations=permutations, **where)
    return InformationRun.of(record)


def _check(config: ExperimentConfig, permutations) -> None:
    check_positive_int(permutations, "permutations")
    if config.train.steps < 2 * config.window:
        raise ValueError(
            f"{config.train.steps} steps are fewer than two windows of "
            f"{config.window}: take more steps or a smaller window"
        )


INFORMATION = Experiment("information", 1, {"permutations": 20}, _check)


def _inform(training: TrainingRun, *, permutations) -> dict[str, np.ndarray]:
    config = training.config
    probe = ActivationProbe(training.model, *probe_batch(*training.test_set, PER_CLASS))
    window = UpdateWindow(training.model, config.window)
    found, losses, before = defaultdict(list), [], None
    for step in training.steps():
        probe.update()
        window.update()
        losses.append(step.loss)
        if len(losses) < config.window:
            continue
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
        paths = np.cumsum(updates, axis=0)
        now = [leading_direction(rows) for rows in (paths, updates, magnitudes)]
        if before:
            both = zip(before, now, strict=True)
            found["alignment"].append([alignment(*pair) for pair in both])
        ratios = [direction.explained_variance_ratio for direction in now]
        found["explained"].append(ratios)
        found["steps"].append(step.step)
        found["loss"].append(float(np.mean(losses)))
        losses, before = [], now
    return {
        "layers": np.array(list(window.layers)),
        "final": training.digest(),
        **{name: np.array(rows) for name, rows in found.items()},
    }
