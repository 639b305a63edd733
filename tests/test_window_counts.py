"""Joint counts of a window equal those of numpy on the repeated activations."""

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


def assert_counts_equal_definition(magnitudes, activations, x_edges, y_edges):
    repeated = np.broadcast_to(activations[..., None], magnitudes.shape)
    pairs = magnitudes.ravel(), repeated.ravel()
    expected = np.histogram2d(*pairs, bins=(x_edges, y_edges))[0]
    rows = count_magnitudes(magnitudes, x_edges)
    found = add_counts(rows, bin_numbers(activations, y_edges), len(y_edges) - 1)
    assert np.array_equal(found, expected)


def test_rank_bins_hold_equal_numbers_and_ties_share_one():
    x = np.random.default_rng(0).standard_cauchy(1_000)
    assert np.histogram(x, rank_edges(x, bins=50))[0].tolist() == [20] * 50
    assert np.ptp(np.histogram(x[:-1], rank_edges(x[:-1], bins=7))[0]) == 1
    tied = np.array([2, 1, 2, 2])
    assert np.histogram(tied, rank_edges(tied, bins=4))[0].tolist() == [1, 3]


def test_repeats_stand_for_repeated_values():
    rng = np.random.default_rng(1)
    x, often = rng.integers(40, size=100) / 7, rng.integers(1, 9, size=100)
    for bins in (2, 13, 50):
        expected = rank_edges(np.repeat(x, often), bins=bins)
        assert np.array_equal(rank_edges(x, bins=bins, repeats=often), expected)


@pytest.mark.parametrize("zeros", [0.0, 0.4])
@pytest.mark.parametrize("linear", [False, True])
def test_edges_of_a_window_equal_those_of_its_values(zeros, linear):
    layers = [window((20, 4, n), n, zeros)[0] for n in (3, 8)]
    scopes = [[0, 1], [0], [1]]
    found = window_edges(layers, scopes, bins=10, linear=linear)
    for scope, edges in zip(scopes, found, strict=True):
        x = np.concatenate([layers[i].ravel() for i in scope]).astype(float)
        expected = (linear_edges if linear else rank_edges)(x, bins=10)
        assert np.array_equal(edges, expected)


@pytest.mark.parametrize("zeros", [0.0, 0.5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(30, 7, 11), (1, 1, 40), (40, 1, 1), (5, 9, 784)])
def test_counts_equal_those_of_repeated_activations(shape, dtype, zeros):
    magnitudes, activations = window(shape, 4, zeros, dtype)
    y_edges = np.array([-9, -1, 0, 1.5, 9])
    rank = window_edges([magnitudes], [[0]], bins=20)[0]
    for x_edges in (rank, np.array([0, 0.1, 0.3, 1e9])):
        assert_counts_equal_definition(magnitudes, activations, x_edges, y_edges)
    # A slice of a longer vector is counted in place.
    view = magnitudes[:, :, ::2]
    assert_counts_equal_definition(view, activations, rank, y_edges)


def test_values_on_an_edge_fall_where_numpy_puts_them():
    # 0.1 and 0.3 are no float32: their neighbours lie on either side of the edge.
    x = np.float32([0, 0.1, 0.3, 0.5, 1, 1.5, -1, -0.0, 3e38, -3e38])
    x = np.stack([x, np.nextafter(x, np.float32(9)), np.nextafter(x, np.float32(-9))])
    x, y = x.reshape(3, 1, -1), np.array([[0.0], [1.0], [0.5]])
    for inner in ([0, 0.1, 0.3, 1], [0.1, 0.3, 0.5], [0, 1.5], [-1, -0.0, 1]):
        x_edges = np.array([-1e300, *inner, 1e300])
        assert_counts_equal_definition(x, y, x_edges, np.array([0, 0.5, 1]))
