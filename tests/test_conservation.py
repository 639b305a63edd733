"""A product is called conserved only where smoothness alone would not make it so."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from netdyn_utils.information import conservation_test

DEFAULT = Path(__file__).parents[1] / ".." / "shared" / "reference"
REFERENCE = Path(os.environ.get("NETDYN_REFERENCE", DEFAULT))


def smooth(phi, n, rng):
    """Return a Gaussian series of first order with unit variance."""
    z = rng.normal(size=n)
    for t in range(1, n):
        z[t] = phi * z[t - 1] + np.sqrt(1 - phi**2) * z[t]
    return z


def unrelated(phi, n, seed):
    rng = np.random.default_rng(seed)
    series = np.exp(0.3 * smooth(phi, n, rng)), expit(0.8 * smooth(phi, n, rng) - 1)
    return *series, rng


@pytest.mark.parametrize("n", [10, 99])
def test_a_constant_product_has_no_spread_and_the_smallest_p(n):
    rng = np.random.default_rng(0)
    alignment = expit(smooth(0.8, n, rng))
    found = conservation_test(0.2 / alignment, alignment, rng=rng, surrogates=199)
    assert found.relative_spread < 1e-12
    assert found.product == pytest.approx(np.full(n, 0.2))
    assert np.isnan(found.lag_correlation)
    assert found.spearman == pytest.approx(-1)
    assert found.shuffled.p_value == found.autoregressive.p_value == 1 / 200


@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_p_values_of_unrelated_smooth_series_are_uniform(phi):
    p = []
    for seed in range(200):
        *series, rng = unrelated(phi, 60, seed)
        found = conservation_test(*series, rng=rng, surrogates=49)
        p.append(found.autoregressive.p_value)
    # Three standard errors of the fraction of 200 that lies below.
    for level in (0.1, 0.5, 0.9):
        error = np.sqrt(level * (1 - level) / 200)
        assert np.mean(np.array(p) <= level) == pytest.approx(level, abs=3 * error)


def test_shuffling_alone_mistakes_smoothness_for_a_relation():
    p = []
    for seed in range(60):
        *series, rng = unrelated(0.95, 99, seed)
        p.append(conservation_test(*series, rng=rng, surrogates=49).shuffled.p_value)
    assert np.mean(np.array(p) <= 0.1) > 0.25


def test_unrelated_smooth_series_lie_near_the_diagonal():
    *series, rng = unrelated(0.95, 99, 1)
    found = conservation_test(*series, rng=rng)
    assert found.lag_correlation > 0.8
    expected = found.autoregressive.lag_correlation
    assert expected.low < found.lag_correlation < expected.high
    assert found.shuffled.lag_correlation.high < 0.8


@pytest.mark.parametrize("seed", [1, 2])
def test_white_noise_has_no_lag_correlation(seed):
    *series, rng = unrelated(0, 99, seed)
    found = conservation_test(*series, rng=rng)
    assert abs(found.lag_correlation) < 3 / np.sqrt(99)
    assert found.shuffled.lag_correlation.mean == pytest.approx(0, abs=0.05)
    smooth_null = found.autoregressive.lag_correlation
    assert smooth_null.low < 0 < smooth_null.high


def test_a_partly_balanced_pair_is_found():
    rng = np.random.default_rng(3)
    shared = smooth(0.7, 99, rng)
    information = np.exp(-0.3 * shared + 0.1 * smooth(0.7, 99, rng))
    alignment = np.exp(0.3 * shared + 0.1 * smooth(0.7, 99, rng)) / 5
    found = conservation_test(information, alignment, rng=rng)
    assert found.autoregressive.p_value < 0.01
    assert found.relative_spread < min(found.information_spread, found.alignment_spread)


def test_statistics_equal_their_definitions_and_repeat_with_the_seed():
    i, b, _ = unrelated(0.5, 40, 4)
    found, again = (
        conservation_test(i, b, rng=np.random.default_rng(7), surrogates=20)
        for _ in range(2)
    )
    p = i * b
    assert found.lag_correlation == pytest.approx(np.corrcoef(p[1:], p[:-1])[0, 1])
    assert found.spearman == pytest.approx(stats.spearmanr(i, b).statistic)
    assert found.difference_mean == pytest.approx((p[-1] - p[0]) / 39)
    assert found.difference_sd == pytest.approx(np.std(p[1:] - p[:-1], ddof=1))
    assert found.relative_spread == pytest.approx(np.std(p, ddof=1) / p.mean())
    assert found == again
    assert "\n" not in str(found)


def test_the_published_run_is_smooth_and_hardly_balanced():
    stem = "submission_{}_PureSGD_lr0.1_bs50.npy"
    paths = [REFERENCE / stem.format(name) for name in ("mi", "pca")]
    if not all(path.exists() for path in paths):
        pytest.skip("published arrays not here")
    information, alignment = (np.load(path).ravel() for path in paths)
    found = conservation_test(information, alignment, rng=np.random.default_rng(0))
    assert found.product.size == 99
    assert information.mean() == pytest.approx(0.499, abs=5e-4)
    assert alignment.mean() == pytest.approx(0.112, abs=5e-4)
    # The product varies nearly as much as β* alone, for I hardly varies.
    assert found.relative_spread == pytest.approx(0.607, abs=1e-3)
    assert found.alignment_spread == pytest.approx(0.693, abs=1e-3)
    assert found.information_spread < 0.05
    expected = found.autoregressive.lag_correlation
    assert expected.low < found.lag_correlation < expected.high


GOOD = np.linspace(0.2, 0.4, 12)


def changed(value):
    return np.where(np.arange(12) == 3, value, GOOD)


@pytest.mark.parametrize(
    ("information", "alignment", "message"),
    [
        (GOOD, GOOD[:-1], r"shape \(12,\), alignment of shape \(11,\)"),
        (GOOD[:9], GOOD[:9], "10 windows or more"),
        (GOOD, np.full(12, 0.3), "alignment is 0.3 in every window"),
        (changed(-0.1), GOOD, "pass plug-in estimates"),
        (changed(np.nan), GOOD, "between 0 and inf, both excluded, got nan"),
        (GOOD, changed(1.0), "between 0 and 1, both excluded, got 1"),
        (GOOD, changed(np.nan), "between 0 and 1, both excluded, got nan"),
    ],
)
def test_bad_series_are_refused(information, alignment, message):
    with pytest.raises(ValueError, match=message):
        conservation_test(information, alignment, rng=np.random.default_rng(0))
