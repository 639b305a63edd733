"""The p-value is uniform under the truth, small elsewhere, and the same every time."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from netdyn_utils.tails.binned import LogBins, scan_resamples
from netdyn_utils.tails.bootstrap import bootstrap_alpha, window_stability
from netdyn_utils.tails.goodness_of_fit import goodness_of_fit
from netdyn_utils.tails.power_law import fit_power_law

EDGES = 2.0 ** (np.arange(0, 257) / 8)


def power_law(alpha, n, seed):
    rng = np.random.default_rng(seed)
    return np.histogram((1 - rng.random(n)) ** (-1 / (alpha - 1)), EDGES)[0]


# goodness of fit


def test_p_is_large_for_a_power_law_and_smallest_for_an_exponential():
    rng = np.random.default_rng(0)
    true = power_law(2.5, 5_000, seed=3)
    fit = fit_power_law(EDGES, true)
    good = goodness_of_fit(EDGES, true, fit, replicates=200, rng=rng)
    assert good.plausible
    false = np.histogram(rng.exponential(10, 20_000) + 1, EDGES)[0]
    fit = fit_power_law(EDGES, false, xmin=1)
    bad = goodness_of_fit(EDGES, false, fit, replicates=200, rng=rng)
    assert bad.p == 1 / 201
    assert "ruled out" in str(bad)


def test_the_same_seed_gives_the_same_p_on_any_number_of_threads(monkeypatch):
    counts = power_law(2.5, 2_000, seed=1)
    fit = fit_power_law(EDGES, counts)
    found = []
    for threads in (1, 4):
        monkeypatch.setattr("netdyn_utils.tails.binned.cpu_count", lambda n=threads: n)
        rng = np.random.default_rng(7)
        result = goodness_of_fit(EDGES, counts, fit, replicates=60, rng=rng)
        found.append(result.ks_replicates)
    assert np.array_equal(*found)


def test_replicates_of_a_law_scatter_about_its_alpha():
    counts = power_law(2.5, 20_000, seed=2)
    for upper, xmax in (("infinite", None), ("censored", 2**8), ("truncated", 2**8)):
        fit = fit_power_law(EDGES, counts, xmin=1, upper=upper, xmax=xmax)
        rng = np.random.default_rng(8)
        result = goodness_of_fit(EDGES, counts, fit, replicates=300, rng=rng)
        z = (result.alpha_replicates - fit.alpha) / fit.sigma
        assert abs(z.mean()) < 4 / np.sqrt(300)
        assert z.std() == pytest.approx(1, abs=0.15)


def test_replicates_of_an_infinite_law_reach_beyond_a_low_upper_edge():
    counts = power_law(1.8, 20_000, seed=4)[:16]
    edges = EDGES[:17]
    for upper, plausible in (("infinite", False), ("truncated", True)):
        fit = fit_power_law(edges, counts, xmin=1, upper=upper)
        rng = np.random.default_rng(9)
        result = goodness_of_fit(edges, counts, fit, replicates=99, rng=rng)
        assert result.plausible is plausible


def p_values(seeds, replicates, n, **options):
    """Return p of n draws of a power law for each seed."""
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 1])
        counts = np.histogram(1 + rng.pareto(1.5, n), EDGES)[0]
        fit = fit_power_law(EDGES, counts, **options)
        test = goodness_of_fit(EDGES, counts, fit, replicates=replicates, rng=rng)
        found.append(test.p)
    return found


@pytest.mark.parametrize(
    ("seeds", "replicates", "n"),
    [(100, 99, 2_000), pytest.param(200, 999, 3_000, marks=pytest.mark.slow)],
)
def test_p_at_the_known_xmin_is_uniform(seeds, replicates, n):
    found = p_values(seeds, replicates, n, xmin=1)
    assert stats.kstest(found, "uniform").pvalue > 0.01


@pytest.mark.slow
def test_p_with_the_scan_rejects_the_truth_no_more_often_than_it_says():
    """The scan makes p cautious, see the notes of `goodness_of_fit`: not uniform."""
    found = p_values(200, 299, 3_000)
    assert stats.kstest(found, "uniform", alternative="greater").pvalue > 0.01
    assert stats.binomtest(sum(p <= 0.1 for p in found), 200, 0.1).pvalue > 0.01


def test_each_replicate_is_what_fit_power_law_says_of_it():
    counts = power_law(2.5, 1_000, seed=5)
    rng = np.random.default_rng(10)
    resamples = rng.multinomial(1_000, counts / counts.sum(), size=20)
    alpha, first, ks = scan_resamples(LogBins.from_edges(EDGES, "infinite"), resamples)
    for i, resample in enumerate(resamples):
        fit = fit_power_law(EDGES, resample)
        assert (fit.alpha, fit.xmin, fit.ks) == pytest.approx(
            (alpha[i], EDGES[first[i]], ks[i]), rel=1e-9
        )


# bootstrap and stability


def test_the_bootstrap_interval_at_a_known_xmin_is_the_normal_one():
    counts = power_law(2.5, 20_000, seed=6)
    fit = fit_power_law(EDGES, counts, xmin=1)
    rng = np.random.default_rng(11)
    interval = bootstrap_alpha(EDGES, counts, fit, replicates=2_000, rng=rng)
    assert interval.sigma == pytest.approx(fit.sigma, rel=0.07)
    normal = pytest.approx(fit.interval(0.95), abs=0.2 * fit.sigma)
    assert (interval.low, interval.high) == normal
    assert (interval.xmin_low, interval.xmin_high) == (1, 1)


def test_an_estimated_xmin_widens_the_interval():
    counts = power_law(2.5, 5_000, seed=7)
    rng = np.random.default_rng(12)
    given, estimated = (
        bootstrap_alpha(EDGES, counts, fit_power_law(EDGES, counts, xmin=xmin), rng=rng)
        for xmin in (1, None)
    )
    assert estimated.sigma > given.sigma
    assert estimated.xmin_high > estimated.xmin_low


def test_equal_windows_are_stable_and_a_drift_is_seen():
    rng = np.random.default_rng(13)
    same = [
        SimpleNamespace(edges=EDGES, counts=power_law(2.5, 20_000, seed))
        for seed in range(12)
    ]
    still = window_stability(same, xmin=1, rng=rng)
    assert still.p_trend > 0.01
    assert still.spread == pytest.approx(still.within, rel=0.6)
    drift = [(EDGES, power_law(2.5 + k / 20, 20_000, k)) for k in range(12)]
    moving = window_stability(drift, xmin=1, rng=rng)
    assert moving.trend == pytest.approx(0.05, abs=4 * moving.trend_sigma)
    assert moving.p_trend < 1e-6
    assert moving.spread > 3 * moving.within
    assert len(moving.intervals) == len(moving.alpha) == 12


# bad input


def test_unfit_arguments_are_refused():
    counts, rng = power_law(2.5, 2_000, seed=9), np.random.default_rng(15)
    fit = fit_power_law(EDGES, counts)
    with pytest.raises(ValueError, match="replicates must be a whole number"):
        goodness_of_fit(EDGES, counts, fit, replicates=0, rng=rng)
    with pytest.raises(ValueError, match="level"):
        bootstrap_alpha(EDGES, counts, fit, level=95, rng=rng)
    with pytest.raises(ValueError, match="three windows, got 2"):
        window_stability([(EDGES, counts)] * 2, rng=rng)
    for measure in (goodness_of_fit, bootstrap_alpha):
        with pytest.raises(ValueError, match="pass the one fitted"):
            measure(EDGES, 3 * counts, fit, rng=rng)
        with pytest.raises(ValueError, match="at a bound"):
            measure(EDGES, counts, replace(fit, at_bound=True), rng=rng)
