"""Is the product of information and alignment conserved from window to window?

The claim: I_t·β*_t hardly changes between successive windows, as a plot of each product
against the last shows, where the points lie along the diagonal. But successive windows
of *any* smooth series lie near the diagonal: what wanders slowly is close to where it
just was. Conservation says more. Where I rises β* must fall, and the product must vary
less than if the two series, each as smooth as it is, had nothing to do with each other.
"""

from dataclasses import dataclass, field
from math import nan

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from ..validation import check_positive_int

MIN_WINDOWS = 10
MAX_AUTOCORRELATION = 0.99  # autocorrelation of a surrogate
ROUNDING = 1e-12  # a spread below this is that of the arithmetic


@dataclass(frozen=True)
class NullSummary:
    """Where a statistic lies by chance: mean, 2.5 and 97.5 percentiles."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class ConservationNull:
    """What the product does when the two series have nothing to do with each other."""

    kind: str  # "shuffled" or "autoregressive"
    lag_correlation: NullSummary
    difference_sd: NullSummary
    relative_spread: NullSummary
    spearman: NullSummary
    p_value: float  # of a product that spreads no more than observed
    spearman_p: float  # of a correlation as far from zero, on both sides
    surrogates: int

    def __str__(self):
        """Return the null as one line."""
        spread, lag = self.relative_spread, self.lag_correlation
        return (
            f"{self.kind}: relative spread {spread.mean:.3f} ({spread.low:.3f} to "
            f"{spread.high:.3f}), lag correlation {lag.mean:.2f} ({lag.low:.2f} to "
            f"{lag.high:.2f}), p = {self.p_value:.2g} of {self.surrogates:,} surrogates"
        )


@dataclass(frozen=True)
class ConservationTest:
    """How constant the product of information and alignment is, and would be."""

    information: np.ndarray = field(compare=False, repr=False)  # nats, (windows,)
    alignment: np.ndarray = field(compare=False, repr=False)  # (windows,)
    lag_correlation: float  # of the product with the next; nan if it does not vary
    difference_mean: float  # of the next product less this, nats
    difference_sd: float
    relative_spread: float  # standard deviation over mean of the product
    information_spread: float  # the same of I alone
    alignment_spread: float  # and of β* alone
    spearman: float  # rank correlation of I and β*
    shuffled: ConservationNull
    autoregressive: ConservationNull

    @property
    def product(self) -> np.ndarray:
        """I·β* of each window, in nats."""
        return self.information * self.alignment

    def __str__(self):
        """Return what was found as one line."""
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

    Parameters
    ----------
    information : array, (windows,)
        I of each window, in nats, above zero. Ten windows or more, in order.
    alignment : array, (windows,)
        β* of each window and the next, strictly between 0 and 1.
    rng : numpy.random.Generator
    surrogates : int
        How many pairs of series each null draws.

    Returns
    -------
    ConservationTest

    Raises
    ------
    ValueError
        Series of other shapes, too short, constant, or out of their range.

    Notes
    -----
    With P = I·β*: the correlation of P_{t+1} with P_t, mean and standard deviation of
    P_{t+1} − P_t, and the relative spread sd(P)/mean(P). "More conserved than chance"
    means a smaller relative spread than in the null, p = (1 + #{null ≤ observed})/
    (1 + surrogates). If the product is conserved its spread is also below that of I
    and of β* alone.

    "shuffled" permutes β* against I in time. It asks whether large I goes with small
    β*, but takes every window for independent, which smooth series are not: its p is
    then too small. "autoregressive" draws two independent Gaussian series of first
    order, z_{t+1} = φ z_t + noise, for ln I and logit β*. φ is the lag-1
    autocorrelation r of each, with the bias of short series taken off, r + (1 + 3r)/n
    (at most 0.99), and each drawn series is given the observed mean and standard
    deviation; so chance may only choose how the two go together. Two opposite trends
    over the whole run, and an accidental match of two slow wanderings, look alike to
    any test of one run: several seeds tell them apart.

    References
    ----------
    X.-Y. Zhang, C. Tang, PNAS 122 (2025) e2523012122. M. G. Kendall, Biometrika 41
    (1954) 403-404, for the bias. T. Schreiber, A. Schmitz, Physica D 142 (2000)
    346-382, for surrogates.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> alignment = 0.3 + 0.2 * rng.random(99)
    >>> print(conservation_test(0.1 / alignment, alignment, rng=rng))
    I·β* of 99 windows: relative spread 0.000 (I 0.158, β* 0.149), lag correlation \
nan, Spearman -1.00; p = 0.001 shuffled, 0.001 autoregressive
    """
    check_positive_int(surrogates, "surrogates")
    i, b = _check(information, alignment)
    shuffled = i, rng.permuted(np.tile(b, (surrogates, 1)), axis=1)
    smooth = (
        np.exp(_autoregressive(np.log(i), surrogates, rng)),
        expit(_autoregressive(logit(b), surrogates, rng)),
    )
    seen = _statistics(i, b)
    return ConservationTest(
        i,
        b,
        **{name: float(value) for name, value in seen.items()},
        difference_mean=float(np.diff(i * b).mean()),
        information_spread=float(i.std(ddof=1) / i.mean()),
        alignment_spread=float(b.std(ddof=1) / b.mean()),
        shuffled=_null("shuffled", seen, _statistics(*shuffled)),
        autoregressive=_null("autoregressive", seen, _statistics(*smooth)),
    )


