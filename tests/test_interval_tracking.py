"""The streamed intervals are those of the definition, for any module and threshold."""

import numpy as np
import pytest
import torch
from torch import nn

from netdyn_utils.data import InMemoryBatches, load_images
from netdyn_utils.flat_parameters import FlatParameters
from netdyn_utils.intervals.counts import IntervalCounts
from netdyn_utils.networks import build_model
from netdyn_utils.tracking import intervals as tracking
from netdyn_utils.tracking.intervals import IntervalCounter, IntervalTracker
from netdyn_utils.tracking.updates import UpdateTracker
from netdyn_utils.training import TrainConfig, train_steps

ARRAYS = ("counts", "left_censored", "right_censored", "exceedance_histogram")


def network():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3))


def see(intervals, *rows):
    """Let a tracker see rows of magnitudes as if they had been steps."""
    intervals._shared = True
    for row in rows:
        intervals.tracker.steps += 1
        intervals.tracker.magnitude.copy_(torch.as_tensor(row))
        intervals.update()


def magnitudes_of(model, steps, observers, rate=0.05, dtype=torch.float32):
    """Train on noise; return abs(Δw) of every step as the definition says."""
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.SGD(model.parameters(), rate)
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
    magnitudes = magnitudes_of(model, 60, [tracker])[skip:]
    slices = tracker.tracker.parameters.slices
    for threshold in thresholds:
        whole = tracker.counts(threshold)
        assert equal(whole, IntervalCounts.of(magnitudes, threshold))
        exceedances = (magnitudes >= np.float32(threshold)).sum(0)
        assert tracker.exceedances(threshold).tolist() == exceedances.tolist()
        for group, members in tracker.tracker.parameters.groups(groups).items():
            columns = np.concatenate(
                [np.arange(slices[i].start, slices[i].stop) for i in members]
            )
            expected = IntervalCounts.of(magnitudes[:, columns], threshold)
            assert equal(tracker.counts(threshold, group), expected)
            among = tracker.exceedances(threshold, group)
            assert among.tolist() == exceedances[columns].tolist()
    assert tracker.counts(10.0).total == 0


def test_reading_at_any_time_changes_nothing():
    model = network()
    often, once = (IntervalTracker(model, [1e-3]) for _ in range(2))
    rows = []
    for _ in range(40):
        rows.append(magnitudes_of(model, 1, [often, once])[0])
        if len(rows) > 1:
            assert equal(often.counts(1e-3), IntervalCounts.of(np.array(rows), 1e-3))
    assert equal(often.counts(1e-3), once.counts(1e-3))


class Both:
    """A tracker and the intervals that share it, updated one after the other."""

    def __init__(self, tracker, intervals):
        self.parts = tracker, intervals

    def update(self):
        for part in self.parts:
            part.update()


@pytest.mark.parametrize("begun", [0, 5])
def test_a_shared_tracker_gives_the_same_from_where_it_is(begun):
    model = network()
    tracker = UpdateTracker(model, window=10)
    magnitudes_of(model, begun, [tracker])
    shared, alone = IntervalTracker(tracker, [1e-3]), IntervalTracker(model, [1e-3])
    magnitudes = magnitudes_of(model, 30, [Both(tracker, shared), alone])
    assert shared.tracker is tracker
    assert shared.steps == 30
    assert equal(shared.counts(1e-3), alone.counts(1e-3))
    assert equal(shared.counts(1e-3), IntervalCounts.of(magnitudes, 1e-3))
    assert tracker.histogram().total == (30 + begun) * magnitudes.shape[1]


@pytest.mark.parametrize("updates", [0, 2])
def test_steps_that_one_of_the_two_missed_are_an_error(updates):
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
    magnitudes = magnitudes_of(model, 30, [tracker], dtype=dtype)
    assert equal(tracker.counts(1e-3), IntervalCounts.of(magnitudes, 1e-3))
    assert tracker.counts(1e-3).total > 0


def test_a_magnitude_at_the_threshold_is_large_nan_is_not_and_infinity_is():
    tracker = IntervalTracker(nn.Linear(3, 1, bias=False), [0.1])
    below = np.nextafter(np.float32(0.1), 0)
    see(tracker, np.float32([0.1, below, 0]))
    assert tracker.exceedances(0.1).tolist() == [1, 0, 0]
    see(tracker, [np.nan, np.inf, 0.0], [0.2, np.nan, np.nan])
    assert tracker.exceedances(0.1).tolist() == [2, 1, 0]
    assert tracker.counts(0.1).counts.tolist() == [0, 1]


