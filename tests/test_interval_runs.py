"""A run made twice is one run, and its intervals are those of its own updates."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from by_hand import train_by_hand

from netdyn_utils.diffusion import squared_displacements
from netdyn_utils.experiments import intervals
from netdyn_utils.experiments.config import ExperimentConfig
from netdyn_utils.experiments.intervals import ReplayError, run_intervals
from netdyn_utils.experiments.updates import run_updates
from netdyn_utils.flat_parameters import FlatParameters
from netdyn_utils.intervals.counts import IntervalCounts
from netdyn_utils.intervals.null_model import interval_null
from netdyn_utils.store import RunStore
from netdyn_utils.training import TrainConfig

SMALL = ExperimentConfig(
    options={"widths": (784, 16, 10)}, window=10, train=TrainConfig(steps=40)
)
FIELDS = (
    *("counts", "left_censored", "right_censored"),
    *("exceedance_histogram", "serial_moments"),
)


def run(config, root, **options):
    compute = options.pop("compute", True)
    store = RunStore(root, compute=compute)
    return run_intervals(config, store=store, device="cpu", **options)


def positions_by_hand(config):
    """Return the weights before the first step and after each, (steps + 1, weights)."""
    _, model, steps = train_by_hand(config)
    flat = FlatParameters(model)
    rows = [flat.to_vector().numpy()]
    for _ in steps:
        rows.append(flat.to_vector().numpy())
    return np.array(rows)


@pytest.mark.parametrize("start", [0, 20])
def test_intervals_follow_their_definition(start, tmp_path):
    found = run(SMALL, tmp_path, fractions=(0.05, 0.01), start=start)
    magnitudes = np.abs(np.diff(positions_by_hand(SMALL), axis=0))[start:]
    assert (found.start, found.groups) == (start, ("fc1", "fc2"))
    with pytest.raises(ValueError, match=r"no intervals of fraction 0.5 .*are \(0"):
        found.counts(0.5)
    first = 784 * 16 + 16
    columns = {"all": slice(None), "fc1": slice(first), "fc2": slice(first, None)}
    for fraction, threshold in zip(found.fractions, found.thresholds, strict=True):
        for group, chosen in columns.items():
            counts = found.counts(fraction, group)
            expected = IntervalCounts.of(magnitudes[:, chosen], threshold)
            for name in FIELDS:
                assert list(getattr(counts, name)) == list(getattr(expected, name))
            assert (counts.steps, counts.overflow) == (40 - start, 0)
        whole = found.counts(fraction)
        assert 0.6 * fraction < whole.exceedance_fraction <= fraction
        assert whole.exceedance_fraction == np.mean(magnitudes >= threshold)
        null = interval_null(whole.per_weight, whole.steps)
        assert null.total == pytest.approx(whole.total)


def test_the_record_has_the_drift_of_the_run(tmp_path):
    drift = run(SMALL, tmp_path, start=20).drift
    positions = positions_by_hand(SMALL)[20:]
    expected = squared_displacements(positions, drift.starts, drift.lags)
    assert drift.squares() == pytest.approx(expected, rel=0.5)  # of 2,000 weights
    fc2 = squared_displacements(positions[:, -170:], drift.starts, drift.lags)
    assert drift.squares("fc2") == pytest.approx(fc2, rel=1e-5)
    assert drift.layers == drift.active == ("fc1", "fc2")
    assert drift.starts[-1] + drift.lags[-1] <= 20
    assert ((drift.alignment > 0) & (drift.alignment <= 1 + 1e-12)).all()
    assert 0 < drift.exponent("fc2").gamma < 3


def test_a_run_is_computed_once_and_then_needs_no_first_pass(tmp_path):
    first = run(SMALL, tmp_path)
    for path in tmp_path.glob("updates_*"):
        path.unlink()
    second = run(SMALL, tmp_path, compute=False)
    for name, array in first.record.arrays.items():
        assert second.record[name].tobytes() == array.tobytes()
    asked = intervals.INTERVALS.spec(SMALL, shares=(0.02,))
    assert asked.key != first.record.key


@pytest.mark.parametrize(
    ("network", "steps", "parameters"),
    [("mlp", 30, 101_770), ("convnet", 4, 2_122_378), ("transformer", 8, 409_394)],
)
def test_replay_is_bit_identical_on_every_network(network, steps, parameters, tmp_path):
    config = ExperimentConfig.from_paper(network, steps, batch_size=8, windows=2)
    found = run(config, tmp_path)
    for fraction in found.fractions:
        counts = found.counts(fraction)
        assert counts.weights == parameters
        assert 0 < counts.exceedance_fraction <= fraction
    assert found.record.size < 400_000


def test_fractions_in_one_bin_of_the_histogram_are_all_counted(tmp_path):
    found = run(SMALL, tmp_path, fractions=(0.01, 0.0101, 0.01001))
    assert len(set(found.thresholds)) < 3
    assert all(found.counts(fraction).total > 0 for fraction in found.fractions)


@pytest.fixture
def first(tmp_path):
    """The first pass of a run."""
    return run_updates(SMALL, store=RunStore(tmp_path), device="cpu")


def replay(first, monkeypatch, tmp_path, arrays, **manifest):
    """Return the message of a second pass whose first pass had other arrays."""
    manifest = {**first.record.manifest, **manifest}
    record = replace(first.record, arrays=arrays, manifest=manifest)
    stand_in = type(first).of(record)
    monkeypatch.setattr(intervals, "run_updates", lambda *_, **__: stand_in)
    with pytest.raises(ReplayError) as error:
        run(SMALL, tmp_path)
    assert not list(tmp_path.glob("intervals_*.json"))
    return str(error.value)


def test_other_final_parameters_are_an_error_that_names_what_changed(
    first, monkeypatch, tmp_path
):
    last = positions_by_hand(SMALL)[-1].astype("<f4").tobytes()
    assert first.record["final"].tobytes() == hashlib.sha256(last).digest()
    arrays = {**first.record.arrays, "final": first.record["final"] ^ 1}
    changes = {"threads": 77, "processor": "another"}
    message = replay(first, monkeypatch, tmp_path, arrays, **changes)
    assert "in final parameters (" in message
    assert f"threads 77 → {torch.get_num_threads()}" in message
    assert "processor another →" in message
    assert "numpy" not in message
    assert str(first.record.path) in message
    del arrays["final"]  # a first pass without a digest proves nothing
    message = replay(first, monkeypatch, tmp_path, arrays)
    assert "in final parameters (" in message


def test_other_counts_of_updates_are_an_error(first, monkeypatch, tmp_path):
    counts = first.record["updates_counts"].copy()
    counts[0, 0, counts[0, 0].argmax()] += 1
    arrays = {**first.record.arrays, "updates_counts": counts}
    message = replay(first, monkeypatch, tmp_path, arrays)
    assert "in counts of updates (nothing known changed)" in message
