"""Alternatives are the distributions they are named for, and Vuong's test can tell."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import minimize

from netdyn_utils.tails.alternatives import compare_tails
from netdyn_utils.tails.binned import power_law_cells
from netdyn_utils.tails.families import binned_families
from netdyn_utils.tails.power_law import fit_power_law, fit_power_law_samples

EDGES = 2.0 ** (np.arange(-160, 97) / 8)
NAMES = ("exponential", "stretched exponential", "log-normal", "power law with cutoff")


def histogram(x, edges=EDGES):
    return np.histogram(x, edges)[0]


def family(name, z, upper, xmin=2.0):
    return {f.name: f for f in binned_families(z, upper, xmin, 1.5, 0.7)}[name]


# the probabilities of the bins

LAWS = {  # from the usual parameters
    "exponential": lambda rate: stats.expon(scale=1 / rate),
    "stretched exponential": lambda rate, beta: stats.weibull_min(beta, scale=1 / rate),
    "log-normal": lambda mu, sigma: stats.lognorm(sigma, scale=np.exp(mu)),
}
TRUTHS = {
    "exponential": {"rate": 0.25},
    "stretched exponential": {"rate": 0.5, "beta": 0.6},
    "log-normal": {"mu": 0.4, "sigma": 1.2},
}
THETAS = {
    "exponential": [(-2.0,), (1.0,)],
    "stretched exponential": [(0.3, -1.0), (-1.0, 0.5)],
    "log-normal": [(1.0, -1.0), (-2.0, 0.5)],
    "power law with cutoff": [(1.5, -3.0), (-0.7, 0.0)],
}


@pytest.mark.parametrize("upper", ["infinite", "censored", "truncated"])
@pytest.mark.parametrize("name", NAMES)
def test_bins_have_the_probability_of_the_named_density(name, upper):
    edges = 2.0 * np.array([1, 1.2, 1.5, 2, 5, 9])
    for theta in THETAS[name]:
        chosen = family(name, np.log(edges / 2), upper)
        usual = chosen.usual(np.array(theta))

        def density(x, usual=usual):
            if name == "power law with cutoff":
                return x ** -usual["alpha"] * np.exp(-usual["rate"] * x)
            return LAWS[name](**usual).pdf(x)

        ends = list(edges[1:])
        if upper == "censored":
            ends[-1] = np.inf
        cells = [
            quad(density, a, b, epsabs=0, epsrel=1e-11)[0]
            for a, b in zip(edges[:-1], ends, strict=True)
        ]
        beyond = quad(density, edges[-1], np.inf)[0] if upper == "infinite" else 0.0
        expected = np.log(np.array(cells) / (sum(cells) + beyond))
        assert chosen.log_cells(np.array(theta)) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("upper", ["infinite", "censored", "truncated"])
@pytest.mark.parametrize("name", NAMES[1:])
def test_every_alternative_with_a_power_law_limit_reaches_it(name, upper):
    z = np.linspace(0, 6, 25)
    theta = (np.log(1.5), -25.0) if name == "stretched exponential" else (1.5, -25.0)
    cells = family(name, z, upper).log_cells(np.array(theta))
    assert cells == pytest.approx(power_law_cells(z, upper, 1.5), abs=1e-6)


# the fits, against the likelihood of the single values


@pytest.mark.parametrize("name", TRUTHS)
def test_fine_bins_give_the_truncated_fit_of_the_single_values(name):
    start, xmin = TRUTHS[name], 1.0
    x = LAWS[name](**start).rvs(20_000, random_state=np.random.default_rng(0))
    tail = x[x >= xmin]

    def loss(theta):
        if theta[-1] <= 0:
            return np.inf
        law = LAWS[name](*theta)
        return -(law.logpdf(tail) - law.logsf(xmin)).mean()

    options = {"xatol": 1e-6}
    single = minimize(loss, [*start.values()], method="Nelder-Mead", options=options).x
    edges = 2.0 ** (np.arange(-640, 960) / 64)
    counts = histogram(x, edges)
    fit = fit_power_law(edges, counts, xmin=xmin)
    found = compare_tails(edges, counts, fit)[name].parameters
    assert [found[key] for key in start] == pytest.approx([*single], rel=5e-3)


def test_the_cutoff_law_recovers_its_parameters():
    edges = 2.0 ** (np.arange(0, 65) / 8)

    def density(x):
        return x**-1.8 * np.exp(-0.05 * x)

    masses = np.array([quad(density, *pair)[0] for pair in pairwise(edges)])
    counts = np.round(1e8 * masses / masses.sum()).astype(np.int64)
    fit = fit_power_law(edges, counts, xmin=1)
    row = compare_tails(edges, counts, fit)["power law with cutoff"]
    assert (row.nested, row.preferred) == (True, row.name)
    assert row.parameters == pytest.approx({"alpha": 1.8, "rate": 0.05}, rel=1e-3)
    assert row.expected == pytest.approx(counts, rel=1e-3, abs=2)


# the verdicts


@pytest.mark.parametrize("name", TRUTHS)
def test_the_true_law_is_favoured_over_the_power_law(name):
    truth = LAWS[name](**TRUTHS[name])
    counts = histogram(truth.rvs(50_000, random_state=np.random.default_rng(1)))
    table = compare_tails(EDGES, counts, fit_power_law(EDGES, counts, xmin=1.0))
    best = max(table.alternatives, key=lambda row: row.log_likelihood)
    assert table[name].preferred == name
    # The cutoff law and the stretched exponential both contain the exponential.
    assert best.log_likelihood - table[name].log_likelihood < 3
    assert "favoured over the power law" in table.verdict


def test_a_power_law_beats_the_exponential_and_no_more_is_decided():
    false_alarms = dict.fromkeys(NAMES[1:], 0)
    for seed in range(15):
        x = np.random.default_rng(seed).pareto(1.5, 5_000) + 1
        counts = histogram(x)
        table = compare_tails(EDGES, counts, fit_power_law(EDGES, counts, xmin=1))
        assert table["exponential"].preferred == "power law"
        for name in false_alarms:
            assert table[name].loglik_ratio <= 1e-9  # it has the power law as its limit
            false_alarms[name] += table[name].preferred != "not decided"
    assert max(false_alarms.values()) <= 3  # of 15 at level 0.05: more has p < 0.01


def test_ratio_and_p_are_vuongs_on_the_single_values():
    x = np.random.default_rng(2).pareto(1.5, 400) + 1
    edges = np.exp(np.arange(0, np.log(x.max()) + 1e-3, 5e-4))
    counts = histogram(x, edges)
    row = compare_tails(edges, counts, fit_power_law(edges, counts, xmin=1))
    row = row["exponential"]
    alpha, rate = fit_power_law_samples(x, xmin=1).alpha, 1 / (x - 1).mean()
    gap = np.log(alpha - 1) - alpha * np.log(x) - (np.log(rate) - rate * (x - 1))
    z = gap.sum() / (np.sqrt(400) * gap.std())
    assert row.loglik_ratio == pytest.approx(gap.sum(), rel=5e-3)
    assert row.vuong_z == pytest.approx(z, rel=5e-3)
    assert row.p == pytest.approx(2 * stats.norm.sf(abs(z)), rel=0.02)


def test_a_smaller_effective_sample_decides_less():
    counts = histogram(np.random.default_rng(3).exponential(1, 20_000))
    fit = fit_power_law(EDGES, counts, xmin=1)
    whole, tenth, few = (
        compare_tails(EDGES, counts, fit, n_effective=n) for n in (None, 2_000, 20)
    )
    one, other = whole["exponential"], tenth["exponential"]
    assert other.loglik_ratio == pytest.approx(one.loglik_ratio / 10)
    assert other.vuong_z == pytest.approx(one.vuong_z / np.sqrt(10))
    assert few["exponential"].preferred == "not decided"
    assert few.verdict.startswith("At level 0.05, not decided")


def test_a_log_normal_is_recognised_with_its_parameters():
    counts = histogram(np.random.default_rng(4).lognormal(0, 1, 100_000))
    body = compare_tails(EDGES, counts, fit_power_law(EDGES, counts, xmin=1.0))
    assert body["log-normal"].preferred == "log-normal"
    expected = pytest.approx({"mu": 0, "sigma": 1}, abs=0.03)
    assert body["log-normal"].parameters == expected


@pytest.mark.slow
def test_over_many_seeds_a_log_normal_is_never_favoured_as_a_power_law():
    for seed in range(100):
        counts = histogram(np.random.default_rng(seed).lognormal(0, 1, 100_000))
        estimated = compare_tails(EDGES, counts, fit_power_law(EDGES, counts))
        assert estimated["log-normal"].preferred != "power law"
        above_median = compare_tails(
            EDGES, counts, fit_power_law(EDGES, counts, xmin=1)
        )
        assert above_median["log-normal"].preferred == "log-normal"


def test_laws_that_agree_in_every_bin_are_not_decided():
    edges = np.arange(1.0, 102)  # x^−½ on 1 to 101, which the law with cutoff contains
    counts = np.round(1e6 * np.diff(2 * np.sqrt(edges))).astype(int)
    fit = fit_power_law(edges, counts, xmin=1, upper="truncated")
    row = compare_tails(edges, counts, fit)["power law with cutoff"]
    assert (row.loglik_ratio, row.p, row.at_limit) == (0, 1, True)
    # Two occupied bins: every law of one parameter or more fits them exactly.
    fit = fit_power_law([1, 2, 4], [5, 3], upper="truncated")
    for row in compare_tails([1, 2, 4], [5, 3], fit).alternatives:
        assert (row.loglik_ratio, row.vuong_z, row.p) == (0, 0, 1)


def test_a_rising_tail_has_the_power_law_as_its_limit_too():
    z, s = np.linspace(0, 3, 13), -2.5
    weibull = binned_families(z, "truncated", 1.0, s, 2.0)[1]
    assert weibull.limit == {"rate": 0.0, "beta": 2.5}
    cells = weibull.log_cells(np.array([-40.0, np.log(2.5)]))
    assert cells == pytest.approx(power_law_cells(z, "truncated", s), abs=1e-6)


def test_the_closed_form_of_the_log_normal_keeps_its_digits_everywhere():
    """Left of the peak, across it and far in the tail, as scipy's own logarithms."""
    xmin, edges = 1.0, np.array([1.0, 1.01, 30, 31, 33, 1e4, 1e5])
    for mu, sigma in ((3.4, 0.05), (3.4, 1.5), (-20.0, 2.0), (0.0, 0.5)):
        theta = np.array([(np.log(xmin) - mu) / sigma**2, -2 * np.log(sigma)])
        found = family("log-normal", np.log(edges), "infinite", xmin).log_cells(theta)
        normal, u = stats.norm, (np.log(edges) - mu) / sigma
        with np.errstate(divide="ignore"):  # the side that is not taken
            upper = normal.logsf(u[:-1]) + np.log1p(-np.exp(np.diff(normal.logsf(u))))
            lower = normal.logcdf(u[1:])
            lower += np.log1p(-np.exp(-np.diff(normal.logcdf(u))))
        expected = np.where(u[:-1] > 0, upper, lower) - normal.logsf(u[0])
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


