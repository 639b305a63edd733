"""A run's information and alignments are those of its own updates and activations."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from by_hand import train_by_hand

from netdyn_utils.experiments.config import ExperimentConfig
from netdyn_utils.experiments.information import (
    DIRECTIONS,
    PER_CLASS,
    run_information,
)
from netdyn_utils.information.window import STRIDE, read_window
from netdyn_utils.store import RunStore
from netdyn_utils.tracking.activations import probe_batch
from netdyn_utils.training import TrainConfig

SIZE = 20  # steps in a window
SMALL = ExperimentConfig(
    options={"widths": (784, 12, 10)},
    window=SIZE,
    train=TrainConfig(steps=3 * SIZE, learning_rate=0.1, batch_size=50),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("information"))
    return run_information(SMALL, permutations=5, store=store, device="cpu")


@pytest.fixture(scope="module")
def by_hand():
    """Return weights of each step and mean activations, by the plainest loop."""
    data, model, steps = train_by_hand(SMALL)
    probe, labels = probe_batch(data.test_inputs, data.test_targets, PER_CLASS)
    both, active = (model.fc1.weight, model.fc2.weight), []
    weights = [[p.detach().clone() for p in both]]
    for _ in steps:
        weights.append([p.detach().clone() for p in both])
        with torch.no_grad():
            hidden = model.fc1(probe.flatten(1)).relu()
            outputs = hidden, model.fc2(hidden)
        of_digit = [[o[labels == k].mean(0) for k in range(10)] for o in outputs]
        active.append([torch.stack(o).mean(0).numpy() for o in of_digit])
    return weights, active


def updates_by_hand(weights, window):
    """Return the updates of a window, all weights in a row, (steps, weights)."""
    flat = [np.concatenate([p.numpy().ravel() for p in step]) for step in weights]
    return np.diff(np.array(flat), axis=0)[window * SIZE : (window + 1) * SIZE]


def plug_in(x, y, bins=50):
    joint = np.histogram2d(x, y, bins)[0] / len(x)
    outer = joint.sum(1, keepdims=True) * joint.sum(0)
    filled = joint > 0
    return float((joint[filled] * np.log(joint[filled] / outer[filled])).sum())


@pytest.mark.parametrize("window", [0, 2])
def test_linear_information_is_that_of_pairs_written_out(run, by_hand, window):
    weights, active = by_hand
    sizes = np.abs(updates_by_hand(weights, window))
    rows = [
        np.concatenate([np.repeat(fc1, 784), np.repeat(fc2, 12)])
        for fc1, fc2 in active[window * SIZE : (window + 1) * SIZE]
    ]
    at = slice(STRIDE - 1, None, STRIDE)
    one_by_one = [plug_in(*pair) for pair in zip(sizes[at], rows[at], strict=True)]
    found = run.information("linear").nats[window]
    assert found == pytest.approx(np.mean(one_by_one), abs=2e-3)
    whole = run.information("linear", aggregate="pooled").nats[window]
    assert whole == pytest.approx(plug_in(sizes.ravel(), np.ravel(rows)), abs=2e-3)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_alignment_is_that_of_singular_vectors(run, by_hand, direction):
    leading = []
    for window in range(3):
        updates = updates_by_hand(by_hand[0], window).astype(float)
        rows = {
            "path": np.cumsum(updates, axis=0),
            "updates": updates,
            "magnitudes": np.abs(updates),
        }[direction]
        leading.append(np.linalg.svd(rows - rows.mean(0), full_matrices=False)[2][0])
    expected = [abs(a @ b) for a, b in itertools.pairwise(leading)]
    assert run.alignment(direction) == pytest.approx(expected, rel=1e-4)
    assert ((run.explained(direction) > 0) & (run.explained(direction) <= 1)).all()


def test_windows_end_where_they_should_and_an_incomplete_one_is_left_out(run, tmp_path):
    assert run.steps.tolist() == [SIZE, 2 * SIZE, 3 * SIZE]
    assert run.layers == ("fc1", "fc2")
    assert run.loss[-1] < run.loss[0]
    assert run.information("rank", layer="fc2").excess.shape == (3,)
    config = replace(SMALL, window=10, train=TrainConfig(steps=25))
    found = run_information(config, permutations=1, store=RunStore(tmp_path))
    assert found.steps.tolist() == [10, 20]


def test_unknown_names_are_refused(run):
    for call, message in (
        (lambda: run.information("ranks"), "unknown estimator 'ranks'.*'rank'"),
        (lambda: run.information(aggregate="per_steps"), "did you mean 'per_step'"),
        (lambda: run.information(layer="fc3"), "unknown layer 'fc3'"),
        (lambda: run.alignment("weights"), "unknown direction 'weights'"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_constant_layer_is_nan_and_left_out_of_the_pool():
    rng = np.random.default_rng(0)
    alive = rng.random((10, 5, 30)), rng.random((10, 5))
    silent = np.zeros((10, 4, 30)), rng.random((10, 4))
    alone = read_window([alive], seed=1, permutations=3)
    for aggregate, rows in read_window([silent, alive], seed=1, permutations=3).items():
        assert np.isnan(rows[1]).all()
        assert np.array_equal(rows[[0, 2]], alone[aggregate])
    found = read_window([silent], seed=1, permutations=2)
    assert all(np.isnan(rows).all() for rows in found.values())
