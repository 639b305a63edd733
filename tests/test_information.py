"""Information agrees with closed forms; its bias and its nulls are as documented."""

from contextlib import nullcontext

import numpy as np
import pytest
from scipy import special, stats
from sklearn.feature_selection import mutual_info_regression

from netdyn_utils.information import (
    mutual_information,
    permutation_test,
    window_information,
)

ESTIMATORS = ("rank", "linear", "ksg")


def normal_pair(rho, n, seed=0):
    x, noise = np.random.default_rng(seed).normal(size=(2, n))
    return x, rho * x + np.sqrt(1 - rho**2) * noise


def t_pair(nu, n, seed=0):
    """Return two uncorrelated Student-t values that share their scale."""
    rng = np.random.default_rng(seed)
    scale = np.sqrt(nu / rng.chisquare(nu, size=n))
    return rng.normal(size=n) * scale, rng.normal(size=n) * scale


def true_t(nu):
    """Return what they share: twice the entropy of one, less that of both."""
    both = np.log(2 * np.pi) + (nu + 2) / 2 * (
        special.digamma((nu + 2) / 2) - special.digamma(nu / 2)
    )
    return 2 * stats.t.entropy(nu) - both


def nats(*pair, **options):
    return mutual_information(*pair, **options).nats


# truths


@pytest.mark.parametrize("rho", [-0.9, 0.3, 0.6, 0.8])
def test_normal_pairs_share_what_their_correlation_says(rho):
    true = -np.log(1 - rho**2) / 2
    pair = normal_pair(rho, 300_000)
    for estimator in ("rank", "linear"):  # what lies within one bin is lost
        found = nats(*pair, estimator=estimator)
        assert found == pytest.approx(true, rel=0.03, abs=0.003)
    rng = np.random.default_rng(1)
    assert nats(*pair, estimator="ksg", rng=rng) == pytest.approx(true, abs=0.05)


@pytest.mark.parametrize(("nu", "true"), [(1, 0.2242), (2, 0.0827), (3, 0.0424)])
def test_heavy_tails_defeat_linear_bins_and_not_rank_bins(nu, true):
    assert true_t(nu) == pytest.approx(true, abs=5e-5)
    pair = t_pair(nu, 500_000)
    assert nats(*pair) == pytest.approx(true, rel=0.1)
    assert nats(*pair, estimator="linear") < true / 2
    rng = np.random.default_rng(1)
    assert nats(*pair, estimator="ksg", rng=rng) == pytest.approx(true, abs=0.05)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_independent_samples_share_nothing_and_the_estimate_may_be_negative(estimator):
    found = [
        nats(
            *np.random.default_rng(seed).random((2, 2_000)),
            estimator=estimator,
            bins=8,
            rng=np.random.default_rng(seed),
        )
        for seed in range(40)
    ]
    assert min(found) < 0 < max(found)
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(40)


def warn_of_few_pairs(n):
    few = n < 50**2
    return pytest.warns(UserWarning, match="shuffled_null") if few else nullcontext()


@pytest.mark.parametrize(
    ("n", "linear", "rank"),
    [
        (500, (1.06, 0.77), (1.73, 1.37)),
        (5_000, (0.155, 0.064), (0.277, 0.069)),
        (50_000, (0.0171, 0.0050), (0.0242, 0.0002)),
    ],
)
def test_few_counts_look_like_information_and_the_correction_takes_part_of_it(
    n, linear, rank
):
    # Of independent normals; means over five seeds, plug-in and corrected.
    pairs = [np.random.default_rng(seed).normal(size=(2, n)) for seed in range(5)]
    for estimator, expected in (("linear", linear), ("rank", rank)):
        with warn_of_few_pairs(n):
            found = [mutual_information(*pair, estimator=estimator) for pair in pairs]
        means = np.mean([(one.plug_in, one.nats) for one in found], axis=0)
        assert means == pytest.approx(expected, rel=0.05, abs=3e-4)


def test_the_plug_in_is_that_of_numpy_bins_by_brute_force():
    x, y = normal_pair(0.5, 3_000)
    counts = np.histogram2d(x, y, bins=50)[0]
    expected = 0.0
    for i, j in np.ndindex(50, 50):
        if counts[i, j]:
            share = counts[i, j] / counts.sum()
            expected += share * np.log(
                share / (counts[i].sum() / 3_000) / (counts[:, j].sum() / 3_000)
            )
    found = mutual_information(x, y, estimator="linear")
    assert found.plug_in == pytest.approx(expected, rel=1e-12)
    occupied = [np.count_nonzero(c) for c in (counts.sum(1), counts.sum(0), counts)]
    shift = (occupied[0] + occupied[1] - occupied[2] - 1) / 6_000
    assert found.nats == pytest.approx(expected + shift, rel=1e-12)
    assert nats(x, y, estimator="linear", correction=None) == found.plug_in


