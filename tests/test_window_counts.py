"""Bins hold what numpy says, and joint counts are those of repeated values."""

import numpy as np
import pytest

from netdyn_utils.information.mutual_information import (
    bin_numbers,
    linear_edges,
    rank_edges,
)
from netdyn_utils.information.window import add_counts, count_magnitudes, window_edges


def window(shape=(30, 7, 11), seed=0, zeros=0.0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    magnitudes = np.abs(rng.standard_cauchy(shape)).astype(dtype)
    magnitudes[rng.random(shape) < zeros] = 0
    return magnitudes, rng.normal(size=shape[:2])


def tiled_counts(magnitudes, activations, x_edges, y_edges):
    """Return the joint counts by their definition: repeat the activations, count."""
    repeated = np.broadcast_to(activations[..., None], magnitudes.shape)
    pairs = magnitudes.ravel(), repeated.ravel()
    return np.histogram2d(*pairs, bins=(x_edges, y_edges))[0].astype(np.int64)


def joint_counts(magnitudes, activations, x_edges, y_edges):
    rows = count_magnitudes(magnitudes, x_edges)
    return add_counts(rows, bin_numbers(activations, y_edges), len(y_edges) - 1)


def test_rank_bins_hold_equal_numbers_and_ties_share_one():
    x = np.random.default_rng(0).standard_cauchy(1_000)
    assert np.histogram(x, rank_edges(x, bins=50))[0].tolist() == [20] * 50
    assert np.ptp(np.histogram(x[:-1], rank_edges(x[:-1], bins=7))[0]) == 1
    tied = [2, 1, 2, 2]
    assert np.histogram(tied, rank_edges(tied, bins=4))[0].tolist() == [1, 3]


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


@pytest.mark.parametrize("zeros", [0.0, 0.5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(30, 7, 11), (1, 1, 40), (40, 1, 1), (5, 9, 784)])
def test_counts_without_tiling_equal_the_tiled_definition(shape, dtype, zeros):
    magnitudes, activations = window(shape, 4, zeros, dtype)
    y_edges = np.linspace(-1.5, 1.5, 6)
    rank = window_edges([magnitudes], [[0]], bins=20)[0]
    for x_edges in (rank, np.linspace(0, 3.7, 9), np.array([0.1, 0.3, 1.1])):
        expected = tiled_counts(magnitudes, activations, x_edges, y_edges)
        found = joint_counts(magnitudes, activations, x_edges, y_edges)
        assert np.array_equal(found, expected)
        if x_edges is rank:
            counts = count_magnitudes(magnitudes, rank)
            assert (counts.sum(-1) == magnitudes.shape[2]).all()


def test_values_on_an_edge_fall_where_numpy_puts_them():
    # 0.1 and 0.3 are no float32: their neighbours lie on either side of the edge.
    x = np.float32([0, 0.1, 0.3, 0.5, 1, 1.5, -1, -0.0, np.inf, np.nan, 3e38, -3e38])
    x = np.stack([x, np.nextafter(x, np.float32(9)), np.nextafter(x, np.float32(-9))])
    x = x.reshape(3, 1, -1)
    y = np.array([[0.0], [1.0], [0.5]])
    ends = [0, 0.1, 0.3, 1], [0.1, 0.3, 0.5], [-1, 0, 1.5], [-1e300, 0, 1e300]
    for x_edges in ends:
        expected = tiled_counts(x, y, x_edges, [0, 0.5, 1])
        assert np.array_equal(joint_counts(x, y, x_edges, [0, 0.5, 1]), expected)


def test_a_slice_of_a_longer_vector_is_counted_where_it_lies():
    flat = window((40, 1, 30), 5)[0][:, 0]
    edges = np.array([0.0, 0.5, 1.0, 4.0])
    for view in (flat[:, 5:29].reshape(40, 4, 6), flat[:, ::2].reshape(40, 3, 5)):
        found = count_magnitudes(view, edges)
        assert np.array_equal(found, count_magnitudes(view.copy(), edges))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_have_no_edges(bad):
    magnitudes = window()[0]
    magnitudes[3, 2, 1] = bad
    for linear in (False, True):
        with pytest.raises(ValueError, match="NaN or infinity"):
            window_edges([magnitudes], [[0]], bins=10, linear=linear)
    with pytest.raises(ValueError, match="NaN or infinity"):
        rank_edges(magnitudes, bins=10)
