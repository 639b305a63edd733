"""A configuration becomes one record, computed once, of exactly what training did."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from netdyn_utils.data import InMemoryBatches, load_images
from netdyn_utils.experiments import ExperimentConfig, run_updates
from netdyn_utils.experiments.config import TrainingRun
from netdyn_utils.experiments.updates import updates_spec
from netdyn_utils.networks import build_model
from netdyn_utils.store import RunStore
from netdyn_utils.tracking.updates import UpdateTracker
from netdyn_utils.training import DivergenceError, TrainConfig, evaluate, train_steps

SMALL = ExperimentConfig(
    options={"widths": (784, 3, 10)}, window=5, train=TrainConfig(steps=12)
)


def run(config, root, **options):
    return run_updates(config, store=RunStore(root, **options), device="cpu")


def kept(root):
    return sorted(path.suffix for path in root.iterdir())


def by_hand(config):
    """Train as the record says, without the record; return losses, model, tracker."""
    data = load_images("mnist")
    generator = torch.Generator().manual_seed(config.train.seed)
    model = build_model("mlp", generator=generator, **config.options)
    training = data.train_inputs, data.train_targets
    batches = InMemoryBatches(*training, config.train.batch_size, generator=generator)
    tracker, losses = UpdateTracker(model), []
    for step in train_steps(model, batches, config.train):
        tracker.update()
        losses.append(step.loss)
    return losses, evaluate(model, data.test_inputs, data.test_targets), tracker


def test_the_same_question_twice_is_computed_once(tmp_path):
    first = run(SMALL, tmp_path)
    second = run(replace(SMALL), tmp_path, compute=False)
    assert second.record.manifest == first.record.manifest
    for name, array in first.record.arrays.items():
        assert second.record[name].tobytes() == array.tobytes()
    assert kept(tmp_path) == [".json", ".npz"]


def test_two_computations_give_the_same_bits_and_another_seed_others(tmp_path):
    one, two = run(SMALL, tmp_path / "one"), run(SMALL, tmp_path / "two")
    for name, array in one.record.arrays.items():
        assert two.record[name].tobytes() == array.tobytes()
    other = run(replace(SMALL, train=TrainConfig(steps=12, seed=1)), tmp_path / "one")
    assert other.record.key != one.record.key
    assert not np.array_equal(other.loss[1], one.loss[1])


def test_every_parameter_is_counted_at_every_step(tmp_path):
    result = run(SMALL, tmp_path)
    first, last = 784 * 3 + 3, 3 * 10 + 10
    assert result.parameters == first + last
    assert result.updates.stops == (5, 10, 12)
    for window, steps in enumerate((5, 5, 2)):
        assert result.updates.histogram("fc1", window).total == first * steps
        assert result.updates.histogram("fc2", window).total == last * steps
        assert result.rms.histogram("all", window).total == first + last
    assert result.updates.histogram().total == (first + last) * 12


def test_a_record_holds_what_a_run_by_hand_finds(tmp_path):
    config = replace(SMALL, train=TrainConfig(steps=1_003, batch_size=16))
    result = run(config, tmp_path)
    losses, evaluation, tracker = by_hand(config)

    stops, means = result.loss
    assert stops.tolist() == [*range(2, 1_003, 2), 1_003]
    pairs = [np.mean(losses[max(stop - 2, 0) : stop]) for stop in stops[:-1]]
    assert np.allclose(means, [*pairs, losses[-1]], rtol=1e-6)

    steps, loss, accuracy = result.tests.T
    assert (steps[0], steps[-1]) == (0, 1_003)
    assert (loss[-1], accuracy[-1]) == (evaluation.loss, evaluation.accuracy)
    assert accuracy[-1] > accuracy[0]

    ours, theirs = result.updates.histogram("fc1"), tracker.histogram("fc1")
    assert np.array_equal(ours.counts, theirs.counts)
    assert np.array_equal(ours.edges, theirs.edges)
    assert ours.max == theirs.max


def test_short_runs_keep_every_loss(tmp_path):
    stops, means = run(SMALL, tmp_path).loss
    assert stops.tolist() == list(range(1, 13))
    assert means.tolist() == np.float32(by_hand(SMALL)[0]).tolist()


def test_a_manifest_has_every_field_and_leads_to_the_same_record(tmp_path):
    config = replace(SMALL, digits=(3, 8), train=TrainConfig(steps=2, batch_size=None))
    record = run(config, tmp_path).record
    read = json.loads(record.path.read_text())
    assert set(read["config"]) == set(config.flat())
    training = {name: read["config"].pop(name) for name in vars(config.train)}
    again = ExperimentConfig(**read["config"], train=TrainConfig(**training))
    assert run(again, tmp_path, compute=False).record.key == record.key
    assert {"threads", "device", "seconds", "versions", "version"} <= set(read)


# The keys of committed records: a field that changes one of them loses that record.
FIELDS = {
    "network": "convnet",
    "options": {"widths": (784, 5, 10)},
    "source": "full",
    "digits": (0, 1),
    "control": "shuffled labels",
    "window": 999,
    "steps": 999,
    "learning_rate": 0.1 + 1e-9,
    "batch_size": None,
    "optimizer": "adam",
    "freeze_batchnorm_after": 100,
    "seed": 1,
}


def test_every_field_of_a_configuration_is_in_the_key():
    plain = ExperimentConfig()
    assert set(FIELDS) == set(plain.flat())
    keys = {updates_spec(plain).key}
    for name, value in FIELDS.items():
        inside = name in vars(plain.train)
        train = replace(plain.train, **({name: value} if inside else {}))
        own = {} if inside else {name: value}
        keys.add(updates_spec(replace(plain, train=train, **own)).key)
    assert len(keys) == 1 + len(FIELDS)


@given(st.floats(1e-6, 10), st.integers(-4, 4))
def test_the_last_bits_of_a_rate_do_not_change_the_key(rate, steps):
    rate = float(f"{rate:.6g}")  # as people write them
    moved = rate
    for _ in range(abs(steps)):
        moved = math.nextafter(moved, math.copysign(math.inf, steps))
    one, other = (
        updates_spec(ExperimentConfig(train=TrainConfig(learning_rate=each)))
        for each in (rate, moved)
    )
    assert one.key == other.key


def test_a_value_at_its_default_is_left_out_and_so_a_new_field_changes_no_key():
    plain = updates_spec(ExperimentConfig())
    spelled = ExperimentConfig(options={"widths": (784, 128, 10)}, source="sample")
    assert updates_spec(spelled).key == plain.key
    # Of the key are these and no others; the first record of the study has this one.
    assert set(plain.identity) == {
        *("network", "optimizer", "learning_rate", "batch_size", "steps", "seed")
    }
    study = ExperimentConfig.from_paper("mlp", 30_000, source="full")
    assert updates_spec(study).name == (
        "updates_mlp_sgd_lr0.1_bs64_steps30000_seed0_full_71864452"
    )


def test_an_option_that_the_network_does_not_have_is_refused():
    with pytest.raises(ValueError, match=r"unknown option .*did you mean 'causal'"):
        ExperimentConfig(network="transformer", options={"casual": False})


def test_numbers_from_a_grid_are_the_numbers_they_hold(tmp_path):
    (steps,), (rate,) = np.arange(12, 13), np.linspace(0.1, 0.1, 1)
    config = replace(SMALL, train=TrainConfig(steps=steps, learning_rate=rate))
    key = run(SMALL, tmp_path).record.key
    assert run(config, tmp_path, compute=False).record.key == key


@pytest.mark.parametrize("network", ["mlp", "convnet"])
def test_a_selection_of_digits_fits_the_output_to_it(network, tmp_path):
    config = ExperimentConfig(
        network=network, digits=(2, 5, 7), train=TrainConfig(steps=2, batch_size=4)
    )
    result = run(config, tmp_path)
    inputs = {"mlp": 128, "convnet": 512}[network]
    assert result.updates.histogram("fc2").total == 2 * 3 * (inputs + 1)
    assert result.tests[0, 2] < 0.6  # of three classes, by chance a third


def test_a_record_of_many_layers_and_windows_stays_small(tmp_path):
    config = ExperimentConfig.from_paper("transformer", 20, batch_size=4)
    result = run(config, tmp_path)
    assert len(result.updates.stops) == 10
    assert result.parameters == 409_394
    assert 0 < result.record.size < 200_000


@pytest.mark.parametrize(
    ("network", "rate", "batch"),
    [("mlp", 0.1, 64), ("convnet", 0.01, 64), ("transformer", 0.1, 8)],
)
def test_the_published_settings_are_those_of_the_paper(network, rate, batch):
    config = ExperimentConfig.from_paper(network, 1_001, seed=3)
    assert (config.train.learning_rate, config.train.batch_size) == (rate, batch)
    assert (config.train.steps, config.train.seed, config.window) == (1_001, 3, 101)
    assert (config.network, config.train.optimizer) == (network, "sgd")


def test_a_published_setting_can_be_changed_in_any_field():
    config = ExperimentConfig.from_paper(
        "mlp", 50, windows=5, optimizer="adam", batch_size=32, digits=(1, 2)
    )
    assert (config.train.optimizer, config.train.batch_size) == ("adam", 32)
    assert (config.digits, config.window) == ((1, 2), 10)
    assert ExperimentConfig.from_paper("mlp", 50, window=7).window == 7


@pytest.mark.parametrize(
    ("network", "changes", "message"),
    [
        ("mpl", {}, "unknown network 'mpl': .*did you mean 'mlp'"),
        ("mlp", {"leaning_rate": 1}, "unknown setting .* mean 'learning_rate'"),
        ("mlp", {"steps": 0}, "steps must be a whole number of at least 1, got 0"),
        ("mlp", {"windows": 0}, "windows must be a whole number of at least 1"),
        ("mlp", {"window": 2.5}, "window must be a whole number of at least 1"),
        ("mlp", {"learning_rate": float("nan")}, "learning rate must be .* got nan"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_at_once(network, changes, message):
    with pytest.raises(ValueError, match=message):
        ExperimentConfig.from_paper(network, **{"steps": 10, **changes})


def test_a_diverged_run_stores_nothing(tmp_path):
    config = replace(SMALL, train=TrainConfig(steps=50, learning_rate=1e38))
    with pytest.raises(DivergenceError, match=r"learning rate 1e\+38"):
        run(config, tmp_path)
    assert kept(tmp_path) == []


def test_ctrl_c_in_the_middle_of_a_run_stores_nothing(tmp_path, monkeypatch):
    steps = TrainingRun.steps

    def interrupted(self):
        for step in steps(self):
            if step.step == 3:
                raise KeyboardInterrupt
            yield step

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "steps", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(SMALL, tmp_path)
    assert kept(tmp_path) == []
    assert run(SMALL, tmp_path).record.path.exists()
