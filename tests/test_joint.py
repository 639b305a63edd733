"""Bins hold what numpy says, and joint counts are those of repeated values."""

import numpy as np
import pytest

from netdyn_utils.information.edges import (
    bin_numbers,
    linear_edges,
    rank_edges,
    window_edges,
)
from netdyn_utils.information.joint import joint_counts, tiled_counts, unit_counts
from netdyn_utils.information.order_statistics import order_statistics


def window(shape=(30, 7, 11), seed=0, zeros=0.0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    magnitudes = np.abs(rng.standard_cauchy(shape)).astype(dtype)
    magnitudes[rng.random(shape) < zeros] = 0
    return magnitudes, rng.normal(size=shape[:2])


def places(n, bins=20):
    return np.append(np.arange(bins) * n // bins, n - 1)


# order statistics


@pytest.mark.parametrize("zeros", [0.0, 0.6, 1.0])
def test_order_statistics_are_those_of_a_sort_alone_and_together(zeros):
    parts = [window((9, 5, n), n, zeros)[0] * 10.0**-n for n in (3, 8, 1)]
    parts = [np.float32(part) for part in parts]
    scopes = [([0], places(parts[0].size)), ([2, 1], np.array([0, 7, 7, 404]))]
    scopes += [([0, 1, 2], np.arange(sum(part.size for part in parts)))]
    found = order_statistics(parts, scopes)
    for (of, wanted), values in zip(scopes, found, strict=True):
        ordered = np.sort(np.concatenate([parts[i].ravel() for i in of]))
        assert np.array_equal(values, ordered[wanted])
        assert values.dtype == np.float64


def test_order_statistics_of_signs_ties_and_the_smallest_numbers():
    x = np.float32([-0.0, 0.0, 1e-45, -1e-45, 3e38, -3e38, -2, -2, 1, 1.0000001, 5])
    (values,) = order_statistics([x.reshape(1, 1, -1)], [([0], np.arange(11))])
    assert np.array_equal(values, np.sort(x))


def test_order_statistics_read_slices_and_other_dtypes():
    flat = window((40, 1, 30), 3)[0][:, 0]
    for view in (flat[:, 5:29].reshape(40, 4, 6), flat[:, ::2].reshape(40, 3, 5)):
        for part in (view, view.transpose(2, 0, 1), view.astype(np.float64)):
            (values,) = order_statistics([part], [([0], places(part.size))])
            assert np.array_equal(values, np.sort(part, axis=None)[places(part.size)])


# edges


def test_rank_bins_hold_equal_numbers():
    x = np.random.default_rng(0).standard_cauchy(1_000)
    assert np.histogram(x, rank_edges(x, bins=50))[0].tolist() == [20] * 50
    assert np.ptp(np.histogram(x[:-1], rank_edges(x[:-1], bins=7))[0]) == 1


def test_equal_values_share_a_bin_even_at_the_top():
    x = [0.0] * 6 + [1.0] * 6
    edges = rank_edges(x, bins=5)
    assert np.histogram(x, edges)[0].tolist() == [6, 6]
    assert np.histogram([2, 1, 2, 2], rank_edges([2, 1, 2, 2], bins=4))[0].tolist() == [
        1,
        3,
    ]


def test_repeats_stand_for_repeated_values():
    rng = np.random.default_rng(1)
    x, often = rng.integers(40, size=100) / 7, rng.integers(1, 9, size=100)
    for bins in (2, 13, 50):
        expected = rank_edges(np.repeat(x, often), bins=bins)
        assert np.array_equal(rank_edges(x, bins=bins, repeats=often), expected)


@pytest.mark.parametrize("zeros", [0.0, 0.4])
def test_edges_of_a_window_are_those_of_its_values(zeros):
    layers = [window((20, 4, n), n, zeros)[0] for n in (3, 8)]
    scopes = [[0, 1], [0], [1]]
    for linear in (False, True):
        found = window_edges(layers, scopes, bins=10, linear=linear)
        for scope, edges in zip(scopes, found, strict=True):
            x = np.concatenate([layers[i].ravel() for i in scope]).astype(float)
            expected = rank_edges(x, bins=10)
            if linear:
                expected = linear_edges(x.min(), x.max(), bins=10)
            assert np.array_equal(edges, expected)


def test_bins_are_those_of_numpy_with_the_last_one_closed():
    rng = np.random.default_rng(2)
    edges = np.array([-1.0, 0.0, 0.5, 2.0])
    x = np.append(rng.normal(size=500), edges)
    numbers = bin_numbers(x, edges)
    assert np.array_equal(np.bincount(numbers[numbers >= 0]), np.histogram(x, edges)[0])
    assert (numbers < 0).sum() == ((x < -1) | (x > 2)).sum()


# joint counts


@pytest.mark.parametrize("zeros", [0.0, 0.5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(30, 7, 11), (1, 1, 40), (40, 1, 1), (5, 9, 784)])
def test_counts_without_tiling_equal_the_tiled_definition(shape, dtype, zeros):
    magnitudes, activations = window(shape, 4, zeros, dtype)
    y_edges = np.linspace(-1.5, 1.5, 6)
    for x_edges in (
        window_edges([magnitudes], [[0]], bins=20)[0],
        np.linspace(0, 3.7, 9),
        np.array([0.1, 0.3, 1.1]),
    ):
        expected = tiled_counts(magnitudes, activations, x_edges, y_edges)
        found = joint_counts(magnitudes, activations, x_edges, y_edges)
        assert found.dtype == np.int64
        assert np.array_equal(found, expected)


def test_values_on_an_edge_fall_where_numpy_puts_them():
    # 0.1 and 0.3 are no float32: their neighbours lie on either side of the edge.
    x = np.float32([0, 0.1, 0.3, 0.5, 1, 1.5, -1, -0.0, np.inf, np.nan, 3e38, -3e38])
    x = np.stack([x, np.nextafter(x, np.float32(9)), np.nextafter(x, np.float32(-9))])
    x = x.reshape(3, 1, -1)
    y = np.array([[0.0], [1.0], [0.5]])
    for x_edges in (
        [0, 0.1, 0.3, 1],
        [0.1, 0.3, 0.5],
        [-1, 0, 1.5],
        [-1e300, 0, 1e300],
    ):
        expected = tiled_counts(x, y, x_edges, [0, 0.5, 1])
        assert np.array_equal(joint_counts(x, y, x_edges, [0, 0.5, 1]), expected)


def test_a_slice_of_a_longer_vector_is_counted_where_it_lies():
    flat = window((40, 1, 30), 5)[0][:, 0]
    edges = np.array([0.0, 0.5, 1.0, 4.0])
    for view in (flat[:, 5:29].reshape(40, 4, 6), flat[:, ::2].reshape(40, 3, 5)):
        assert np.array_equal(unit_counts(view, edges), unit_counts(view.copy(), edges))


def test_every_value_of_a_unit_is_counted_once():
    magnitudes, _ = window()
    edges = window_edges([magnitudes], [[0]], bins=10)[0]
    assert (unit_counts(magnitudes, edges).sum(-1) == magnitudes.shape[2]).all()


# bad input

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("bad", [NAN, INF, -INF, -NAN])
def test_values_that_are_not_finite_have_no_edges(bad):
    for dtype in (np.float32, np.float64):
        magnitudes = window(dtype=dtype)[0]
        magnitudes[3, 2, 1] = bad
        for linear in (False, True):
            with pytest.raises(ValueError, match="NaN or infinity"):
                window_edges([magnitudes], [[0]], bins=10, linear=linear)
        with pytest.raises(ValueError, match="NaN or infinity"):
            rank_edges(magnitudes, bins=10)


def test_bins_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="5 samples are fewer than 6 bins"):
        rank_edges(np.arange(5), bins=6)
    with pytest.raises(ValueError, match="0 samples are fewer"):
        rank_edges([], bins=6)
    with pytest.raises(ValueError, match="bins=1 puts every value in one bin"):
        linear_edges(0, 1, bins=1)
    with pytest.raises(ValueError, match="bins must be a whole number"):
        rank_edges(np.arange(5), bins=2.5)
    for low, high in ((1, 1), (1, np.nextafter(1, 2)), (-1e308, 1e308)):
        with pytest.raises(ValueError, match="leave no room for 50 bins"):
            linear_edges(low, high, bins=50)
