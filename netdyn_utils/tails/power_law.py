"""Power-law tails of histograms and of samples, by maximum likelihood.

`alpha` is always the exponent of the density, p(x) ∝ x^−alpha above `xmin`. The
threshold is the one whose tail is nearest to its own fit, by Kolmogorov-Smirnov
distance. No fit says that a tail *is* a power law: for that see `goodness_of_fit`, and
`compare_tails` for the alternatives.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, zeta

from ..validation import check_choice, check_level
from .binned import (
    UPPER,
    LogBins,
    apply_upper_bound,
    check_histogram,
    edge_index,
    fit_thresholds,
    power_law_cells,
    scan_starts,
    survival,
)
from .samples import check_sample, fit_points

_FORMER_UPPER = {"unbounded": "infinite", "open": "censored"}


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
            return zeta(self.alpha, np.ceil(x)) / zeta(self.alpha, self.xmin)
        if self.upper != "truncated":
            return (x / self.xmin) ** (1 - self.alpha)
        z, reach = np.log(np.minimum(x, self.xmax) / self.xmin), self.xmax / self.xmin
        return survival(self.alpha - 1, z, np.log(reach))


@np.errstate(under="ignore")
def fit_power_law(
    edges: ArrayLike,
    counts: ArrayLike,
    *,
    xmin: float | None = None,
    upper: str = "infinite",
    xmax: float | None = None,
    top: str | None = None,
) -> TailFit:
    """Fit a power law to the tail of a histogram.

    Parameters
    ----------
    edges, counts : array, (bins+1,) and (bins,)
        Positive, increasing edges in the unit of the data, with any spacing; whole
        counts. Zeros have no place here: they are counted apart.
    xmin : float, optional
        Threshold, one of the edges. Without it every edge that starts an occupied bin
        is tried and the least KS distance wins, the lower edge on a tie.
    upper : {"infinite", "censored", "truncated"}
        At the upper edge: infinite support and the last bin as it is (Virkar &
        Clauset); last bin open to infinity; support truncated at the upper edge.
    xmax : float, optional
        One of the edges: where "truncated" support ends (counts above are left out),
        or from where on "censored" counts without placing. Default: the last edge.
    top : str, optional
        Former name of `upper`, with "unbounded" for "infinite", "open" for "censored".

    Returns
    -------
    TailFit
        `alpha` is above 1; on truncated support it may be any real number. A ValueError
        if fewer than two occupied bins are left.

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
    starts = scan_starts(h, upper) if xmin is None else np.array([start])
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
    )


@np.errstate(under="ignore")
def fit_power_law_samples(
    x: ArrayLike,
    *,
    counts: ArrayLike | None = None,
    xmin: float | None = None,
    discrete: bool = False,
) -> TailFit:
    """Fit a power law to the tail of single values.

    Parameters
    ----------
    x : array, (samples,)
        Positive and finite; whole numbers if discrete.
    counts : array of whole numbers, (samples,), optional
        How often each value occurs; without it each entry of x is one.
    xmin : float, optional
        Threshold, below the largest value. Without it every distinct value is tried.
    discrete : bool
        Whole numbers with p(x) = x^−α/ζ(α, xmin), by the exact likelihood.

    Notes
    -----
    Clauset, Shalizi & Newman, SIAM Review 51 (2009) 661-703, eq. 3.1 and 3.5. The fit
    has `kind` "continuous" or "discrete"; a discrete alpha is searched in (1, 20]. KS
    distance: max abs(S − F) on both sides of every step of S; programs that take the
    lower side only find distances up to 1/n smaller. The scan is complete.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(1).pareto(1.5, 100_000) + 1   # density exponent 2.5
    >>> print(fit_power_law_samples(x, xmin=1))
    power law: alpha = 2.5060 ± 0.0048 above xmin = 1 (100,000 of 100,000 counts, \
KS 0.0022)
    """
    values, h = check_sample(x, counts, discrete, least=2 if xmin is None else 1)
    total = int(h.sum())
    if xmin is None:
        starts = np.arange(len(values) - 1)
    else:
        if not 0 < xmin < values[-1] or (discrete and xmin != np.floor(xmin)):
            raise ValueError(
                f"xmin={xmin:g} leaves no tail: choose one above zero, below "
                f"{values[-1]:g} (the largest value), and whole if discrete"
            )
        # The tail starts at the threshold itself, even if no value lies there.
        first, seen = np.searchsorted(values, xmin), xmin in values
        values = values[first:] if seen else np.append(float(xmin), values[first:])
        h = h[first:] if seen else np.append(0, h[first:])
        starts = np.array([0])
    return TailFit(
        **fit_points(values, h, starts, discrete),
        n=total,
        xmin_estimated=xmin is None,
        kind="discrete" if discrete else "continuous",
    )
