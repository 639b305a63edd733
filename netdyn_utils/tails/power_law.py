"""Power-law tails of histograms and of samples, by maximum likelihood.

`alpha` is always the exponent of the density, p(x) ∝ x^−alpha above `xmin`. The
threshold is the one whose tail is nearest to its own fit, by Kolmogorov-Smirnov
distance. No fit says that a tail *is* a power law: for that see `goodness_of_fit`, and
`compare_tails` for the alternatives.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from ..validation import check_choice, check_level, check_positive_int, short_repr
from .binned import (
    UPPER,
    LogBins,
    apply_upper_bound,
    check_histogram,
    edge_index,
    fit_thresholds,
    in_threads,
    power_law_cells,
    scan_starts,
    survival,
)
from .samples import SampleFits, check_sample, log_zeta, tail_of

_FORMER_UPPER = {"unbounded": "infinite", "open": "censored"}
_TABLE = 4_096  # whole numbers whose probabilities are tabulated to sample them


@dataclass(frozen=True)
class TailFit:
    """A power law fitted above `xmin`.

    >>> print(fit_power_law([1, 10, 100, 1000], [900, 90, 9]))
    power law: alpha = 2.0107 ± 0.0397 above xmin = 1 (999 of 999 counts, KS 0.0015)
    """

    alpha: float  # exponent of the density
    sigma: float  # standard error at this xmin, observed information; nan at_bound
    xmin: float  # threshold, in the unit of the data
    n_tail: int  # counts at or above xmin
    ks: float  # largest distance of the two CDFs, at the tail's edges or values
    log_likelihood: float  # nats, of the tail given that it is the tail
    n: int  # counts in all
    upper: str = "infinite"  # what lies above the upper edge
    xmax: float = inf  # where "truncated" support ends, or "censored" counts begin
    xmin_estimated: bool = True  # and not given
    at_bound: bool = False  # the likelihood has no maximum where it was searched
    kind: str = "binned"  # or "continuous", "discrete"
    xmin_range: tuple[float, float] | None = None  # where it was searched, if not all
    # The fits at all thresholds, and the same fit to other counts or samples.
    scan: Callable | None = field(default=None, compare=False, repr=False)
    refit: Callable | None = field(default=None, compare=False, repr=False)

    def __str__(self):
        error = "at a bound, no maximum" if self.at_bound else f"± {self.sigma:.4f}"
        return (
            f"power law: alpha = {self.alpha:.4f} {error} "
            f"above xmin = {self.xmin:.4g} ({self.n_tail:,} of {self.n:,} counts, "
            f"KS {self.ks:.2g})"
        )

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the normal interval of alpha at this xmin, for independent counts.

        Blind to the choice of xmin: `bootstrap_alpha` repeats the scan.

        >>> fit_power_law([1, 10, 100, 1000], [900, 90, 9]).interval(0.95)
        (1.93..., 2.08...)
        """
        half = float(ndtri(0.5 + check_level(level) / 2)) * self.sigma
        return self.alpha - half, self.alpha + half

    def survival(self, x: ArrayLike) -> np.ndarray:
        """Return P(X ≥ x) among the values at or above xmin.

        >>> fit_power_law([1, 2, 4], [2, 1], upper="truncated").survival([1, 2, 4])
        array([1.        , 0.33333333, 0.        ])
        """
        x = np.maximum(np.asarray(x, float), self.xmin)
        if self.kind == "discrete":
            whole = log_zeta(self.alpha, self.xmin, self.end)
            return np.exp(log_zeta(self.alpha, np.ceil(x), self.end) - whole)
        if self.end == inf:
            return (x / self.xmin) ** (1 - self.alpha)
        z, reach = np.log(np.minimum(x, self.end) / self.xmin), self.end / self.xmin
        return survival(self.alpha - 1, z, np.log(reach))

    @property
    def end(self) -> float:
        """Where the support ends."""
        return self.xmax if self.upper == "truncated" else inf

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """Return P(X ≤ x) among the values at or above xmin."""
        x = np.asarray(x, float)
        # Of whole numbers the next one is the first above x.
        return 1 - self.survival(np.floor(x) + 1 if self.kind == "discrete" else x)

    def pdf(self, x: ArrayLike) -> np.ndarray:
        """Return the density at x, or the probability of a whole number, of the tail.

        >>> float(fit_power_law_samples([1, 2, 4, 8.0], xmin=1).pdf(0.5))
        0.0
        """
        return np.exp(self.log_pdf(x))

    def log_pdf(self, x: ArrayLike) -> np.ndarray:
        """Return the logarithm of `pdf`, which does not underflow."""
        x = np.asarray(x, float)
        inside = (x >= self.xmin) & (x <= self.end)
        s, at = self.alpha - 1 or 1e-300, np.clip(x, self.xmin, min(self.end, 1e300))
        if self.kind == "discrete":
            inside &= x == np.floor(x)
            log_p = -log_zeta(self.alpha, self.xmin, self.end) - self.alpha * np.log(at)
        else:
            mass = -np.expm1(-s * np.log(self.end / self.xmin))
            log_p = np.log(s / mass) - np.log(at) - s * np.log(at / self.xmin)
        return np.where(inside, log_p, -inf)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw n independent values of the tail.

        >>> fit = fit_power_law_samples([1, 2, 2, 5], xmin=1, discrete=True)
        >>> fit.sample(4, np.random.default_rng(0))
        array([2., 1., 1., 1.])
        """
        u = rng.random(n)  # P(X ≥ x) of the value, in [0, 1)
        s = self.alpha - 1 or 1e-300
        if self.kind != "discrete":
            mass = -np.expm1(-s * np.log(self.end / self.xmin))
            return self.xmin * np.exp(-np.log1p(-u * mass) / s)
        table = self.survival(self.xmin + np.arange(1, _TABLE))
        found = self.xmin + np.searchsorted(-table, u - 1)
        far = np.flatnonzero(1 - u <= table[-1])  # beyond the table: by bisection
        low = np.full(len(far), self.xmin + _TABLE - 2)
        step = np.full(len(far), float(_TABLE))
        more = step > 0
        while more.any():
            more &= (self.survival(low + step) >= 1 - u[far]) & (low < 1e300)
            low, step = np.where(more, low + step, low), np.where(more, 2 * step, step)
        while (step > 1).any():
            step = np.ceil(step / 2)
            low = np.where(self.survival(low + step) >= 1 - u[far], low + step, low)
        found[far] = np.minimum(low, self.end)
        return found


@dataclass(frozen=True)
class XminCurve:
    """Exponent and KS distance of the fit at each threshold, (thresholds,)."""

    xmin: np.ndarray  # ascending, unit of the data
    alpha: np.ndarray
    sigma: np.ndarray  # nan at a bound
    ks: np.ndarray
    n_tail: np.ndarray

    def __str__(self):
        i = int(self.ks.argmin())
        return (
            f"{len(self.xmin):,} thresholds from {self.xmin[0]:.4g} to "
            f"{self.xmin[-1]:.4g}, least KS {self.ks[i]:.2g} at {self.xmin[i]:.4g}"
        )


@np.errstate(under="ignore")
def xmin_curve(fit: TailFit, *, points: int = 200) -> XminCurve:
    """Return how exponent and KS distance of a fit depend on its threshold.

    All thresholds that a scan tries, or of many values about so many `points`, even
    in rank and in the logarithm of the rank from the top, and that of the fit. Where
    alpha is no plateau, the data do not fix the exponent: say the range.

    >>> curve = xmin_curve(fit_power_law([1, 10, 100, 1000], [900, 90, 9]))
    >>> curve.xmin, curve.alpha.round(2)
    (array([ 1., 10.]), array([2.01, 2.08]))
    """
    return XminCurve(*fit.scan(check_positive_int(points, "points")))


def _curve_of_bins(bins, h, edges, starts, _points):
    fits = fit_thresholds(bins, h, starts)
    return edges[starts], fits.alpha, fits.sigma, fits.ks, fits.n_tail


def _curve_of_sample(values, counts, starts, discrete, xmax, xmin, points):
    if len(starts) > points:
        even = np.linspace(0, len(starts) - 1, points // 2)
        top = len(starts) - np.geomspace(1, len(starts), points // 2)
        chosen = np.unique(np.concatenate([even, top]).astype(int))
        starts = np.union1d(starts[chosen], np.searchsorted(values, xmin))
    fits = SampleFits(values, counts, starts, discrete, xmax)
    return fits.xmin, fits.alpha, fits.sigma, fits.ks, fits.n_tail


@np.errstate(under="ignore")
def fit_power_law(
    edges: ArrayLike,
    counts: ArrayLike,
    *,
    xmin: float | None = None,
    xmin_range: tuple[float, float] | None = None,
    upper: str = "infinite",
    xmax: float | None = None,
    top: str | None = None,
) -> TailFit:
    """Fit a power law to the tail of a histogram.

    Edges, (bins+1,), are positive, increasing, in the unit of the data and of any
    spacing; counts, (bins,), whole. Zeros have no place here: they are counted apart.
    `xmin` and `xmax` are edges. Without xmin every edge that starts an occupied bin is
    tried, between the ends of `xmin_range` if given; the least KS distance wins, on a
    tie the lower edge. At the upper edge, `upper`:

    - "infinite": infinite support and the last bin as it is (Virkar & Clauset);
    - "censored": from xmax on, or the last bin, counts are known by number only;
    - "truncated": support ends at xmax, or the last edge; counts above are left out,
      and alpha, else above 1, may be any real number.

    `top` is the former name of `upper`, with "unbounded" and "open" for the first two.
    A ValueError if fewer than two occupied bins are left.

    Notes
    -----
    Maximises L(α) = n(α−1) ln b_min + Σ h_i ln(b_i^(1−α) − b_{i+1}^(1−α)) (Virkar &
    Clauset, Ann. Appl. Stat. 8 (2014) 89-119, eq. 3.3), less
    n ln(1 − (b_max/b_min)^(1−α)) if truncated. `sigma` is the observed information to
    the power −1/2. KS distance: max abs(S − F) over the tail's edges, S and F the
    fractions below. A scan keeps two occupied bins, or three if the upper edge is
    censored or truncated, where two always fit exactly; and it leaves out exponents
    above 20 where it finds others, for the last few counts often fit such a one.

    The counts are taken as independent draws. Updates of a network are not: at 1e9
    counts `sigma` says nothing of that, and the scatter between windows or seeds does
    (`window_stability`, `effective_sample_size`).

    Examples
    --------
    >>> fit = fit_power_law([1, 10, 100, 1000], [900, 90, 9])
    >>> round(fit.alpha, 6), fit.xmin, fit.n_tail
    (2.010724, 1.0, 999)
    """
    upper = check_choice(_FORMER_UPPER.get(top, top or upper), UPPER, "upper")
    edges, counts = check_histogram(edges, counts)
    bounded, h = apply_upper_bound(edges, counts, upper, xmax)
    bins = LogBins.from_edges(bounded, upper)
    start = 0 if xmin is None else edge_index(bounded, xmin, "xmin")
    if np.count_nonzero(h[start:]) < 2:
        raise ValueError(
            f"xmin={bounded[start]:g} leaves {h[start:].sum():,} of {counts.sum():,} "
            "counts in fewer than two occupied bins: choose a lower xmin, narrower bins"
        )
    every = scan_starts(h, upper)
    every = in_range(every, bounded[every], xmin_range)
    starts = every if xmin is None else np.array([start])
    fits = fit_thresholds(bins, h, starts)
    i = fits.best()
    start, s = int(fits.starts[i]), float(fits.alpha[i]) - 1
    z = bins.log_edges[start:] - bins.log_edges[start]
    cells = power_law_cells(z, upper, s, bins.widths[start:])
    end = {"infinite": inf, "censored": bounded[-2], "truncated": bounded[-1]}[upper]
    return TailFit(
        alpha=float(fits.alpha[i]),
        sigma=float(fits.sigma[i]),
        xmin=float(bounded[start]),
        n_tail=int(fits.n_tail[i]),
        ks=float(fits.ks[i]),
        log_likelihood=float(h[start:] @ cells),
        n=int(counts.sum()),
        upper=upper,
        xmax=float(end),
        xmin_estimated=xmin is None,
        at_bound=bool(fits.at_bound[i]),
        xmin_range=xmin_range,
        scan=partial(_curve_of_bins, bins, h, bounded, every),
    )


def in_range(starts, xmin, xmin_range):
    """Return the starts whose thresholds lie in the range, if one is given."""
    low, high = (0, inf) if xmin_range is None else xmin_range
    chosen = starts[(low <= xmin) & (xmin <= high)]
    if starts.size and not chosen.size:
        raise ValueError(
            f"no threshold between {low!r} and {high!r}: those of the data go from "
            f"{xmin[0]:g} to {xmin[-1]:g}"
        )
    return chosen


@np.errstate(under="ignore")
def fit_power_law_samples(
    x: ArrayLike,
    *,
    counts: ArrayLike | None = None,
    xmin: float | None = None,
    xmax: float | None = None,
    xmin_range: tuple[float, float] | None = None,
    discrete: bool = False,
) -> TailFit:
    """Fit a power law to the tail of single values.

    x, (samples,), is positive and finite; entry i occurs `counts[i]` times, or once.
    Without `xmin`, below the largest value, every distinct value is tried, between the
    ends of `xmin_range` if given. With `xmax` the support ends there: values above are
    left out, and alpha may be any real number. `discrete` is for whole numbers with
    p(x) = x^−α/ζ(α, xmin), by the exact likelihood.

    Notes
    -----
    Clauset, Shalizi & Newman, SIAM Review 51 (2009) 661-703, eq. 3.1 and 3.5. The fit
    has `kind` "continuous" or "discrete". KS distance: max abs(S − F) on both sides of
    every step of S; programs that take the lower side only find distances up to 1/n
    smaller. The scan is complete at any size: of a million values it takes a second.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(1).pareto(1.5, 100_000) + 1   # density exponent 2.5
    >>> print(fit_power_law_samples(x, xmin=1))
    power law: alpha = 2.5060 ± 0.0048 above xmin = 1 (100,000 of 100,000 counts, \
KS 0.0022)
    >>> k = np.arange(1, 100)                       # whole numbers with an upper end
    >>> counts = np.rint(1e6 * k**-1.5).astype(int)
    >>> ends = {"xmin": 1, "xmax": 99}
    >>> fit = fit_power_law_samples(k, counts=counts, discrete=True, **ends)
    >>> round(fit.alpha, 3)
    1.5
    """
    values, h = check_sample(x, counts, discrete, least=2 if xmin is None else 1)
    return fit_points(values, h, discrete, xmin, xmax, xmin_range)


def fit_points(values, h, discrete, xmin=None, xmax=None, xmin_range=None, marks=None):
    """Fit distinct ascending values that occur h times; `marks` thins thresholds."""
    total, end = int(h.sum()), inf if xmax is None else float(xmax)
    if not end > values[0]:
        raise ValueError(f"xmax={xmax:g} leaves no tail: the least is {values[0]:g}")
    end = np.floor(end) if discrete else end
    values, h = tail_of(values, h, values[0], end)
    # A truncated discrete law fits two values exactly, whatever the data.
    least = 3 if discrete and end < inf and len(values) > 2 else 2
    every = np.arange(len(values) - least + 1)
    if marks is not None:
        every = np.unique(np.searchsorted(values, marks))
        every = every[every <= len(values) - least]
    every = in_range(every, values[every], xmin_range)
    scan = partial(_curve_of_sample, values, h, every, discrete, end)
    options = {"xmax": xmax, "xmin_range": xmin_range, "marks": marks}
    refit = partial(fit_points, discrete=discrete, xmin=xmin, **options)
    if xmin is None:
        starts = every
        if not starts.size:
            raise ValueError(f"xmax={xmax:g} leaves one distinct value, and no tail")
    else:
        if not 0 < xmin < values[-1] or (discrete and xmin != np.floor(xmin)):
            raise ValueError(
                f"xmin={xmin:g} leaves no tail: choose one above zero, below "
                f"{values[-1]:g} (the largest value), and whole if discrete"
            )
        values, h = tail_of(values, h, xmin, end)
        starts = np.array([0])
    fits = SampleFits(values, h, starts, discrete, end)
    i, ks = fits.best()
    return TailFit(
        alpha=float(fits.alpha[i]),
        sigma=float(fits.sigma[i]),
        xmin=float(fits.xmin[i]),
        n_tail=int(fits.n_tail[i]),
        ks=ks,
        log_likelihood=fits.log_likelihood(i),
        n=total,
        upper="infinite" if end == inf else "truncated",
        xmax=end,
        xmin_estimated=xmin is None,
        at_bound=bool(fits.at_bound[i]),
        kind="discrete" if discrete else "continuous",
        xmin_range=xmin_range,
        scan=partial(scan, float(fits.xmin[i])),
        refit=refit,
    )


def data_and_fit(data, counts, fit):
    """Return all three where a sample came without counts: (values, fit)."""
    if isinstance(counts, TailFit):
        data, counts, fit = data, None, counts
    if not isinstance(fit, TailFit):
        raise TypeError(f"expected the TailFit of these data, got {short_repr(fit)}")
    return data, counts, fit


def refit_samples(fit, draw, rngs):
    """Return alpha, xmin and KS distance of the same fit to what `draw(rng)` gives."""

    def refit(rng):
        try:
            found = fit.refit(*draw(rng))
        except ValueError:  # no tail in this one
            return np.nan, np.nan, np.nan
        return found.alpha, found.xmin, found.ks

    return in_threads(refit, rngs)


def as_fitted_sample(data, counts, fit):
    """Return distinct values and counts as `fit` saw them: all up to xmax, the tail."""
    if fit.at_bound:
        raise ValueError(f"alpha = {fit.alpha:g} is at a bound: choose a lower xmin")
    values, h = check_sample(data, counts, fit.kind == "discrete", least=1)
    tail = tail_of(values, h, fit.xmin, fit.xmax)
    if tail[1].sum() != fit.n_tail or h.sum() != fit.n:
        raise ValueError(
            f"the fit has {fit.n_tail:,} of {fit.n:,} values in its tail, these "
            f"{tail[1].sum():,} of {h.sum():,}: pass the sample that was fitted"
        )
    return (values[values <= fit.xmax], h[values <= fit.xmax]), tail
