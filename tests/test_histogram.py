"""Counts are exact, bins are the bits of the number, merging loses nothing."""

import numpy as np
import pytest

from netdyn_utils.histogram import LogHistogram, bin_codes, code_count, code_edges
from netdyn_utils.paper_format import read_published, write_published

SMALLEST = np.float32(1e-45)  # the smallest positive float32, 2**-149


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def equal(one, other):
    return (
        np.array_equal(one.counts, other.counts)
        and np.array_equal(one.edges, other.edges)
        and (one.zeros, one.infs, one.nans) == (other.zeros, other.infs, other.nans)
        and one.max == other.max
    )


@pytest.mark.parametrize("bits", [0, 1, 3, 10])
def test_every_value_lies_within_the_edges_of_its_bin(bits, rng):
    values = np.exp(rng.uniform(-100, 88, 20_000)).astype(np.float32)
    edges = code_edges(0, code_count(bits), bits)
    codes = bin_codes(values, bits)
    assert np.all((edges[codes] <= values) & (values < edges[codes + 1]))


def test_a_value_on_an_edge_belongs_above_and_one_ulp_less_below():
    edges = code_edges(0, code_count())[:-1].astype(np.float32)
    assert np.array_equal(bin_codes(edges), np.arange(code_count()))
    below = np.nextafter(edges[1:], np.float32(0))
    assert np.array_equal(bin_codes(below), np.arange(code_count() - 1))


def test_bins_are_equally_wide_within_an_octave_and_double_from_one_to_the_next():
    start = int(bin_codes(np.float32(1)))
    widths = np.diff(code_edges(start, start + 16))
    assert np.allclose(widths[:8], 1 / 8, rtol=0, atol=0)
    assert np.array_equal(widths[8:], 2 * widths[:8])


def test_counts_agree_with_numpys_own_histogram(rng):
    values = np.abs(rng.standard_t(2, 50_000)).astype(np.float32)
    found = LogHistogram.from_values(values)
    assert np.array_equal(found.counts, np.histogram(values, found.edges)[0])


def test_merging_parts_in_any_order_equals_counting_the_whole(rng):
    values = (rng.standard_t(2, 9_000) * (rng.random(9_000) < 0.9)).astype(np.float32)
    whole = LogHistogram.from_values(values)
    parts = [LogHistogram.from_values(part) for part in np.array_split(values, 7)]
    assert equal(LogHistogram.merge(parts), whole)
    assert equal(LogHistogram.merge(parts[::-1]), whole)
    assert equal(whole + LogHistogram(), whole)


def test_zeros_infinities_and_nan_are_counted_apart_and_the_tiniest_values_are_binned():
    values = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, SMALLEST, 1e-39]
    found = LogHistogram.from_values(values)
    assert (found.zeros, found.infs, found.nans, found.n_binned) == (2, 2, 1, 3)
    assert (found.total, found.max) == (8, 1.0)
    assert np.all(found.edges > 0)


def test_density_integrates_to_the_fraction_that_is_not_zero(rng):
    values = rng.standard_normal(10_000) * (rng.random(10_000) < 0.8)
    found = LogHistogram.from_values(values)
    mass = np.sum(found.density * np.diff(found.edges))
    assert mass == pytest.approx(1 - found.zeros / found.total, rel=1e-12)


def test_scaling_by_a_power_of_two_moves_every_count_by_whole_octaves(rng):
    values = np.abs(rng.standard_normal(5_000)).astype(np.float32)
    one, four = LogHistogram.from_values(values), LogHistogram.from_values(4 * values)
    assert np.array_equal(one.counts, four.counts)
    assert four.start - one.start == 16


@pytest.mark.parametrize("fraction", [0.5, 0.01, 0.005])
def test_at_most_the_fraction_lies_above_its_threshold_and_one_bin_lower_more(
    fraction, rng
):
    values = np.abs(rng.standard_normal(30_000)).astype(np.float32)
    found = LogHistogram.from_values(values)
    edge = found.tail_threshold(fraction)
    lower = found.edges[np.searchsorted(found.edges, edge) - 1]
    assert np.mean(values >= edge) <= fraction < np.mean(values >= lower)


def test_former_names_give_the_same():
    found = LogHistogram.of([0.0, 1.0, 3.0])
    assert (found.largest, found.binned) == (found.max, found.n_binned)
    assert found.threshold(0.4) == found.tail_threshold(0.4)


def test_a_published_pair_comes_back_with_every_count(tmp_path, rng):
    values = np.abs(rng.standard_t(3, 100_000)) * (rng.random(100_000) < 0.7)
    found = LogHistogram.from_values(values)
    found.to_published(tmp_path / "update", bins=60)
    back = read_published(tmp_path / "update")
    assert back.counts.sum() == found.total
    assert back.counts.size == 60
    assert back.edges[0] == 0
    assert back.edges[-1] == pytest.approx(found.edges[-1], rel=1e-5)
    # Only a bin that a linear edge cuts can differ, by its own count at most.
    exact = np.histogram(np.float32(values), back.edges)[0]
    assert np.max(np.abs(np.cumsum(back.counts - exact))) <= found.counts.max()


@pytest.mark.parametrize(
    "counts",
    [
        [10_000_001, 500, 7, 3],
        [5_003, 1_009, 1_013],
        [999_983, 1_000_003, 0, 7_919],
        [100_000_007, 100_000_009, 100_000_021],
        [10**12 + 39, 10**9 + 7, 3],
        [2**52 - 1, 1],
    ],
)
def test_published_fractions_of_any_counts_come_back_whole(tmp_path, counts):
    write_published(tmp_path / "x", np.arange(len(counts) + 1.0), np.array(counts))
    assert np.array_equal(read_published(tmp_path / "x").counts, counts)


@pytest.mark.parametrize(
    ("fractions", "sentence"),
    [
        (np.arange(5.0), "as many centres as fractions"),
        (np.array([1, np.pi, np.e, 0.1]) / 7, "no counts over their sum"),
        (np.array([{}, None, 0, 0]), "pickle"),
    ],
)
def test_arrays_that_are_no_published_pair_are_refused(fractions, sentence, tmp_path):
    np.save(tmp_path / "x_xbins.npy", np.arange(4.0))
    np.save(tmp_path / "x_nums.npy", fractions, allow_pickle=True)
    with pytest.raises(ValueError, match=sentence):
        read_published(tmp_path / "x")


def test_unfit_operations_are_refused(tmp_path):
    one = LogHistogram.from_values([1.0])
    with pytest.raises(ValueError, match="3 and 4 mantissa bits"):
        one + LogHistogram.from_values([1.0], bits=4)
    with pytest.raises(ValueError, match="between 0 and 1"):
        one.tail_threshold(float("nan"))
    with pytest.raises(ValueError, match="no positive value"):
        LogHistogram.from_values([0.0]).tail_threshold(0.01)
    with pytest.raises(ValueError, match="empty histogram"):
        LogHistogram().to_published(tmp_path / "x")
