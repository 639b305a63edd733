"""The streamed intervals are those of the definition, for any module and threshold."""

import numpy as np
import pytest
import torch
from torch import nn

from netdyn_utils.flat_parameters import FlatParameters
from netdyn_utils.intervals.counts import IntervalCounts
from netdyn_utils.tracking import intervals as tracking
from netdyn_utils.tracking.intervals import IntervalTracker
from netdyn_utils.tracking.updates import UpdateTracker

ARRAYS = ("counts", "left_censored", "right_censored", "exceedance_histogram")


def network():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3))


def feed(intervals, rows):
    """Update a tracker of intervals with rows of magnitudes instead of steps."""
    intervals._shared = True
    for row in rows:
        intervals.tracker.steps += 1
        intervals.tracker.magnitude.copy_(torch.as_tensor(row))
        intervals.update()


def train(model, steps, *observers, dtype=torch.float32):
    """Train on noise; return abs(Δw) of every step as the definition says."""
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    flat, rows = FlatParameters(model), []
    for _ in range(steps):
        before = flat.to_vector()
        x = torch.randn(16, 6, generator=generator).to(dtype)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        for observer in observers:
            observer.update()
        rows.append((flat.to_vector() - before).abs().float().numpy())
    return np.array(rows)


def equal(one, other):
    for name in ARRAYS:
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name
    assert (one.threshold, one.steps) == (other.threshold, other.steps)
    assert (one.overflow, one.serial_moments) == (other.overflow, other.serial_moments)
    return True


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("groups", ["layer", "parameter", "all"])
@pytest.mark.parametrize("skip", [0, 7])
@pytest.mark.parametrize("size", [1, 50, 10**6])
def test_stream_equals_definition(groups, skip, size, monkeypatch):
    monkeypatch.setattr(tracking, "BUFFER_SIZE", size)
    model = network()
    thresholds = [3e-3, 1e-4, 1e-2, 10.0]  # in no order, and one never reached
    tracker = IntervalTracker(model, thresholds, groups=groups, skip=skip)
    magnitudes = train(model, 60, tracker)[skip:]
    for threshold in thresholds:
        whole = IntervalCounts.of(magnitudes, threshold)
        assert equal(tracker.counts(threshold), whole)
        for group, parts in FlatParameters(model).groups(groups).items():
            columns = np.concatenate([np.arange(p.start, p.stop) for p in parts])
            expected = IntervalCounts.of(magnitudes[:, columns], threshold)
            assert equal(tracker.counts(threshold, group), expected)
    assert tracker.counts(10.0).total == 0


def test_reading_at_any_time_changes_nothing():
    model = network()
    often, once = IntervalTracker(model, [1e-3]), IntervalTracker(model, [1e-3])
    rows = []
    for _ in range(40):
        rows.append(train(model, 1, often, once)[0])
        if len(rows) > 1:
            assert equal(often.counts(1e-3), IntervalCounts.of(np.array(rows), 1e-3))
    assert equal(often.counts(1e-3), once.counts(1e-3))


@pytest.mark.parametrize("before", [0, 5])
def test_a_shared_tracker_gives_the_same_as_one_of_its_own(before):
    model = network()
    tracker = UpdateTracker(model, window=10)
    train(model, before, tracker)
    shared, alone = IntervalTracker(tracker, [1e-3]), IntervalTracker(model, [1e-3])
    magnitudes = train(model, 30, tracker, shared, alone)
    assert shared.tracker is tracker
    assert shared.steps == 30
    assert equal(shared.counts(1e-3), alone.counts(1e-3))
    assert equal(shared.counts(1e-3), IntervalCounts.of(magnitudes, 1e-3))
    assert tracker.histogram().total == (30 + before) * magnitudes.shape[1]


@pytest.mark.parametrize("updates", [0, 2])
def test_a_step_that_only_one_of_the_two_counted_is_an_error(updates):
    tracker = UpdateTracker(network())
    intervals = IntervalTracker(tracker, [1e-3])
    for _ in range(updates):
        tracker.update()
    with pytest.raises(ValueError, match="both once after each step"):
        intervals.update()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_counted_as_float32(dtype):
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype)
    tracker = IntervalTracker(model, [1e-3])
    magnitudes = train(model, 30, tracker, dtype=dtype)
    assert equal(tracker.counts(1e-3), IntervalCounts.of(magnitudes, 1e-3))
    assert tracker.counts(1e-3).total > 0


