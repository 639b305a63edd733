"""Which of two distributions fits better, and where that changes."""

import numpy as np
import pytest
from scipy import stats

from netdyn_utils.tails.exponential_vs_power_law import (
    crossover_delta,
    exponential_mixture,
    power_law_or_exponential,
)


def test_each_law_is_recognised_in_its_own_sample_with_its_parameter():
    rng = np.random.default_rng(2)
    law = power_law_or_exponential(rng.pareto(1.5, 100_000) + 1, fraction=0.2)
    assert (law.preferred, law.z > 5) == ("power law", True)
    assert law.alpha == pytest.approx(2.5, abs=4 * 1.5 / law.n**0.5)
    decay = power_law_or_exponential(rng.exponential(3.0, 100_000), fraction=0.2)
    assert (decay.preferred, decay.z < -5) == ("exponential", True)
    assert decay.rate == pytest.approx(1 / 3, rel=4 / decay.n**0.5)


def test_ratio_and_z_are_those_of_scipys_densities():
    x = np.random.default_rng(3).lognormal(size=1_000)
    found = power_law_or_exponential(x, fraction=0.25)
    tail = np.sort(x)[-250:]
    xmin = np.sort(x)[-251]
    assert (found.xmin, found.n) == (xmin, 250)
    power = stats.pareto.logpdf(tail, found.alpha - 1, scale=xmin)
    decay = stats.expon.logpdf(tail, loc=xmin, scale=1 / found.rate)
    gap = power - decay
    assert found.loglik_ratio == pytest.approx(gap.mean())
    assert found.z == pytest.approx(gap.mean() / gap.std() * 250**0.5)


@pytest.mark.parametrize("factor", [1e-9, 7.0])
def test_unit_of_the_values_changes_nothing(factor):
    x = np.random.default_rng(4).lognormal(size=500)
    once, again = map(power_law_or_exponential, (x, x * factor))
    assert again.loglik_ratio == pytest.approx(once.loglik_ratio)
    assert again.alpha == pytest.approx(once.alpha)


def test_crossover_lies_where_the_law_was_changed():
    rng = np.random.default_rng(5)
    deltas = np.geomspace(1e-3, 1, 7)
    rows = [
        rng.exponential(d, 4_000) if d < 0.03 else d * (rng.pareto(1.5, 4_000) + 1)
        for d in deltas
    ]
    found = crossover_delta(deltas, rows, rng=rng, replicates=100)
    assert 0.01 < found.interval[0] <= found.delta <= found.interval[1] < 0.04
    assert found.undecided == 0
    assert (found.low <= found.ratios).all()
    assert (found.ratios <= found.high).all()


def test_no_crossover_where_the_law_never_changes():
    rng = np.random.default_rng(6)
    deltas = np.array([0.1, 1.0, 10.0])
    found = crossover_delta(
        deltas, rng.exponential(1, (3, 4_000)), rng=rng, replicates=50
    )
    assert np.isnan(found.delta)
    assert found.undecided > 0.9
    heavy = crossover_delta(deltas, rng.pareto(1, (3, 4_000)), rng=rng, replicates=50)
    assert heavy.delta == deltas[0]


@pytest.mark.parametrize(
    ("x", "fraction", "message"),
    [
        (np.ones(1_000), 0.1, "choose a smaller fraction"),
        (np.arange(100.0), 0.1, "leaves at least 20"),
        (np.arange(1_000.0), 1.0, "in \\(0, 1\\)"),
        (np.array([np.nan] * 500), 0.1, "finite"),
        (-np.arange(1_000.0), 0.1, "not negative"),
        (np.ones((5, 5)), 0.1, "one axis"),
    ],
)
def test_samples_without_a_tail_are_refused(x, fraction, message):
    with pytest.raises(ValueError, match=message):
        power_law_or_exponential(x, fraction=fraction)


@pytest.mark.parametrize(
    ("deltas", "shape", "message"),
    [
        ([1.0], (1, 500), "two displacements or more"),
        ([2.0, 1.0], (2, 500), "ascending"),
        ([0.0, 1.0], (2, 500), "positive"),
    ],
)
def test_unfit_curves_are_refused(deltas, shape, message):
    rng = np.random.default_rng(7)
    with pytest.raises(ValueError, match=message):
        crossover_delta(deltas, rng.pareto(1, shape), rng=rng)


def test_a_mixture_keeps_the_mean_of_each_group_and_nothing_else():
    rng = np.random.default_rng(5)
    groups = rng.permutation(np.repeat([7, 3], 20_000))
    x = np.where(groups == 3, 1e-3, 4.0) * rng.pareto(3, 40_000)
    sample = exponential_mixture(x, groups, rng=rng)
    for group in (3, 7):
        values, original = sample[groups == group], x[groups == group]
        error = 4 * original.mean() / 20_000**0.5
        assert values.mean() == pytest.approx(original.mean(), abs=error)
        scale = values / original.mean()
        assert stats.kstest(scale, stats.expon.cdf).pvalue > 1e-3


def test_one_group_is_exponential():
    rng = np.random.default_rng(6)  # the doctest has many groups, a power law
    one = exponential_mixture(np.ones(5_000), np.zeros(5_000, int), rng=rng)
    assert power_law_or_exponential(one, fraction=0.5).z < -5


def test_every_value_needs_its_group():
    with pytest.raises(ValueError, match="a group for each value"):
        exponential_mixture([1.0, 2.0], [0], rng=np.random.default_rng(0))
