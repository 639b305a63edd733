"""Intervals are what their definition says, and chance is told from a power law."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.special import zeta

from netdyn_utils.intervals.counts import (
    IntervalCounts,
    burstiness,
    exceedance_intervals,
    memory_coefficient,
)
from netdyn_utils.intervals.fits import (
    compare_intervals,
    discrete_families,
    fit_discrete_power_law,
)
from netdyn_utils.intervals.null_model import interval_null, shuffle_times
from netdyn_utils.tails.power_law import fit_power_law, fit_power_law_samples


def naive(magnitudes, threshold):
    """Return intervals, openings, closings and successive pairs, by loops."""
    intervals, openings, closings, pairs = [], [], [], []
    for column in np.asarray(magnitudes).T:
        times = [step for step, value in enumerate(column) if value >= threshold]
        gaps = [b - a for a, b in pairwise(times)]
        intervals += gaps
        pairs += pairwise(gaps)
        openings += [times[0] + 1] if times else []
        closings += [len(column) - times[-1]] if times else []
    return intervals, openings, closings, pairs


def counted(lengths):
    return np.bincount(np.asarray(lengths, int))[1:]


def geometric(p, size, seed=0):
    return counted(np.random.default_rng(seed).geometric(p, size))


def zipf(alpha, size, seed=0, longest=None):
    x = np.random.default_rng(seed).zipf(alpha, size)
    return counted(x if longest is None else x[x <= longest])


def times(gaps, steps):
    """Return magnitudes of one weight that exceeds after each of the gaps."""
    at = np.cumsum(gaps)
    magnitudes = np.zeros((steps, 1))
    magnitudes[at[at < steps]] = 1.0
    return magnitudes


# the definition


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.9])
def test_counts_are_those_of_loops(rate):
    rng = np.random.default_rng(3)
    magnitudes = rng.random((80, 30))
    counts = IntervalCounts.of(magnitudes, 1 - rate)
    intervals, openings, closings, pairs = naive(magnitudes, 1 - rate)
    assert exceedance_intervals(magnitudes, 1 - rate).tolist() == intervals
    assert counts.counts.tolist() == counted(intervals).tolist()
    assert counts.left_censored.tolist() == counted(openings).tolist()
    assert counts.right_censored.tolist() == counted(closings).tolist()
    a, b = np.array(pairs or [(0, 0)]).T
    sums = (len(pairs), a.sum(), b.sum(), a @ a, b @ b, a @ b)
    assert counts.pairs == sums
    exceeds = magnitudes >= 1 - rate
    assert counts.exceedances == exceeds.sum()
    assert counts.share == pytest.approx(exceeds.mean())
    assert counts.per_weight.tolist() == sorted(exceeds.sum(0))
    assert counts.n_never == (~exceeds.any(0)).sum()
    assert (counts.weights, counts.total) == (30, len(intervals))


def test_opening_intervals_and_closing_fill_the_window():
    counts = IntervalCounts.of(np.random.default_rng(0).random((50, 40)), 0.9)
    parts = (counts.counts, counts.left_censored, counts.right_censored)
    whole = sum(np.arange(1, len(part) + 1) @ part for part in parts)
    assert whole == (counts.weights - counts.n_never) * (counts.steps + 1)


def test_an_update_at_the_threshold_is_large_and_nan_is_not():
    magnitudes = np.array([[0.5, np.nan], [np.nan, np.inf], [0.5, 0.5]])
    assert exceedance_intervals(magnitudes, 0.5).tolist() == [2, 1]


def test_parts_of_the_weights_add_up_to_the_whole():
    magnitudes = np.random.default_rng(1).random((60, 20)) ** 3
    one, other = (IntervalCounts.of(part, 0.7) for part in np.split(magnitudes, [3], 1))
    whole = IntervalCounts.of(magnitudes, 0.7)
    for name in (
        "counts",
        "left_censored",
        "right_censored",
        "exceedance_histogram",
        "pairs",
    ):
        for total in (one + other, other + one):
            assert list(getattr(total, name)) == list(getattr(whole, name))


def test_different_thresholds_or_windows_do_not_add_up():
    magnitudes = np.random.default_rng(1).random((60, 20))
    one = IntervalCounts.of(magnitudes, 0.7)
    for other in (
        IntervalCounts.of(magnitudes, 0.8),
        IntervalCounts.of(magnitudes[1:], 0.7),
    ):
        with pytest.raises(ValueError, match="do not add up: count both with the same"):
            one + other


def test_bins_of_whole_numbers_hold_every_interval():
    counts = IntervalCounts(1.0, 9_999, zipf(1.8, 100_000, longest=3_000))
    binned = counts.binned(4)
    assert binned.counts.sum() == counts.total
    assert (binned.edges % 1 == 0.5).all()
    assert (np.diff(binned.edges) > 0).all()
    for low, high, held in zip(
        binned.edges[:-1], binned.edges[1:], binned.counts, strict=True
    ):
        inside = (counts.lengths > low) & (counts.lengths < high)
        assert counts.counts[inside].sum() == held
    fit = fit_power_law(binned.edges, binned.counts, xmin=binned.edges[8])
    assert fit.alpha == pytest.approx(1.8, abs=0.05)


@pytest.mark.parametrize("threshold", [0, -1.0, np.nan, np.inf])
def test_a_threshold_that_is_not_positive_and_finite_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold must be a positive finite number"):
        exceedance_intervals(np.ones((3, 2)), threshold)


@pytest.mark.parametrize("shape", [(1, 5), (0, 5), (7,)])
def test_a_window_shorter_than_two_steps_is_refused(shape):
    with pytest.raises(ValueError, match="two steps or more"):
        exceedance_intervals(np.ones(shape), 0.5)


def test_no_exceedance_at_all_is_said_when_something_is_asked_of_it():
    counts = IntervalCounts.of(np.zeros((10, 3)), 0.5)
    assert (counts.total, counts.n_never, counts.exceedances) == (0, 3, 0)
    for ask in (
        fit_discrete_power_law,
        lambda c: c.burstiness,
        lambda c: c.binned(),
    ):
        with pytest.raises(
            ValueError, match=r"no weight exceeded 0\.5 twice in 10 steps \(0 exceed"
        ):
            ask(counts)
    with pytest.raises(ValueError, match="no weight exceeded twice"):
        interval_null(counts.per_weight, counts.steps)
    with pytest.raises(ValueError, match="no interval to fit"):
        fit_discrete_power_law(np.zeros(5, int))


# burstiness and memory


def test_random_times_have_the_geometric_mean_and_no_burstiness():
    for p in (0.3, 0.01):
        magnitudes = np.random.default_rng(0).random((400_000, 1))
        counts = IntervalCounts.of(magnitudes, 1 - p)
        n, mean = counts.total, counts.lengths @ counts.counts / counts.total
        assert abs(mean - 1 / p) < 4 * np.sqrt(1 - p) / p / np.sqrt(n)
        ratio = np.sqrt(1 - p)  # σ/μ of a geometric law
        assert counts.burstiness == pytest.approx((ratio - 1) / (ratio + 1), abs=0.02)
        assert abs(counts.memory_coefficient) < 4 / np.sqrt(n)


def test_renewal_with_power_law_gaps_is_bursty_and_forgets():
    gaps = np.random.default_rng(0).zipf(2.3, 30_000)
    counts = IntervalCounts.of(times(gaps, int(gaps.sum())), 0.5)
    assert counts.burstiness > 0.4
    assert abs(counts.memory_coefficient) < 0.05


def test_long_intervals_that_follow_long_ones_are_memory():
    gaps = np.repeat(np.random.default_rng(0).integers(1, 100, 500), 20)
    counts = IntervalCounts.of(times(gaps, int(gaps.sum())), 0.5)
    assert counts.memory_coefficient == pytest.approx(0.95, abs=0.01)


def test_memory_is_the_correlation_of_successive_intervals():
    intervals = np.random.default_rng(2).integers(1, 50, 200)
    counts = IntervalCounts.of(times(intervals, int(intervals.sum()) + 1), 0.5)
    inner = exceedance_intervals(times(intervals, int(intervals.sum()) + 1), 0.5)
    expected = np.corrcoef(inner[:-1], inner[1:])[0, 1]
    assert counts.memory_coefficient == pytest.approx(expected, rel=1e-12)


def test_finite_sequences_are_corrected_to_zero_if_random():
    # n points at random on a ring leave parts with σ/μ = √((n − 1)/(n + 1)).
    for n in (2, 5, 50):
        assert burstiness(1.0, np.sqrt((n - 1) / (n + 1)), events=n) == pytest.approx(0)
        assert burstiness(1.0, 0.0, events=n) == -1
        assert burstiness(1.0, np.sqrt(n - 1), events=n) == pytest.approx(1)


@pytest.mark.parametrize(
    ("mean", "deviation", "events"),
    [(1, -0.5, None), (1, np.nan, None), (0, 1, None), (1, 1, 1), (1, 1, 0)],
)
def test_burstiness_of_what_cannot_be_is_refused(mean, deviation, events):
    with pytest.raises(ValueError, match=r"must be|two or more"):
        burstiness(mean, deviation, events=events)


def test_memory_of_too_little_is_refused():
    for pairs in ((1, 2, 3, 4, 9, 6), (5, 10, 10, 20, 20, 20)):
        with pytest.raises(ValueError, match="there is no correlation"):
            memory_coefficient(pairs)
    with pytest.raises(ValueError, match="were not kept"):
        _ = IntervalCounts(1.0, 10, np.array([1, 2])).memory_coefficient


# the null of shuffled times


@pytest.mark.parametrize(("events", "steps"), [(2, 5), (3, 7), (6, 7), (7, 7)])
def test_null_is_the_mean_over_all_placements(events, steps):
    sums, opening, pairs, ways = np.zeros(steps), np.zeros(steps), np.zeros(6), 0
    for at in combinations(range(steps), events):
        gaps = np.diff(at)
        sums += np.bincount(gaps, minlength=steps + 1)[1:]
        opening[at[0]] += 1
        a, b = gaps[:-1], gaps[1:]
        pairs += (len(a), a.sum(), b.sum(), a @ a, b @ b, a @ b)
        ways += 1
    null = interval_null(np.array([events]), steps)
    assert null.expected == pytest.approx(sums[: len(null.expected)] / ways)
    assert null.ends == pytest.approx(opening[: len(null.ends)] / ways)
    assert null.pairs == pytest.approx(pairs / ways)


def test_null_is_within_the_error_of_shuffles():
    rng = np.random.default_rng(5)
    exceedances, steps = rng.integers(0, 30, 50), 200
    null = interval_null(exceedances, steps)
    draws = [shuffle_times(exceedances, steps, rng) for _ in range(400)]
    counts = np.array([np.pad(d.counts, (0, steps - len(d.counts))) for d in draws])
    expected = np.pad(null.expected, (0, steps - len(null.expected)))
    error = np.maximum(counts.std(0), np.sqrt(expected)) / np.sqrt(len(draws))
    z = (counts.mean(0) - expected) / np.maximum(error, 1e-3)
    assert np.abs(z).max() < 4.5
    for name in ("burstiness", "memory_coefficient"):
        values = [getattr(draw, name) for draw in draws]
        spread = np.std(values) / np.sqrt(len(draws))
        # The mean of a ratio is not the ratio of means, by a term of order 1/n.
        assert abs(np.mean(values) - getattr(null, name)) < 5 * spread + 2e-3
    for draw in draws[:3]:
        assert draw.per_weight.tolist() == sorted(exceedances)
        assert draw.total == round(null.total)


def test_null_of_equal_rare_times_is_geometric_and_not_bursty():
    steps, n = 100_000, 1_000
    null = interval_null(np.full(7, n), steps)
    p = n / steps
    k = np.arange(1, 301)
    law = p * (1 - p) ** (k - 1)
    assert null.expected[:300] / null.total == pytest.approx(law, rel=0.01)
    assert null.burstiness == pytest.approx(0, abs=0.004)


def test_unequal_rates_alone_look_bursty_and_remembering():
    rates = np.repeat([2_000, 20], [10, 1_000])
    null = interval_null(rates, 10_000)
    assert null.burstiness > 0.2
    assert null.memory_coefficient > 0.2
    drawn = shuffle_times(rates, 10_000, np.random.default_rng(0))
    assert drawn.burstiness == pytest.approx(null.burstiness, abs=0.01)
    assert drawn.memory_coefficient == pytest.approx(null.memory, abs=0.02)


@pytest.mark.parametrize("exceedances", [[-1, 3], [0.5, 2], [11], [[1, 2]], []])
def test_exceedances_that_cannot_be_are_refused(exceedances):
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
    fit = fit_discrete_power_law(counted(np.append(tail, rng.integers(1, 20, 50_000))))
    assert 15 < fit.xmin < 40
    assert abs(fit.alpha - 2.2) < 4 * fit.sigma + 0.02


def test_limited_scan_is_near_the_full_one_and_exact_where_it_is_full():
    counts = zipf(2.1, 20_000, seed=4, longest=5_000)
    ours = fit_discrete_power_law(counts)
    full = fit_power_law_samples(
        np.arange(1, len(counts) + 1), counts=counts, discrete=True
    )
    assert ours.ks >= full.ks
    if full.xmin <= 32:
        assert ours == full
    k = np.arange(1, 30)
    few = np.rint(1e5 * k**-1.9).astype(int)
    assert fit_discrete_power_law(few) == fit_power_law_samples(
        k, counts=few, discrete=True
    )


def test_one_length_makes_no_fit():
    with pytest.raises(ValueError, match="make no tail"):
        fit_discrete_power_law(np.array([0, 0, 5]))


# the alternatives

SCALES = {"geometric": [(0.5,), (1e-3,)]}
SCALES["log-normal"] = [(1.2, -0.5), (-1.0, 0.0), (5.0, 3.0)]
SCALES["power law with cutoff"] = [(1.2, -3.0), (-0.5, -1.0), (0.3, 2.0)]


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
    for family in discrete_families(k, 2.2, 3.0 * xmin):
        for theta in SCALES[family.name]:
            cells = family.log_cells(np.array(theta))
            assert np.exp(cells).sum() == pytest.approx(1, abs=1e-9)
            shape = shapes[family.name](**family.usual(np.array(theta)))
            gap = (cells - shape)[:1_000]
            assert np.ptp(gap) < 1e-6 * np.abs(shape[:1_000]).max()


@pytest.mark.parametrize("xmin", [1, 40])
def test_alternatives_reach_the_zeta_law_at_their_limit(xmin):
    k = np.arange(xmin, xmin + 10_000)
    law = -2.2 * np.log(k) - np.log(zeta(2.2, xmin))
    for family in discrete_families(k, 2.2, 3.0 * xmin)[1:]:
        assert family.log_cells(np.array([1.2, -29.9])) == pytest.approx(law, abs=1e-6)


def test_a_geometric_sample_is_not_reported_as_a_power_law():
    for seed in range(5):
        counts = geometric(0.02, 50_000, seed)
        fit = fit_discrete_power_law(counts, xmin=1)
        comparison = compare_intervals(counts, fit)
        row = comparison["geometric"]
        assert row.preferred == "geometric"
        assert row.parameters["p"] == pytest.approx(0.02, rel=0.03)
        scanned = compare_intervals(counts, fit_discrete_power_law(counts))
        assert all(row.preferred != "power law" for row in scanned.alternatives)


def test_geometric_fit_is_the_one_in_closed_form():
    counts = geometric(0.1, 10_000)
    comparison = compare_intervals(counts, fit_discrete_power_law(counts, xmin=3))
    tail = np.repeat(np.arange(1, len(counts) + 1), counts)
    tail = tail[tail >= 3]
    row = comparison["geometric"]
    assert row.parameters["p"] == pytest.approx(1 / (tail.mean() - 2), rel=1e-6)
    expected = stats.geom.logpmf(tail - 2, 1 / (tail.mean() - 2)).sum()
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
        preferred += [
            r.preferred for r in comparison.alternatives if r.name != "geometric"
        ]
        limits += [r for r in comparison.alternatives if r.at_limit]
    assert {row.name for row in limits} == {"log-normal", "power law with cutoff"}
    assert {(row.loglik_ratio, row.p) for row in limits} == {(0.0, 1.0)}
    assert preferred.count("not decided") >= 13


def test_a_log_normal_and_a_cutoff_are_recognised():
    rng = np.random.default_rng(0)
    x = np.rint(rng.lognormal(3, 0.8, 50_000))
    counts = counted(x[x > 0])
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


def test_unequal_rates_are_explained_by_shuffled_times_not_by_a_power_law():
    rng = np.random.default_rng(1)
    rates = np.minimum((1 + 4 * rng.pareto(0.8, 3_000)).astype(int), 500)
    drawn = shuffle_times(rates, 5_000, rng)
    fit = fit_discrete_power_law(drawn, xmin=5)
    null = interval_null(drawn.per_weight, drawn.steps)
    row = compare_intervals(drawn, fit, null=null)["shuffled times"]
    assert row.preferred == "shuffled times"
    assert row.parameters == {}
    assert row.expected.sum() == pytest.approx(fit.n_tail, rel=1e-5)


def test_a_fit_of_other_counts_is_refused():
    counts = zipf(2.4, 5_000)
    other = fit_discrete_power_law(zipf(2.4, 6_000))
    with pytest.raises(ValueError, match="is not one of these"):
        compare_intervals(counts, other)
    continuous = fit_power_law(np.arange(1, len(counts) + 2.0), counts, xmin=1)
    with pytest.raises(ValueError, match="use fit_discrete_power_law"):
        compare_intervals(counts, continuous)


def test_numpys_strictest_errors_change_nothing():
    counts = geometric(0.1, 3_000)
    fit = fit_discrete_power_law(counts)
    expected = compare_intervals(counts, fit)
    with np.errstate(all="raise"):
        assert fit_discrete_power_law(counts) == fit
        assert compare_intervals(counts, fit) == expected
        interval_null([50, 5, 0], 1_000)


def test_fewer_independent_counts_decide_less():
    counts = geometric(0.1, 3_000)
    fit = fit_discrete_power_law(counts, xmin=1)
    for wrong in ({"n_effective": -5}, {"level": 7}):
        with pytest.raises(ValueError, match="must"):
            compare_intervals(counts, fit, **wrong)
    whole = compare_intervals(counts, fit)["geometric"]
    part = compare_intervals(counts, fit, n_effective=30)["geometric"]
    assert part.loglik_ratio == pytest.approx(whole.loglik_ratio / 100)
    assert part.p > whole.p
