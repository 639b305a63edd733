"""How firm is an exponent: bootstrap intervals, and alpha window by window.

The standard error of one fit supposes independent counts and a given xmin. The
bootstrap drops the second supposition. Neither mends the first: only the scatter
between windows, layers or seeds shows what dependence does, and that is `stability`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from ..checks import positive_int
from .binned import as_fitted
from .power_law import TailFit, fit_power_law
from .scan import LogBins, scan_resamples


@dataclass(frozen=True)
class AlphaInterval:
    """A bootstrap interval of alpha, its xmin chosen anew in every resample."""

    alpha: float
    low: float
    high: float
    level: float
    sigma: float  # standard deviation over the resamples
    xmin_low: float  # the same percentiles of xmin, unit of the data
    xmin_high: float
    alphas: np.ndarray = field(compare=False, repr=False)

    def __str__(self):
        """Return the interval as one line."""
        return (
            f"alpha = {self.alpha:.4f}, {self.level:.0%} interval {self.low:.4f} to "
            f"{self.high:.4f} (xmin {self.xmin_low:.4g} to {self.xmin_high:.4g}, "
            f"{len(self.alphas):,} resamples)"
        )


def bootstrap_alpha(
    edges: ArrayLike,
    counts: ArrayLike,
    fit: TailFit,
    *,
    replicates: int = 1000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> AlphaInterval:
    """Return the percentile interval of alpha over resampled histograms.

    Parameters
    ----------
    edges, counts : array, (bins+1,) and (bins,)
        The histogram that `fit` was made from.
    fit : TailFit
        With its scan, each resample scans; else its xmin stays.
    replicates : int
    level : float
        Coverage, in (0, 1).
    rng : numpy.random.Generator

    Returns
    -------
    AlphaInterval

    Notes
    -----
    All counts are drawn anew with the observed shares, as one multinomial: the
    percentile bootstrap of Efron & Tibshirani, "An Introduction to the Bootstrap"
    (1993), chapter 13. Counts are taken as independent; with dependent ones the
    interval is too narrow by the root of n over the effective sample size.

    Examples
    --------
    >>> edges, counts = [1, 10, 100, 1000], [900, 90, 9]
    >>> fit = fit_power_law(edges, counts, xmin=1)
    >>> print(bootstrap_alpha(edges, counts, fit, rng=np.random.default_rng(0)))
    alpha = 2.0107, 95% interval 1.9... to 2.0... (xmin 1 to 1, 1,000 resamples)
    """
    positive_int(replicates, "replicates")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    folded, h, start = as_fitted(edges, counts, fit)
    bins = LogBins.of(folded, fit.top)
    resamples = rng.multinomial(h.sum(), h / h.sum(), size=replicates)
    alphas, first, _ = scan_resamples(bins, resamples, None if fit.scanned else start)
    xmins, alphas = folded[first[first >= 0]], alphas[first >= 0]
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(alphas, tails)
    xmin_low, xmin_high = np.quantile(xmins, tails)
    return AlphaInterval(
        alpha=fit.alpha,
        low=float(low),
        high=float(high),
        level=level,
        sigma=float(alphas.std(ddof=1)),
        xmin_low=float(xmin_low),
        xmin_high=float(xmin_high),
        alphas=alphas,
    )


@dataclass(frozen=True)
class Stability:
    """Alpha in each window, its scatter, and its drift from window to window."""

    fits: tuple[TailFit, ...]
    intervals: tuple[AlphaInterval, ...]
    mean: float
    spread: float  # standard deviation of alpha over the windows
    within: float  # what resampling one window would make of it (root mean square)
    trend: float  # slope of alpha against the window's number, per window
    trend_sigma: float  # its standard error, from the scatter about the line
    p_trend: float  # two-sided: no trend

    @property
    def alpha(self) -> np.ndarray:
        """Return alpha of each window, (windows,)."""
        return np.array([fit.alpha for fit in self.fits])

    def __str__(self):
        """Return the summary as one line."""
        return (
            f"alpha = {self.mean:.3f} on average over {len(self.fits)} windows, spread "
            f"{self.spread:.3f} ({self.within:.3f} expected within a window), trend "
            f"{self.trend:+.4f} ± {self.trend_sigma:.4f} per window "
            f"(p = {self.p_trend:.2g})"
        )


def stability(
    histograms: Iterable,
    *,
    xmin: float | None = None,
    top: str = "unbounded",
    xmax: float | None = None,
    replicates: int = 200,
    level: float = 0.95,
    rng: np.random.Generator,
) -> Stability:
    """Fit every window of training alike and say how alpha varies.

    Parameters
    ----------
    histograms : iterable
        One for each window, in order: with `.edges` and `.counts`, or as a pair
        (edges, counts). Three or more.
    xmin, top, xmax
        As in `fit_power_law`, the same for all windows; without xmin each scans.
    replicates, level, rng
        As in `bootstrap_alpha`.

    Returns
    -------
    Stability

    Notes
    -----
    A `spread` much larger than `within` means that windows differ, or that counts
    inside a window are dependent; the histograms alone cannot tell these apart.
    Trend: least squares on the window number, Student's t with windows − 2 degrees of
    freedom. Its error rests on the scatter between windows, not on their counts.

    Examples
    --------
    >>> rng = np.random.default_rng(2)
    >>> edges = 2 ** np.arange(0, 12, 0.25)
    >>> windows = [(edges, np.histogram(rng.pareto(1.5, 10_000) + 1, edges)[0])
    ...            for _ in range(5)]
    >>> result = stability(windows, xmin=1, rng=rng)
    >>> abs(result.mean - 2.5) < 0.05
    True
    """
    pairs = [(w.edges, w.counts) if hasattr(w, "edges") else w for w in histograms]
    if len(pairs) < 3:
        raise ValueError(f"a trend needs at least three windows, got {len(pairs)}")
    fits = [fit_power_law(*pair, xmin=xmin, top=top, xmax=xmax) for pair in pairs]
    intervals = [
        bootstrap_alpha(*pair, fit, replicates=replicates, level=level, rng=rng)
        for pair, fit in zip(pairs, fits, strict=True)
    ]
    alpha = np.array([fit.alpha for fit in fits])
    number = np.arange(len(alpha)) - (len(alpha) - 1) / 2
    trend = number @ alpha / (number @ number)
    residual = alpha - alpha.mean() - trend * number
    degrees = len(alpha) - 2
    trend_sigma = np.sqrt(residual @ residual / degrees / (number @ number))
    t = abs(trend) / trend_sigma if trend_sigma > 0 else float("inf" if trend else 0)
    return Stability(
        fits=tuple(fits),
        intervals=tuple(intervals),
        mean=float(alpha.mean()),
        spread=float(alpha.std(ddof=1)),
        within=float(np.sqrt(np.mean([i.sigma**2 for i in intervals]))),
        trend=float(trend),
        trend_sigma=float(trend_sigma),
        p_trend=float(2 * stdtr(degrees, -t)),
    )
