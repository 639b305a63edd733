"""Fits of interval counts: the discrete power law, and what else it could be.

Intervals are whole numbers, and most of them are short: a continuous law would be
wrong where the counts are. So the power law is p(k) = k^−α/ζ(α, xmin), and its rivals
are laws of whole numbers too. One of them has nothing to fit, the intervals that the
weights' own rates would leave if their times were shuffled.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, erfc, zeta

from ..tails.pointwise import check_sample, fit_points
from ..tails.power_law import TailFit, fit_power_law_samples
from ..tails.rivals import Rival, TailComparison, vuong
from .discrete import discrete_families
from .nulls import NullIntervals
from .waiting import IntervalCounts

CANDIDATES = 16  # lower cuts tried per octave; every length up to 2 · CANDIDATES
_ROUNDING = 1e-9  # of ln L per count: what two ways to sum may differ by


def fit_discrete_power_law(
    counts: IntervalCounts | ArrayLike, *, xmin: int | None = None
) -> TailFit:
    """Fit p(k) = k^−α/ζ(α, xmin) to counts of whole numbers.

    Parameters
    ----------
    counts : IntervalCounts, or array of whole numbers (longest,)
        Entry k − 1 counts the intervals of k steps.
    xmin : int, optional
        Lower cut. Without it the least KS distance wins among all lengths up to 32
        and 16 to the octave above.

    Returns
    -------
    TailFit
        Of kind "discrete".

    Raises
    ------
    ValueError
        If there is no interval, or fewer than two lengths to fit.

    Notes
    -----
    The exact likelihood, as in `fit_power_law_samples`, which tries every length as
    xmin: at 30,000 lengths 1.4 s instead of 0.06 s, for an alpha within 0.1 %.

    A window of T steps shows an interval of k steps only if it begins in the first
    T − k, so that counts fall below any law by about 1 − k/T. Look at lengths well
    below T, and hold the fit against `interval_null`, which is cut the same way.
    Intervals of one weight, and weights of one unit, depend on each other: at 1e7
    counts `sigma` says little, the scatter between seeds does.

    Examples
    --------
    >>> k = np.arange(1, 2_000)
    >>> fit = fit_discrete_power_law(np.rint(1e6 * k**-2.5).astype(int))
    >>> print(f"{fit.alpha:.2f} above {fit.xmin:.0f}")
    2.50 above 1
    """
    held = _held(counts)
    lengths = np.arange(1, len(held) + 1)
    if xmin is not None:
        return fit_power_law_samples(lengths, counts=held, xmin=xmin, discrete=True)
    values, held = check_sample(lengths, held, True)
    octaves = np.arange(np.log2(values[-1]) * CANDIDATES) / CANDIDATES
    marks = np.union1d(np.arange(1, 2 * CANDIDATES + 1), np.rint(2**octaves))
    starts = np.unique(np.searchsorted(values, marks))
    best = vars(fit_points(values, held, starts[starts < len(values) - 1], True))
    return TailFit(
        xmin=float(values[best.pop("start")]),
        n=int(held.sum()),
        kind="discrete",
        **best,
    )


def compare_intervals(
    counts: IntervalCounts | ArrayLike,
    fit: TailFit,
    *,
    null: NullIntervals | None = None,
    level: float = 0.05,
    n_effective: float | None = None,
) -> TailComparison:
    """Hold the fitted power law against rivals on the same whole numbers.

    Parameters
    ----------
    counts : IntervalCounts, or array of whole numbers (longest,)
        What `fit` was made from.
    fit : TailFit
        Of `fit_discrete_power_law`.
    null : NullIntervals, optional
        Shuffled times as one more rival, "shuffled times", with nothing to fit.
    level, n_effective
        As for `compare_tails`.

    Returns
    -------
    TailComparison
        Of "geometric", "log-normal", "power law with cutoff", and "shuffled times".
        Its edges lie halfway between the lengths.

    Raises
    ------
    ValueError
        If `fit` is not a discrete fit of these counts.

    Notes
    -----
    Vuong's test, as in `compare_tails`, on the exact likelihood of each length. Only
    the law with cutoff contains the power law; a window of T steps makes a cutoff of
    its own near T, so that it says little beyond T/10.

    "shuffled times" is `interval_null` from xmin up. If it is favoured, unequal rates
    explain the tail. If it is beaten, the times are not random, which is less than to
    say that they follow a power law.

    Examples
    --------
    >>> k = np.arange(1, 100)
    >>> counts = np.rint(1e6 * 0.9**k).astype(int)        # random times, p = 0.1
    >>> comparison = compare_intervals(counts, fit_discrete_power_law(counts, xmin=1))
    >>> comparison.verdict.partition(";")[0]
    'At level 0.05, favoured over the power law: geometric, log-normal, power law \
with cutoff.'
    >>> round(comparison["geometric"].parameters["p"], 3)
    0.1
    """
    held = _held(counts)
    xmin = int(fit.xmin)
    h = held[xmin - 1 :].astype(float)
    n = h.sum()
    if fit.kind != "discrete" or (n, held.sum()) != (fit.n_tail, fit.n):
        raise ValueError(
            f"the {fit.kind} fit of {fit.n_tail:,} of {fit.n:,} counts is not one of "
            f"these {held.sum():,} intervals: use fit_discrete_power_law on them"
        )
    share = 1.0 if n_effective is None else min(1.0, n_effective / fit.n)
    length = np.arange(xmin, xmin + len(h))
    power_law = -fit.alpha * np.log(length) - np.log(zeta(fit.alpha, xmin))

    def against(name, cells, parameters, at_limit=False):
        nested = name == "power law with cutoff"
        ratio, normalised = vuong(h, power_law, cells, share)
        p = chdtrc(1, 2 * abs(ratio)) if nested else erfc(abs(normalised) / 2**0.5)
        leader = "power law" if ratio > 0 else name
        return Rival(
            name=name,
            parameters=parameters,
            log_likelihood=float(h @ np.where(h > 0, cells, 0.0)),
            ratio=ratio,
            normalised=normalised,
            p=float(p),
            nested=nested,
            at_limit=at_limit,
            favoured=leader if p < level else "not decided",
            expected=n * np.exp(cells),
        )

    rivals = []
    for family in discrete_families(length, fit.alpha, float(h @ length / n)):
        theta, cells = family.maximise(h)
        gain = h @ np.where(h > 0, cells - power_law, 0.0)
        if family.limit and gain <= _ROUNDING * n:  # no better than its own limit
            rivals.append(against(family.name, power_law, family.limit, at_limit=True))
        else:
            rivals.append(against(family.name, cells, family.usual(theta)))
    if null is not None:
        tail = np.zeros(len(h))
        part = null.expected[xmin - 1 :][: len(h)]
        tail[: len(part)] = part / null.expected[xmin - 1 :].sum()
        cells = np.log(np.maximum(tail, np.finfo(float).tiny))
        rivals.append(against("shuffled times", cells, {}))
    return TailComparison(
        fit, tuple(rivals), level, np.append(length, length[-1] + 1) - 0.5
    )


def _held(counts):
    """Return counts per length, with something in them."""
    if isinstance(counts, IntervalCounts):
        counts.require()
        return counts.counts
    held = np.asarray(counts)
    if not held.any():
        raise ValueError("all counts are zero: there is no interval to fit")
    return held
