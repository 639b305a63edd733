"""The landscape around a network as it is trained, weight by weight.

A run trains the network once; at the epochs asked for, single weights are displaced
and the change of the loss is measured, over all training data and over all test data.
The same weights are displaced each time.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..flat_parameters import FlatParameters
from ..perturbation.landscape import LossPlane, loss_plane
from ..perturbation.scan import PerturbationResponse, check_deltas, perturbation_scan
from ..store import RunRecord, RunSpec, RunStore
from ..training import evaluate
from ..validation import check_positive_int
from .config import (
    ExperimentConfig,
    TrainingRun,
    load_data,
    prefixed,
    run_spec,
    steps_per_epoch,
    stored_run,
    strip_prefix,
)

VERSION = 1  # raised when, and only when, the numbers of a record are meant to change
# Displacements of the scaling curve: from 0.001 to 3 in equal ratios. Written out, for
# processors compute the last digit differently, and these are part of a record's key.
CURVE = (
    *(0.001, 0.0020706272838739, 0.00428749734872302, 0.0088778089898029),
    *(0.0183826335153069, 0.0380635825062493, 0.0788154924594252, 0.163197509078444),
    *(0.337921214958084, 0.699708887492027, 1.44883631321005, 3.0),
)
NEUTRAL = {  # see `config.NEUTRAL`
    "epochs": (50, 100),
    "deltas": (0.01, 1.0),
    "weights_per_layer": 500,
    "curve": CURVE,
    "curve_weights": 100,
}
PLANE_SAMPLES = 2_000  # of the training data, for the picture of the landscape


@dataclass(frozen=True, eq=False)
class PerturbationRun:
    """A run's response to displaced weights, read as the chapter needs it.

    Parameters
    ----------
    record : RunRecord
    epochs : tuple of int
    responses, held_out, curves : dict of int to PerturbationResponse
        At each epoch: to the displacements asked for, of many weights; the same on the
        test data; and to those of the scaling curve, of fewer weights.
    plane : LossPlane
        Loss around the last weights along two random directions.
    tests : array, (epochs, 4)
        Epoch, training loss in nats, test loss in nats and test accuracy.
    """

    record: RunRecord
    epochs: tuple[int, ...]
    responses: dict[int, PerturbationResponse]
    held_out: dict[int, PerturbationResponse]
    curves: dict[int, PerturbationResponse]
    plane: LossPlane
    tests: np.ndarray

    @classmethod
    def of(cls, record: RunRecord) -> "PerturbationRun":
        """Read the arrays of a record."""
        arrays = record.arrays
        tests = arrays["tests"]
        epochs = tuple(int(epoch) for epoch in tests[:, 0])
        found = [
            {
                epoch: PerturbationResponse.from_arrays(
                    strip_prefix(arrays, f"{kind}{epoch}_")
                )
                for epoch in epochs
            }
            for kind in ("response", "held_out", "curve")
        ]
        plane = LossPlane.from_arrays(strip_prefix(arrays, "plane_"))
        return cls(record, epochs, *found, plane, tests)


def run_perturbation(
    config: ExperimentConfig,
    *,
    epochs: tuple[int, ...] = NEUTRAL["epochs"],
    deltas: tuple[float, ...] = NEUTRAL["deltas"],
    weights_per_layer: int = NEUTRAL["weights_per_layer"],
    curve: tuple[float, ...] = CURVE,
    curve_weights: int = NEUTRAL["curve_weights"],
    store: RunStore | None = None,
    device: str = "auto",
    data_root=None,
) -> PerturbationRun:
    """Train a network and measure its response to single displaced weights.

    Parameters
    ----------
    config : ExperimentConfig
        Network, data and training; the epochs say how long, not ``config.train.steps``.
    epochs : tuple of int
        After how many passes through the data to measure, ascending.
    deltas : tuple of float
        Displacements, each with both signs, in the unit of a weight.
    weights_per_layer : int
        Weights drawn from each layer; all of a layer that has fewer.
    curve, curve_weights : tuple of float and int
        The same for the scaling curve.
    store, device, data_root
        As for `run_updates`.

    Raises
    ------
    ValueError
        If the epochs or displacements make no sense.
    DivergenceError
        If the loss is no longer finite; nothing is stored.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> config = ExperimentConfig(options={"widths": (784, 5, 10)}, digits=(0, 1))
    >>> run = run_perturbation(
    ...     config, epochs=(1,), weights_per_layer=3, curve_weights=2,
    ...     store=RunStore(Path(mkdtemp()))
    ... )
    >>> run.responses[1].response.shape        # (displacements, signs, weights)
    (2, 2, 6)
    """
    asked = {
        "epochs": tuple(epochs),
        "deltas": tuple(deltas),
        "weights_per_layer": weights_per_layer,
        "curve": tuple(curve),
        "curve_weights": curve_weights,
    }
    spec = perturbation_spec(config, **asked, data_root=data_root)

    def compute(target):
        data = load_data(config, data_root)
        return _train_and_perturb(config, data, target, **asked)

    return PerturbationRun.of(stored_run(spec, compute, store, device))


def perturbation_spec(config: ExperimentConfig, *, data_root=None, **asked) -> RunSpec:
    """Return what the record of `run_perturbation` is found by."""
    asked = {**NEUTRAL, **asked}
    epochs = asked["epochs"]
    if not epochs or any(b <= a for a, b in zip((0, *epochs), epochs, strict=False)):
        raise ValueError(f"epochs must be positive and ascending, got {epochs}")
    for sizes in ("deltas", "curve"):
        check_deltas(asked[sizes])
    for count in ("weights_per_layer", "curve_weights"):
        check_positive_int(asked[count], "number of weights")
    return run_spec(
        "perturbation",
        VERSION,
        config,
        asked,
        neutral=NEUTRAL,
        without=("steps", "window"),  # the epochs say how long, and nothing is counted
        data_root=data_root,
    )


def _train_and_perturb(
    config, data, device, *, epochs, deltas, weights_per_layer, curve, curve_weights
):
    per_epoch = steps_per_epoch(config, data)
    train = replace(config.train, steps=epochs[-1] * per_epoch)
    training = TrainingRun(replace(config, train=train), data, device)
    train_set, test_set = training.train_set, training.test_set
    asked = {
        "response": (train_set, deltas, weights_per_layer),
        "held_out": (test_set, deltas, weights_per_layer),
        "curve": (train_set, curve, curve_weights),
    }
    arrays, tests = {}, []
    for step in training.steps():
        epoch, rest = divmod(step.step, per_epoch)
        if rest or epoch not in epochs:
            continue
        for kind, (batch, sizes, count) in asked.items():
            response = perturbation_scan(
                training.model,
                *batch,
                deltas=sizes,
                weights_per_layer=_at_most(training.model, count),
                generator=torch.Generator().manual_seed(config.train.seed),
            )
            arrays |= prefixed(f"{kind}{epoch}_", response.to_arrays())
        tested = evaluate(training.model, *test_set)
        tests.append((epoch, response.loss, tested.loss, tested.accuracy))
    plane = loss_plane(
        training.model,
        *(part[:PLANE_SAMPLES] for part in train_set),
        generator=torch.Generator().manual_seed(config.train.seed),
    )
    return {
        **arrays,
        **prefixed("plane_", plane.to_arrays()),
        "tests": np.array(tests),
        "final": training.digest(),
    }


def _at_most(model, count: int) -> dict[str, int]:
    """Return how many weights to draw of each layer: `count`, or all there are."""
    flat = FlatParameters(model)
    return {
        part.layer: min(count, parameter.numel())
        for part, parameter in zip(flat.slices, flat.parameters, strict=True)
        if parameter.ndim > 1
    }
