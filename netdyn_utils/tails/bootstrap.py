"""How firm is an exponent: bootstrap intervals, alpha by window, effective sample size.

The standard error of one fit supposes independent counts and a given xmin. The
bootstrap drops only the second supposition: a large gradient lasts for steps and hits
many weights at once, and only the scatter between windows, layers or seeds shows that.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import nan

import numpy as np
from numpy.typing import ArrayLike

from ..validation import (
    check_level,
    check_positive,
    check_positive_int,
    whole_counts,
)
from .binned import LogBins, as_fitted, edges_in_range, scan_resamples
from .power_law import (
    TailFit,
    as_fitted_sample,
    data_and_fit,
    fit_power_law,
    refit_samples,
)


@dataclass(frozen=True)
class AlphaInterval:
    """A bootstrap interval of alpha; xmin is chosen anew in every resample."""

    alpha: float
    low: float
    high: float
    level: float
    sigma: float  # standard deviation over the resamples
    xmin_low: float  # the same percentiles of xmin, unit of the data
    xmin_high: float
    alphas: np.ndarray = field(compare=False, repr=False)

    def __str__(self):
        return (
            f"alpha = {self.alpha:.4f}, {self.level:.0%} interval {self.low:.4f} to "
            f"{self.high:.4f} (xmin {self.xmin_low:.4g} to {self.xmin_high:.4g}, "
            f"{len(self.alphas):,} resamples)"
        )


@np.errstate(under="ignore")
def bootstrap_alpha(
    edges: ArrayLike,
    counts: ArrayLike | TailFit | None,
    fit: TailFit | None = None,
    *,
    replicates: int = 1000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> AlphaInterval:
    """Return the percentile interval of alpha over resampled histograms.

    Pass the histogram that `fit` was made from; of a fit to samples, continuous or
    discrete, the values and, if there are any, how often each occurs:
    ``bootstrap_alpha(x, fit)``. An estimated xmin is estimated in each resample.

    Notes
    -----
    All counts are resampled as one multinomial (Efron & Tibshirani, "An Introduction
    to the Bootstrap" (1993), chapter 13). Of dependent ones the interval is too narrow.

    Examples
    --------
    >>> edges, counts = [1, 10, 100, 1000], [900, 90, 9]
    >>> fit = fit_power_law(edges, counts, xmin=1)
    >>> print(bootstrap_alpha(edges, counts, fit, rng=np.random.default_rng(0)))
    alpha = 2.0107, 95% interval 1.9... to 2.0... (xmin 1 to 1, 1,000 resamples)
    """
    check_positive_int(replicates, "replicates")
    tails = [0.5 - check_level(level) / 2, 0.5 + level / 2]
    edges, counts, fit = data_and_fit(edges, counts, fit)
    if fit.kind == "binned":
        bounded, h, start = as_fitted(edges, counts, fit)
        bins = LogBins.from_edges(bounded, fit.upper)
        resamples = rng.multinomial(h.sum(), h / h.sum(), size=replicates)
        start = None if fit.xmin_estimated else start
        ends = edges_in_range(bounded, fit.xmin_range)
        alphas, first, _ = scan_resamples(bins, resamples, start, ends)
        xmins, alphas = bounded[first[first >= 0]], alphas[first >= 0]
    else:
        (values, h), _ = as_fitted_sample(edges, counts, fit)

        def draw(rng):
            again = rng.multinomial(h.sum(), h / h.sum())
            return values[again > 0], again[again > 0]

        alphas, xmins, _ = refit_samples(fit, draw, rng.spawn(replicates))
        alphas, xmins = (x[np.isfinite(alphas)] for x in (alphas, xmins))
    low, high = map(float, np.quantile(alphas, tails))
    xmin_ends = map(float, np.quantile(xmins, tails))
    sigma = float(alphas.std(ddof=1)) if len(alphas) > 1 else nan
    return AlphaInterval(fit.alpha, low, high, level, sigma, *xmin_ends, alphas)


@dataclass(frozen=True)
class WindowStability:
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
        """Alpha of each window, (windows,)."""
        return np.array([fit.alpha for fit in self.fits])

    def __str__(self):
        return (
            f"alpha = {self.mean:.3f} on average over {len(self.fits)} windows, spread "
            f"{self.spread:.3f} ({self.within:.3f} expected within a window), trend "
            f"{self.trend:+.4f} ± {self.trend_sigma:.4f} per window "
            f"(p = {self.p_trend:.2g})"
        )


def window_stability(
    histograms: Iterable,
    *,
    replicates: int = 200,
    level: float = 0.95,
    rng: np.random.Generator,
    **options,
) -> WindowStability:
    """Fit every window of training alike and say how alpha varies.

    Three windows or more, in order, with `.edges` and `.counts` or as a pair (edges,
    counts). `replicates`, `level` and `rng` as for `bootstrap_alpha`, the other options
    as for `fit_power_law`, the same for all windows; without xmin each estimates it.

    Notes
    -----
    A `spread` much larger than `within` means that windows differ, or that counts
    inside a window are dependent; the histograms alone cannot tell these apart. The
    error of the trend comes from the scatter between windows (Student's t).

    Examples
    --------
    >>> rng = np.random.default_rng(2)
    >>> edges = 2 ** np.arange(0, 12, 0.25)
    >>> windows = [(edges, np.histogram(rng.pareto(1.5, 10_000) + 1, edges)[0])
    ...            for _ in range(5)]
    >>> abs(window_stability(windows, xmin=1, rng=rng).mean - 2.5) < 0.05
    True
    """
    from scipy.stats import linregress  # as slow to import as all the rest

    pairs = [(w.edges, w.counts) if hasattr(w, "edges") else w for w in histograms]
    if len(pairs) < 3:
        raise ValueError(f"a trend needs at least three windows, got {len(pairs)}")
    fits = [fit_power_law(*pair, **options) for pair in pairs]
    intervals = [
        bootstrap_alpha(*pair, fit, replicates=replicates, level=level, rng=rng)
        for pair, fit in zip(pairs, fits, strict=True)
    ]
    alpha = np.array([fit.alpha for fit in fits])
    within = np.sqrt(np.mean([i.sigma**2 for i in intervals]))
    line = linregress(np.arange(len(alpha)), alpha)
    numbers = alpha.mean(), alpha.std(ddof=1), within, line.slope, line.stderr
    return WindowStability(
        tuple(fits), tuple(intervals), *map(float, (*numbers, line.pvalue))
    )


def effective_sample_size(window_counts: ArrayLike) -> float:
    """Return the size of an independent sample that scatters as the windows do.

    The histogram of each window, (windows, bins), in order on the same edges, three
    windows or more: for a tail pass its bins and one bin of all the rest. The result is
    for all windows together, in counts, and never more than there are.

    Notes
    -----
    The fraction p_k of bin k in window t scatters with variance p_k(1−p_k)/n_t if
    counts are independent, and deff times that if not (the design effect of L. Kish,
    "Survey Sampling" (1965), section 8.2). Differences of successive windows estimate
    it free of slow drift (J. von Neumann, Ann. Math. Stat. 12 (1941) 367-395):

        deff = Σ_{t,k} (p_{t+1,k} − p_{t,k})² / Σ_{t,k} p_k(1−p_k)(1/n_t + 1/n_{t+1})

    and the effective size is Σ n_t/deff, with deff at least 1. It cannot see dependence
    longer than a window, and is too large then. Few windows make it rough, by a factor
    √(2/windows) or more.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> independent = rng.multinomial(1000, [0.5, 0.3, 0.2], size=4000)
    >>> repeated = 10 * independent                       # each count ten times
    >>> bool(abs(effective_sample_size(repeated) / independent.sum() - 1) < 0.1)
    True
    """
    h = whole_counts(window_counts).astype(float)
    if h.ndim != 2 or len(h) < 3:
        raise ValueError(f"expected (windows, bins) with three windows, got {h.shape}")
    n = h.sum(1)
    if (n == 0).any():
        raise ValueError(f"window {int(n.argmin())} is empty: leave it out")
    fraction, pooled = h / n[:, None], h.sum(0) / h.sum()
    expected = (pooled * (1 - pooled)).sum() * (1 / n[1:] + 1 / n[:-1]).sum()
    if expected == 0:
        raise ValueError("all counts lie in one bin: there is no scatter to read")
    deff = (np.diff(fraction, axis=0) ** 2).sum() / expected
    return float(n.sum() / max(deff, 1.0))


def subsample_counts(
    counts: ArrayLike, size: float, rng: np.random.Generator
) -> np.ndarray:
    """Return a random sample of the counts (bins,), int64, `size` of them on average.

    With `effective_sample_size` for `size`, a test that takes counts as independent
    means something again: of 1e9 counts that repeat each other it rejects everything.

    >>> int(subsample_counts([900, 90, 9], 999, np.random.default_rng(0)).sum())
    999
    """
    counts = whole_counts(counts)
    total = int(counts.sum())
    if check_positive(size, "size") > total:
        raise ValueError(f"size={size:,} exceeds the {total:,} counts there are")
    return rng.binomial(counts, size / total)
