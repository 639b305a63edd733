"""The scale mixture is exact where closed forms exist; thinning keeps the shape."""

import numpy as np
import pytest
from scipy import stats

from netdyn_utils.tails.bootstrap import effective_sample_size, subsample_counts
from netdyn_utils.tails.power_law import fit_power_law
from netdyn_utils.tails.scale_mixture import (
    NullHistogram,
    compare_with_null,
    scale_mixture_null,
)

EDGES = 2.0 ** (np.arange(-64, 81) / 8)


def test_one_variance_gives_the_half_normal():
    null = scale_mixture_null([4.0], 1_000_000, edges=EDGES)
    expected = 1e6 * -np.diff(stats.halfnorm(scale=2).sf(EDGES))
    assert null.expected == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert np.array_equal(null.counts, np.round(null.expected))


def test_far_in_the_tail_nothing_cancels():
    null = scale_mixture_null([1.0], 1, edges=[10.0, 20.0, 30.0])
    tail = 2 * stats.norm.sf([10, 20, 30])
    assert null.expected == pytest.approx(-np.diff(tail), rel=1e-9)


def test_inverse_gamma_variances_give_students_t():
    """t with ν degrees is a Gaussian of variance ν/χ²_ν: density exponent ν + 1."""
    freedom = 3
    quantiles = (np.arange(200_000) + 0.5) / 200_000
    variances = freedom / stats.chi2(freedom).ppf(quantiles)
    edges = 2.0 ** np.arange(-3, 4.0)
    null = scale_mixture_null(variances, 1_000_000, edges=edges)
    expected = 2e6 * -np.diff(stats.t(freedom).sf(edges))
    assert null.expected == pytest.approx(expected, rel=1e-3)


def test_weights_are_repeated_variances_and_units_do_not_matter():
    several = scale_mixture_null([1.0, 9.0, 9.0, 0.0], 1000, edges=EDGES)
    weighted = scale_mixture_null([9.0, 1.0, 0.0], 1000, edges=EDGES, weights=[2, 1, 1])
    small = 1e-12 * np.array([1.0, 9, 9, 0])
    scaled = scale_mixture_null(small, 1000, edges=1e-6 * EDGES)
    assert several.expected == pytest.approx(weighted.expected)
    assert several.expected == pytest.approx(scaled.expected)
    # A parameter that never moves makes zeros, and zeros are in no bin.
    assert several.expected.sum() == pytest.approx(750, rel=1e-2)


def test_random_counts_scatter_about_the_expectation():
    rng = np.random.default_rng(0)
    null = scale_mixture_null([1.0, 25.0], 1_000_000, rng, edges=EDGES)
    seen = null.expected > 10
    chi2 = ((null.counts - null.expected)[seen] ** 2 / null.expected[seen]).sum()
    assert stats.chi2(seen.sum()).sf(chi2) > 0.01


def test_gaussian_steps_of_uneven_parameters_are_explained_by_their_null():
    rng = np.random.default_rng(1)
    variances = 3 / rng.chisquare(3, size=1_000)
    steps = np.abs(rng.normal(size=(500, 1_000)) * np.sqrt(variances))
    counts = np.histogram(steps, EDGES)[0]
    fit = fit_power_law(EDGES, counts, xmin=8.0)
    null = scale_mixture_null(variances, steps.size, edges=EDGES)
    result = compare_with_null(EDGES, counts, fit, null)
    assert result.excess == pytest.approx(1, abs=0.1)
    assert result.null.alpha == pytest.approx(fit.alpha, abs=4 * fit.sigma)
    assert result.ks < 5e-3
    assert "times the counts of the null" in str(result)


def test_heavy_steps_of_equal_parameters_exceed_their_null():
    steps = np.abs(np.random.default_rng(2).standard_t(3, size=500_000))
    counts = np.histogram(steps, EDGES)[0]
    fit = fit_power_law(EDGES, counts, xmin=8.0)
    null = scale_mixture_null([3.0], steps.size, edges=EDGES)
    result = compare_with_null(EDGES, counts, fit, null)
    assert result.excess > 100


