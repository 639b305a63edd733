"""The numbered formulas of book/theory.md hold: as integrals, or for samples."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import gammaln

from netdyn_utils.information import mutual_information
from netdyn_utils.tails import fit_power_law_samples

ROOT = Path(__file__).resolve().parents[1]
LABEL = re.compile(r"^\$\$ \((eq-[a-z]+)\)$", re.MULTILINE)


def lomax(x, alpha, s):
    return (alpha - 1) / s * (1 + x / s) ** -alpha


def integral(f, low=0.0, high=np.inf):
    return quad(f, low, high, limit=400)[0]


def test_every_numbered_formula_has_a_test():
    labels = LABEL.findall((ROOT / "book" / "theory.md").read_text())
    named = set(re.findall(r"eq-[a-z]+", Path(__file__).read_text())) - {"eq-"}
    assert len(labels) == len(set(labels)) > 10
    assert set(labels) <= named, set(labels) - named


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_multiplier_is_minus_the_slope_of_ln_z(beta):  # eq-maxent
    def cost(x):
        return x**0.7

    def ln_z(b):
        return np.log(integral(lambda x: np.exp(-b * cost(x))))

    mean = integral(lambda x: cost(x) * np.exp(-beta * cost(x))) / np.exp(ln_z(beta))
    assert -(ln_z(beta + 1e-4) - ln_z(beta - 1e-4)) / 2e-4 == pytest.approx(mean, 1e-5)


def test_no_law_with_the_same_mean_cost_has_more_entropy():  # eq-maxent
    exponential = 1 + np.log(2.0)  # mean 2
    half_normal = stats.halfnorm(scale=2 * np.sqrt(np.pi / 2))
    assert half_normal.mean() == pytest.approx(2)
    for law in (half_normal, stats.uniform(0, 4), stats.gamma(3, scale=2 / 3)):
        assert law.entropy() < exponential


def test_increasing_maps_leave_the_information_alone():  # eq-information, eq-invariance
    rng = np.random.default_rng(0)
    a, noise = rng.normal(size=(2, 100_000))
    x = np.exp(0.6 * a + 0.8 * noise)
    pareto = stats.pareto(1.5).ppf(stats.rankdata(x) / (len(x) + 1))
    before, after = (mutual_information(v, a).nats for v in (x, pareto))
    assert before == pytest.approx(after, abs=1e-12)
    assert before == pytest.approx(-np.log(1 - 0.6**2) / 2, abs=0.02)


def test_cost_is_linear_for_small_and_logarithmic_for_large():  # eq-cost
    assert np.log1p(1e-3) == pytest.approx(1e-3, rel=1e-3)
    assert np.log1p(1e6) == pytest.approx(np.log(1e6), rel=1e-6)


@pytest.mark.parametrize(("alpha", "s"), [(2.5, 1.0), (4.0, 0.01)])
def test_form_crosses_from_exponential_to_power_law(alpha, s):  # eq-lomax
    assert integral(lambda x: lomax(x * s, alpha, s) * s) == pytest.approx(1)
    small = s * np.array([0.0, 0.01])
    ratio = lomax(small[1], alpha, s) / lomax(small[0], alpha, s)
    assert ratio == pytest.approx(np.exp(-alpha * 0.01), rel=1e-3)
    large = lomax(1e6 * s, alpha, s) * s / (alpha - 1)
    assert large == pytest.approx(1e6**-alpha, rel=1e-4)


@pytest.mark.parametrize("alpha", [2.0, 3.0, 4.5])
def test_information_per_update_gives_the_exponent(alpha):  # eq-exponent
    mean = integral(lambda x: np.log1p(x) * lomax(x, alpha, 1.0))
    assert alpha == pytest.approx(1 + 1 / mean, rel=1e-6)


def test_gamma_mixture_of_gaussians_is_the_student_form():  # eq-student, eq-mixture
    nu = 3.0
    precision = stats.gamma(nu / 2, scale=2 / nu)
    x = np.array([0.1, 1.0, 10.0])

    def pooled(at):
        return integral(
            lambda t: np.sqrt(2 * t / np.pi) * np.exp(-t * at**2 / 2) * precision.pdf(t)
        )

    form = (1 + x**2 / nu) ** (-(nu + 1) / 2)  # alpha = nu + 1, sigma² = nu
    found = np.array([pooled(each) for each in x])
    assert found / found[0] == pytest.approx(form / form[0], rel=1e-6)


def test_power_law_of_scales_passes_on_its_exponent():  # eq-mixture
    rng = np.random.default_rng(1)
    scales = rng.pareto(1.5, 400_000) + 1  # alpha = 2.5
    fit = fit_power_law_samples(np.abs(scales * rng.normal(size=scales.size)), xmin=30)
    assert fit.alpha == pytest.approx(2.5, abs=4 * fit.sigma)


@pytest.mark.parametrize("alpha", [1.5, 3.0])
def test_multiplier_times_information_knows_no_scale(alpha):  # eq-product
    for s in (1.0, 1e-4):
        entropy = np.log(s / (alpha - 1)) + alpha / (alpha - 1)
        assert stats.lomax(alpha - 1, scale=s).entropy() == pytest.approx(entropy)
        ln_z = np.log(s / (alpha - 1))
        assert alpha / (alpha - 1) == pytest.approx(entropy - ln_z)
    step = 1e-5  # dH/dJ = beta at fixed s

    def entropy_of(mean):
        return stats.lomax(1 / mean).entropy()

    mean = 1 / (alpha - 1)
    slope = (entropy_of(mean + step) - entropy_of(mean - step)) / (2 * step)
    assert slope == pytest.approx(alpha, rel=1e-4)


def test_small_displacement_reads_the_gradient():  # eq-taylor
    def loss(w):
        return np.log1p(np.exp(-3 * w)) + w**2

    slope = -3 / (1 + np.exp(3 * 0.2)) + 2 * 0.2
    curvature = 9 * np.exp(0.6) / (1 + np.exp(0.6)) ** 2 + 2
    for delta in (1e-2, 1e-3):
        left = loss(0.2 + delta) - loss(0.2)
        series = delta * slope + delta**2 / 2 * curvature
        assert abs(left - series) < 5 * delta**3


def borel(n, mean):
    return np.exp((n - 1) * np.log(mean * n) - mean * n - gammaln(n + 1))


def test_branching_gives_borels_law_with_exponent_three_halves():  # eq-borel
    n = np.arange(1, 200_000)
    assert borel(n, 0.8).sum() == pytest.approx(1)
    rng, mean = np.random.default_rng(2), 0.8
    sizes = np.ones(50_000, int)
    alive = sizes.copy()
    while alive.any():
        alive = rng.poisson(mean * alive)
        sizes += alive
    assert np.mean(sizes == 1) == pytest.approx(borel(1, mean), abs=0.01)
    assert sizes.mean() == pytest.approx(1 / (1 - mean), rel=0.05)
    for mean in (1.0, 0.9):
        far = 1e3
        rate = mean - 1 - np.log(mean)
        form = far**-1.5 / (mean * np.sqrt(2 * np.pi)) * np.exp(-far * rate)
        assert borel(far, mean) == pytest.approx(form, rel=1e-3)


def test_local_slope_of_a_log_normal_climbs_by_ln_10_over_s2():  # eq-lognormal
    law, h = stats.lognorm(3.0, scale=np.exp(-1.0)), 1e-5
    for x in (0.1, 1.0, 10.0):
        slope = -(law.logpdf(x * np.exp(h)) - law.logpdf(x * np.exp(-h))) / (2 * h)
        assert slope == pytest.approx(1 + (np.log(x) + 1) / 9, abs=1e-5)
    assert np.log(10) / 9 == pytest.approx(0.26, abs=0.005)


def test_random_multiplication_gives_kestens_exponent():  # eq-kesten
    rng = np.random.default_rng(3)
    mean, variance = -0.5, 0.5  # of ln A: kappa = -2 mean / variance = 2
    u = np.zeros(200_000)
    for _ in range(60):
        u = np.exp(rng.normal(mean, np.sqrt(variance), u.size)) * u + 1
    fit = fit_power_law_samples(u, xmin=np.quantile(u, 0.995))
    assert fit.alpha == pytest.approx(3, abs=0.25)


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_variance_diverges_at_the_learning_rate_of_the_page(batch):  # eq-variance
    rate = 2 * batch / (batch + 2)
    chi2 = stats.chi2(batch)  # the sum over the batch of squared inputs
    square = chi2.expect(lambda q: (1 - rate * q / batch) ** 2)
    assert square == pytest.approx(1)
    smaller = chi2.expect(lambda q: (1 - 0.9 * rate * q / batch) ** 2)
    assert smaller < 1


def test_gamma_rates_give_power_law_waiting_times():  # eq-waiting
    k, tau = 0.6, 50.0
    rates = stats.gamma(k, scale=1 / tau)
    for t in (1.0, 100.0, 10_000.0):
        unit = 1 / (t + tau)  # the integrand lives there

        def weighted(u, t=t, unit=unit):
            return (u * unit) ** 2 * np.exp(-u * unit * t) * rates.pdf(u * unit) * unit

        form = (k + 1) / tau * (1 + t / tau) ** -(k + 2)
        assert integral(weighted) / rates.mean() == pytest.approx(form, rel=1e-5)
    rng = np.random.default_rng(4)
    horizon = 200_000.0
    drawn = rates.rvs(2_000, random_state=rng)
    counts = rng.poisson(drawn * horizon)
    times = [np.sort(rng.uniform(0, horizon, n)) for n in counts]
    waits = np.concatenate([np.diff(each) for each in times])
    seen = np.mean(waits > 10 * tau)
    assert seen == pytest.approx(11 ** -(k + 1), rel=0.15)