@pytest.mark.parametrize("longest", [1, 3, 1_022, 1_023, 1_024])
def test_long_intervals_are_counted_together(longest, monkeypatch):
    monkeypatch.setattr(tracking, "INITIAL_LENGTHS", 4)
    rng = np.random.default_rng(0)
    magnitudes = (rng.random((2_500, 7)) > 0.998).astype(np.float32)
    magnitudes[[0, longest, 2 * longest + 1], 6] = 1  # one at the bound, one above
    group = np.zeros(7, np.int32)
    counter = IntervalCounter(group, 1, [0.5], longest)
    for step, values in enumerate(magnitudes):
        index = np.flatnonzero(values)
        counter.add(step, index, values[index])
    ours = counter.read(0, slice(None), slice(None), len(magnitudes))
    whole = IntervalCounts.of(magnitudes, 0.5)
    assert ours.overflow == whole.counts[longest:].sum()
    assert (ours.total, ours.serial_moments) == (whole.total, whole.serial_moments)
    assert ours.counts.tolist() == np.trim_zeros(whole.counts[:longest], "b").tolist()
    for name in ("left_censored", "right_censored"):
        ends, all_ends = getattr(ours, name), getattr(whole, name)
        assert ends[:longest].tolist() == all_ends[: len(ends[:longest])].tolist()
        assert ends.sum() == all_ends.sum()
        assert len(ends) <= longest + 1


def test_memory_is_a_few_bytes_per_weight_whatever_the_number_of_steps():
    model = nn.Linear(100, 100)
    tracker = IntervalTracker(model, [0.5, 0.9], groups="all")

    def held():
        parts = vars(tracker._counter).values()
        return sum(part.nbytes for part in parts if isinstance(part, np.ndarray))

    rng = np.random.default_rng(0)
    sizes = []
    for step in range(600):
        values = rng.random(10_100, np.float32)
        see(tracker, np.where(values > 0.97, values, 0))
        if step % 200 == 199:
            sizes.append(held())
    assert sizes[0] == sizes[-1]
    weights = tracker.tracker.parameters.numel
    room = 2 * 2 * tracking.INITIAL_LENGTHS * 8
    assert sizes[-1] <= weights * (2 * 12 + 4) + room + 1_000
    assert len(tracker._counter._buffer) < 100


@pytest.mark.parametrize(
    ("network_name", "steps"), [("mlp", 30), ("convnet", 4), ("transformer", 4)]
)
def test_stream_equals_definition_on_the_networks(network_name, steps):
    generator = torch.Generator().manual_seed(0)
    model = build_model(network_name, generator=generator)
    flat = FlatParameters(model).share_storage()
    if network_name == "transformer":
        x = torch.randint(0, 26, (64, 50), generator=generator)
        pair = x, x.roll(-1, 1)
    else:
        images = load_images({"mlp": "mnist", "convnet": "cifar10"}[network_name])
        pair = images.train_inputs, images.train_targets
    batches = InMemoryBatches(*pair, 8, generator=generator)
    thresholds = [1e-3, 1e-4]
    tracker = UpdateTracker(model)
    intervals = IntervalTracker(tracker, thresholds)
    before, rows = flat.to_vector(), []
    for _ in train_steps(model, batches, TrainConfig(steps=steps)):
        tracker.update()
        intervals.update()
        now = flat.to_vector()
        rows.append((now - before).abs().numpy())
        before = now
    for threshold in thresholds:
        counts = intervals.counts(threshold)
        assert equal(counts, IntervalCounts.of(np.array(rows), threshold))
        assert counts.total > 0
        parts = [intervals.counts(threshold, group) for group in intervals.groups]
        assert equal(sum(parts[1:], parts[0]), counts)


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ([], "must be 1 to 255 different numbers"),
        ([0.1, 0.1], "must be 1 to 255 different numbers"),
        ([0.1, -1], "threshold must be a positive finite number, got -1"),
        ([1e-60], "threshold must lie between .* as float32 do, got 1e-60"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(thresholds, message):
    with pytest.raises(ValueError, match=message):
        IntervalTracker(network(), thresholds)


def test_what_is_not_there_is_named():
    model = network()
    with pytest.raises(ValueError, match=r"kind of group 'layers': .*mean 'layer'"):
        IntervalTracker(model, [0.1], groups="layers")
    tracker = IntervalTracker(model, [0.1], skip=2)
    magnitudes_of(model, 3, [tracker])
    with pytest.raises(ValueError, match=r"window has 1 step\(s\) after the first 2"):
        tracker.counts(0.1)
    with pytest.raises(ValueError, match=r"no intervals above 0\.2 .* one of \(0\.1,"):
        tracker.exceedances(0.2)
    with pytest.raises(ValueError, match="unknown group of parameters 'fc9'"):
        tracker.counts(0.1, "fc9")
