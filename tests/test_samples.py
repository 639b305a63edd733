"""Fits of single values and whole numbers: with an upper end, tested and compared."""

import json
import pickle

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import zeta

from netdyn_utils.cli import cli
from netdyn_utils.intervals import compare_intervals, fit_discrete_power_law
from netdyn_utils.tails import (
    bootstrap_alpha,
    compare_tails,
    fit_power_law,
    fit_power_law_samples,
    goodness_of_fit,
    xmin_curve,
)
from netdyn_utils.tails import samples as kernels
from netdyn_utils.tails.report import fit_file
from netdyn_utils.tails.samples import SampleFits, log_zeta

K = np.arange(1, 100)


def truncated(alpha, n, seed, xmax=100.0):
    """Draw from the density x^−alpha on 1 to xmax."""
    u, s = np.random.default_rng(seed).random(n), alpha - 1
    return xmax**u if s == 0 else (1 - u * (1 - xmax**-s)) ** (-1 / s)


# the upper end


@pytest.mark.parametrize("alpha", [-2.0, 0.0, 0.5, 1.0, 1.5, 4.0])
def test_whole_numbers_with_an_upper_end_return_their_exponent(alpha):
    counts = np.rint(1e9 * (K / K[-1 if alpha < 0 else 0]) ** -alpha).astype(int)
    fit = fit_discrete_power_law(counts, xmin=1, xmax=99)
    assert fit.alpha == pytest.approx(alpha, abs=1e-6)
    assert fit == fit_power_law_samples(
        K, counts=counts, xmin=1, xmax=99, discrete=True
    )
    law = K**-alpha / (K**-alpha).sum()
    assert fit.pdf(K) == pytest.approx(law, rel=1e-5)
    assert fit.cdf([0, 1, 99, 200]) == pytest.approx([0, law[0], 1, 1], abs=1e-6)
    assert fit.log_likelihood == pytest.approx(counts @ np.log(law), rel=1e-9)
    scanned = fit_discrete_power_law(counts, xmax=99)
    assert scanned.alpha == pytest.approx(alpha, abs=3 * scanned.sigma)


@pytest.mark.parametrize("alpha", [-1.0, 1.0, 1.3, 2.5])
def test_values_with_an_upper_end_have_the_largest_likelihood(alpha):
    x = truncated(alpha, 2_000, seed=0)

    def loss(a):
        s = a - 1
        return a * np.log(x).sum() + len(x) * np.log((1 - 100**-s) / s)

    best = minimize_scalar(loss, bracket=(alpha - 0.1, alpha + 0.13), tol=1e-12)
    fit = fit_power_law_samples(x, xmin=1, xmax=100)
    assert fit.alpha == pytest.approx(best.x, abs=1e-6)
    assert fit.log_likelihood == pytest.approx(-best.fun, rel=1e-9)
    curved = (loss(fit.alpha + 0.01) + loss(fit.alpha - 0.01) - 2 * best.fun) / 1e-4
    assert fit.sigma == pytest.approx(curved**-0.5, rel=1e-2)


def test_an_upper_end_far_above_the_values_changes_nothing():
    x = np.random.default_rng(1).pareto(1.5, 300) + 1
    far, none = fit_power_law_samples(x, xmax=1e200), fit_power_law_samples(x)
    assert far.alpha == pytest.approx(none.alpha, rel=1e-12)
    assert (far.xmin, far.n_tail) == (none.xmin, none.n_tail)
    z = np.random.default_rng(1).zipf(3.0, 300)
    far, none = (
        fit_power_law_samples(z, discrete=True, xmin=1, xmax=end)
        for end in (1e12, None)
    )
    assert far.alpha == pytest.approx(none.alpha, rel=1e-9)


