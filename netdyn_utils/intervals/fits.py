"""Fits of interval counts: the discrete power law, and what else it could be.

Intervals are whole numbers, and most of them are short, so that a continuous law would
be wrong where the counts are. The power law is p(k) = k^−α/ζ(α, xmin), and its
alternatives are laws of whole numbers k ≥ xmin too:

    geometric              e^{−rate k}           random times at equal rates
    log-normal             k^−1 e^{−(ln k − mu)²/(2 sigma²)}    Bi et al., KDD (2001) 17
    power law with cutoff  k^−alpha e^{−rate k}

and one without parameters: the intervals of shuffled times (`interval_null`).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erfcx, zeta

from ..tails.alternatives import (
    Family,
    TailComparison,
    compare_cells,
    cutoff_family,
    log_beyond_cutoff,
    log_normal_family,
)
from ..tails.power_law import TailFit, fit_points
from ..tails.samples import check_sample
from ..validation import whole_counts
from .counts import IntervalCounts
from .null_model import NullIntervals

PER_OCTAVE = 16  # thresholds tried per octave; every length up to 2 · PER_OCTAVE
_ROUNDING = 1e-9  # of ln L per count: what two ways to sum may differ by
_TERMS = 512  # of a sum, before an integral continues it


@np.errstate(under="ignore")
def fit_discrete_power_law(
    counts: IntervalCounts | ArrayLike,
    *,
    xmin: int | None = None,
    xmax: int | None = None,
    xmin_range: tuple[int, int] | None = None,
) -> TailFit:
    """Fit p(k) = k^−α/ζ(α, xmin) to counts of whole numbers.

    Entry k − 1 of an array of counts is the number of intervals of k steps. Without
    xmin: that of least KS distance among all lengths up to 32 and 16 to the octave
    above, in `xmin_range`. With `xmax` the support ends there, and alpha is any number.
    `fit_power_law_samples` has the same likelihood and tries every length: at
    30,000 lengths 1.4 s instead of 0.06 s, for an alpha within 0.1 %.

    Notes
    -----
    A window of T steps shows an interval of k steps only if it begins in the first
    T − k, so that counts fall below any law by about 1 − k/T. Look at lengths well
    below T, and compare with `interval_null`, which has the same upper limit.
    Intervals of one weight, and weights of one unit, depend on each other: at 1e7
    counts `sigma` says little, the scatter between seeds does.

    Examples
    --------
    >>> k = np.arange(1, 2_000)
    >>> fit = fit_discrete_power_law(np.rint(1e6 * k**-2.5).astype(int))
    >>> print(f"{fit.alpha:.2f} above {fit.xmin:.0f}")
    2.50 above 1
    """
    h = _by_length(counts)
    lengths = np.arange(1, len(h) + 1)
    values, h = check_sample(lengths, h, True, least=2 if xmin is None else 1)
    octaves = np.arange(np.log2(values[-1]) * PER_OCTAVE) / PER_OCTAVE
    marks = np.union1d(np.arange(1, 2 * PER_OCTAVE + 1), np.rint(2**octaves))
    return fit_points(values, h, True, xmin, xmax, xmin_range, marks)


@np.errstate(under="ignore")
def compare_intervals(
    counts: IntervalCounts | ArrayLike,
    fit: TailFit,
    *,
    null: NullIntervals | None = None,
    level: float = 0.05,
    n_effective: float | None = None,
) -> TailComparison:
    """Compare the fitted power law with alternatives on the same whole numbers.

    `fit` is that of `fit_discrete_power_law` to the same counts. The alternatives are
    "geometric", "log-normal", "power law with cutoff" and, given a null, "shuffled
    times". `level` and `n_effective` as for `compare_tails`.

    Notes
    -----
    Vuong's test, as in `compare_tails`, on the exact likelihood of each length. A
    window of T steps makes a cutoff of its own near T, so that the law with cutoff says
    little beyond T/10.

    If "shuffled times" is preferred, unequal rates explain the tail. If it is not, the
    times are not random, which is less than to say that they follow a power law.

    Examples
    --------
    >>> k = np.arange(1, 100)
    >>> counts = np.rint(1e6 * 0.9**k).astype(int)        # random times, p = 0.1
    >>> comparison = compare_intervals(counts, fit_discrete_power_law(counts, xmin=1))
    >>> comparison["geometric"].preferred
    'geometric'
    >>> round(comparison["geometric"].parameters["p"], 3)
    0.1
    """
    if fit.at_bound:
        raise ValueError("alpha is at a bound of the search: there is no fit")
    total, xmin = _by_length(counts), int(fit.xmin)
    h = total[xmin - 1 :].astype(float)
    if fit.kind != "discrete" or (h.sum(), total.sum()) != (fit.n_tail, fit.n):
        raise ValueError(
            f"the {fit.kind} fit of {fit.n_tail:,} of {fit.n:,} counts is not one of "
            f"these {total.sum():,} intervals: use fit_discrete_power_law on them"
        )
    length = np.arange(xmin, xmin + len(h))
    power_law = -fit.alpha * np.log(length) - np.log(zeta(fit.alpha, xmin))
    families = discrete_families(length, fit.alpha, float(h @ length / h.sum()))
    fixed = {}
    if null is not None:
        tail = null.expected[xmin - 1 :]
        p = np.pad(tail / tail.sum(), (0, len(h)))[: len(h)]
        fixed["shuffled times"] = np.log(np.maximum(p, np.finfo(float).tiny))
    edges = np.append(length, length[-1] + 1) - 0.5
    options = {"level": level, "n_effective": n_effective, "rounding": _ROUNDING}
    return compare_cells(fit, edges, h, power_law, families, fixed=fixed, **options)


def discrete_families(length, alpha, mean):
    """Return the alternatives on the whole numbers `length`, xmin and up.

    `alpha` is that of the fitted power law and `mean` the mean length: for the starts.
    """
    xmin, s = int(length[0]), alpha - 1
    z, spread = np.log(length / xmin), np.log(1 + mean / xmin)
    # The sums over all k have no closed form: added one by one, then continued by the
    # midpoint rule of Euler and Maclaurin with its first correction, exact to 1e-12.
    z_sum = np.log1p(np.arange(_TERMS) / xmin)
    end = xmin + _TERMS - 0.5
    z_end = np.log(end / xmin)

    def normalised(log_f, beyond, slope):
        # `beyond` is ∫ f/f(end) dx/x from the end on, `slope` −d ln f/d ln x there.
        rest = np.log(max(end * beyond - slope / (24 * end), 1e-300))
        first = np.logaddexp.reduce(log_f(z_sum))
        return log_f(z) - np.logaddexp(first, log_f(z_end) + rest)

    def log_normal(theta):
        b, c = theta[0], np.exp(theta[1])
        slope = b + c * z_end
        beyond = np.sqrt(np.pi / (2 * c)) * erfcx(slope / np.sqrt(2 * c))
        return normalised(lambda z: -z * (1 + b + c * z / 2), beyond, 1 + slope)

    def cutoff(theta):
        s, k = theta[0], np.exp(theta[1])
        slope = k * np.exp(z_end)
        beyond = np.exp(log_beyond_cutoff(s, slope) + slope)
        return normalised(lambda z: -(1 + s) * z - k * np.exp(z), beyond, 1 + s + slope)

    rate = np.log1p(1 / max(mean - xmin, 1e-6))  # the maximum, in closed form

    def geometric(theta):
        return np.log(-np.expm1(-theta[0])) - theta[0] * (length - xmin)

    def usual_p(theta):
        return {"p": float(-np.expm1(-theta[0]))}

    bounds = ((rate / 2, rate * 2),)
    starts = ((s, np.log(0.01 / spread)), (0.0, -2 * np.log(spread)))
    cutoff_starts = ((s, np.log(0.01 * xmin / mean)), (-1.0, np.log(rate * xmin)))
    return (
        Family("geometric", geometric, ((rate,),), bounds, usual_p, {}),
        log_normal_family(log_normal, xmin, starts, 1e4),
        cutoff_family(cutoff, xmin, cutoff_starts, 30.0, alpha),
    )


def _by_length(counts):
    """Return counts per length, with something in them."""
    if isinstance(counts, IntervalCounts):
        counts.raise_if_empty()
        return counts.counts
    if not (counts := whole_counts(counts)).any():
        raise ValueError("all counts are zero: there is no interval to fit")
    return counts