def test_a_magnitude_at_the_threshold_is_large_nan_is_not_and_infinity_is():
    tracker = IntervalTracker(nn.Linear(3, 1, bias=False), [0.1])
    below = np.nextafter(np.float32(0.1), 0)
    feed(tracker, [[np.float32(0.1), below, 0], [0.0, 0, 0]])
    assert tracker.counts(0.1).exceedance_histogram.tolist() == [2, 1]
    feed(tracker, [[np.nan, np.inf, 0.0], [0.2, np.nan, np.nan]])
    assert tracker.counts(0.1).exceedance_histogram.tolist() == [1, 1, 1]
    assert tracker.counts(0.1).counts.tolist() == [0, 0, 1]


@pytest.mark.parametrize("longest", [1, 3, 1_022, 1_023, 1_024])
def test_longer_intervals_are_counted_together(longest, monkeypatch):
    monkeypatch.setattr(tracking, "INITIAL_LENGTHS", 4)
    rng = np.random.default_rng(0)
    magnitudes = (rng.random((2_500, 7)) > 0.998).astype(np.float32)
    magnitudes[[0, longest, 2 * longest + 1], 6] = 1  # one at the bound, one above
    model = nn.Linear(7, 1, bias=False)
    tracker = IntervalTracker(model, [0.5], max_interval=longest)
    feed(tracker, magnitudes)
    ours, whole = tracker.counts(0.5), IntervalCounts.of(magnitudes, 0.5)
    assert ours.overflow == whole.counts[longest:].sum()
    assert (ours.total, ours.serial_moments) == (whole.total, whole.serial_moments)
    assert ours.counts.tolist() == np.trim_zeros(whole.counts[:longest], "b").tolist()
    for name in ("left_censored", "right_censored"):
        ends, all_ends = getattr(ours, name), getattr(whole, name)
        assert ends[:longest].tolist() == all_ends[: len(ends[:longest])].tolist()
        assert ends.sum() == all_ends.sum()
        assert len(ends) <= longest + 1


def test_memory_is_a_few_bytes_per_weight_whatever_the_number_of_steps():
    tracker = IntervalTracker(nn.Linear(100, 100), [0.5, 0.9], groups="all")
    rng = np.random.default_rng(0)
    sizes = []
    for _ in range(3):
        values = rng.random((200, 10_100), np.float32)
        feed(tracker, np.where(values > 0.97, values, 0))
        parts = vars(tracker).values()
        sizes.append(sum(p.nbytes for p in parts if isinstance(p, np.ndarray)))
    assert sizes[0] == sizes[-1]
    lengths = 2 * 2 * tracking.INITIAL_LENGTHS * 8
    assert sizes[-1] <= 10_100 * (2 * 12 + 4 + 1) + lengths + 1_000
    assert len(tracker._buffer) < 100


@pytest.mark.parametrize("thresholds", [[], [0.1, 0.1], [0.1, -1], [1e-60], [np.nan]])
def test_thresholds_that_make_no_sense_are_refused(thresholds):
    with pytest.raises(ValueError, match="1 to 255 different positive numbers"):
        IntervalTracker(network(), thresholds)


def test_unknown_thresholds_and_groups_and_too_few_steps_are_refused():
    model = network()
    tracker = IntervalTracker(model, [0.1], skip=2)
    train(model, 3, tracker)
    with pytest.raises(ValueError, match=r"1 step\(s\) after the first 2"):
        tracker.counts(0.1)
    train(model, 1, tracker)
    with pytest.raises(ValueError, match=r"no intervals above 0\.2 .* one of \(0\.1,"):
        tracker.counts(0.2)
    with pytest.raises(ValueError, match="unknown group of parameters 'fc9'"):
        tracker.counts(0.1, "fc9")
