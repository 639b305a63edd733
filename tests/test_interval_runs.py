"""A run made twice is one run, and its intervals are those of its own updates."""

import hashlib
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from netdyn_utils.data import InMemoryBatches, load_images
from netdyn_utils.diffusion import squared_displacements
from netdyn_utils.experiments import intervals
from netdyn_utils.experiments.config import ExperimentConfig
from netdyn_utils.experiments.intervals import ReplayError, run_intervals
from netdyn_utils.experiments.updates import run_updates
from netdyn_utils.flat_parameters import FlatParameters
from netdyn_utils.intervals.counts import IntervalCounts
from netdyn_utils.intervals.null_model import interval_null
from netdyn_utils.networks import build_model
from netdyn_utils.store import RunStore
from netdyn_utils.training import TrainConfig, train_steps

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
    data = load_images("mnist")
    generator = torch.Generator().manual_seed(config.train.seed)
    model = build_model("mlp", generator=generator, **config.options)
    pair = data.train_inputs, data.train_targets
    batches = InMemoryBatches(*pair, config.train.batch_size, generator=generator)
    flat = FlatParameters(model)
    rows = [flat.vector().numpy()]
    for _ in train_steps(model, batches, config.train):
        rows.append(flat.vector().numpy())
    return np.array(rows)


@pytest.mark.parametrize("start", [0, 20])
def test_intervals_are_those_of_the_definition(start, tmp_path):
    found = run(SMALL, tmp_path, shares=(0.05, 0.01), start=start)
    magnitudes = np.abs(np.diff(positions_by_hand(SMALL), axis=0))[start:]
    assert (found.start, found.groups) == (start, ("fc1", "fc2"))
    first = 784 * 16 + 16
    columns = {"all": slice(None), "fc1": slice(first), "fc2": slice(first, None)}
    for share, threshold in zip(found.shares, found.thresholds, strict=True):
        for group, chosen in columns.items():
            counts = found.counts(share, group)
            expected = IntervalCounts.of(magnitudes[:, chosen], threshold)
            for name in FIELDS:
                ours, theirs = getattr(counts, name), getattr(expected, name)
                assert list(ours) == list(theirs), name
            assert (counts.steps, counts.overflow) == (40 - start, 0)
        whole = found.counts(share)
        assert 0.6 * share < whole.exceedance_fraction <= share
        assert whole.exceedance_fraction == np.mean(magnitudes >= threshold)
        null = interval_null(whole.per_weight, whole.steps)
        assert null.total == pytest.approx(whole.total)


def test_drift_of_the_run_is_in_the_record(tmp_path):
    found = run(SMALL, tmp_path, start=20)
    drift = found.drift
    positions = positions_by_hand(SMALL)[20:]
    expected = squared_displacements(positions, drift.starts, drift.lags)
    assert drift.squares() == pytest.approx(expected, rel=0.5)  # of 2,000 weights
    fc2 = squared_displacements(positions[:, -170:], drift.starts, drift.lags)
    assert drift.squares("fc2") == pytest.approx(fc2, rel=1e-5)
    assert drift.layers == drift.active == ("fc1", "fc2")
    assert drift.starts[-1] + drift.lags[-1] <= 20
    assert np.isfinite(drift.squares()).all()
    assert ((drift.alignment > 0) & (drift.alignment <= 1 + 1e-12)).all()
    assert 0 < drift.exponent("fc2").gamma < 3


def test_the_same_question_twice_is_computed_once_and_keeps_its_bits(tmp_path):
    first = run(SMALL, tmp_path)
    second = run(SMALL, tmp_path, compute=False)
    for name, array in first.record.arrays.items():
        assert second.record[name].tobytes() == array.tobytes()
    other = run(SMALL, tmp_path, shares=(0.02,))
    assert other.record.key != first.record.key
    assert {path.name.partition("_")[0] for path in tmp_path.glob("*.json")} == {
        "updates",
        "intervals",
    }


@pytest.mark.parametrize(
    ("network", "steps", "parameters"),
    [("mlp", 30, 101_770), ("convnet", 4, 2_122_378), ("transformer", 8, 409_394)],
)
def test_replay_is_bit_identical_on_every_network(network, steps, parameters, tmp_path):
    config = ExperimentConfig.from_paper(network, steps, batch_size=8, windows=2)
    found = run(config, tmp_path)
    for share in found.shares:
        counts = found.counts(share)
        assert counts.weights == parameters
        assert 0 < counts.exceedance_fraction <= share
    assert found.record.size < 400_000