# density, CDF and draws of what was fitted


@pytest.mark.parametrize("upper", ["infinite", "censored", "truncated", "samples"])
@pytest.mark.parametrize("name", NAMES)
def test_density_and_cdf_are_those_of_the_named_law_above_xmin(name, upper):
    x = np.random.default_rng(0).weibull(0.7, 3_000) + 0.1
    xmin, end = 1.0, 4.0 if upper in ("truncated", "samples") else np.inf
    if upper == "samples":
        row = compare_tails(x, fit_power_law_samples(x, xmin=xmin, xmax=end))[name]
    else:
        counts = histogram(x)
        top = {"infinite": None, "censored": 8.0, "truncated": end}[upper]
        fit = fit_power_law(EDGES, counts, xmin=xmin, upper=upper, xmax=top)
        row = compare_tails(EDGES, counts, fit)[name]
    at = np.array([0.5, 1, 1.2, 2, 3.9, 4, 30])
    inside = (at >= xmin) & (at <= end)
    if name in LAWS:
        law = LAWS[name](**row.parameters)
        mass = law.sf(xmin) - law.sf(end)
        pdf = law.pdf(at) / mass
        cdf = (law.cdf(np.clip(at, xmin, end)) - law.cdf(xmin)) / mass
    else:

        def shape(x):
            return x ** -row.parameters["alpha"] * np.exp(-row.parameters["rate"] * x)

        accurate = {"epsabs": 0, "epsrel": 1e-11}
        mass = quad(shape, xmin, end, **accurate)[0]
        ends = np.clip(at, xmin, end)
        pdf = shape(at) / mass
        cdf = [quad(shape, xmin, b, **accurate)[0] / mass for b in ends]
    assert not row.at_limit
    assert row.pdf(at) == pytest.approx(np.where(inside, pdf, 0), rel=1e-7)
    assert row.cdf(at) == pytest.approx(np.asarray(cdf), abs=1e-9)
    assert row.cdf(at[:6].reshape(2, 3)).shape == (2, 3)
    with np.errstate(all="raise"):
        drawn = row.sample(20_000, np.random.default_rng(1))
    assert xmin <= drawn.min()
    assert drawn.max() <= end
    assert stats.kstest(drawn, row.cdf).pvalue > 0.01


