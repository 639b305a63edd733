"""Displacement and drift of known motions, offline and on a live model."""

import numpy as np
import pytest
import torch
from torch import nn

from netdyn_utils.diffusion import (
    diffusion_exponent,
    linear_cka,
    relative_distance,
    squared_displacements,
)
from netdyn_utils.flat_parameters import FlatParameters
from netdyn_utils.networks import build_model
from netdyn_utils.tracking.drift import DriftCurves, DriftRecorder

LAGS = np.array([1, 2, 4, 8, 16, 32, 64, 128])


def exponent(positions, starts=10):
    stretch = (len(positions) - 1) // starts
    lags = LAGS[: np.searchsorted(LAGS, stretch, "right")]
    squares = squared_displacements(positions, np.arange(starts) * stretch, lags)
    return diffusion_exponent(lags, squares)


# weights


def test_ballistic_motion_has_exponent_two_exactly():
    velocity = np.random.default_rng(0).normal(size=50)
    fit = exponent(np.arange(1_281)[:, None] * velocity)
    assert fit.gamma == pytest.approx(2, abs=1e-9)
    assert fit.sigma < 1e-9


def test_a_random_walk_has_exponent_one_within_its_interval():
    covered, gammas = 0, []
    for seed in range(40):
        steps = np.random.default_rng(seed).normal(size=(1_281, 20))
        fit = exponent(np.cumsum(steps, axis=0))
        covered += fit.low < 1 < fit.high
        gammas.append(fit.gamma)
    assert np.mean(gammas) == pytest.approx(1, abs=0.03)
    assert covered >= 34


def test_weights_that_move_together_count_once():
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(size=(1_281, 1)), axis=0)
    alone, together = exponent(walk), exponent(np.repeat(walk, 1_000, axis=1))
    assert together.sigma == pytest.approx(alone.sigma)


def test_a_weight_that_is_pulled_back_has_exponent_near_zero():
    rng, x, rows = np.random.default_rng(0), np.zeros(200), []
    for _ in range(1_281):
        x = 0.5 * x + rng.normal(size=200)
        rows.append(x)
    assert exponent(np.array(rows)).high < 0.3


def test_displacements_equal_their_definition():
    positions = np.random.default_rng(0).normal(size=(30, 4))
    found = squared_displacements(positions, [0, 3, 11], [1, 7, 18])
    for i, start in enumerate((0, 3, 11)):
        for j, lag in enumerate((1, 7, 18)):
            expected = np.mean((positions[start + lag] - positions[start]) ** 2)
            assert found[i, j] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((5, 2)), [0], [5]), "ends to 5: .* ends to 4"),
        ((np.ones((5, 2)), [0], [0]), "lags from 1"),
        ((np.ones((5, 2)), [-1], [1]), "starts from 0"),
        ((np.ones(5), [0], [1]), r"expected \(steps"),
    ],
)
def test_lags_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        squared_displacements(*arguments)


@pytest.mark.parametrize(
    ("lags", "squares", "level", "message"),
    [
        ([1, 2], np.zeros((3, 2)), 0.95, "has no exponent"),
        ([1, 2], np.full((3, 2), np.nan), 0.95, "has no exponent"),
        ([1, 2], np.ones((1, 2)), 0.95, "two of each or more"),
        ([1], np.ones((3, 1)), 0.95, "two of each or more"),
        ([1, 2], np.ones((3, 2)), 1, "level must lie between 0 and 1"),
    ],
)
def test_displacements_without_an_exponent_are_refused(lags, squares, level, message):
    with pytest.raises(ValueError, match=message):
        diffusion_exponent(lags, squares, level=level)


# activations


@pytest.mark.parametrize(("samples", "units"), [(50, 7), (7, 40)])
def test_cka_equals_its_definition_and_ignores_rotation_and_scale(samples, units):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(samples, units)), rng.normal(size=(samples, units + 3))
    rotation = np.linalg.qr(rng.normal(size=(units, units)))[0]
    assert linear_cka(x, -3 * x @ rotation + 5) == pytest.approx(1, abs=1e-12)
    assert linear_cka(x, y) == pytest.approx(linear_cka(y, x @ rotation))
    x, y, norm = x - x.mean(0), y - y.mean(0), np.linalg.norm
    expected = norm(y.T @ x) ** 2 / norm(x.T @ x) / norm(y.T @ y)
    assert linear_cka(x, y) == pytest.approx(expected)


def test_independent_activations_of_many_samples_are_not_aligned():
    x, y = np.random.default_rng(0).normal(size=(2, 20_000, 5))
    assert linear_cka(x, y) < 1e-3


def test_distance_grows_with_the_change():
    x = np.random.default_rng(0).normal(size=(20, 7))
    assert relative_distance(x, x) == 0
    assert relative_distance(x, -x) == pytest.approx(2)
    assert relative_distance(x, 1.5 * x) == pytest.approx(0.5)


