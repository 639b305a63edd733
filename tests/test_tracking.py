"""The streamed counts are those of the definition, for any module and optimizer."""

import numpy as np
import pytest
import torch
from netdyn_utils.tracking.counting import GroupCounter, Piece, _take_by_torch
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
        FlatParameters(model).bind()
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_compiled_pass_and_torch_s_operations_do_the_same(dtype, monkeypatch):
    generator = torch.Generator().manual_seed(2)
    before, after = torch.randn(2, 5_000, generator=generator).to(dtype)
    after[::7] = before[::7]
    after[3], after[11], after[13] = torch.inf, torch.nan, before[13] + 1e-42
    results = []
    for compiled in (True, False):
        if not compiled:
            monkeypatch.setattr(
                "netdyn_utils.tracking.counting._take_compiled", by_torch
            )
        counter = GroupCounter([Piece(0, 0, 700), Piece(1, 700, 5_000)], 2, bits=3)
        vectors = before.clone(), torch.zeros(5_000), torch.zeros(5_000)
        counter.take(after, *vectors)
        results.append((counter.histograms(), vectors))
    (one, kept), (two, held) = results
    assert all(equal(*pair) for pair in zip(one, two, strict=True))
    pairs = zip(kept, held, strict=True)
    assert all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs)


def by_torch(*arrays_and_shift):
    *arrays, shift = arrays_and_shift
    return _take_by_torch(*map(torch.from_numpy, arrays), shift)


def test_the_last_magnitudes_are_there_after_every_step_and_reading_changes_nothing():
    model = network()
    tracker, seen = UpdateTracker(model), []

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


def test_layers_add_up_to_all_and_windows_to_the_run():
    model = network()
    tracker = UpdateTracker(model, window=10)
    train(model, OPTIMIZERS["sgd"](model.parameters()), each=tracker.update)
    found = tracker.histograms()
    assert found.stops == (10, 20, 23)
    assert tracker.groups == ("0", "2", "3")
    whole = LogHistogram.merge(found.histogram(name) for name in found.groups)
    assert equal(whole, tracker.histogram("all"))
    parts = LogHistogram.merge(found.histogram("3", k) for k in range(3))
    assert equal(parts, tracker.histogram("3"))


def test_a_window_holds_the_steps_of_that_window_only():
    model = network()
    tracker = UpdateTracker(model, window=10)
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    magnitudes = train(model, optimizer, each=tracker.update)
    assert equal(
        tracker.histogram("all", 1), LogHistogram.from_values(magnitudes[10:20])
    )
    assert equal(
        tracker.histogram("all", -1), LogHistogram.from_values(magnitudes[20:])
    )


def test_tracking_leaves_training_bit_for_bit_as_it_was():
    ends = []
    for tracked in (False, True):
        torch.manual_seed(5)
        model = network()
        tracker = UpdateTracker(model, window=4)
        each = tracker.update if tracked else lambda: None
        train(model, OPTIMIZERS["adam"](model.parameters()), each=each)
        ends.append(FlatParameters(model).vector())
    assert torch.equal(*ends)


def test_mean_square_is_that_of_the_definition():
    model = network()
    tracker = UpdateTracker(model, window=7)
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    magnitudes = train(model, optimizer, each=tracker.update).astype(np.float64)
    expected = np.mean(magnitudes**2, axis=0)
    assert np.allclose(tracker.mean_square().numpy(), expected, rtol=1e-5, atol=0)


def test_rms_histograms_count_each_parameter_once_in_each_window():
    model = network()
    tracker = UpdateTracker(model, window=10)
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    magnitudes = train(model, optimizer, each=tracker.update).astype(np.float64)
    found = tracker.rms_histograms().histogram("all", 1)
    assert found.total == magnitudes.shape[1]
    rms = np.sqrt(np.mean(magnitudes[10:20] ** 2, axis=0))
    assert found.max == pytest.approx(rms.max(), rel=1e-5)


def test_a_recorded_group_holds_the_raw_magnitudes():
    model = network()
    tracker = UpdateTracker(model, groups="parameter", record="3.bias")
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    magnitudes = train(model, optimizer, each=tracker.update)
    assert np.array_equal(tracker.recorded, magnitudes[:, -3:])


def test_nan_and_infinity_in_the_weights_are_counted_and_do_not_hide_the_largest():
    model = nn.Linear(4, 1, bias=False)
    tracker = UpdateTracker(model)
    with torch.no_grad():
        step = torch.tensor([[0.0, 0.25, torch.inf, torch.nan]])
        model.weight.copy_(model.weight + step)
    tracker.update()
    found = tracker.histogram("all")
    assert (found.zeros, found.infs, found.nans, found.binned) == (1, 1, 1, 1)
    assert found.max == pytest.approx(0.25, rel=1e-6)


def test_updates_smaller_than_any_normal_number_are_not_taken_for_zero():
    model = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(model.weight)
    tracker = UpdateTracker(model)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1e-44, 0.0]]))
    tracker.update()
    assert tracker.histogram("all").zeros == 1
    assert tracker.histogram("all").binned == 1


def test_what_is_held_does_not_grow_with_the_steps():
    model = network()
    tracker = UpdateTracker(model)
    optimizer = OPTIMIZERS["sgd"](model.parameters())

    def held():
        tensors = [
            t for part in (tracker, tracker._counter) for t in vars(part).values()
        ]
        return sum(t.nbytes for t in tensors if isinstance(t, torch.Tensor))

    train(model, optimizer, 5, tracker.update)
    before = held(), len(tracker._cells), len(tracker._raw)
    train(model, optimizer, 200, tracker.update)
    assert (held(), len(tracker._cells), len(tracker._raw)) == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"groups": "layers"}, "did you mean 'layer'"),
        ({"window": 0}, "window must be a whole number"),
        ({"window": 2.5}, "window must be a whole number"),
        ({"bits": 0}, "from 1 to 10"),
        ({"record": "fc9"}, "unknown group of parameters 'fc9'"),
    ],
)
def test_bad_options_are_named(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        UpdateTracker(network(), **options)


def test_a_model_without_trainable_parameters_is_refused():
    with pytest.raises(ValueError, match="no trainable parameters"):
        UpdateTracker(nn.Linear(2, 2).requires_grad_(False))
    with pytest.raises(ValueError, match="no trainable parameters"):
        UpdateTracker(nn.ReLU())


def test_asking_for_an_unknown_group_or_window_names_what_there_is():
    tracker = UpdateTracker(network(), window=1)
    tracker.update()
    with pytest.raises(ValueError, match="choose 'all', '0', '2' or '3'"):
        tracker.histogram("fc1")
    with pytest.raises(IndexError, match="has 1 windows"):
        tracker.histogram("all", 1)


def test_nothing_was_recorded_is_said():
    with pytest.raises(ValueError, match="record=GROUP"):
        _ = UpdateTracker(network()).recorded


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_model_on_a_gpu_gives_the_counts_of_the_definition():
    model = network().cuda()
    tracker = UpdateTracker(model)
    before = FlatParameters(model).vector()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter)
    tracker.update()
    change = FlatParameters(model).vector() - before
    assert equal(
        tracker.histogram(), LogHistogram.from_values(change.abs().cpu().numpy())
    )
