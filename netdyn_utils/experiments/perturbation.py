"""Response of the loss to single displaced weights, along a training run.

At the chosen epochs the same weights are displaced, one at a time, and the change of
the loss is measured over all training data and over all test data.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ..perturbation.landscape import LossPlane, loss_plane
from ..perturbation.scan import PerturbationResponse, check_deltas, perturbation_scan
from ..store import RunRecord
from ..training import evaluate
from ..validation import check_positive_int
from .config import Experiment, ExperimentConfig, TrainingRun, prefixed, strip_prefix

# Displacements of the scaling curve, from 0.001 to 3 in equal ratios. They are literals
# because they are part of a record's key, and processors differ in the last digit.
CURVE = (
    *(0.001, 0.0020706272838739, 0.00428749734872302, 0.0088778089898029),
    *(0.0183826335153069, 0.0380635825062493, 0.0788154924594252, 0.163197509078444),
    *(0.337921214958084, 0.699708887492027, 1.44883631321005, 3.0),
)
DEFAULTS = {
    "epochs": (50, 100),
    "deltas": (0.01, 1.0),
    "weights_per_layer": 500,
    "curve": CURVE,
    "curve_weights": 100,
}
PLANE_SAMPLES = 2_000  # of the training data, for the picture of the landscape


@dataclass(frozen=True, eq=False)
class PerturbationRun:
    """Responses of one run by epoch, and the landscape around its last weights."""

    record: RunRecord
    epochs: tuple[int, ...]
    responses: dict[int, PerturbationResponse]  # of the training loss, to `deltas`
    held_out: dict[int, PerturbationResponse]  # of the test loss, to `deltas`
    curves: dict[int, PerturbationResponse]  # to `curve`, of fewer weights
    plane: LossPlane
    tests: np.ndarray  # rows of (epoch, training loss, test loss, test accuracy)

    @classmethod
    def of(cls, record: RunRecord) -> "PerturbationRun":
        """Read the arrays of a record."""
        arrays, read = record.arrays, PerturbationResponse.from_arrays
        epochs = tuple(int(epoch) for epoch in record["tests"][:, 0])
        responses = (
            {epoch: read(strip_prefix(arrays, f"{kind}{epoch}_")) for epoch in epochs}
            for kind in ("response", "held_out", "curve")
        )
        plane = LossPlane.from_arrays(strip_prefix(arrays, "plane_"))
        return cls(record, epochs, *responses, plane, record["tests"])


def run_perturbation(config: ExperimentConfig, **options) -> PerturbationRun:
    """Train a network and measure its response to single displaced weights.

    Parameters
    ----------
    config : ExperimentConfig
        Training ends with the last of the epochs, not with ``config.train.steps``.
    epochs : tuple of int, default (50, 100)
        Passes through the data after which to measure, ascending.
    deltas : tuple of float, default (0.01, 1.0)
        Displacements, each with both signs, in the unit of a weight.
    weights_per_layer : int, default 500
        Number of weights sampled from each layer; all of a layer that has fewer.
    curve, curve_weights : tuple of float and int
        Displacements and weights per layer of the scaling curve.
    store, device, data_root
        As for `run_updates`.
    """
    return PerturbationRun.of(PERTURBATION.record(_perturb, config, **options))


def _check(_, epochs, deltas, weights_per_layer, curve, curve_weights) -> None:
    if not epochs or any(b <= a for a, b in zip((0, *epochs), epochs, strict=False)):
        raise ValueError(f"epochs must be positive and ascending, got {epochs}")
    check_deltas(deltas)
    check_deltas(curve)
    check_positive_int(weights_per_layer, "number of weights")
    check_positive_int(curve_weights, "number of weights")


# The epochs are the length of a run, and there are no windows.
PERTURBATION = Experiment("perturbation", 1, DEFAULTS, _check, ("steps", "window"))


def _perturb(
    training: TrainingRun, *, epochs, deltas, weights_per_layer, curve, curve_weights
) -> dict[str, np.ndarray]:
    model, train_set, test_set = training.model, training.train_set, training.test_set
    scans = {
        "response": (train_set, deltas, weights_per_layer),
        "held_out": (test_set, deltas, weights_per_layer),
        "curve": (train_set, curve, curve_weights),
    }

    def generator():
        return torch.Generator().manual_seed(training.config.train.seed)

    arrays, tests = {}, []
    for step in training.steps(epochs[-1] * training.steps_per_epoch):
        epoch, rest = divmod(step.step, training.steps_per_epoch)
        if rest or epoch not in epochs:
            continue
        for kind, (examples, displacements, count) in scans.items():
            response = perturbation_scan(
                model,
                *examples,
                deltas=displacements,
                weights_per_layer=count,
                generator=generator(),
            )
            arrays |= prefixed(f"{kind}{epoch}_", response.to_arrays())
        tested = evaluate(model, *test_set)
        tests.append((epoch, response.loss, tested.loss, tested.accuracy))
    few = (part[:PLANE_SAMPLES] for part in train_set)
    plane = loss_plane(model, *few, generator=generator())
    return {
        **arrays,
        **prefixed("plane_", plane.to_arrays()),
        "tests": np.array(tests),
        "final": training.digest(),
    }
