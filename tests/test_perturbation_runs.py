"""A run displaces weights of the network it trained, and hands the network back."""

from dataclasses import replace

import numpy as np
import pytest
from by_hand import train_by_hand

from netdyn_utils.data import load_images
from netdyn_utils.experiments.config import ExperimentConfig
from netdyn_utils.experiments.perturbation import PERTURBATION, run_perturbation
from netdyn_utils.perturbation.scan import loss_under_displacement
from netdyn_utils.store import RunStore
from netdyn_utils.training import TrainConfig, evaluate

SMALL = ExperimentConfig(
    options={"widths": (784, 6, 10)},
    digits=(0, 1),
    train=TrainConfig(learning_rate=0.1, batch_size=200),
)
EPOCH = -(-len(load_images("mnist", classes=(0, 1)).train_targets) // 200)  # steps
OPTIONS = {"epochs": (1, 2), "deltas": (0.01, 1.0), "curve": (0.1,), "curve_weights": 4}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("perturbation"))
    options = {**OPTIONS, "weights_per_layer": 15}
    return run_perturbation(SMALL, **options, store=store, device="cpu")


@pytest.fixture(scope="module")
def trained():
    """Return data and the network after one and after two epochs, trained apart."""
    models = {}
    for epochs in (1, 2):
        train = replace(SMALL.train, steps=epochs * EPOCH)
        data, models[epochs], steps = train_by_hand(replace(SMALL, train=train))
        assert len([*steps]) == train.steps
    return data, models


@pytest.mark.parametrize("part", ["train", "test"])
def test_responses_are_those_of_a_network_trained_apart(part, run, trained):
    data, models = trained
    pair = getattr(data, f"{part}_inputs"), getattr(data, f"{part}_targets")
    for epoch, model in models.items():
        response = (run.responses if part == "train" else run.held_out)[epoch]
        assert response.layers == ("fc1", "fc2")
        assert len(response.index) == 15 + 12  # fc2 has no more
        for k in (0, 9, 20):
            weight = f"{response.layers[response.layer[k]]}.weight"
            move = {"name": weight, "index": int(response.index[k])}
            base, moved = (
                loss_under_displacement(model, *pair, **move, delta=delta)
                for delta in (0.0, -1.0)
            )
            assert response.changes(-1.0)[k] == pytest.approx(moved - base, rel=1e-9)
        losses = dict(zip(("train", "test"), run.tests[epoch - 1, 1:3], strict=True))
        assert losses[part] == pytest.approx(base)
        tested = evaluate(model, data.test_inputs, data.test_targets)
        assert run.tests[epoch - 1, 3] == tested.accuracy


def test_the_same_weights_are_displaced_at_every_epoch(run):
    first, last = run.responses.values()
    assert np.array_equal(first.index, last.index)
    assert not np.array_equal(first.response, last.response)


def test_plane_is_the_one_around_the_last_weights(run, trained):
    data, models = trained
    few = data.train_inputs[:2_000], data.train_targets[:2_000]
    middle = run.plane.losses.shape[0] // 2
    loss = evaluate(models[2], *few).loss
    assert run.plane.losses[middle, middle] == pytest.approx(loss, rel=1e-4)


def test_steps_and_windows_of_the_config_change_nothing(run):
    other = replace(SMALL, window=7, train=replace(SMALL.train, steps=3))
    spec = PERTURBATION.spec(other, **OPTIONS, weights_per_layer=15)
    assert spec.key == run.record.key
