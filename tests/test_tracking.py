"""The streamed counts are those of the definition, for any module and optimizer."""

import io

import numpy as np
import pytest
import torch
from torch import nn

from netdyn_utils.flat_parameters import FlatParameters
from netdyn_utils.histogram import LogHistogram
from netdyn_utils.tracking.updates import UpdateTracker

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, 1e-3),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 1e-3),
}


class Odd(nn.Module):
    """Shared, frozen and scalar parameters, and buffers, in one module."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(6, 6)
        self.two = nn.Linear(6, 6)
        self.two.weight = self.one.weight  # shared
        self.frozen = nn.Linear(6, 6).requires_grad_(False)
        self.norm = nn.BatchNorm1d(6)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * self.norm(self.two(self.frozen(self.one(x))))


def network():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3))


def train(model, update=lambda: None, optimizer="sgd", steps=23):
    """Train on noise and return abs(Δw) of every step, as the definition says."""
    generator = torch.Generator().manual_seed(1)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = OPTIMIZERS[optimizer](weights)
    magnitudes = []
    for _ in range(steps):
        before = [p.detach().clone() for p in weights]
        x = torch.randn(16, 6, generator=generator).to(weights[0].dtype)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        update()
        changes = [
            (p.detach().double() - b.double()).abs().flatten()
            for p, b in zip(weights, before, strict=True)
        ]
        magnitudes.append(torch.cat(changes).float().numpy())
    return np.array(magnitudes)


def equal(one, other):
    return (
        np.array_equal(one.counts, other.counts)
        and np.array_equal(one.edges, other.edges)
        and (one.zeros, one.infs, one.nans) == (other.zeros, other.infs, other.nans)
        and one.max == other.max
    )


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_stream_equals_definition_for_any_optimizer(name):
    model = network()
    tracker = UpdateTracker(model)
    magnitudes = train(model, tracker.update, name)
    assert equal(tracker.histogram("all"), LogHistogram.from_values(magnitudes))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_stream_equals_definition_for_other_precisions(dtype):
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype)
    tracker = UpdateTracker(model)
    magnitudes = train(model, tracker.update)
    assert equal(tracker.histogram("all"), LogHistogram.from_values(magnitudes))


def test_magnitude_is_that_of_the_last_step_and_reading_changes_nothing():
    model = network()
    tracker, rows = UpdateTracker(model), []
    tracker.keep_magnitudes()

    def update():
        tracker.update()
        rows.append(tracker.magnitude.clone().numpy())
        tracker.histograms()

    magnitudes = train(model, update)
    assert np.array_equal(np.array(rows), magnitudes)
    assert equal(tracker.histogram("all"), LogHistogram.from_values(magnitudes))


def test_mixed_precisions_are_tracked_together():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
    tracker = UpdateTracker(model, groups="parameter")
    with torch.no_grad():
        model[0].weight += 0.5
        model[1].weight += 2**-40  # lost in float32 next to a weight of order one
    tracker.update()
    assert tracker.histogram("1.weight").zeros == 0
    assert tracker.histogram("1.weight").max == pytest.approx(2**-40, rel=1e-3)


def test_shared_parameters_count_once_and_frozen_ones_and_buffers_never():
    model = Odd()
    tracker = UpdateTracker(model, groups="parameter")
    train(model, tracker.update, steps=3)
    names = ("scale", "one.weight", "one.bias", "two.bias", "norm.weight", "norm.bias")
    assert set(tracker.groups) == set(names)
    assert tracker.histogram("all").total == 3 * (1 + 36 + 4 * 6)


def test_groups_and_windows_add_up_to_the_whole():
    model = network()
    tracker = UpdateTracker(model, window=10)
    magnitudes = train(model, tracker.update)
    histograms = tracker.histograms()
    assert histograms.stops == (10, 20, 23)
    assert histograms.groups == tracker.groups == ("0", "2", "3")
    whole = LogHistogram.merge(histograms.histogram(g) for g in histograms.groups)
    assert equal(whole, tracker.histogram("all"))
    for window, steps in enumerate((slice(10), slice(10, 20), slice(20, 23))):
        expected = LogHistogram.from_values(magnitudes[steps])
        assert equal(tracker.histogram("all", window), expected)
    assert equal(tracker.histogram("3"), LogHistogram.from_values(magnitudes[:, -27:]))


def test_tracking_leaves_training_bit_for_bit_as_it_was():
    ends = []
    for tracked in (False, True):
        torch.manual_seed(5)
        model = network()
        update = UpdateTracker(model, window=4).update if tracked else lambda: None
        train(model, update, "adam")
        ends.append(FlatParameters(model).to_vector())
    assert torch.equal(*ends)


@pytest.mark.parametrize(("window", "steps"), [(None, slice(23)), (10, slice(10, 20))])
def test_root_mean_squares_are_those_of_the_definition(window, steps):
    model = network()
    tracker = UpdateTracker(model, groups="parameter", window=window)
    magnitudes = train(model, tracker.update).astype(np.float64)
    rms = np.sqrt(np.mean(magnitudes[steps] ** 2, axis=0))
    for name, _, start, stop in tracker.slots:
        found = tracker.rms_histograms().histogram(name, 1 if window else 0)
        expected = rms[start:stop]
        assert found.total == len(expected)
        assert found.max == pytest.approx(expected.max(), rel=1e-5)


def test_nan_infinity_and_tiny_updates_are_counted_separately():
    model = nn.Linear(5, 1, bias=False)
    nn.init.zeros_(model.weight)
    tracker = UpdateTracker(model)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.0, 0.25, torch.inf, torch.nan, 1e-44]]))
    tracker.update()
    found = tracker.histogram("all")
    assert (found.zeros, found.infs, found.nans, found.n_binned) == (1, 1, 1, 2)
    assert found.max == 0.25


def test_memory_does_not_grow_with_the_steps():
    model = network()
    tracker = UpdateTracker(model)

    def size():
        file = io.BytesIO()
        torch.save(tracker.state_dict(), file)
        return file.tell()

    train(model, tracker.update, steps=5)
    before = size()
    train(model, tracker.update, steps=200)
    assert size() == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"groups": "layers"}, "did you mean 'layer'"),
        ({"window": 0}, "window must be a whole number"),
        ({"bits": 0}, "from 1 to 10"),
    ],
)
def test_wrong_options_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        UpdateTracker(network(), **options)
    with pytest.raises(ValueError, match="choose 'all', '0', '2' or '3'"):
        UpdateTracker(network()).histogram("fc1")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_model_on_a_gpu_gives_the_counts_of_the_definition():
    model = network().cuda()
    tracker = UpdateTracker(model)
    before = FlatParameters(model).to_vector()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter)
    tracker.update()
    change = (FlatParameters(model).to_vector() - before).abs().cpu().numpy()
    assert equal(tracker.histogram(), LogHistogram.from_values(change))
