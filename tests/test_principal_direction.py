"""Leading directions are those of a singular value decomposition in float64."""

import weakref

import numpy as np
import pytest
from sklearn.decomposition import PCA

from netdyn_utils.principal_direction import (
    PrincipalDirection,
    alignment,
    alignment_series,
    leading_direction,
)


def noisy(steps=60, weights=400, strength=3.0, seed=0, dtype=np.float64):
    """Return steps along one direction, plus noise and an offset of every weight."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=weights)
    direction /= np.linalg.norm(direction)
    along = strength * rng.normal(size=(steps, 1)) * np.sqrt(weights)
    window = along * direction + rng.normal(size=(steps, weights))
    return (window + 5 * rng.normal(size=weights)).astype(dtype), direction


def by_svd(window, centred=True):
    x = window.astype(float)
    _, s, rows = np.linalg.svd(x - x.mean(0) * centred, full_matrices=False)
    return rows[0], s**2


# closed forms


def test_a_window_of_rank_one_has_its_direction_and_all_its_variance():
    direction = np.array([3.0, 0.0, -4.0]) / 5
    along = np.array([1.0, -1.0, 4.0, 0.0])
    found = leading_direction(along[:, None] * direction + 7)
    assert found.vector == pytest.approx(-direction)
    assert found.explained_variance_ratio == pytest.approx(1)
    assert found.variance == pytest.approx(along.var(ddof=1))


def test_a_strong_direction_is_found_in_noise_as_well_as_theory_has_it():
    # Weights n ≫ steps: cos² → (1 − c/s⁴)/(1 + c/s²), c = n/steps, s² the spike over
    # the noise (D. Paul, Statistica Sinica 17 (2007) 1617, theorem 4).
    steps, weights, strength = 200, 2_000, 1.0
    c, spike = weights / steps, strength**2 * weights
    expected = np.sqrt((1 - c / spike**2) / (1 + c / spike))
    window, direction = noisy(steps, weights, strength)
    found = alignment(leading_direction(window), direction)
    assert found == pytest.approx(expected, abs=2e-3)
    weak, direction = noisy(steps, weights, np.sqrt(10 / weights))
    expected = np.sqrt((1 - c / 100) / (1 + c / 10))
    assert alignment(leading_direction(weak), direction) == pytest.approx(
        expected, abs=0.1
    )


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2, np.pi / 2, 2.5])
def test_alignment_of_planes_turned_by_an_angle_is_its_cosine(angle):
    rng = np.random.default_rng(1)
    a, b = np.linalg.qr(rng.normal(size=(50, 2)))[0].T
    turned = np.cos(angle) * a + np.sin(angle) * b
    along = rng.normal(size=(9, 1))
    found = alignment_series([along * a, 3 * along[:5] * turned])
    assert found == pytest.approx([abs(np.cos(angle))], abs=1e-12)


# outside oracles


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(60, 400), (60, 20), (2, 5), (7, 30_000)])
def test_direction_and_variance_are_those_of_svd_and_scikit_learn(shape, dtype):
    window, _ = noisy(*shape, dtype=dtype)
    found = leading_direction(window)
    vector, squares = by_svd(window)
    assert 1 - abs(found.vector @ vector) < 1e-12
    assert found.explained_variance_ratio == pytest.approx(
        squares[0] / squares.sum(), rel=1e-10
    )
    pca = PCA(1, svd_solver="full").fit(window.astype(float))
    assert 1 - abs(found.vector @ pca.components_[0]) < 1e-12
    assert found.variance == pytest.approx(pca.explained_variance_[0], rel=1e-10)
    assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-14)


def test_float32_windows_are_resolved_better_than_by_randomised_components():
    window, _ = noisy(200, 3_000, strength=0.1, dtype=np.float32)
    vector, _ = by_svd(window)
    pca = PCA(100, random_state=0).fit(window).components_[0].astype(float)
    ours = 1 - alignment(leading_direction(window), vector)
    assert ours < 1e-12
    assert ours < (1 - alignment(pca, vector)) / 10


def test_uncentred_windows_are_those_of_svd_without_the_mean():
    window, _ = noisy()
    found = leading_direction(window, centred=False)
    vector, squares = by_svd(window, centred=False)
    assert 1 - abs(found.vector @ vector) < 1e-12
    assert found.variance == pytest.approx(squares[0] / len(window))
    assert found.explained_variance_ratio == pytest.approx(squares[0] / squares.sum())


# invariance


def test_sign_scale_and_offset_change_nothing():
    window, _ = noisy()
    found = leading_direction(window)
    for other in (-window, 1e-6 * window, window + 4, window[::-1]):
        again = leading_direction(other)
        assert again.vector == pytest.approx(found.vector, abs=1e-9)
        assert again.explained_variance_ratio == pytest.approx(
            found.explained_variance_ratio
        )
    assert found.vector[np.abs(found.vector).argmax()] > 0


def test_a_first_step_far_from_all_others_costs_no_accuracy():
    window, _ = noisy()
    window[0] += 1e6 * np.random.default_rng(3).normal(size=window.shape[1])
    assert 1 - abs(leading_direction(window).vector @ by_svd(window)[0]) < 1e-12


def test_the_window_is_left_as_it_was_and_may_be_a_view():
    window, _ = noisy(dtype=np.float32)
    kept = window.copy()
    found = leading_direction(window[::2, 3:-5:3])
    assert np.array_equal(window, kept)
    again = leading_direction(window[::2, 3:-5:3].copy())
    assert alignment(found, again) == pytest.approx(1)
    whole = np.array([[1, 2], [3, 5], [0, 0]])
    again = leading_direction(whole * 1.0)
    assert np.array_equal(leading_direction(whole).vector, again.vector)


def test_neither_sign_nor_length_matters_to_alignment():
    a, b = np.random.default_rng(2).normal(size=(2, 30))
    expected = abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b)
    for first, second in ((a, b), (b, a), (-a, 7 * b), (1e-300 * a, 1e300 * b)):
        assert alignment(first, second) == pytest.approx(expected, rel=1e-12)
    assert alignment(a, -2 * a) == pytest.approx(1)
    assert alignment(a, -2 * a) <= 1


def test_unrelated_directions_of_n_weights_align_as_said():
    rng, n = np.random.default_rng(4), 1_000
    found = np.mean([alignment(*rng.normal(size=(2, n))) for _ in range(1_000)])
    assert found == pytest.approx(np.sqrt(2 / (np.pi * n)), rel=0.1)


def test_a_series_is_that_of_its_pairs_and_holds_no_window():
    windows = [noisy(seed=seed)[0] for seed in range(4)]
    found = [leading_direction(window) for window in windows]
    expected = [alignment(found[i], found[i + 1]) for i in range(3)]
    alive = []

    def stream():
        for window in windows:
            copy = window.copy()
            alive.append(weakref.ref(copy))
            assert sum(ref() is not None for ref in alive) <= 2
            yield copy

    assert alignment_series(stream()) == pytest.approx(expected, rel=1e-12)


def test_a_direction_prints_as_one_line():
    found = leading_direction(noisy()[0])
    assert isinstance(found, PrincipalDirection)
    assert "\n" not in str(found)
    assert "400 weights" in str(found)
    assert "mean square" in str(leading_direction(noisy()[0], centred=False))


# bad input

NAN = float("nan")


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (np.ones((1, 5)), "two steps or more"),
        (np.ones(5), "two steps or more"),
        (np.ones((3, 0)), "two steps or more"),
        (np.full((4, 5), 0.1), "same at every step: it has no direction"),
        (np.float32([[0.1, 0.3]] * 7), "same at every step"),
        ([[1.0, NAN], [2.0, 1.0]], "NaN, infinity"),
        (np.float32([[1.0, np.inf], [2.0, 1.0]]), "NaN, infinity"),
        ([[1e200, 1.0], [2.0, 1.0]], "squares overflow"),
    ],
)
def test_a_window_without_direction_is_refused(window, message):
    with pytest.raises(ValueError, match=message):
        leading_direction(window)


def test_zero_windows_have_no_direction_without_centring_either():
    with pytest.raises(ValueError, match="zero throughout"):
        leading_direction(np.zeros((3, 4)), centred=False)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1.0, 0.0], [1.0, 0.0, 0.0], "the same weights in both"),
        ([[1.0]], [[1.0]], "one axis"),
        ([1.0, 0.0], [0.0, 0.0], "zero: it has no angle"),
        ([1.0, NAN], [1.0, 0.0], "NaN or infinity"),
        ([1.0, np.inf], [1.0, 0.0], "NaN or infinity"),
    ],
)
def test_directions_without_an_angle_are_refused(first, second, message):
    with pytest.raises(ValueError, match=message):
        alignment(first, second)


def test_windows_that_do_not_belong_together_are_refused():
    windows = [noisy(weights=40)[0], noisy(weights=41)[0]]
    with pytest.raises(ValueError, match="the same weights in both"):
        alignment_series(windows)
    for few in ([], windows[:1]):
        with pytest.raises(ValueError, match="fewer than two windows"):
            alignment_series(few)