def test_values_above_the_upper_end_are_left_out_and_counted():
    x = np.append(truncated(2.0, 500, seed=2), [101.0, 1e5])
    fit = fit_power_law_samples(x, xmax=100)
    inside = fit_power_law_samples(x[:-2], xmax=100)
    assert (fit.alpha, fit.xmin, fit.ks) == (inside.alpha, inside.xmin, inside.ks)
    assert (fit.n, inside.n) == (502, 500)
    with pytest.raises(ValueError, match=r"xmax=0\.5 leaves no tail: the least is 1"):
        fit_power_law_samples(x, xmax=0.5)


@pytest.mark.parametrize("alpha", [-3.0, 0.0, 1.0, 1.5, 20.0])
@pytest.mark.parametrize("ends", [(1, 5), (7, 3_000), (50, 60), (3, 3), (1, 1e5)])
def test_finite_sums_of_powers_equal_their_terms(alpha, ends):
    expected = np.log((np.arange(ends[0], ends[1] + 1.0) ** -alpha).sum())
    assert float(log_zeta(alpha, *ends)) == pytest.approx(expected, abs=1e-12)


def test_infinite_sums_reach_beyond_the_range_of_floats():
    q = np.array([1, 7, 1e3])
    assert log_zeta(2.5, q) == pytest.approx(np.log(zeta(2.5, q)), abs=1e-14)
    steep = fit_power_law_samples([1, 2], counts=[10**9, 1], discrete=True)
    assert steep.alpha == pytest.approx(np.log2(1e9), abs=2e-4)  # of a two-point law
    assert steep.sigma == pytest.approx(1 / np.log(2), rel=1e-3)


# the scan


@pytest.mark.parametrize("xmax", [None, 50.0])
def test_the_compiled_scan_is_the_complete_one(xmax, monkeypatch):
    rng = np.random.default_rng(3)
    x = np.append(rng.pareto(1.5, 1_500) + 1, rng.random(1_000) + 0.5)
    expected = fit_power_law_samples(x, xmax=xmax)
    monkeypatch.setattr(kernels, "_MANY", 0)
    assert fit_power_law_samples(x, xmax=xmax) == expected
    values = np.unique(x)
    complete = SampleFits(values, np.ones_like(values, int), np.arange(2_000), False)
    if xmax is None:
        assert complete.ks.min() == pytest.approx(expected.ks, rel=1e-12)


def test_a_range_of_thresholds_bounds_the_scan_and_its_resamples():
    rng = np.random.default_rng(4)
    x = rng.pareto(1.5, 3_000) + 1
    edges = 2.0 ** np.arange(0, 14, 0.25)
    counts = np.histogram(x, edges)[0]
    for fit, data in (
        (fit_power_law_samples(x, xmin_range=(2, 3)), (x,)),
        (fit_power_law(edges, counts, xmin_range=(2, 3)), (edges, counts)),
    ):
        curve = xmin_curve(fit)
        assert 2 <= curve.xmin.min() <= fit.xmin <= curve.xmin.max() <= 3
        interval = bootstrap_alpha(*data, fit, replicates=20, rng=rng)
        assert 2 <= interval.xmin_low <= interval.xmin_high <= 3
    with pytest.raises(ValueError, match="no threshold between"):
        fit_power_law_samples(x, xmin_range=(1e6, 1e7))


