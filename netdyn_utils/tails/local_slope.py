"""The slope of a distribution without a model of its tail: three ways to look at it.

The local slope and the Hill curve are flat where a power law could hold. The straight
line through a log-log histogram is what the paper did; it is here for
comparison with the likelihood, not to be used.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..validation import check_positive_int, real_numbers
from .binned import LogBins, check_histogram, solve


@dataclass(frozen=True)
class LocalSlope:
    """The exponent −d ln p/d ln x of the density along x, with its standard error."""

    x: np.ndarray  # geometric middle of each window, unit of the data
    slope: np.ndarray
    sigma: np.ndarray
    n: np.ndarray  # counts in the window
    factor: float  # upper over lower edge of a window

    def __str__(self):
        low, high = self.slope.min(), self.slope.max()
        return f"local slope {low:.2f} to {high:.2f} in {len(self.x)} windows"


@np.errstate(under="ignore")
def local_slope(
    edges: ArrayLike, counts: ArrayLike, *, factor: float = 2.0
) -> LocalSlope:
    """Return the density's local exponent in windows that slide over the bins.

    `factor` is upper over lower edge of a window, above 1: it takes as many bins as
    reach that far, two at least. A window with counts in one bin only is left out.

    Notes
    -----
    In each window the slope is the maximum-likelihood exponent of a power law
    truncated to it (the binned likelihood of `fit_power_law`, any real exponent), its
    error the observed information: exact for a power law at any bin width. Windows
    overlap, so that neighbouring values are not independent.

    Examples
    --------
    >>> edges = 2.0 ** np.arange(0, 8, 0.5)
    >>> counts = np.round(-1e6 * np.diff(edges**-1.5)).astype(int)   # alpha = 2.5
    >>> bool(np.all(abs(local_slope(edges, counts).slope - 2.5) < 0.01))
    True
    """
    edges, counts = check_histogram(edges, counts)
    if not (np.isfinite(factor) and factor > 1):
        raise ValueError(f"factor must be a number above 1, got {factor!r}")
    bins, h = LogBins.from_edges(edges, "truncated"), counts.astype(float)
    first = np.arange(len(h))
    last = np.searchsorted(bins.log_edges, bins.log_edges[:-1] + np.log(factor) - 1e-9)
    last = np.maximum(last, first + 2)
    first, last = first[last <= len(h)], last[last <= len(h)]
    occupied = np.append(0, np.cumsum(counts > 0))
    usable = occupied[last] - occupied[first] >= 2
    first, last = first[usable], last[usable]
    if not first.size:
        reached = edges[-1] >= edges[0] * factor and len(h) > 1
        better = "larger" if reached else "smaller"
        raise ValueError(
            f"no window of a factor {factor:g} inside {edges[0]:g} to {edges[-1]:g} "
            f"holds two occupied bins: choose a {better} factor or other bins"
        )
    # Sums from the top, so that a window in the tail is not lost under the body.
    above = np.append(np.cumsum(h[::-1])[::-1], 0.0)
    moment = np.append(np.cumsum((h * bins.log_edges[:-1])[::-1])[::-1], 0.0)
    n = above[first] - above[last]
    excess = moment[first] - moment[last] - n * bins.log_edges[first]
    reach = bins.log_edges[last] - bins.log_edges[first]
    s, info, at_bound = solve(bins, h, first, last, excess, n, reach, (-50.0, 50.0))
    inside = ~at_bound
    return LocalSlope(
        x=np.exp((bins.log_edges[first] + bins.log_edges[last])[inside] / 2),
        slope=1 + s[inside],
        sigma=1 / np.sqrt(info[inside]),
        n=n[inside].astype(np.int64),
        factor=factor,
    )


@dataclass(frozen=True)
class HillCurve:
    """Hill's estimate for every number k of largest values."""

    k: np.ndarray  # how many values lie above xmin
    xmin: np.ndarray  # the (k+1)-th largest value
    alpha: np.ndarray  # density exponent, one more than Hill's tail index
    sigma: np.ndarray  # (alpha − 1)/√k


