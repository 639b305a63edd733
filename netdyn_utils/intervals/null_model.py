"""The intervals that chance alone would leave: every weight's times shuffled.

A weight that exceeds n times in T steps, at random times without replacement, leaves a
random composition of T + 1 into n + 1 whole numbers: one left-censored part, n − 1
intervals, one right-censored part. All compositions are equally likely, so each part
has the same law, in closed form. The rates of the weights stay as they were: pooled,
unequal rates make a mixture of geometric laws, which can look like a power law although
no weight has a memory.
"""

from dataclasses import dataclass, field, replace
from math import nan

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from ..validation import check_positive_int, whole_counts
from .counts import IntervalCounts, burstiness_of, memory_coefficient

_MAX_EXPONENT = 100.0  # intervals of probability below about e^−100 are left out
_BLOCK = 2_000_000  # times sampled together


@dataclass(frozen=True)
class NullIntervals:
    """Exact expectations under shuffled times."""

    steps: int
    expected: np.ndarray = field(compare=False, repr=False)  # entry k − 1: of k steps
    censored: np.ndarray = field(compare=False, repr=False)  # the same on either side
    serial_moments: tuple[float, ...] = field(compare=False, repr=False)

    # B and M of the expected counts: what unequal rates alone make of them.
    total = property(lambda self: float(self.expected.sum()))
    burstiness = property(lambda self: burstiness_of(self.expected))
    memory_coefficient = property(lambda self: memory_coefficient(self.serial_moments))

    def __str__(self):
        return (
            f"shuffled times: {self.total:,.0f} intervals in {self.steps:,} steps, "
            f"B = {self.burstiness:.3f}"
        )


@np.errstate(under="ignore")
def interval_null(exceedances: ArrayLike, steps: int) -> NullIntervals:
    """Return the expected intervals if each weight's times were shuffled.

    Exceedances of each weight, (weights,), as `IntervalCounts.per_weight`, in a window
    of so many steps.

    Notes
    -----
    For a weight with n exceedances in T steps P(k) = C(T−k, n−1)/C(T, n), k = 1 …
    T − n + 1. It is geometric with p = n/T where k ≪ T and n ≫ 1. Mean (T+1)/(n+1);
    variance n(T+1)(T−n)/((n+1)²(n+2)); covariance of two parts −variance/n, for they
    sum to T + 1. `expected` is Σ (n−1) P(k) over the weights.

    Shuffling each weight on its own also breaks what makes weights exceed together,
    and slow changes of the rate in the window: an excess over this null may be either,
    or memory. Windows short against the change of the loss tell them apart.

    Examples
    --------
    >>> null = interval_null([2], steps=4)       # 6 pairs of times: 3, 2, 1 of 1, 2, 3
    >>> null.expected * 6
    array([3., 2., 1.])
    >>> print(interval_null([50, 5, 0], steps=1_000))
    shuffled times: 53 intervals in 1,000 steps, B = 0.305
    """
    often, weights = np.unique(_check(exceedances, steps), return_counts=True)
    often, weights = often[often > 0], weights[often > 0]
    if not (often > 1).any():
        raise ValueError(
            "no weight exceeded twice: there is no interval, lower the threshold or "
            "observe more steps"
        )
    logs = gammaln(np.arange(steps + 1) + 1.0)  # ln j!
    expected, censored = np.zeros((2, steps))
    for n, m in zip(often, weights, strict=True):
        longest = min(steps - n + 1, int(_MAX_EXPONENT * steps / n) + 1)
        k = np.arange(1, longest + 1)
        log_p = logs[steps - k] - logs[steps - k - n + 1] - logs[steps]
        p = np.exp(log_p + logs[steps - n] + np.log(n))
        censored[:longest] += m * p
        expected[:longest] += m * (n - 1) * p
    n, m, t = often.astype(float), np.where(often > 2, weights * (often - 2), 0), steps
    mean = (t + 1) / (n + 1)
    variance = n * (t + 1) * (t - n) / ((n + 1) ** 2 * (n + 2))
    square, product = variance + mean**2, mean**2 - variance / n
    sums = (m.sum(), m @ mean, m @ mean, m @ square, m @ square, m @ product)
    expected, censored = (np.trim_zeros(x, "b") for x in (expected, censored))
    return NullIntervals(steps, expected, censored, tuple(map(float, sums)))


def shuffle_times(
    exceedances: ArrayLike, steps: int, rng: np.random.Generator
) -> IntervalCounts:
    """Sample random times for every weight and count the intervals.

    For what has no expectation in closed form, such as the alpha of a fit. Arguments
    as for `interval_null`. The result has threshold NaN: nothing was compared.

    >>> shuffled = shuffle_times([50, 5, 0], 1_000, np.random.default_rng(0))
    >>> shuffled.total, shuffled.n_never
    (53, 1)
    """
    often = np.sort(_check(exceedances, steps))
    block = np.cumsum(often) // _BLOCK
    parts = [_random_times(often[block == i], steps, rng) for i in np.unique(block)]
    return replace(sum(parts[1:], parts[0]), threshold=nan)


def _random_times(often, steps, rng):
    """Return the intervals of some weights at uniform times without replacement."""
    times, missing = np.zeros(0, np.int64), often
    while missing.any():  # sample again what fell on a time already taken
        weight = np.repeat(np.arange(len(often)), missing)
        fresh = weight * steps + rng.integers(steps, size=len(weight))
        times = np.unique(np.append(times, fresh))
        missing = often - np.bincount(times // steps, minlength=len(often))
    return IntervalCounts.from_times(*np.divmod(times, steps), steps, len(often), 0.0)


def _check(exceedances, steps):
    check_positive_int(steps, "steps")
    often = whole_counts(exceedances)
    if often.ndim != 1 or not often.size or often.max() > steps:
        raise ValueError(
            f"exceedances must be whole numbers from 0 to {steps:,}, one for each "
            "weight: pass IntervalCounts.per_weight"
        )
    return often