def test_the_curve_holds_the_fit_at_every_threshold():
    x = np.random.default_rng(5).pareto(1.5, 1_000) + 1
    edges = 2.0 ** np.arange(0, 14, 0.25)
    counts = np.histogram(x, edges)[0]
    z = np.random.default_rng(5).zipf(2.2, 1_000)
    for measure, data in (
        (fit_power_law, (edges, counts)),
        (fit_power_law_samples, (x,)),
        (lambda z, **o: fit_power_law_samples(z, discrete=True, **o), (z,)),
    ):
        fit = measure(*data)
        curve = pickle.loads(pickle.dumps(xmin_curve(fit)))
        i = int(np.flatnonzero(curve.xmin == fit.xmin)[0])
        assert curve.ks[i] == pytest.approx(fit.ks, rel=1e-9)
        assert curve.ks.min() >= fit.ks - 1e-12
        for j in (0, len(curve.xmin) // 2):
            there = measure(*data, xmin=curve.xmin[j])
            found = curve.alpha[j], curve.sigma[j], curve.n_tail[j], curve.ks[j]
            expected = there.alpha, there.sigma, there.n_tail, there.ks
            assert found == pytest.approx(expected, rel=1e-6)


# density, distribution and draws


def test_a_fit_is_the_distribution_of_scipy():
    x = np.linspace(0.5, 30, 60)
    fit = fit_power_law_samples(np.random.default_rng(6).pareto(1.5, 500) + 1, xmin=1)
    law = stats.pareto(fit.alpha - 1)
    assert fit.pdf(x) == pytest.approx(law.pdf(x), rel=1e-12)
    assert fit.cdf(x) == pytest.approx(law.cdf(x), abs=1e-12)
    whole = fit_power_law_samples([1, 1, 2, 3, 9], xmin=1, discrete=True)
    law, k = stats.zipf(whole.alpha), np.arange(0, 40)
    assert whole.pdf(k) == pytest.approx(law.pmf(k), rel=1e-12)
    assert whole.cdf(k + 0.5) == pytest.approx(law.cdf(k), abs=1e-12)
    assert whole.pdf(1.5) == 0
    ended = fit_power_law_samples(truncated(2.5, 500, 7), xmin=1, xmax=100)
    law = stats.truncpareto(ended.alpha - 1, 100)
    assert ended.pdf(x) == pytest.approx(law.pdf(x), rel=1e-9)
    assert ended.cdf(x) == pytest.approx(law.cdf(x), abs=1e-9)


@pytest.mark.parametrize("xmax", [None, 40])
@pytest.mark.parametrize("discrete", [False, True])
def test_draws_of_a_fit_follow_its_distribution(discrete, xmax):
    z = np.random.default_rng(8).zipf(1.9, 2_000)
    fit = fit_power_law_samples(z, xmin=2, xmax=xmax, discrete=discrete)
    drawn = fit.sample(40_000, np.random.default_rng(9))
    assert drawn.min() >= 2
    assert drawn.max() <= (xmax or np.inf)
    for x in (2, 3, 10, 39, 1e4, 1e6):
        p = float(fit.cdf(x))
        error = 4 * np.sqrt(p * (1 - p) / 40_000) + 1e-12
        assert np.mean(drawn <= x) == pytest.approx(p, abs=error)


# goodness of fit, bootstrap and alternatives of samples


def p_values(make, **options):
    found = []
    for seed in range(30):
        rng = np.random.default_rng([seed, 2])
        x = make(rng)
        fit = fit_power_law_samples(x, xmin=1, **options)
        found.append(goodness_of_fit(x, fit, replicates=39, rng=rng).p)
    return found


def test_p_of_samples_at_the_known_xmin_is_uniform():
    for make, options in (
        (lambda rng: rng.pareto(1.5, 300) + 1, {}),
        (lambda rng: truncated(1.2, 300, rng.integers(2**32)), {"xmax": 100}),
    ):
        found = np.array(p_values(make, **options)) - 0.0125
        assert stats.kstest(found, "uniform").pvalue > 1e-3
    whole = p_values(lambda rng: rng.zipf(2.2, 300), discrete=True)
    assert 0.3 < np.mean(whole) < 0.7


def test_an_exponential_sample_is_ruled_out_and_a_power_law_is_not():
    rng = np.random.default_rng(10)
    for x, plausible in (
        (rng.pareto(1.5, 2_000) + 1, 1),
        (rng.exponential(9, 2_000), 0),
    ):
        fit = fit_power_law_samples(x, xmin=1)
        test = goodness_of_fit(x, fit, replicates=60, rng=rng)
        assert test.plausible == plausible
        again = goodness_of_fit(
            x, None, fit, replicates=20, rng=np.random.default_rng(0)
        )
        counted = goodness_of_fit(
            *np.unique(x, return_counts=True),
            fit,
            replicates=20,
            rng=np.random.default_rng(0),
        )
        assert again == counted


def test_the_bootstrap_of_a_sample_at_a_known_xmin_is_the_normal_interval():
    rng = np.random.default_rng(11)
    for x, options in (
        (rng.pareto(1.5, 3_000) + 1, {}),
        (rng.zipf(2.2, 3_000), {"discrete": True}),
        (truncated(1.5, 3_000, 12), {"xmax": 100}),
    ):
        fit = fit_power_law_samples(x, xmin=1, **options)
        interval = bootstrap_alpha(x, fit, replicates=400, rng=rng)
        assert interval.sigma == pytest.approx(fit.sigma, rel=0.12)


@pytest.mark.parametrize("xmax", [None, 8.0])
def test_alternatives_of_a_sample_are_those_of_fine_bins(xmax):
    x = np.random.default_rng(13).lognormal(0, 1, 3_000)
    edges = np.exp(np.arange(0, np.log(xmax or x.max()) + 1e-9, 2e-4))
    edges[-1] = xmax or edges[-1] + 1e-3
    if xmax:
        options = {"upper": "truncated", "xmax": edges[-1]}
    else:
        options, edges = {}, np.append(edges, x.max() + 1e-3)
    counts = np.histogram(x, edges)[0]
    binned = compare_tails(
        edges, counts, fit_power_law(edges, counts, xmin=1, **options)
    )
    single = compare_tails(x, fit_power_law_samples(x, xmin=1, xmax=xmax))
    for one, other in zip(single.alternatives, binned.alternatives, strict=True):
        assert one.loglik_ratio == pytest.approx(other.loglik_ratio, rel=0.01, abs=0.02)
        assert one.parameters == pytest.approx(other.parameters, rel=0.02, abs=0.02)
        assert one.preferred == other.preferred


def test_alternatives_of_whole_numbers_are_those_of_intervals():
    z = np.random.default_rng(14).zipf(2.2, 2_000)
    counts = np.bincount(z[z < 500])[1:]
    for xmax in (None, 60):
        fit = fit_discrete_power_law(counts, xmin=2, xmax=xmax)
        ours = compare_tails(np.arange(1, len(counts) + 1), counts, fit)
        theirs = compare_intervals(counts, fit)
        for one, other in zip(ours.alternatives, theirs.alternatives, strict=True):
            assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-9)
            assert one.name == other.name


