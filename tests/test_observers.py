"""Probes, windows, drift and intervals beside any training that they attach to."""

import numpy as np
import pytest
import torch
from by_hand import network, shake
from torch import nn

from netdyn_utils.tracking import (
    ActivationProbe,
    DriftRecorder,
    IntervalTracker,
    UpdateTracker,
    UpdateWindow,
)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("compiled", [torch.compile, lambda m: m.compile() or m])
def test_activations_of_a_compiled_model_that_has_run_are_recorded(compiled):
    model = network()
    inputs, labels = torch.randn(8, 3), torch.arange(8) % 2
    probes = [ActivationProbe(model, inputs, labels)]
    model = compiled(model)
    model(inputs)
    probes.append(ActivationProbe(model, inputs, labels))
    recorder = DriftRecorder(model, inputs, steps=2)
    shake(model)
    for observer in (*probes, recorder):
        observer.update()
    one, two = (probe.pop() for probe in probes)
    assert one.keys() == two.keys() == {"0", "2"}
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert np.isfinite(recorder.curves().distance[0, 0]).all()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_script_or_trace_is_refused_by_name():
    traced = torch.jit.trace(network(), torch.zeros(1, 3))
    with pytest.raises(ValueError, match="is a script or trace"):
        ActivationProbe(traced, torch.zeros(2, 3), torch.tensor([0, 1]))


@pytest.mark.parametrize("activation", [nn.Tanh, nn.GELU, nn.SiLU, nn.Identity])
def test_the_activation_is_the_one_that_the_model_uses(activation):
    model = nn.Sequential(nn.Linear(3, 4), activation(), nn.Linear(4, 2))
    inputs = torch.randn(6, 3)
    probe = ActivationProbe(model, inputs, torch.zeros(6, dtype=torch.int64))
    probe.update()
    expected = model[:2](inputs).mean(0).detach()
    assert np.allclose(probe.pop()["0"][0, 0], expected)


def test_two_activations_are_asked_for():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2), nn.ReLU())
    with pytest.raises(ValueError, match="uses relu and tanh"):
        ActivationProbe(model, torch.zeros(2, 3), torch.tensor([0, 1]))


def test_the_last_layer_is_the_one_that_runs_last():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.first = nn.Linear(4, 2), nn.Linear(3, 4)

        def forward(self, x):
            return self.last(torch.relu(self.first(x)))

    model, inputs = Backwards(), torch.randn(6, 3)
    probe = ActivationProbe(model, inputs, torch.zeros(6, dtype=torch.int64))
    probe.update()
    means = probe.pop()
    assert np.allclose(means["last"][0, 0], model(inputs).mean(0).detach())
    assert (means["first"] >= 0).all()


def test_the_activation_of_a_parametrized_layer_is_its_output():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
    model, inputs = nn.Sequential(layer), torch.randn(6, 3)
    probe = ActivationProbe(model, inputs, torch.zeros(6, dtype=torch.int64))
    probe.update()
    assert np.allclose(probe.pop()["0"][0, 0], model(inputs).mean(0).detach())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_probes_take_any_precision(dtype):
    model, inputs = network().to(dtype), torch.randn(6, 3).to(dtype)
    probe = ActivationProbe(model, inputs, torch.zeros(6, dtype=torch.int64))
    recorder = DriftRecorder(model, inputs, steps=2)
    shake(model)
    for observer in (probe, recorder):
        observer.update()
    expected = model(inputs).float().mean(0).detach()
    assert np.allclose(probe.pop()["2"][0, 0], expected, atol=1e-2)
    assert np.isfinite(recorder.curves().alignment[0, 0]).all()


def test_a_window_of_half_precision_rounds_no_difference():
    model = nn.Linear(1, 1, bias=False).bfloat16()
    window = UpdateWindow(model, 1)
    with torch.no_grad():
        model.weight.fill_(1.0)
        window.update()
        window.pop()
        model.weight.fill_(2**-7)
    window.update()
    assert window.pop()[0, 0] == 2**-7 - 1


def test_all_observers_attach_alike():
    model = network()
    inputs, labels = torch.randn(8, 3), torch.arange(8) % 2
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    tracker = UpdateTracker(model)
    intervals = IntervalTracker(tracker, [1e-3])
    others = (
        ActivationProbe(model, inputs, labels),
        DriftRecorder(model, inputs, steps=4),
        UpdateWindow(model, 4),
    )
    for observer in (tracker, intervals, *others):
        observer.attach(optimizer)
    for _ in range(4):
        model(inputs).square().sum().backward()
        optimizer.step()
    assert tracker.steps == intervals.steps == 4
    assert len(others[0].pop()["0"]) == len(others[2].pop()) == 4
    assert np.isfinite(others[1].curves().displacement).all()


@pytest.mark.parametrize("shared", [False, True])
def test_intervals_resume_as_if_they_had_not_stopped(shared):
    def observers(model):
        tracker = UpdateTracker(model) if shared else model
        intervals = IntervalTracker(tracker, [0.05, 0.15])
        return [tracker, intervals] if shared else [intervals]

    model = network()
    whole, parts = observers(model), observers(model)
    for step in range(40):
        shake(model)
        if step == 20:
            states = [part.state_dict() for part in parts]
            model.eval()
            parts = observers(model)
            for part, state in zip(parts, states, strict=True):
                part.load_state_dict(state)
        for observer in (*whole, *parts):
            observer.update()
    for threshold in (0.05, 0.15):
        one, two = (each[-1].counts(threshold) for each in (whole, parts))
        assert repr(one) == repr(two)
        assert np.array_equal(one.counts, two.counts)
        assert one.serial_moments == two.serial_moments


def test_resync_leaves_intervals_alone():
    model = network()
    tracker = UpdateTracker(model)
    intervals = IntervalTracker(tracker, [1e-3])
    shake(model)
    tracker.resync()
    tracker.update()
    intervals.update()
    assert intervals.steps == 1