Conservation, conservation = ConservationTest, conservation_test  # the names before


def _statistics(i, b):
    """Return what is compared with chance, along the last axis."""
    from scipy.stats import rankdata  # slow to import, and needed here only

    product = i * b
    spread = product.std(-1, ddof=1) / product.mean(-1)
    lag = _correlation(product[..., 1:], product[..., :-1])
    return {
        "lag_correlation": np.where(spread > ROUNDING, lag, nan),
        "difference_sd": np.diff(product).std(-1, ddof=1),
        "relative_spread": spread,
        "spearman": _correlation(rankdata(i, axis=-1), rankdata(b, axis=-1)),
    }


def _null(kind, seen, drawn):
    """Return the ranges of drawn statistics, and how the seen ones stand in them."""
    ranges = {
        name: NullSummary(
            float(values.mean()), *np.quantile(values, (0.025, 0.975)).tolist()
        )
        for name, values in drawn.items()
    }
    less = drawn["relative_spread"] <= seen["relative_spread"]
    further = np.abs(drawn["spearman"]) >= np.abs(seen["spearman"])
    counted = {"p_value": less, "spearman_p": further}
    p = {
        name: (1 + int(hits.sum())) / (1 + len(hits)) for name, hits in counted.items()
    }
    return ConservationNull(kind, **ranges, **p, surrogates=len(less))


def _autoregressive(z, surrogates, rng):
    """Draw series of first order with the memory, mean and spread of z, in rows."""
    n = len(z)
    r = _correlation(z[1:], z[:-1])
    phi = np.clip(r + (1 + 3 * r) / n, -MAX_AUTOCORRELATION, MAX_AUTOCORRELATION)
    drawn = rng.normal(size=(n, surrogates))  # the first row: the stationary law
    for t in range(1, n):
        drawn[t] = phi * drawn[t - 1] + np.sqrt(1 - phi**2) * drawn[t]
    drawn = drawn.T - drawn.mean(0)[:, None]
    return z.mean() + z.std() * drawn / drawn.std(-1, keepdims=True)


def _correlation(x, y):
    """Return Pearson's correlation along the last axis; nan if one side is constant."""
    x, y = (v - v.mean(-1, keepdims=True) for v in (x, y))
    size = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    return np.divide(
        (x * y).sum(-1), size, out=np.full(size.shape, nan), where=size > 0
    )


def _check(information, alignment):
    """Return both series as float64, or say what is wrong with them."""
    i, b = np.asarray(information, float), np.asarray(alignment, float)
    if i.shape != b.shape or i.ndim != 1:
        raise ValueError(
            f"information of shape {i.shape}, alignment of shape {b.shape}: expected "
            "one value of each for every window"
        )
    if len(i) < MIN_WINDOWS:
        raise ValueError(
            f"{len(i)} windows are too few to tell a memory from chance: give "
            f"{MIN_WINDOWS} or more"
        )
    if not ((i > 0) & np.isfinite(i)).all():
        bad = i[~((i > 0) & np.isfinite(i))][0]
        raise ValueError(
            f"information must be above zero and finite, got {bad:g}: a corrected "
            "estimate may fall below zero, pass the plug-in one"
        )
    if not ((b > 0) & (b < 1)).all():
        bad = b[~((b > 0) & (b < 1))][0]
        raise ValueError(
            f"alignment must lie between 0 and 1, both excluded, got {bad:g}: pass "
            "abs(cos) of directions that differ"
        )
    for name, values in (("information", i), ("alignment", b)):
        if values.min() == values.max():
            raise ValueError(
                f"{name} is {values[0]:g} in every window: what does not vary cannot "
                "balance anything"
            )
    return i, b