@pytest.mark.parametrize("xmax", [None, 200])
def test_whole_numbers_of_an_alternative_follow_its_probabilities(xmax):
    x = np.random.default_rng(0).zipf(1.7, 3_000)
    fit = fit_power_law_samples(x, xmin=2, xmax=xmax, discrete=True)
    k = np.arange(1, 200_001)  # to where a density continues the sums, and beyond
    for row in compare_tails(x, fit).alternatives:
        below = np.cumsum(row.pdf(k))
        assert row.pdf(k[:1]) == row.cdf(1.5) == row.pdf(2.5) == 0
        assert row.cdf(k) == pytest.approx(below, abs=1e-10)
        assert row.cdf(5.7) == row.cdf(5)
        drawn = np.sort(row.sample(20_000, np.random.default_rng(1)))
        assert (drawn == np.floor(drawn)).all()
        assert drawn[0] == 2
        values, last = np.unique(drawn[::-1], return_index=True)
        gap = (len(drawn) - last) / len(drawn) - row.cdf(values)
        assert np.abs(gap).max() < 1.6 / len(drawn) ** 0.5  # a p-value of 0.01
        if row.name == "geometric" and xmax is None:
            law = stats.geom(row.parameters["p"], loc=1)
            assert row.pdf(k[:90]) == pytest.approx(law.pmf(k[:90]), rel=1e-9)
            assert drawn.mean() == pytest.approx(law.mean(), rel=0.02)


