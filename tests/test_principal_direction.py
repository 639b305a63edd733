"""Leading directions equal those of a singular value decomposition in float64."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from netdyn_utils.principal_direction import alignment, leading_direction


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


@pytest.mark.parametrize(("spike", "error"), [(2_000, 2e-3), (10, 0.1)])
def test_a_direction_in_noise_is_found_as_well_as_theory_says(spike, error):
    # Weights n ≫ steps: cos² → (1 − c/s⁴)/(1 + c/s²), c = n/steps, s² the spike over
    # the noise (D. Paul, Statistica Sinica 17 (2007) 1617, theorem 4).
    window, direction = noisy(200, 2_000, np.sqrt(spike / 2_000))
    expected = np.sqrt((1 - 10 / spike**2) / (1 + 10 / spike))
    found = alignment(leading_direction(window), direction)
    assert found == pytest.approx(expected, abs=error)


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2, np.pi / 2, 2.5])
def test_alignment_of_directions_at_an_angle_is_its_cosine(angle):
    rng = np.random.default_rng(1)
    a, b = np.linalg.qr(rng.normal(size=(50, 2)))[0].T
    turned = np.cos(angle) * a + np.sin(angle) * b
    along = rng.normal(size=(9, 1))
    windows = along * a, 3 * along[:5] * turned
    found = alignment(*map(leading_direction, windows))
    assert found == pytest.approx(abs(np.cos(angle)), abs=1e-12)


def test_unrelated_directions_align_like_the_inverse_root_of_their_size():
    rng, n = np.random.default_rng(4), 1_000
    found = np.mean([alignment(*rng.normal(size=(2, n))) for _ in range(1_000)])
    assert found == pytest.approx(np.sqrt(2 / (np.pi * n)), rel=0.1)


# outside oracles


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(60, 400), (60, 20), (2, 5), (7, 30_000)])
def test_direction_and_variance_equal_those_of_svd_and_scikit_learn(shape, dtype):
    window, _ = noisy(*shape, dtype=dtype)
    found = leading_direction(window)
    vector, squares = by_svd(window)
    assert 1 - abs(found.vector @ vector) < 1e-12
    ratio = pytest.approx(squares[0] / squares.sum(), rel=1e-10)
    assert found.explained_variance_ratio == ratio
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


def test_uncentred_directions_equal_those_of_svd_without_the_mean():
    window, _ = noisy()
    found = leading_direction(window, centred=False)
    vector, squares = by_svd(window, centred=False)
    assert 1 - abs(found.vector @ vector) < 1e-12
    assert found.variance == pytest.approx(squares[0] / len(window))
    assert found.explained_variance_ratio == pytest.approx(squares[0] / squares.sum())


# invariance


def test_sign_scale_offset_and_order_of_steps_change_nothing():
    window, _ = noisy()
    found = leading_direction(window)
    for other in (-window, 1e-6 * window, window + 4, window[::-1]):
        again = leading_direction(other)
        assert again.vector == pytest.approx(found.vector, abs=1e-9)
        ratio = pytest.approx(found.explained_variance_ratio)
        assert again.explained_variance_ratio == ratio
    assert found.vector[np.abs(found.vector).argmax()] > 0


def test_a_first_step_far_from_all_others_costs_no_accuracy():
    window, _ = noisy()
    window[0] += 1e6 * np.random.default_rng(3).normal(size=window.shape[1])
    assert 1 - abs(leading_direction(window).vector @ by_svd(window)[0]) < 1e-12


def test_views_and_whole_numbers_are_read_and_left_unchanged():
    window, _ = noisy(dtype=np.float32)
    view, before = window[::2, 3:-5:3], window.copy()
    found = leading_direction(view)
    assert np.array_equal(window, before)
    assert alignment(found, leading_direction(view.copy())) == pytest.approx(1)
    whole = np.array([[1, 2], [3, 5], [0, 0]])
    again = leading_direction(whole * 1.0)
    assert np.array_equal(leading_direction(whole).vector, again.vector)


def test_neither_sign_nor_length_matters_to_alignment():
    a, b = np.random.default_rng(2).normal(size=(2, 30))
    expected = abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b)
    for first, second in ((a, b), (b, a), (-a, 7 * b), (1e-300 * a, 1e300 * b)):
        assert alignment(first, second) == pytest.approx(expected, rel=1e-12)
    assert 1 - 1e-12 < alignment(a, -2 * a) <= 1


# bad input


@pytest.mark.parametrize(
    ("window", "centred", "message"),
    [
        (np.ones((1, 5)), True, "two steps or more"),
        (np.ones(5), True, "two steps or more"),
        (np.full((4, 5), 0.1), True, "same at every step: it has no direction"),
        (np.float32([[0.1, 0.3]] * 7), True, "same at every step"),
        (np.zeros((3, 4)), False, "zero throughout"),
        ([[1.0, np.nan], [2.0, 1.0]], True, "NaN, infinity"),
        (np.float32([[1.0, np.inf], [2.0, 1.0]]), True, "NaN, infinity"),
        ([[1e200, 1.0], [2.0, 1.0]], True, "squares overflow"),
    ],
)
def test_a_window_without_direction_is_refused(window, centred, message):
    with pytest.raises(ValueError, match=message):
        leading_direction(window, centred=centred)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1.0, 0.0], [1.0, 0.0, 0.0], "the same weights in both"),
        ([1.0, 0.0], [0.0, 0.0], "zero or not finite"),
        ([1.0, np.nan], [1.0, 0.0], "zero or not finite"),
    ],
)
def test_directions_without_an_angle_are_refused(first, second, message):
    with pytest.raises(ValueError, match=message):
        alignment(first, second)
