"""Is the product of information and alignment conserved from window to window?

The claim: I_t·β*_t hardly changes between successive windows, as a plot of each product
against the last shows, where the points lie along the diagonal. But successive windows
of *any* smooth series lie near the diagonal: what wanders slowly is close to where it
just was. Conservation says more. Where I rises β* must fall, and the product must vary
less than if the two series, each as smooth as it is, were independent.
"""

from dataclasses import dataclass, field
from math import inf, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from ..validation import check_positive_int, real_numbers

MIN_WINDOWS = 10
MAX_AUTOCORRELATION = 0.99
ROUNDING = 1e-12  # a relative spread below this is that of the arithmetic


class NullSummary(NamedTuple):
    """Mean, 2.5 and 97.5 percentile of a statistic under the null."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class ConservationNull:
    """What the product does when the two series are independent."""

    lag_correlation: NullSummary
    relative_spread: NullSummary
    p_value: float  # of a product that spreads no more than observed


@dataclass(frozen=True)
class ConservationTest:
    """How constant the product of information and alignment is, beside two nulls."""

    product: np.ndarray = field(compare=False, repr=False)  # I·β*, nats, (windows,)
    lag_correlation: float  # of the product with the next; nan if it does not vary
    difference_mean: float  # of the next product less this, nats
    difference_sd: float
    relative_spread: float  # standard deviation over mean of the product
    information_spread: float  # the same of I alone
    alignment_spread: float  # and of β* alone
    spearman: float  # rank correlation of I and β*
    shuffled: ConservationNull
    autoregressive: ConservationNull

    def __str__(self):
        return (
            f"I·β* of {len(self.product)} windows: relative spread "
            f"{self.relative_spread:.3f} (I {self.information_spread:.3f}, β* "
            f"{self.alignment_spread:.3f}), lag correlation "
            f"{self.lag_correlation:.2f}, Spearman {self.spearman:.2f}; "
            f"p = {self.shuffled.p_value:.2g} shuffled, "
            f"{self.autoregressive.p_value:.2g} autoregressive"
        )


def conservation_test(
    information: ArrayLike,
    alignment: ArrayLike,
    *,
    rng: np.random.Generator,
    surrogates: int = 1_000,
) -> ConservationTest:
    """Measure how constant I·β* is, and how constant it would be by chance.

    `information`, (windows,), is I of ten windows or more in nats, above zero, and
    `alignment` β* of each window and the next, strictly between 0 and 1; `surrogates`
    the number of pairs of series in each null.

    Notes
    -----
    "More conserved than chance" means a smaller relative spread sd(P)/mean(P) of
    P = I·β* than in the null: p = (1 + #{null ≤ observed})/(1 + surrogates). If the
    product is conserved its spread is also below that of I and of β* alone.

    "shuffled" permutes β* against I in time. It takes every window for independent,
    which smooth series are not: its p is then too small. "autoregressive" simulates two
    independent Gaussian series of first order, z_{t+1} = φ z_t + noise, for ln I and
    logit β*. φ is the lag-1 autocorrelation r of each, with the bias of short series
    removed, r + (1 + 3r)/n (at most 0.99; M. G. Kendall, Biometrika 41 (1954) 403), and
    each simulated series gets the observed mean and standard deviation (T. Schreiber,
    A. Schmitz, Physica D 142 (2000) 346). Two opposite trends over the whole run, and
    an accidental match of two slow wanderings, look alike to any test of one run:
    several seeds tell them apart.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> alignment = 0.3 + 0.2 * rng.random(99)
    >>> print(conservation_test(0.1 / alignment, alignment, rng=rng))
    I·β* of 99 windows: relative spread 0.000 (I 0.158, β* 0.149), lag correlation \
nan, Spearman -1.00; p = 0.001 shuffled, 0.001 autoregressive
    """
    from scipy.stats import spearmanr  # a second to import, and needed only here

    check_positive_int(surrogates, "surrogates")
    i, b = _check(information, alignment)
    product, change = i * b, np.diff(i * b)
    lag, spread = _lag_and_spread(product)

    def null(products):
        lags, spreads = _lag_and_spread(products)
        summaries = (
            NullSummary(float(x.mean()), *np.quantile(x, (0.025, 0.975)).tolist())
            for x in (lags, spreads)
        )
        p_value = (1 + int((spreads <= spread).sum())) / (1 + surrogates)
        return ConservationNull(*summaries, p_value)

    shuffled = i * rng.permuted(np.tile(b, (surrogates, 1)), axis=1)
    log_i, logit_b = (_surrogates(z, surrogates, rng) for z in (np.log(i), logit(b)))
    return ConservationTest(
        product,
        lag_correlation=float(lag),
        difference_mean=float(change.mean()),
        difference_sd=float(change.std(ddof=1)),
        relative_spread=float(spread),
        information_spread=float(_relative_spread(i)),
        alignment_spread=float(_relative_spread(b)),
        spearman=float(spearmanr(i, b).statistic),
        shuffled=null(shuffled),
        autoregressive=null(np.exp(log_i) * expit(logit_b)),
    )


conservation = conservation_test  # former name


def _relative_spread(series):
    return series.std(-1, ddof=1) / series.mean(-1)


def _lag_and_spread(product):
    """Return lag correlation and relative spread of series in rows, or of one."""
    spread = _relative_spread(product)
    lag = _correlation(product[..., 1:], product[..., :-1])
    return np.where(spread > ROUNDING, lag, nan), spread


def _surrogates(z, surrogates, rng):
    """Simulate first-order series with the autocorrelation, mean and spread of z."""
    n = len(z)
    r = _correlation(z[1:], z[:-1])
    phi = np.clip(r + (1 + 3 * r) / n, -MAX_AUTOCORRELATION, MAX_AUTOCORRELATION)
    series = rng.normal(size=(n, surrogates))  # the first row: the stationary law
    for t in range(1, n):
        series[t] = phi * series[t - 1] + np.sqrt(1 - phi**2) * series[t]
    series = series.T - series.mean(0)[:, None]
    return z.mean() + z.std() * series / series.std(-1, keepdims=True)


def _correlation(x, y):
    """Return Pearson's correlation along the last axis; nan if one side is constant."""
    x, y = (v - v.mean(-1, keepdims=True) for v in (x, y))
    size = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    sums = (x * y).sum(-1)
    return np.divide(sums, size, out=np.full(size.shape, nan), where=size > 0)


def _check(information, alignment):
    """Return both series as float64, or say what is wrong with them."""
    i = real_numbers(information, "information")
    b = real_numbers(alignment, "alignment")
    if i.shape != b.shape or i.ndim != 1 or len(i) < MIN_WINDOWS:
        raise ValueError(
            f"information of shape {i.shape}, alignment of shape {b.shape}: expected "
            f"one value of each for every window, of {MIN_WINDOWS} windows or more"
        )
    for name, values, high in (("information", i, inf), ("alignment", b, 1)):
        bad = values[~((values > 0) & (values < high))]
        if bad.size:
            raise ValueError(
                f"{name} must lie between 0 and {high}, both excluded, got {bad[0]:g}: "
                "pass plug-in estimates, and abs(cos) of directions that differ"
            )
        if values.min() == values.max():
            raise ValueError(f"{name} is {values[0]:g} in every window: no balance")
    return i, b
