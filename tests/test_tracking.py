"""The streamed counts are those of the definition, for any module and optimizer."""

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
        self.one = nn.Linear(4, 4)
        self.two = nn.Linear(4, 4)
        self.two.weight = self.one.weight  # shared
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.norm = nn.BatchNorm1d(4)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * self.norm(self.two(self.frozen(self.one(x))))


def network():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3))


def train(model, optimizer, steps=23, each=lambda: None, width=6):
    """Train on noise and return |Δw| of every step, as the definition says."""
    generator = torch.Generator().manual_seed(1)
    dtype = next(model.parameters()).dtype
    weights = [p for p in model.parameters() if p.requires_grad]
    magnitudes = []
    for _ in range(steps):
        before = [p.detach().clone() for p in weights]
        x = torch.randn(16, width, generator=generator).to(dtype)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        each()
        changes = [
            (p.detach().to(torch.float64) - b.to(torch.float64)).abs().flatten()
            for p, b in zip(weights, before, strict=True)
        ]
        magnitudes.append(torch.cat(changes).to(torch.float32).numpy())
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
@pytest.mark.parametrize("bound", [False, True])
def test_stream_equals_definition_for_any_optimizer(name, bound):
    model = network()
    if bound:
        FlatParameters(model).share_storage()
    tracker = UpdateTracker(model)
    magnitudes = train(model, OPTIMIZERS[name](model.parameters()), each=tracker.update)
    assert equal(tracker.histogram("all"), LogHistogram.from_values(magnitudes))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_stream_equals_definition_for_other_precisions(dtype):
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype)
    tracker = UpdateTracker(model)
    magnitudes = train(
        model, OPTIMIZERS["sgd"](model.parameters()), each=tracker.update
    )
    assert equal(tracker.histogram("all"), LogHistogram.from_values(magnitudes))


def test_the_last_magnitudes_are_there_after_every_step_and_reading_changes_nothing():
    model = network()
    tracker, seen = UpdateTracker(model), []
    tracker.keep_magnitudes()

    def each():
        tracker.update()
        seen.append(tracker.magnitude.clone().numpy())
        tracker.histograms()

    magnitudes = train(model, OPTIMIZERS["sgd"](model.parameters()), each=each)
    assert np.array_equal(np.array(seen), magnitudes)
    assert equal(tracker.histogram("all"), LogHistogram.from_values(magnitudes))


def test_mixed_precisions_are_tracked_together():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
    tracker = UpdateTracker(model, groups="parameter")
    with torch.no_grad():
        model[0].weight += 0.5
        model[1].weight += 2**-40  # lost in float32 beside a weight of order one
    tracker.update()
    assert tracker.histogram("1.weight").zeros == 0
    assert tracker.histogram("1.weight").max == pytest.approx(2**-40, rel=1e-3)


def test_shared_parameters_count_once_and_frozen_ones_and_buffers_never():
    model = Odd()
    tracker = UpdateTracker(model, groups="parameter")
    train(model, OPTIMIZERS["sgd"](model.parameters()), 3, tracker.update, width=4)
    names = ("scale", "one.weight", "one.bias", "two.bias", "norm.weight", "norm.bias")
    assert set(tracker.groups) == set(names)
    assert tracker.histogram("all").total == 3 * (1 + 16 + 4 * 4)


def test_layers_add_up_to_all_and_a_window_holds_its_steps_only():
    model = network()
    tracker = UpdateTracker(model, window=10)
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    magnitudes = train(model, optimizer, each=tracker.update)
    found = tracker.histograms()
    assert found.stops == (10, 20, 23)
    assert found.groups == tracker.groups == ("0", "2", "3")
    whole = LogHistogram.merge(found.histogram(name) for name in found.groups)
    assert equal(whole, tracker.histogram("all"))
    for window, steps in enumerate((slice(10), slice(10, 20), slice(20, 23))):
        expected = LogHistogram.from_values(magnitudes[steps])
        assert equal(tracker.histogram("all", window), expected)


def test_tracking_leaves_training_bit_for_bit_as_it_was():
    ends = []
    for tracked in (False, True):
        torch.manual_seed(5)
        model = network()
        tracker = UpdateTracker(model, window=4)
        each = tracker.update if tracked else lambda: None
        train(model, OPTIMIZERS["adam"](model.parameters()), each=each)
        ends.append(FlatParameters(model).to_vector())
    assert torch.equal(*ends)


def test_mean_squares_are_those_of_the_definition():
    model = network()
    tracker = UpdateTracker(model, window=10)
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    magnitudes = train(model, optimizer, each=tracker.update).astype(np.float64)
    expected = np.mean(magnitudes**2, axis=0)
    assert np.allclose(tracker.mean_square().numpy(), expected, rtol=1e-5, atol=0)
    found = tracker.rms_histograms().histogram("all", 1)
    rms = np.sqrt(np.mean(magnitudes[10:20] ** 2, axis=0))
    assert found.total == magnitudes.shape[1]
    assert found.max == pytest.approx(rms.max(), rel=1e-5)


def test_a_recorded_group_holds_the_raw_magnitudes():
    model = network()
    tracker = UpdateTracker(model, groups="parameter", record="3.bias")
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    magnitudes = train(model, optimizer, each=tracker.update)
    assert np.array_equal(tracker.recorded, magnitudes[:, -3:])


def test_nan_infinity_and_tiny_updates_are_counted_apart():
    model = nn.Linear(5, 1, bias=False)
    nn.init.zeros_(model.weight)
    tracker = UpdateTracker(model)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.0, 0.25, torch.inf, torch.nan, 1e-44]]))
    tracker.update()
    found = tracker.histogram("all")
    assert (found.zeros, found.infs, found.nans, found.n_binned) == (1, 1, 1, 2)
    assert found.max == 0.25


def test_what_is_held_does_not_grow_with_the_steps():
    model = network()
    tracker = UpdateTracker(model)
    optimizer = OPTIMIZERS["sgd"](model.parameters())

    def held():
        tensors = vars(tracker).values()
        return sum(t.nbytes for t in tensors if isinstance(t, torch.Tensor))

    train(model, optimizer, 5, tracker.update)
    before = held()
    train(model, optimizer, 200, tracker.update)
    assert held() == before
    assert not tracker._cells


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"groups": "layers"}, "did you mean 'layer'"),
        ({"window": 0}, "window must be a whole number"),
        ({"bits": 0}, "from 1 to 10"),
        ({"record": "fc9"}, "unknown group of parameters 'fc9'"),
    ],
)
def test_bad_options_are_named(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        UpdateTracker(network(), **options)


def test_what_is_not_there_is_named():
    with pytest.raises(ValueError, match="no trainable parameters"):
        UpdateTracker(nn.Linear(2, 2).requires_grad_(False))
    tracker = UpdateTracker(network())
    with pytest.raises(ValueError, match="choose 'all', '0', '2' or '3'"):
        tracker.histogram("fc1")
    with pytest.raises(ValueError, match="record=GROUP"):
        _ = tracker.recorded


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_model_on_a_gpu_gives_the_counts_of_the_definition():
    model = network().cuda()
    tracker = UpdateTracker(model)
    before = FlatParameters(model).to_vector()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter)
    tracker.update()
    change = FlatParameters(model).to_vector() - before
    assert equal(
        tracker.histogram(), LogHistogram.from_values(change.abs().cpu().numpy())
    )