@pytest.mark.parametrize("upper", ["infinite", "censored", "truncated"])
@pytest.mark.parametrize("xmin", [None, 2])
@pytest.mark.parametrize("xmax", [None, 16])
def test_a_null_that_is_the_data_agrees_with_the_fit(upper, xmin, xmax):
    edges, counts = 2.0 ** np.arange(6), np.array([700, 0, 200, 60, 100])
    null = NullHistogram(edges, counts.astype(float), counts, counts.sum())
    xmax = None if upper == "infinite" else xmax
    fit = fit_power_law(edges, counts, xmin=xmin, upper=upper, xmax=xmax)
    result = compare_with_null(edges, counts, fit, null)
    assert (result.null.alpha, result.null.xmin) == (fit.alpha, fit.xmin)
    assert (result.excess, result.ks) == (1, 0)


# effective size and subsampling


@pytest.mark.parametrize("repeats", [1, 4, 50])
def test_a_count_that_is_repeated_is_worth_one(repeats):
    rng = np.random.default_rng(4)
    windows = repeats * rng.multinomial(1_000, [0.4, 0.3, 0.2, 0.1], size=2_000)
    size = effective_sample_size(windows)
    assert size == pytest.approx(windows.sum() / repeats, rel=0.08)


def test_a_slow_drift_does_not_count_as_dependence():
    rng = np.random.default_rng(5)
    tail = np.linspace(0.1, 0.4, 2_000)
    windows = rng.multinomial(1_000, np.stack([1 - tail, tail], axis=1))
    assert effective_sample_size(windows) == pytest.approx(windows.sum(), rel=0.1)


def test_a_subsample_has_the_given_size_and_the_same_shape():
    counts = np.array([10**12, 10**11, 10**10, 0, 10**9])
    for size in (1e6, 1e12):  # a part of the counts, and most of them
        thin = subsample_counts(counts, size, np.random.default_rng(6))
        assert thin.sum() == pytest.approx(size, abs=5 * size**0.5)
        assert thin / size == pytest.approx(counts / counts.sum(), abs=5 / size**0.5)
        assert (thin <= counts).all()
    small = np.array([5, 0, 3, 2])
    assert np.array_equal(subsample_counts(small, 10, np.random.default_rng(7)), small)


# bad input


@pytest.mark.parametrize(
    ("variances", "options", "message"),
    [
        ([1.0, -1.0], {}, "variances must be finite"),
        ([0.0], {}, "not all zero"),
        ([1.0], {"n": 0}, "n must be a whole number"),
        ([1.0], {"weights": [1, 2]}, "2 weights for 1 variances"),
        ([1.0], {"edges": [0, 1]}, "edges must be positive"),
    ],
)
def test_an_unfit_null_is_refused(variances, options, message):
    with pytest.raises(ValueError, match=message):
        scale_mixture_null(variances, **({"n": 10, "edges": EDGES} | options))


def test_unfit_windows_sizes_and_edges_are_refused():
    rng = np.random.default_rng(8)
    for windows, message in (
        ([[1, 2], [3, 4]], "three windows"),
        ([[1, 2], [0, 0], [1, 1]], "window 1 is empty"),
        ([[1, 0], [2, 0], [3, 0]], "one bin"),
    ):
        with pytest.raises(ValueError, match=message):
            effective_sample_size(windows)
    for size, message in ((4, "exceeds the 3 counts"), (np.nan, "positive finite")):
        with pytest.raises(ValueError, match=message):
            subsample_counts([1, 2], size, rng)
    counts = np.histogram(rng.pareto(2, 500) + 1, EDGES)[0]
    null = scale_mixture_null([1.0], 500, edges=EDGES[1:])
    with pytest.raises(ValueError, match="different edges"):
        compare_with_null(EDGES, counts, fit_power_law(EDGES, counts), null)