def test_neighbours_agree_with_scikit_learn_without_its_clip_at_zero():
    rng = np.random.default_rng(0)
    options = {"estimator": "ksg", "rng": rng}
    for rho, seed in ((0.9, 0), (0.5, 1), (-0.2, 2)):
        x, y = normal_pair(rho, 1_500, seed)
        for k in (3, 7):
            expected = mutual_info_regression(
                x[:, None], y, n_neighbors=k, random_state=0
            )[0]
            found = nats(x, y, neighbours=k, **options)
            assert found == pytest.approx(expected, abs=1e-3)
    assert min(nats(*normal_pair(0, 400, s), **options) for s in range(9)) < 0


# invariance


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_neither_variable_comes_first(estimator):
    x, y = t_pair(3, 1_200)
    options = {"estimator": estimator, "bins": 12}
    one = nats(x, y, **options, rng=np.random.default_rng(0))
    other = nats(y, x, **options, rng=np.random.default_rng(0))
    assert one == pytest.approx(other, abs=1e-9)


def test_rank_estimates_are_the_same_under_every_monotone_map():
    x, y = t_pair(1, 5_000)
    expected = mutual_information(x, y)
    assert mutual_information(np.arctan(x), y**3) == expected
    assert mutual_information(x, np.exp(np.arcsinh(y))) == expected
    # Turned round, too, where bins divide the samples: no bin is larger than another.
    assert nats(-x, y) == pytest.approx(expected.nats, rel=1e-12)
    assert nats(x, -y) == pytest.approx(expected.nats, rel=1e-12)


@pytest.mark.parametrize("estimator", ["rank", "linear"])
def test_a_rare_event_shares_its_entropy_whatever_it_is_called(estimator):
    x = np.repeat(np.arange(1_000.0), 3)
    rare = np.where(x < 20, 1, np.where(x >= 980, 2, 0))
    expected = stats.entropy([0.02, 0.96, 0.02])
    for names in ([0, 1, 2], [5, -1, 7], [1, 0, 0.5]):
        found = nats(x, np.array(names)[rare], estimator=estimator, correction=None)
        assert found == pytest.approx(expected, rel=1e-9)
    event = 1.0 * (x % 1_000 >= 990)  # fewer than fill a bin
    for y in (event, 1 - event, 1e9 * event):
        found = mutual_information(event, y, estimator=estimator).plug_in
        assert found == pytest.approx(stats.entropy([0.99, 0.01]), rel=1e-9)


def test_rarely_active_units_keep_their_information_in_a_window():
    rng = np.random.default_rng(0)
    active = np.maximum(rng.normal(-1.8, 1, (50, 20)), 0)
    magnitudes = (0.01 + active[..., None]) * (1 + rng.random((50, 20, 30)))
    found = window_information([(magnitudes, active)], rng=rng).pooled
    entropy = stats.entropy([np.mean(active > 0), np.mean(active == 0)])
    assert found.nats > 0.7 * entropy  # a magnitude says whether its unit was active
    assert found.observed == mutual_information(*tiled([(magnitudes, active)]))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_unit_and_the_origin_of_a_variable_mean_nothing(estimator):
    x, y = normal_pair(0.8, 2_600)
    expected = nats(x, y, estimator=estimator, rng=np.random.default_rng(0))
    for scale, offset in (
        (1e-310, 0),
        (1e-200, 0),
        (3e306, 0),
        (1, 1e10),
        (1e3, -1e14),
    ):
        rng = np.random.default_rng(0)
        found = nats(scale * x + offset, y, estimator=estimator, rng=rng)
        assert found == pytest.approx(expected, abs=2e-3)


def test_the_order_of_the_pairs_means_nothing():
    x, y = t_pair(2, 2_999)
    order = np.random.default_rng(0).permutation(2_999)
    assert nats(x[order], y[order]) == pytest.approx(nats(x, y), rel=1e-12)


def test_a_function_of_y_carries_no_more_information_than_y():
    x, y = normal_pair(0.7, 10_000)
    coarse = (stats.rankdata(y) - 1) // 1_000  # unions of five of the fifty bins
    fine = mutual_information(x, y).plug_in
    assert mutual_information(x, coarse).plug_in < fine
    assert nats(x, np.abs(y)) < nats(x, y) / 2