def test_a_foreign_sample_is_refused_everywhere():
    rng = np.random.default_rng(15)
    x = rng.pareto(1.5, 300) + 1
    fit = fit_power_law_samples(x)
    for measure in (goodness_of_fit, bootstrap_alpha):
        with pytest.raises(ValueError, match="pass the sample that was fitted"):
            measure(x[:-1], fit, rng=rng)
    with pytest.raises(ValueError, match="pass the sample that was fitted"):
        compare_tails(np.append(x, 9.0), fit)
    with pytest.raises(TypeError, match="expected the TailFit"):
        compare_tails(x, None)


# the errors of the alternatives


def test_errors_of_alternatives_are_the_scatter_between_samples():
    laws = {"log-normal": stats.lognorm(1.0), "stretched exponential": None}
    laws["stretched exponential"] = stats.weibull_min(0.7)
    edges = np.exp(np.linspace(np.log(0.3), 9, 120))
    for name, law in laws.items():
        z = []
        for seed in range(30):
            x = law.rvs(1_000, random_state=np.random.default_rng(seed))
            x = x[x >= edges[0]]
            row = compare_tails(x, fit_power_law_samples(x, xmin=edges[0]))[name]
            truth = (0, 1) if name == "log-normal" else (1, 0.7)
            pairs = zip(
                row.parameters.values(), truth, row.errors.values(), strict=True
            )
            z.append([(found - true) / error for found, true, error in pairs])
        assert np.abs(np.mean(z, axis=0)).max() < 4 / np.sqrt(30)
        assert np.std(z, axis=0) == pytest.approx(1, abs=0.35)
    counts = np.histogram(x, edges)[0]
    binned = compare_tails(edges, counts, fit_power_law(edges, counts, xmin=edges[0]))
    assert binned[name].errors == pytest.approx(row.errors, rel=0.05)
    z = np.random.default_rng(1).geometric(0.3, 2_000)
    fit = fit_power_law_samples(z, xmin=1, discrete=True)
    row, p = compare_tails(z, fit)["geometric"], 1 / z.mean()
    assert row.errors["p"] == pytest.approx(p * np.sqrt((1 - p) / len(z)), rel=1e-3)