def hill_curve(x: ArrayLike, *, points: int | None = None) -> HillCurve:
    """Return Hill's estimate of the density exponent against the number of values.

    x, (samples,), is positive and finite. About so many `points` k, evenly spaced in
    ln k; without it every k.

    Notes
    -----
    α = 1 + k/Σ_{i≤k} ln(X_(i)/X_(k+1)), with X_(1) the largest (B. M. Hill, Ann. Stat.
    3 (1975) 1163-1174): the continuous fit of `fit_power_law_samples` at
    xmin = X_(k+1). A k whose values all tie with xmin is left out.

    Examples
    --------
    >>> curve = hill_curve([8.0, 4.0, 2.0, 1.0])
    >>> (curve.alpha - 1).round(4)
    array([1.4427, 0.9618, 0.7213])
    """
    x = np.sort(real_numbers(x, "values").ravel())[::-1]
    if len(x) < 2 or not (np.isfinite(x).all() and x[-1] > 0):
        raise ValueError("a Hill curve needs two values or more, positive and finite")
    k = np.arange(1, len(x))
    if points is not None:
        check_positive_int(points, "points")
        k = np.unique(np.geomspace(1, len(x) - 1, points).round().astype(int))
    # Σ_{i≤k} ln X_(i) − k ln X_(k+1), as a sum of positive gaps.
    excess = np.cumsum(np.arange(1, len(x)) * -np.diff(np.log(x)))[k - 1]
    k, excess = k[excess > 0], excess[excess > 0]
    return HillCurve(k, x[k], 1 + k / excess, np.sqrt(k) / excess)


@dataclass(frozen=True)
class LineFit:
    """A straight line through a log-log histogram."""

    alpha: float  # minus its slope
    sigma: float  # of ordinary least squares, which supposes equal errors in all bins
    log_density: float  # of the line at x = 1, natural logarithm
    n_bins: int  # occupied bins it passes through


def ols_exponent(
    edges: ArrayLike, counts: ArrayLike, *, trim: tuple[int, int] = (0, 0)
) -> LineFit:
    """Fit the straight line of the paper: least squares on log-log bins.

    The paper uses 50 or 60 equal bins from zero: here alone the first edge may be zero,
    as only the middles of the bins enter. `trim` leaves out bins at the lower and the
    upper end, before empty ones; the paper's interval script has (1, 20).

    Notes
    -----
    Every bin weighs the same, one count or 1e9; the logarithm of a small count is
    biased; empty bins vanish; and alpha moves with the trim: see Clauset, Shalizi &
    Newman, SIAM Review 51 (2009), appendix A.

    Examples
    --------
    >>> edges = np.linspace(0, 10, 11)
    >>> counts = np.round(1e6 * (edges[:-1] + 0.5) ** -3.0).astype(int)
    >>> line = ols_exponent(edges, counts)
    >>> round(line.alpha, 3), line.n_bins
    (3.0, 10)
    """
    from scipy.stats import linregress  # as slow to import as all the rest

    edges = real_numbers(edges, "edges").copy()
    middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    if edges.size > 1 and edges[0] == 0:
        edges[0] = middles[0]
    _, counts = check_histogram(edges, counts)
    low, high = trim
    inner = slice(low, len(counts) - high)
    middles, density = middles[inner], (counts / counts.sum() / widths)[inner]
    x, y = np.log(middles[density > 0]), np.log(density[density > 0])
    if len(x) < 3 or min(trim) < 0:
        raise ValueError(
            f"trim={trim} leaves {len(x)} occupied bins: a line needs three"
        )
    line = linregress(x, y)
    return LineFit(
        float(-line.slope), float(line.stderr), float(line.intercept), len(x)
    )