def test_information_of_a_variable_with_itself_is_its_entropy():
    x = np.random.default_rng(0).normal(size=5_000)
    assert mutual_information(x, x).plug_in == pytest.approx(np.log(50))
    halves = x > 0
    assert nats(halves, -1.0 * halves) == pytest.approx(np.log(2), abs=1e-3)


# nulls


def shared_y(units=30, fan_in=40, seed=0, relation=0.0):
    """Return x and y that all weights of a unit have in common, each with its own."""
    rng = np.random.default_rng(seed)
    y, own = rng.normal(size=(2, units))
    scale = relation * y + np.sqrt(1 - relation**2) * own
    x = scale[:, None] + rng.normal(size=(units, fan_in))
    unit = np.repeat(np.arange(units), fan_in)
    return x.ravel(), np.repeat(y, fan_in), unit, rng


def test_permuting_pairs_overstates_the_sample_where_y_is_shared():
    by_pair, by_group = [], []
    for seed in range(25):
        x, y, unit, rng = shared_y(seed=seed)
        options = {"permutations": 39, "rng": rng, "bins": 6}
        by_pair.append(permutation_test(x, y, **options))
        by_group.append(permutation_test(x, y, groups=unit, **options))
    for pair, group in zip(by_pair, by_group, strict=True):
        assert group.null_spread > 3 * pair.null_spread
    # Nothing relates x to y, yet the null of pairs rejects every time.
    assert all(null.p_value < 0.05 for null in by_pair)
    p = np.array([null.p_value for null in by_group])
    assert np.mean(p < 0.1) < 0.3
    assert 0.3 < p.mean() < 0.7
    excess = [null.excess for null in by_group]
    assert abs(np.mean(excess)) < 3.5 * np.std(excess) / 5


def test_a_relation_of_whole_units_is_found_by_groups():
    x, y, unit, rng = shared_y(relation=0.9)
    null = permutation_test(x, y, groups=unit, permutations=99, rng=rng, bins=6)
    assert null.p_value == 0.01
    assert null.excess == pytest.approx(null.nats - null.null.mean())
    assert null.n == 1_200


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_independent_pairs_have_uniform_p_values(estimator):
    runs, p = (30 if estimator == "ksg" else 200), []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        pair = rng.normal(size=(2, 120))
        p += [
            permutation_test(
                *pair, estimator=estimator, bins=5, permutations=19, rng=rng
            ).p_value
        ]
    assert stats.kstest(np.array(p) - 0.025, "uniform").pvalue > 1e-3


def test_groups_exchange_whole_blocks_in_their_order():
    # y is the place inside the group: no exchange of groups changes any pair.
    unit = np.tile([2, 0, 1], 20)
    place = np.empty(60)
    for label in range(3):
        place[unit == label] = np.arange(20)
    rng = np.random.default_rng(0)
    x = rng.normal(size=60) + place
    null = permutation_test(x, place, groups=unit, permutations=9, rng=rng, bins=4)
    assert null.null == pytest.approx(np.full(9, null.nats))
    assert null.p_value == 1
    assert permutation_test(x, place, permutations=9, rng=rng, bins=4).p_value == 0.1


def test_one_permutation_has_no_spread():
    rng = np.random.default_rng(0)
    null = permutation_test(*normal_pair(0.5, 100), permutations=1, rng=rng, bins=4)
    assert np.isnan(null.null_spread)


# windows


def window(seed=0, steps=40, sizes=((8, 30), (6, 9)), relation=0.0, of_units=0.0):
    """Return layers whose magnitudes follow each step's activation, and each unit's."""
    rng, layers = np.random.default_rng(seed), []
    for units, fan_in in sizes:
        activations = rng.normal(size=(steps, units)) + 2 * rng.normal(size=units)
        size = relation * activations + of_units * rng.normal(size=units)
        noise = rng.normal(size=(steps, units, fan_in))
        layers.append((np.exp(size[..., None] + noise).astype(np.float32), activations))
    return layers, rng


def tiled(layers):
    x = [magnitudes.ravel() for magnitudes, _ in layers]
    y = [np.repeat(a.ravel(), m.shape[2]) for m, a in layers]
    return np.concatenate(x), np.concatenate(y)