# a file


def test_a_file_is_fitted_as_its_numbers_are(tmp_path):
    x = np.random.default_rng(2).pareto(1.5, 400) + 1
    z, edges = np.random.default_rng(3).zipf(2.2, 400), 2.0 ** np.arange(20)
    counts = np.histogram(x, edges)[0]
    np.save(tmp_path / "x.npy", np.append(x, [0, np.nan]))
    np.savetxt(tmp_path / "z.txt", z, fmt="%d", header="intervals")
    np.savez(tmp_path / "h.npz", edges=edges, counts=counts)
    lines = [f"{e},{c}" for e, c in zip(edges, [*counts, ""], strict=True)]
    (tmp_path / "h.csv").write_text("\n".join(["edge,count", *lines]))
    found = {
        file.name: fit_file(file, xmin=1, replicates=9) for file in tmp_path.iterdir()
    }
    assert found["x.npy"].fit.alpha == fit_power_law_samples(x, xmin=1).alpha
    assert found["x.npy"].left_out == 2
    whole = fit_power_law_samples(z, xmin=1, discrete=True)
    assert found["z.txt"].fit == whole
    binned = fit_power_law(edges, counts, xmin=1)
    assert found["h.npz"].fit == found["h.csv"].fit == binned
    again = json.loads(json.dumps(found["h.csv"].numbers(), allow_nan=False))
    assert again["fit"]["alpha"] == binned.alpha
    assert len(again["alternatives"]) == 4
    assert len(str(found["z.txt"]).splitlines()) < 12
    (tmp_path / "h.csv").write_text("\n".join(["edge;count", *lines]).replace(",", ";"))
    assert fit_file(tmp_path / "h.csv", xmin=1, replicates=9).fit == binned


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"x\nnone\ntwo\n", "no positive number among its 2 values, of which 2 are"),
        (b"-1\n0\n", "no positive number among its 2 values, of which 0 are"),
        (b"", "has no numbers: expected 1 or 2 columns"),
        (b"\n \n", "has no numbers: expected 1 or 2 columns"),
        (b"PK", "has no numbers: expected 1 or 2 columns"),
        (b"1,2\n3\n4,5,6\n", "is no table of numbers"),
        (b"\xff\xfe\x00", "is no table of numbers"),
        (b"1 2 3\n4 5 6\n", "expected 1 or 2 columns"),
    ],
)
def test_a_file_without_a_column_of_numbers_is_refused(content, sentence, tmp_path):
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"bad\.csv.*{sentence}"):
        fit_file(tmp_path / "bad.csv")


def test_the_command_prints_draws_and_answers_in_json(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savetxt("x.txt", np.random.default_rng(4).pareto(1.5, 300) + 1)
    command = ["fit", "x.txt", "--xmin", "1", "--replicates", "9"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert "power law: alpha = 2." in done.output
    assert (tmp_path / "x.png").stat().st_size > 10_000
    done = CliRunner().invoke(cli, [*command, "--json", "--xmax", "50"])
    assert json.loads(done.output)["fit"]["upper"] == "truncated"
    done = CliRunner().invoke(cli, ["fit", "x.txt", "--xmin", "1e9"])
    assert (done.exit_code, "leaves no tail" in done.output) == (2, True)