def test_constant_activations_have_no_drift():
    assert np.isnan(relative_distance(np.zeros((3, 2)), np.ones((3, 2))))
    assert np.isnan(linear_cka(np.ones((3, 2)), np.eye(3)))


@pytest.mark.parametrize(
    ("measure", "other", "message"),
    [
        (relative_distance, np.ones((3, 3)), "the same layer on the same batch"),
        (linear_cka, np.ones((4, 2)), "both matrices need the same ones"),
        (linear_cka, np.ones(3), r"expected \(samples, units\)"),
    ],
)
def test_activations_that_do_not_match_are_refused(measure, other, message):
    with pytest.raises(ValueError, match=message):
        measure(np.ones((3, 2)), other)


# a live model


def train(model, recorder, steps, inputs, rate=0.05):
    """Train on noise; return the weights and outputs of the probe after each step."""
    generator = torch.Generator().manual_seed(1)
    flat = FlatParameters(model)
    optimizer = torch.optim.SGD(model.parameters(), rate)
    rows = [flat.to_vector().numpy()]
    for _ in range(steps):
        x = torch.randn(8, inputs, generator=generator)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        recorder.update()
        rows.append(flat.to_vector().numpy())
    return np.array(rows)


@pytest.mark.parametrize(
    ("steps", "starts", "skip"), [(60, 5, 0), (47, 3, 6), (2, 9, 1)]
)
def test_recorder_equals_definition(steps, starts, skip):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3))
    probe = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    recorder = DriftRecorder(model, probe, steps=steps, starts=starts, skip=skip)
    positions = train(model, recorder, steps + skip, 4)[skip:]
    curves = recorder.curves()
    assert not np.isnan(curves.displacement).any()
    assert curves.layers == curves.active == ("0", "1", "2")
    assert curves.starts[-1] + curves.lags[-1] <= steps
    begin = 0
    for layer, size in zip(curves.layers, curves.sizes, strict=True):
        expected = squared_displacements(
            positions[:, begin : begin + size], curves.starts, curves.lags
        )
        assert curves.squares(layer) == pytest.approx(expected, rel=1e-5)
        begin += size
    expected = squared_displacements(positions, curves.starts, curves.lags)
    assert curves.squares() == pytest.approx(expected, rel=1e-5)


def test_recorder_measures_the_activations_of_the_probe():
    model = build_model("mlp", widths=(4, 6, 3), generator=torch.Generator())
    probe = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    recorder = DriftRecorder(model, probe, steps=8, starts=1)
    first = model(probe).detach().numpy()
    train(model, recorder, 8, 4)
    curves, last = recorder.curves(), model(probe).detach().numpy()
    distance = pytest.approx(relative_distance(first, last), rel=1e-6)
    assert curves.distance[0, -1, 1] == distance
    assert curves.alignment[0, -1, 1] == pytest.approx(
        linear_cka(first, last), rel=1e-5
    )
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


def test_watching_leaves_batchnorm_and_random_numbers_as_they_are():
    def run(watched):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout())
            recorder = DriftRecorder(model, torch.ones(5, 4), steps=20)
            if not watched:
                recorder.update = lambda: None
            train(model, recorder, 20, 4)
            return [*model.state_dict().values(), torch.rand(1)]

    assert all(map(torch.equal, run(True), run(False)))


@pytest.mark.parametrize("network", ["convnet", "transformer"])
def test_all_layers_of_the_networks_are_recorded(network):
    model = build_model(network, generator=torch.Generator())
    images, text = torch.zeros(3, 3, 32, 32), torch.arange(20).reshape(2, 10)
    probe = text if network == "transformer" else images
    recorder = DriftRecorder(model, probe, steps=4, starts=2, at_most=100)
    assert recorder.curves().layers == recorder.curves().active


def test_curves_survive_the_way_through_arrays():
    model = nn.Linear(2, 1)
    recorder = DriftRecorder(model, torch.eye(2), steps=4)
    train(model, recorder, 4, 2)
    curves = recorder.curves()
    again = DriftCurves.from_arrays(curves.to_arrays())
    assert (again.layers, again.sizes) == (curves.layers, curves.sizes)
    assert again.squares("model").tolist() == curves.squares("model").tolist()
    assert again.exponent("model") == curves.exponent("model")
    with pytest.raises(ValueError, match="unknown layer 'fc1'"):
        again.squares("fc1")


def test_a_run_without_a_lag_is_refused():
    with pytest.raises(ValueError, match="no lags to compare"):
        DriftRecorder(nn.Linear(2, 1), torch.eye(2), steps=1)
    with pytest.raises(ValueError, match="starts must be a whole number"):
        DriftRecorder(nn.Linear(2, 1), torch.eye(2), steps=5, starts=0)
