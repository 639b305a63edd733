"""Intervals follow their definition; chance and a power law are told apart."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.special import zeta

from netdyn_utils.intervals import (
    IntervalCounts,
    burstiness,
    compare_intervals,
    exceedance_intervals,
    fit_discrete_power_law,
    interval_null,
    shuffle_times,
)
from netdyn_utils.intervals.counts import memory_coefficient
from netdyn_utils.tails.families import discrete_families
from netdyn_utils.tails.power_law import fit_power_law, fit_power_law_samples


def by_loops(magnitudes, threshold):
    """Return intervals, left and right censored ones, and successive pairs."""
    intervals, left, right, pairs = [], [], [], []
    for column in np.asarray(magnitudes).T:
        times = [step for step, value in enumerate(column) if value >= threshold]
        gaps = [b - a for a, b in pairwise(times)]
        intervals += gaps
        pairs += pairwise(gaps)
        left += [times[0] + 1] if times else []
        right += [len(column) - times[-1]] if times else []
    return intervals, left, right, pairs


def moments(pairs):
    a, b = np.array(list(pairs) or [(0, 0)]).T
    return len(list(pairs)), a.sum(), b.sum(), a @ a, b @ b, a @ b


def histogram(lengths):
    return np.bincount(np.asarray(lengths, int))[1:]


def geometric(p, size, seed=0):
    return histogram(np.random.default_rng(seed).geometric(p, size))


def zipf(alpha, size, seed=0, longest=np.inf):
    x = np.random.default_rng(seed).zipf(alpha, size)
    return histogram(x[x <= longest])


def renewals(gaps):
    """Return the counts of one weight that exceeds after each of the gaps."""
    magnitudes = np.zeros((gaps.sum() + 1, 1))
    magnitudes[np.cumsum(gaps)] = 1.0
    return IntervalCounts.of(magnitudes, 0.5)


# the definition


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.9])
def test_counts_equal_those_of_loops(rate):
    magnitudes = np.random.default_rng(3).random((80, 30))
    counts = IntervalCounts.of(magnitudes, 1 - rate)
    intervals, left, right, pairs = by_loops(magnitudes, 1 - rate)
    assert exceedance_intervals(magnitudes, 1 - rate).tolist() == intervals
    assert counts.counts.tolist() == histogram(intervals).tolist()
    assert counts.left_censored.tolist() == histogram(left).tolist()
    assert counts.right_censored.tolist() == histogram(right).tolist()
    assert counts.serial_moments == moments(pairs)
    exceeds = magnitudes >= 1 - rate
    assert counts.exceedances == exceeds.sum()
    assert counts.exceedance_fraction == pytest.approx(exceeds.mean())
    assert counts.per_weight.tolist() == sorted(exceeds.sum(0))
    assert counts.n_never == (~exceeds.any(0)).sum()
    assert (counts.weights, counts.total) == (30, len(intervals))


def test_intervals_and_censored_ends_fill_the_window():
    counts = IntervalCounts.of(np.random.default_rng(0).random((50, 40)), 0.9)
    parts = (counts.counts, counts.left_censored, counts.right_censored)
    whole = sum(np.arange(1, len(part) + 1) @ part for part in parts)
    assert whole == (counts.weights - counts.n_never) * (counts.steps + 1)


def test_a_magnitude_at_the_threshold_exceeds_and_nan_does_not():
    magnitudes = np.array([[0.5, np.nan], [np.nan, np.inf], [0.5, 0.5]])
    assert exceedance_intervals(magnitudes, 0.5).tolist() == [2, 1]


def test_counts_of_disjoint_weights_add_up():
    magnitudes = np.random.default_rng(1).random((60, 20)) ** 3
    one, other = (IntervalCounts.of(part, 0.7) for part in np.split(magnitudes, [3], 1))
    whole = vars(IntervalCounts.of(magnitudes, 0.7))
    for total in (one + other, other + one):
        for name, value in vars(total).items():
            assert np.array_equal(value, whole[name]), name
    for other in ((magnitudes, 0.8), (magnitudes[1:], 0.7)):
        with pytest.raises(ValueError, match="do not add up"):
            one + IntervalCounts.of(*other)


def test_log_bins_hold_every_interval_and_the_exponent():
    counts = IntervalCounts(1.0, 9_999, zipf(1.8, 100_000, longest=3_000))
    edges, binned = counts.binned(4)
    assert (edges % 1 == 0.5).all()
    repeated = np.repeat(counts.lengths, counts.counts)
    assert binned.tolist() == np.histogram(repeated, edges)[0].tolist()
    assert binned.sum() == counts.total
    fit = fit_power_law(edges, binned, xmin=edges[8])
    assert fit.alpha == pytest.approx(1.8, abs=0.05)


@pytest.mark.parametrize(
    ("magnitudes", "threshold", "message"),
    [
        (np.ones((3, 2)), 0, "threshold must be a positive finite number"),
        (np.ones((3, 2)), np.nan, "threshold must be a positive finite number"),
        (np.ones((1, 5)), 0.5, "two steps or more"),
        (np.ones(7), 0.5, "two steps or more"),
    ],
)
def test_bad_magnitudes_or_thresholds_are_refused(magnitudes, threshold, message):
    with pytest.raises(ValueError, match=message):
        exceedance_intervals(magnitudes, threshold)


def test_a_window_without_intervals_says_so():
    counts = IntervalCounts.of(np.zeros((10, 3)), 0.5)
    assert (counts.total, counts.n_never, counts.exceedances) == (0, 3, 0)
    for measure in (fit_discrete_power_law, lambda c: c.burstiness):
        with pytest.raises(ValueError, match=r"no weight exceeded 0\.5 twice in 10"):
            measure(counts)
    with pytest.raises(ValueError, match="no weight exceeded twice"):
        interval_null(counts.per_weight, counts.steps)
    with pytest.raises(ValueError, match="no interval to fit"):
        fit_discrete_power_law(np.zeros(5, int))


# burstiness and memory


@pytest.mark.parametrize("p", [0.3, 0.01])
def test_random_times_have_the_geometric_mean_and_no_memory(p):
    magnitudes = np.random.default_rng(0).random((400_000, 1))
    counts = IntervalCounts.of(magnitudes, 1 - p)
    n, mean = counts.total, counts.lengths @ counts.counts / counts.total
    assert abs(mean - 1 / p) < 4 * np.sqrt(1 - p) / p / np.sqrt(n)
    ratio = np.sqrt(1 - p)  # σ/μ of a geometric law
    assert counts.burstiness == pytest.approx((ratio - 1) / (ratio + 1), abs=0.02)
    assert abs(counts.memory_coefficient) < 4 / np.sqrt(n)


def test_renewals_with_power_law_gaps_are_bursty_without_memory():
    counts = renewals(np.random.default_rng(0).zipf(2.3, 30_000))
    assert counts.burstiness > 0.4
    assert abs(counts.memory_coefficient) < 0.05


def test_memory_is_the_correlation_of_successive_intervals():
    rng = np.random.default_rng(2)
    gaps = rng.integers(1, 50, 200)
    expected = np.corrcoef(gaps[1:-1], gaps[2:])[0, 1]  # the first is censored
    assert renewals(gaps).memory_coefficient == pytest.approx(expected, rel=1e-12)
    blocks = np.repeat(rng.integers(1, 100, 500), 20)  # long ones follow long ones
    assert renewals(blocks).memory_coefficient == pytest.approx(0.95, abs=0.01)


def test_burstiness_and_memory_of_too_little_are_refused():
    for mean, deviation in ((1, -0.5), (1, np.nan), (0, 1)):
        with pytest.raises(ValueError, match="must be"):
            burstiness(mean, deviation)
    for sums in ((1, 2, 3, 4, 9, 6), (5, 10, 10, 20, 20, 20)):
        with pytest.raises(ValueError, match="there is no correlation"):
            memory_coefficient(sums)
    with pytest.raises(ValueError, match="no serial moments"):
        _ = IntervalCounts(1.0, 10, np.array([1, 2])).memory_coefficient


# the null of shuffled times


@pytest.mark.parametrize(("events", "steps"), [(2, 5), (3, 7), (6, 7), (7, 7)])
def test_null_equals_the_mean_over_all_placements(events, steps):
    placements = list(combinations(range(steps), events))
    gaps = [np.diff(at) for at in placements]
    null = interval_null(np.array([events]), steps)
    sums = histogram(np.concatenate(gaps)) / len(placements)
    assert null.expected == pytest.approx(sums)
    first = histogram([at[0] + 1 for at in placements]) / len(placements)
    assert null.censored == pytest.approx(first)
    pairs = [pair for g in gaps for pair in pairwise(g)]
    assert null.serial_moments == pytest.approx(np.array(moments(pairs)) / len(gaps))


def test_null_is_within_the_error_of_shuffles():
    rng = np.random.default_rng(5)
    exceedances, steps = rng.integers(0, 30, 50), 200
    null = interval_null(exceedances, steps)
    shuffles = [shuffle_times(exceedances, steps, rng) for _ in range(400)]
    counts = np.array([np.pad(s.counts, (0, steps - len(s.counts))) for s in shuffles])
    expected = np.pad(null.expected, (0, steps - len(null.expected)))
    error = np.maximum(counts.std(0), np.sqrt(expected)) / np.sqrt(len(shuffles))
    z = (counts.mean(0) - expected) / np.maximum(error, 1e-3)
    assert np.abs(z).max() < 4.5
    for name in ("burstiness", "memory_coefficient"):
        values = [getattr(one, name) for one in shuffles]
        spread = np.std(values) / np.sqrt(len(shuffles))
        # The mean of a ratio is not the ratio of means, by a term of order 1/n.
        assert abs(np.mean(values) - getattr(null, name)) < 5 * spread + 2e-3
    for one in shuffles[:3]:
        assert one.per_weight.tolist() == sorted(exceedances)
        assert one.total == round(null.total)


def test_null_of_equal_rare_times_is_geometric_and_not_bursty():
    null = interval_null(np.full(7, 1_000), 100_000)
    law = stats.geom.pmf(np.arange(1, 301), 0.01)
    assert null.expected[:300] / null.total == pytest.approx(law, rel=0.01)
    assert null.burstiness == pytest.approx(0, abs=0.004)


def test_unequal_rates_alone_look_bursty_and_correlated():
    rates = np.repeat([2_000, 20], [10, 1_000])
    null = interval_null(rates, 10_000)
    assert null.burstiness > 0.2
    assert null.memory_coefficient > 0.2
    shuffled = shuffle_times(rates, 10_000, np.random.default_rng(0))
    assert shuffled.burstiness == pytest.approx(null.burstiness, abs=0.01)
    expected = pytest.approx(null.memory_coefficient, abs=0.02)
    assert shuffled.memory_coefficient == expected


@pytest.mark.parametrize("exceedances", [[-1, 3], [0.5, 2], [11], [[1, 2]], []])
def test_impossible_numbers_of_exceedances_are_refused(exceedances):
    with pytest.raises(ValueError, match=r"must be (whole numbers|zero or above)"):
        interval_null(exceedances, 10)


# the fit


@pytest.mark.parametrize("alpha", [1.7, 2.5, 3.2])
def test_a_zeta_sample_gives_back_its_exponent(alpha):
    fit = fit_discrete_power_law(zipf(alpha, 100_000, longest=10**6), xmin=1)
    assert abs(fit.alpha - alpha) < 4 * fit.sigma
    assert fit.kind == "discrete"


def test_scan_finds_where_the_law_begins():
    rng = np.random.default_rng(0)
    k = np.arange(20, 200_000)
    tail = rng.choice(k, 50_000, p=k**-2.2 / (k**-2.2).sum())
    body = rng.integers(1, 20, 50_000)
    fit = fit_discrete_power_law(histogram(np.append(tail, body)))
    assert 15 < fit.xmin < 40
    assert abs(fit.alpha - 2.2) < 4 * fit.sigma + 0.02


def test_limited_scan_equals_the_full_one_at_short_lengths():
    k = np.arange(1, 30)
    few = np.rint(1e5 * k**-1.9).astype(int)
    full = fit_power_law_samples(k, counts=few, discrete=True)
    assert fit_discrete_power_law(few) == full
    counts = zipf(2.1, 20_000, seed=4, longest=5_000)
    k = np.arange(1, len(counts) + 1)
    full = fit_power_law_samples(k, counts=counts, discrete=True)
    assert fit_discrete_power_law(counts).ks >= full.ks


# the alternatives

THETAS = {
    "geometric": [(0.5,), (1e-3,)],
    "log-normal": [(1.2, -0.5), (-1.0, 0.0), (5.0, 3.0)],
    "power law with cutoff": [(1.2, -3.0), (-0.5, -1.0), (0.3, 2.0)],
}


@pytest.mark.parametrize("xmin", [1, 7, 300])
def test_alternatives_sum_to_one_and_have_the_named_shape(xmin):
    k = np.arange(xmin, xmin + 1_000_000)
    shapes = {
        "geometric": lambda p: k * np.log1p(-p),
        "log-normal": lambda mu, sigma: (
            -np.log(k) - (np.log(k) - mu) ** 2 / (2 * sigma**2)
        ),
        "power law with cutoff": lambda alpha, rate: -alpha * np.log(k) - rate * k,
    }
    for family in discrete_families(k, xmin, 2.2, 3.0 * xmin):
        for theta in map(np.array, THETAS[family.name]):
            cells = family.log_cells(theta)
            assert np.exp(cells).sum() == pytest.approx(1, abs=1e-9)
            shape = shapes[family.name](**family.usual(theta))
            gap = (cells - shape)[:1_000]
            assert np.ptp(gap) < 1e-6 * np.abs(shape[:1_000]).max()


@pytest.mark.parametrize("xmin", [1, 40])
def test_alternatives_reach_the_zeta_law_at_their_limit(xmin):
    k = np.arange(xmin, xmin + 10_000)
    law = -2.2 * np.log(k) - np.log(zeta(2.2, xmin))
    for family in discrete_families(k, xmin, 2.2, 3.0 * xmin)[1:]:
        assert family.log_cells(np.array([1.2, -29.9])) == pytest.approx(law, abs=1e-6)


def test_a_geometric_sample_is_not_reported_as_a_power_law():
    for seed in range(5):
        counts = geometric(0.02, 50_000, seed)
        row = compare_intervals(counts, fit_discrete_power_law(counts, xmin=1))
        assert row["geometric"].preferred == "geometric"
        assert row["geometric"].parameters["p"] == pytest.approx(0.02, rel=0.03)
        scanned = compare_intervals(counts, fit_discrete_power_law(counts))
        assert all(row.preferred != "power law" for row in scanned.alternatives)


def test_geometric_fit_equals_its_closed_form():
    counts = geometric(0.1, 10_000)
    comparison = compare_intervals(counts, fit_discrete_power_law(counts, xmin=3))
    tail = np.repeat(np.arange(1, len(counts) + 1), counts)
    tail = tail[tail >= 3]
    row, p = comparison["geometric"], 1 / (tail.mean() - 2)
    assert row.parameters["p"] == pytest.approx(p, rel=1e-6)
    expected = stats.geom.logpmf(tail - 2, p).sum()
    assert row.log_likelihood == pytest.approx(expected, rel=1e-10)
    assert row.expected.sum() == pytest.approx(len(tail), rel=1e-3)
    assert len(comparison.edges) == len(row.expected) + 1


def test_a_zeta_sample_beats_the_geometric_law_and_is_not_beaten():
    preferred, limits = [], []
    for seed in range(8):
        counts = zipf(2.4, 20_000, seed)
        comparison = compare_intervals(counts, fit_discrete_power_law(counts, xmin=1))
        assert comparison["geometric"].preferred == "power law"
        assert comparison["log-normal"].loglik_ratio < 1e-3 * 20_000
        assert comparison["power law with cutoff"].loglik_ratio <= 1e-4
        preferred += [row.preferred for row in comparison.alternatives[1:]]
        limits += [r for r in comparison.alternatives if r.at_limit]
    assert {row.name for row in limits} == {"log-normal", "power law with cutoff"}
    assert {(row.loglik_ratio, row.p) for row in limits} == {(0.0, 1.0)}
    assert preferred.count("not decided") >= 13


def test_a_log_normal_and_a_cutoff_are_recognised():
    rng = np.random.default_rng(0)
    x = np.rint(rng.lognormal(3, 0.8, 50_000))
    counts = histogram(x[x > 0])
    row = compare_intervals(counts, fit_discrete_power_law(counts, xmin=5))
    assert row["log-normal"].preferred == "log-normal"
    assert row["log-normal"].parameters["mu"] == pytest.approx(3, abs=0.02)
    assert row["log-normal"].parameters["sigma"] == pytest.approx(0.8, abs=0.02)
    k = np.arange(1, 5_000)
    law = k**-1.5 * np.exp(-k / 200)
    counts = rng.multinomial(100_000, law / law.sum())
    row = compare_intervals(counts, fit_discrete_power_law(counts, xmin=1))
    cutoff = row["power law with cutoff"]
    assert cutoff.nested
    assert cutoff.preferred == "power law with cutoff"
    assert cutoff.parameters["alpha"] == pytest.approx(1.5, abs=0.02)
    assert cutoff.parameters["rate"] == pytest.approx(1 / 200, rel=0.1)


def test_shuffled_times_explain_unequal_rates_better_than_a_power_law():
    rng = np.random.default_rng(1)
    rates = np.minimum((1 + 4 * rng.pareto(0.8, 3_000)).astype(int), 500)
    shuffled = shuffle_times(rates, 5_000, rng)
    fit = fit_discrete_power_law(shuffled, xmin=5)
    null = interval_null(shuffled.per_weight, shuffled.steps)
    row = compare_intervals(shuffled, fit, null=null)["shuffled times"]
    assert row.preferred == "shuffled times"
    assert row.parameters == {}
    assert row.expected.sum() == pytest.approx(fit.n_tail, rel=1e-5)


def test_a_fit_of_other_counts_is_refused():
    counts = zipf(2.4, 5_000)
    with pytest.raises(ValueError, match="is not one of these"):
        compare_intervals(counts, fit_discrete_power_law(zipf(2.4, 6_000)))
    continuous = fit_power_law(np.arange(1, len(counts) + 2.0), counts, xmin=1)
    with pytest.raises(ValueError, match="use fit_discrete_power_law"):
        compare_intervals(counts, continuous)


def test_results_do_not_depend_on_numpys_error_state():
    counts = geometric(0.1, 3_000)
    fit = fit_discrete_power_law(counts)
    expected = compare_intervals(counts, fit)
    with np.errstate(all="raise"):
        assert fit_discrete_power_law(counts) == fit
        assert compare_intervals(counts, fit) == expected
        interval_null([50, 5, 0], 1_000)


def test_fewer_independent_counts_lower_the_ratio():
    counts = geometric(0.1, 3_000)
    fit = fit_discrete_power_law(counts, xmin=1)
    whole = compare_intervals(counts, fit)["geometric"]
    part = compare_intervals(counts, fit, n_effective=30)["geometric"]
    assert part.loglik_ratio == pytest.approx(whole.loglik_ratio / 100)
    assert part.p > whole.p