def test_two_shares_in_one_bin_of_the_histogram_are_both_answered(tmp_path):
    found = run(SMALL, tmp_path, shares=(0.01, 0.0101, 0.01001))
    assert len(set(found.thresholds)) < 3
    for share in found.shares:
        assert found.counts(share).total > 0


def test_the_first_pass_leaves_the_digest_of_its_last_parameters(tmp_path):
    first = run_updates(SMALL, store=RunStore(tmp_path), device="cpu")
    last = positions_by_hand(SMALL)[-1]
    expected = hashlib.sha256(last.astype("<f4").tobytes()).digest()
    assert first.record["final"].tobytes() == expected


# a replay that is not one


def changed(first, **differences):
    """Return a stand-in for `run_updates` whose record differs."""
    arrays = {**first.record.arrays, **differences.pop("arrays", {})}
    manifest = {**first.record.manifest, **differences}
    record = replace(first.record, arrays=arrays, manifest=manifest)
    return lambda *_, **__: type(first).of(record)


def test_other_final_parameters_are_an_error_that_names_what_changed(
    tmp_path, monkeypatch
):
    first = run_updates(SMALL, store=RunStore(tmp_path), device="cpu")
    final = first.record["final"] ^ 1
    monkeypatch.setattr(
        intervals,
        "run_updates",
        changed(first, arrays={"final": final}, threads=77, processor="another"),
    )
    with pytest.raises(ReplayError, match="the final parameters differ") as error:
        run(SMALL, tmp_path)
    now = torch.get_num_threads()
    assert f"threads: 77 then, {now} now" in str(error.value)
    assert "processor: another then" in str(error.value)
    assert "versions" not in str(error.value)
    assert str(first.record.path) in str(error.value)
    assert not list(tmp_path.glob("intervals_*.json"))


def test_other_counts_of_updates_are_an_error(tmp_path, monkeypatch):
    first = run_updates(SMALL, store=RunStore(tmp_path), device="cpu")
    counts = first.record["updates_counts"].copy()
    counts[0, 0, counts[0, 0].argmax()] += 1
    monkeypatch.setattr(
        intervals, "run_updates", changed(first, arrays={"updates_counts": counts})
    )
    with pytest.raises(
        ReplayError, match=r"the counts of updates differ\. Nothing is known"
    ):
        run(SMALL, tmp_path)


def test_a_first_pass_without_a_digest_proves_nothing(tmp_path, monkeypatch):
    first = run_updates(SMALL, store=RunStore(tmp_path), device="cpu")
    arrays = {name: a for name, a in first.record.arrays.items() if name != "final"}
    record = replace(first.record, arrays=arrays)
    monkeypatch.setattr(
        intervals, "run_updates", lambda *_, **__: type(first).of(record)
    )
    with pytest.raises(ReplayError, match="the final parameters differ"):
        run(SMALL, tmp_path)


def test_an_interval_record_needs_no_first_pass_once_it_is_there(tmp_path):
    run(SMALL, tmp_path / "both")
    (tmp_path / "one").mkdir()
    for path in (tmp_path / "both").glob("intervals_*"):
        shutil.copy(path, tmp_path / "one")
    assert run(SMALL, tmp_path / "one", compute=False).counts().total > 0


# bad input


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_outside_zero_and_one_is_refused(share, tmp_path):
    with pytest.raises(ValueError, match="shares must lie between 0 and 1"):
        run(SMALL, tmp_path, shares=(0.01, share))
    with pytest.raises(ValueError, match="shares must lie between 0 and 1"):
        run(SMALL, tmp_path, shares=())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("start", [5, -10, 40, 20.5])
def test_a_start_that_is_no_border_of_windows_is_refused(start, tmp_path):
    with pytest.raises(ValueError, match="not where a window of the run begins"):
        run(SMALL, tmp_path, start=start)
    assert not list(tmp_path.iterdir())


def test_a_window_shorter_than_two_steps_is_refused(tmp_path):
    config = replace(SMALL, train=TrainConfig(steps=41))
    with pytest.raises(ValueError, match="from step 40 to 41 holds no interval"):
        run(config, tmp_path, start=40)


def test_a_share_or_a_layer_that_is_not_there_is_named(tmp_path):
    found = run(SMALL, tmp_path)
    assert found.counts() is not None
    for arguments in ((0.5,), (0.01, "conv1")):
        with pytest.raises(ValueError, match=r"no intervals of share .* there are \(0"):
            found.counts(*arguments)
