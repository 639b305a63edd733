"""A configuration becomes one record, computed once, of exactly what training did."""

import json
from dataclasses import replace

import numpy as np
import pytest
from by_hand import train_by_hand

from netdyn_utils.experiments import (
    ExperimentConfig,
    run_information,
    run_intervals,
    run_perturbation,
    run_updates,
)
from netdyn_utils.experiments.config import KEY_FIELDS, TrainingRun
from netdyn_utils.experiments.updates import UPDATES
from netdyn_utils.store import RunStore
from netdyn_utils.tracking.updates import UpdateTracker
from netdyn_utils.training import DivergenceError, TrainConfig, evaluate

SMALL = ExperimentConfig(
    options={"widths": (784, 3, 10)}, window=5, train=TrainConfig(steps=12)
)


def run(config, root, **options):
    return run_updates(config, store=RunStore(root, **options), device="cpu")


def test_a_run_is_computed_once_and_a_repetition_has_the_same_bits(tmp_path):
    first = run(SMALL, tmp_path / "one")
    stored = run(replace(SMALL), tmp_path / "one", compute=False).record
    assert stored.manifest == first.record.manifest
    for again in (stored, run(SMALL, tmp_path / "two").record):
        for name, array in first.record.arrays.items():
            assert again[name].tobytes() == array.tobytes()
    other = run(replace(SMALL, train=TrainConfig(steps=12, seed=1)), tmp_path / "one")
    assert not np.array_equal(other.loss[1], first.loss[1])


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


def test_a_record_has_the_numbers_of_training_by_hand(tmp_path):
    config = replace(SMALL, train=TrainConfig(steps=1_003, batch_size=16))
    result = run(config, tmp_path)
    data, model, steps = train_by_hand(config)
    tracker, losses = UpdateTracker(model), []
    for step in steps:
        tracker.update()
        losses.append(step.loss)
    evaluation = evaluate(model, data.test_inputs, data.test_targets)

    stops, means = result.loss
    assert stops.tolist() == [*range(2, 1_003, 2), 1_003]
    pairs = [np.mean(losses[stop - 2 : stop]) for stop in stops[:-1]]
    assert np.allclose(means, [*pairs, losses[-1]], rtol=1e-6)
    short = run(replace(config, train=replace(config.train, steps=12)), tmp_path)
    assert short.loss[1].tolist() == np.float32(losses[:12]).tolist()

    steps, loss, accuracy = result.tests.T
    assert (steps[0], steps[-1]) == (0, 1_003)
    assert (loss[-1], accuracy[-1]) == (evaluation.loss, evaluation.accuracy)
    assert accuracy[-1] > accuracy[0]

    ours, theirs = result.updates.histogram("fc1"), tracker.histogram("fc1")
    assert np.array_equal(ours.counts, theirs.counts)
    assert np.array_equal(ours.edges, theirs.edges)
    assert ours.max == theirs.max


def test_a_manifest_has_every_field_and_leads_to_the_same_record(tmp_path):
    config = replace(SMALL, digits=(3, 8), train=TrainConfig(steps=2, batch_size=None))
    record = run(config, tmp_path).record
    manifest = json.loads(record.path.read_text())
    assert set(manifest["config"]) == set(config.flat())
    training = {name: manifest["config"].pop(name) for name in vars(config.train)}
    again = ExperimentConfig(**manifest["config"], train=TrainConfig(**training))
    assert run(again, tmp_path, compute=False).record.key == record.key
    assert {"threads", "device", "seconds", "versions", "version"} <= set(manifest)


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
    keys = {UPDATES.spec(plain).key}
    for name, value in FIELDS.items():
        change = {name: value}
        if name in vars(plain.train):
            change = {"train": replace(plain.train, **change)}
        keys.add(UPDATES.spec(replace(plain, **change)).key)
    assert len(keys) == 1 + len(FIELDS)


def test_a_value_at_its_default_is_left_out_of_the_key():
    plain = UPDATES.spec(ExperimentConfig())
    explicit = ExperimentConfig(options={"widths": (784, 128, 10)}, source="sample")
    assert UPDATES.spec(explicit).key == plain.key
    (steps,), (rate,) = np.arange(12, 13), np.linspace(0.1, 0.1, 1)  # numpy's scalars
    grid = replace(SMALL, train=TrainConfig(steps=steps, learning_rate=rate))
    assert UPDATES.spec(grid).key == UPDATES.spec(SMALL).key
    assert set(plain.identity) == set(KEY_FIELDS)
    study = ExperimentConfig.from_paper("mlp", 30_000, source="full")
    assert UPDATES.spec(study).name == (  # the first record of the study
        "updates_mlp_sgd_lr0.1_bs64_steps30000_seed0_full_71864452"
    )


@pytest.mark.parametrize(("network", "inputs"), [("mlp", 128), ("convnet", 512)])
def test_a_selection_of_digits_fits_the_output_to_it(network, inputs, tmp_path):
    train = TrainConfig(steps=2, batch_size=4)
    config = ExperimentConfig(network=network, digits=(2, 5, 7), train=train)
    result = run(config, tmp_path)
    assert result.updates.histogram("fc2").total == 2 * 3 * (inputs + 1)
    assert result.tests[0, 2] < 0.6  # of three classes, by chance a third


def test_the_windows_of_the_papers_settings_are_ten_or_as_given():
    assert ExperimentConfig.from_paper("mlp", 1_001).window == 101
    assert ExperimentConfig.from_paper("mlp", 30_000).window == 1_000
    assert ExperimentConfig.from_paper("mlp", 50, windows=5).window == 10
    assert ExperimentConfig.from_paper("mlp", 50, window=7).window == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leaning_rate": 1}, "unknown setting .* mean 'learning_rate'"),
        ({"options": {"width": 1}}, "unknown option .* mean 'widths'"),
        ({"windows": 0}, "windows must be a whole number of at least 1"),
        ({"network": "transformer", "digits": (1, 2)}, "the transformer learns text"),
    ],
)
def test_an_impossible_configuration_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ExperimentConfig.from_paper(**{"network": "mlp", "steps": 10, **options})


@pytest.mark.parametrize(
    ("compute", "options", "message"),
    [
        *[
            (run_intervals, {"fractions": f}, "between 0 and 1")
            for f in ((), (0.01, 1))
        ],
        *[(run_intervals, {"start": s}, "begins: choose") for s in (6, -5, 20, 10.5)],
        *[(run_perturbation, {"epochs": e}, "ascending") for e in ((), (0, 1), (2, 1))],
        (run_perturbation, {"deltas": (0.0,)}, "delta"),
        (run_perturbation, {"curve_weights": 0}, "number of weights"),
        (run_information, {"permutations": 0}, "permutations must be"),
        (
            run_information,
            {"config": replace(SMALL, window=7)},
            "fewer than two windows",
        ),
    ],
)
def test_impossible_options_are_refused_before_training(compute, options, message):
    with pytest.raises(ValueError, match=message):
        compute(**{"config": SMALL, **options})


def test_a_diverged_or_interrupted_run_stores_nothing(tmp_path, monkeypatch):
    config = replace(SMALL, train=TrainConfig(steps=50, learning_rate=1e38))
    with pytest.raises(DivergenceError, match=r"learning rate 1e\+38"):
        run(config, tmp_path)

    def interrupted(_):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(TrainingRun, "steps", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(SMALL, tmp_path)
    assert [*tmp_path.iterdir()] == []