@pytest.mark.parametrize("estimator", ["rank", "linear"])
@pytest.mark.parametrize("correction", ["miller-madow", None])
def test_a_window_gives_what_its_repeated_values_give(estimator, correction):
    layers, rng = window(relation=0.3)
    options = {"estimator": estimator, "bins": 12, "correction": correction}
    found = window_information(layers, rng=rng, **options)
    assert found.pooled.observed == mutual_information(*tiled(layers), **options)
    for layer, one in zip(layers, found.layers, strict=True):
        assert one.observed == mutual_information(*tiled([layer]), **options)


def test_the_null_of_a_window_equals_that_of_permuted_activations():
    layers, _ = window(relation=0.3)
    options = {"permutations": 3, "bins": 7}
    found = window_information(layers, rng=np.random.default_rng(5), **options)
    rng = np.random.default_rng(5)
    for i in range(3):
        permuted = [(m, a[:, rng.permutation(a.shape[1])]) for m, a in layers]
        expected = nats(*tiled(permuted), bins=7)
        assert found.pooled.null[i] == pytest.approx(expected, rel=1e-9)


def test_p_values_of_a_window_are_uniform_where_pairs_are_shared():
    p = []
    for seed in range(60):
        layers, rng = window(seed, steps=10, of_units=1.0)
        p.append(window_information(layers, rng=rng, bins=6, permutations=19).pooled)
    p = np.array([null.p_value for null in p])
    assert stats.kstest(p - 0.025, "uniform").pvalue > 1e-3


def test_a_relation_of_units_is_found_in_a_window():
    layers, rng = window(relation=0.4)
    found = window_information(layers, rng=rng, bins=10)
    assert found.pooled.p_value == 1 / 21
    assert found.pooled.excess > 0.02
    assert "2 layers" in str(found)


def test_permuting_constant_units_with_a_bin_each_only_renames_the_bins():
    rng = np.random.default_rng(2)
    activations = np.arange(8.0) + 1e-3 * rng.random((40, 8))
    magnitudes = np.exp(rng.normal(size=8)[:, None] + rng.normal(size=(40, 8, 30)))
    found = window_information([(magnitudes, activations)], rng=rng, bins=8).pooled
    assert found.nats > 0.1
    assert found.excess == pytest.approx(0, abs=1e-12)


# bad input

X = np.linspace(0, 1, 60) ** 2
KSG = {"estimator": "ksg", "rng": np.random.default_rng(0)}


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (np.ones(60), X, {}, "x is 1 throughout: a constant"),
        (X[:49], X[:49], {}, "49 samples are fewer than 50 bins"),
        (X, np.append(X[:-1], np.inf), {}, "y must be finite"),
        (X, X[:-1], {}, r"x of shape \(60,\) and y of shape \(59,\)"),
        (X, X, {"estimator": "kde"}, "unknown estimator 'kde': choose 'rank'"),
        (X, X, {"bins": 1}, "bins=1 puts every value in one bin"),
        (X, X, {"estimator": "ksg"}, r"pass rng=numpy.random.default_rng\(seed\)"),
        (1 + X * 1e-15, X, {"estimator": "linear"}, "no room for 50 bins"),
        (X, X, KSG | {"subsample": 3}, "3 samples have no neighbour number 3"),
        (X > 0.99, X, KSG | {"subsample": 4}, "constant on one side"),
    ],
)
def test_pairs_without_information_are_refused(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        mutual_information(x, y, **options)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.zeros(60, int), r"1 group\(s\) of 60 to 60 samples cannot be exchanged"),
        (np.arange(60) // 50, r"2 group\(s\) of 10 to 50 samples cannot be exchanged"),
        (np.arange(59), "expected a label for each of 60 samples"),
    ],
)
def test_groups_that_cannot_be_exchanged_are_refused(groups, message):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=message):
        permutation_test(X, X, groups=groups, permutations=9, rng=rng)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda _: [], {}, "no layers: pass"),
        (lambda w: [w[0], (w[1][0], w[1][1].T)], {}, "layer 1: .*expected"),
        (lambda w: [w[0], (w[1][0] * 0, w[1][1])], {}, "magnitudes of layer 1 is 0"),
        (lambda w: [(w[0][0] * np.nan, w[0][1])], {}, "must be finite"),
        (lambda w: [(w[0][0][:, :1], w[0][1][:, :1])], {}, "layer 0 has one unit"),
        (lambda w: w, {"bins": 100_000}, "fewer than 100000 bins"),
        (lambda w: w, {"estimator": "ksg"}, "unknown estimator 'ksg'"),
    ],
)
def test_windows_without_information_are_refused(change, options, message):
    layers, rng = window()
    with pytest.raises(ValueError, match=message):
        window_information(change(layers), rng=rng, **options)