def test_an_alternative_at_its_limit_has_the_density_of_the_power_law():
    edges = np.arange(1.0, 102)
    counts = np.round(1e6 * np.diff(2 * np.sqrt(edges))).astype(int)
    fit = fit_power_law(edges, counts, xmin=1, upper="truncated")
    row = compare_tails(edges, counts, fit)["power law with cutoff"]
    assert row.at_limit
    assert (row.pdf(edges) == fit.pdf(edges)).all()
    null = replace(row, name="shuffled times", law=None)
    with pytest.raises(ValueError, match="no law but its `expected` counts"):
        null.cdf(1)


# the table, and bad input


def test_the_table_prints_one_line_for_each_alternative_and_a_sentence():
    counts = histogram(np.random.default_rng(5).pareto(1.5, 5_000) + 1)
    fit = fit_power_law(EDGES, counts)
    table = compare_tails(EDGES, counts, fit)
    assert len(str(table).splitlines()) == 5
    assert [row.name for row in table.alternatives] == list(NAMES)
    with np.errstate(all="raise"):
        assert compare_tails(EDGES, counts, fit) == table
    with pytest.raises(KeyError, match="choose one of"):
        table["gamma"]


def test_unfit_options_and_foreign_fits_are_refused():
    x = np.random.default_rng(6).pareto(1.5, 500) + 1
    counts = histogram(x)
    fit = fit_power_law(EDGES, counts)
    for n in (-5, np.nan):
        with pytest.raises(ValueError, match="n_effective must be a positive finite"):
            compare_tails(EDGES, counts, fit, n_effective=n)
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        compare_tails(EDGES, counts, fit, level=7)
    with pytest.raises(ValueError, match="pass the one fitted"):
        compare_tails(EDGES, 2 * counts, fit)
    with pytest.raises(ValueError, match="one axis of values"):
        compare_tails(EDGES, counts, fit_power_law_samples(x))
    with pytest.raises(ValueError, match="at a bound"):
        compare_tails(EDGES, counts, replace(fit, at_bound=True))
