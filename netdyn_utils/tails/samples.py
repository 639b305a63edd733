"""The power-law likelihood of single values, for every threshold of a sample at once.

Continuous, p(x) ∝ x^−α from xmin on: alpha has a closed form (Clauset, Shalizi & Newman
2009, eq. 3.1), or is the root of one falling function where the support ends at xmax.
Discrete, p(x) ∝ x^−α on whole numbers: Newton on the exact likelihood with Hurwitz'
zeta (eq. 3.5), or its finite sum, not the approximation of eq. 3.7.

The scan is complete without n² steps: a few values bound each KS distance from below,
and a threshold whose bound exceeds the least distance found cannot win.
"""

from functools import cached_property
from math import inf

import numpy as np
from scipy.special import zeta

from ..validation import real_numbers, whole_counts
from .binned import KS_TIE, MAX_SCAN_SLOPE, survival

# Of a discrete alpha: where it is searched, with infinite and with finite support.
ALPHA_BOUNDS, FINITE_BOUNDS = (1.001, 1_000.0), (-100.0, 1_000.0)
_CELLS = 100_000  # size of one block of (thresholds × values)
_STEEP = 15.0  # alpha from which on a discrete law is solved relative to xmin
_MANY = 10_000  # thresholds from which on compiled code pays
_TERMS = 16  # of a sum over whole numbers, before Euler and Maclaurin continue it
# B_2j/(2j)! of their formula
_BERNOULLI = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160)
_BERNOULLI += (-691 / 1307674368000, 1 / 74724249600, -3617 / 10670622842880000)


def check_sample(x, counts, discrete, least=2):
    """Return the distinct values ascending, and how often each occurs."""
    x = real_numbers(x, "values")
    counts = np.ones(x.shape, np.int64) if counts is None else whole_counts(counts)
    if x.ndim != 1 or counts.shape != x.shape:
        raise ValueError(
            f"got values of shape {x.shape} and counts of shape {counts.shape}: pass "
            "one axis of values, and counts of the same length or none"
        )
    bad = ~(np.isfinite(x) & (x > 0))
    if bad.any():
        raise ValueError(
            f"values must be positive and finite, got {x[bad][0]:g} and {bad.sum()} "
            "such in all: count zeros, NaN and Inf apart"
        )
    if discrete and (x != np.floor(x)).any():
        raise ValueError(
            f"a discrete fit needs whole numbers, got {x[x != np.floor(x)][0]:g}"
        )
    values, place = np.unique(x[counts > 0], return_inverse=True)
    if len(values) < least:
        raise ValueError(
            f"{len(values)} distinct value(s) make no tail: a fit needs at least two"
        )
    return values, np.bincount(place, counts[counts > 0]).astype(np.int64)


def tail_of(values, counts, xmin, xmax):
    """Return values and counts from xmin to xmax: the tail starts at xmin itself."""
    end = np.searchsorted(values, xmax, "right")
    first = np.searchsorted(values, xmin)
    values, counts = values[first:end], counts[first:end]
    if not len(values) or values[0] != xmin:  # no value lies there
        values, counts = np.append(float(xmin), values), np.append(0, counts)
    return values, counts


class SampleFits:
    """One fit for each of the ascending thresholds values[starts], (thresholds,)."""

    def __init__(self, values, counts, starts, discrete, xmax=inf):
        self.values, self.starts, self.xmax = values, starts, xmax
        self.discrete, self.logs = discrete, np.log(values)
        self.above = np.append(np.cumsum(counts[::-1])[::-1], 0)  # of x ≥ values[i]
        terms = np.append(np.diff(self.logs), 0.0) * self.above[1:]
        self.excess = np.cumsum(terms[::-1])[::-1][starts]  # Σ ln(x/xmin)
        self.n_tail = n = self.above[starts]
        log_xmin = self.logs[starts]
        self.reach = np.log(xmax) - log_xmin
        self.at_bound = np.zeros(len(n), bool)
        if discrete:
            mean = self.excess / n
            found = _solve_zeta(values[starts], log_xmin + mean, mean, xmax)
            self.alpha, info, self.at_bound = found
        elif xmax == inf:
            self.alpha = 1 + n / self.excess
            info = (self.alpha - 1) ** -2
        else:
            u, spread = solve_truncated(self.excess / n / self.reach)
            self.alpha, info = 1 + u / self.reach, spread * self.reach**2
            self.at_bound = ~np.isfinite(u)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.sigma = np.where(self.at_bound, np.nan, 1 / np.sqrt(n * info))

    @property
    def xmin(self):
        """The thresholds themselves."""
        return self.values[self.starts]

    @cached_property
    def ks(self):
        """KS distance of each threshold."""
        return self._distances(np.arange(len(self.starts)), np.arange(len(self.values)))

    def best(self):
        """Return the index of least KS distance, and that; the lower wins a tie."""
        usable = ~self.at_bound
        if (
            self.discrete
            and (usable & (np.abs(self.alpha - 1) <= MAX_SCAN_SLOPE)).any()
        ):
            usable &= np.abs(self.alpha - 1) <= MAX_SCAN_SLOPE
        rows = np.flatnonzero(usable | ~usable.any())
        if not self.discrete and len(rows) > _MANY:
            ks = self._compiled(rows)
        else:
            rows, ks = self._pruned(rows)
        first = int((ks <= ks.min() + KS_TIE).argmax())
        return int(rows[first]), float(ks[first])

    def log_likelihood(self, i):
        """Return that of tail `i`, nats."""
        alpha, n, log_xmin = self.alpha[i], self.n_tail[i], self.logs[self.starts[i]]
        if self.discrete:
            scale = -log_zeta(alpha, self.values[self.starts[i]], self.xmax)
        elif self.xmax == inf:
            scale = np.log(alpha - 1) + (alpha - 1) * log_xmin
        else:
            s = alpha - 1 or 1e-300
            scale = np.log(s / -np.expm1(-s * self.reach[i])) + s * log_xmin
        return float(n * scale - alpha * (self.excess[i] + n * log_xmin))

    def _distances(self, rows, columns):
        """Return max |S − F| over some values, on both sides of each step, (rows,)."""
        ks = np.zeros(len(rows))
        size = max(1, _CELLS // len(columns))
        for k in range(0, len(rows), size):
            row = rows[k : k + size]
            used = columns[columns >= self.starts[row].min()]
            first = self.starts[row][:, None]
            data = self.above[used], self.above[used + 1]
            for side, above in zip(self._survivals(row, used), data, strict=True):
                gap = np.abs(side - above / self.n_tail[row][:, None])
                gap[used < first] = 0.0
                ks[k : k + size] = np.maximum(ks[k : k + size], gap.max(1))
        return ks

    def _survivals(self, row, columns):
        """Return P(X ≥ v) and P(X ≥ next value) of the model, (rows, columns)."""
        first, alpha = self.starts[row][:, None], self.alpha[row][:, None]
        if not self.discrete:  # a continuous model has no steps
            z = np.maximum(self.logs[columns] - self.logs[first], 0.0)
            if self.xmax < inf:
                same = survival(alpha - 1, z, self.reach[row][:, None])
            else:
                same = np.exp((1 - alpha) * z)
            return same, same
        low = self.values[first]
        at = np.maximum(self.values[columns], low)
        if self.xmax < inf or self.alpha[row].max() * self.logs[-1] > 600:
            whole = log_zeta(alpha, low, self.xmax)
            parts = (log_zeta(alpha, k, self.xmax) for k in (at, at + 1))
            return tuple(np.exp(part - whole) for part in parts)
        return zeta(alpha, at) / zeta(alpha, low), zeta(alpha, at + 1) / zeta(
            alpha, low
        )

    def _pruned(self, rows):
        """Return the rows that may have the least distance, and their distances."""
        n_values, least, size = len(self.values), np.inf, 32
        everything = np.arange(n_values)
        while size < n_values // 2:
            # Even in rank, and even in the logarithm of the rank from the top, so that
            # short tails are bounded as well as long ones.
            even = np.linspace(0, n_values - 1, size)
            top = n_values - np.geomspace(1, n_values, size)
            columns = np.unique(np.concatenate([even, top]).astype(int))
            bound = self._distances(rows, columns)
            leaders = rows[np.sort(np.argsort(bound)[:4])]
            least = min(least, self._distances(leaders, everything).min())
            rows, size = rows[bound <= least + KS_TIE], 8 * size
        return rows, self._distances(rows, everything)

    def _compiled(self, rows):
        """Return the distance of each row, infinite where it cannot be the least."""
        from .scan_kernel import least_distances  # numba takes half a second

        s = self.alpha[rows] - 1
        s = np.where(np.abs(s) < 1e-9, 1e-9, s)
        with np.errstate(over="ignore"):
            beyond = np.minimum(np.exp(-s * self.reach[rows]), 1e300)
        arrays = self.starts[rows], s, beyond, self.n_tail[rows]
        arrays = [np.ascontiguousarray(a) for a in arrays]
        least, ks = np.inf, np.full(len(rows), np.inf)
        for some in (
            np.arange(0, len(rows), 1 + len(rows) // 256),
            np.arange(len(rows)),
        ):
            part = [a[some] for a in arrays]
            ks[some] = least_distances(self.logs, self.above, *part, least, KS_TIE)
            least = ks.min()
        return ks


def solve_truncated(mean):
    """Return u = s·ln(xmax/xmin) of a law with this mean of ln(x/xmin)/ln(xmax/xmin).

    And its variance. The mean is g(u) = 1/u − 1/(e^u − 1), with g(−u) = 1 − g(u).
    """
    m = np.minimum(mean, 1 - mean)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        u = 1 / m
        for _ in range(50):  # 1/g is convex, and Newton from the right never overshoots
            g, spread = _moments(u)
            step = (1 / g - 1 / m) * g**2 / spread
            u = np.maximum(u - np.where(np.isfinite(step), step, 0.0), 0.0)
            if not (np.abs(step) > 1e-13 * np.maximum(u, 1e-3)).any():
                break
        spread = _moments(u)[1]
    return np.where(mean <= 0.5, u, -u), spread


def _moments(u):
    """Return g(u) and −g′(u), u ≥ 0."""
    near, v = u < 0.1, np.maximum(u, 0.1)
    square = u * u
    g = 0.5 - u / 12 * (1 - square / 60 * (1 - square / 42))
    spread = 1 / 12 - square / 240 + square**2 / 6048
    far = 1 / v**2 - 1 / (4 * np.sinh(np.minimum(v, 700) / 2) ** 2)
    return np.where(near, g, 1 / v - 1 / np.expm1(v)), np.where(near, spread, far)


def log_zeta(alpha, low, high=inf):
    """Return ln Σ k^−alpha over whole numbers low ≤ k ≤ high; any alpha if finite."""
    alpha, low, high = np.broadcast_arrays(alpha, np.asarray(low, float), high)
    easy = (high == inf) & (alpha > 1) & (alpha * np.log(low) < 600)
    if easy.all():
        return np.log(zeta(alpha, low))
    peak = np.where(alpha > 0, low, high)
    with np.errstate(divide="ignore", invalid="ignore"):  # a sum without terms
        sums = _log_sum(alpha, low, high) - alpha * np.log(peak)
        return np.where(easy, np.log(zeta(alpha, low)), sums)


@np.errstate(all="ignore")
def _log_sum(alpha, low, high):
    """Return ln Σ (k/peak)^−alpha, peak the k of the largest term; exact if near 0."""
    peak = np.where(alpha > 0, low, high)
    end = np.minimum(low + _TERMS, high + 1)
    first = np.where(alpha > 0, 0.0, np.exp(-alpha * np.log(low / peak)))
    sums = np.where(low <= high, first, 0.0)  # without the 1 of the peak if that is low
    for i in range(1, _TERMS):
        k = low + i
        sums += np.where(k < end, np.exp(-alpha * np.log(k / peak)), 0.0)
    s, length = np.where(alpha == 1, 1e-300, alpha - 1), np.log(high / end)
    at_end, at_high = (np.exp(-alpha * np.log(k / peak)) for k in (end, high))
    at_high = np.where(high == inf, 0.0, at_high)
    whole = np.where(s > 0, end * at_end, high * at_high)
    rest = whole * np.where(high == inf, 1 / s, -np.expm1(-np.abs(s) * length) / abs(s))
    rest = rest + (at_end + at_high) / 2
    rising = alpha
    for j, factor in enumerate(_BERNOULLI):
        power = 2 * j + 1
        tops = np.where(high == inf, 0.0, at_high / high**power)
        rest = rest + factor * rising * (at_end / end**power - tops)
        rising = rising * (alpha + power) * (alpha + power + 1)
    sums = sums + np.where(end <= high, rest, 0.0)
    found = np.where(alpha > 0, np.log1p(sums), np.log(sums))
    return np.where(low <= high, found, -inf)


def _solve_zeta(xmin, mean_log, excess, xmax):
    """Return alpha of largest −ln Z(α) − α·mean_log, var(ln x) and at_bound."""
    bounds = ALPHA_BOUNDS if xmax == inf else FINITE_BOUNDS
    # Eq. 3.7, a fair start everywhere; the half shifts the continuous cell to xmin − ½.
    start = 1 + 1 / (mean_log - np.log(xmin - 0.5))
    start = np.clip(start, bounds[0] + 1e-3, 20.0)
    alpha, info, at_bound = _newton(log_zeta, xmin, mean_log, xmax, start, bounds)
    steep = np.flatnonzero(alpha > _STEEP)
    if (
        steep.size
    ):  # nearly all at xmin: ln Z has no digits left, relative to that it has
        some = xmin[steep], excess[steep], xmax, alpha[steep], bounds
        alpha[steep], info[steep], at_bound[steep] = _newton(_log_sum, *some)
    return alpha, info, at_bound


def _newton(log_sum, xmin, target, xmax, alpha, bounds):
    """Return the alpha at which ln Σ falls by `target` per unit, see `_solve_zeta`."""
    lowest, highest = bounds
    left, right = np.full(len(xmin), lowest), np.full(len(xmin), highest)
    least = 1e-12 if log_sum is log_zeta else 1e-300
    for _ in range(100):  # safeguarded Newton; central differences are good to 1e-8
        h = 1e-4 if xmax < inf else np.minimum(1e-4, (alpha - 1) / 20)
        h = h if log_sum is log_zeta else 1e-2
        down, here, up = (log_sum(alpha + k * h, xmin, xmax) for k in (-1, 0, 1))
        score = -(up - down) / (2 * h) - target
        info = np.maximum((up - 2 * here + down) / h**2, least)
        left = np.where(score > 0, alpha, left)
        right = np.where(score < 0, alpha, right)
        new = np.clip(alpha + score / info, lowest, highest)
        new = np.where((new < left) | (new > right), (left + right) / 2, new)
        moved, alpha = np.abs(new - alpha).max(), new
        if moved < 1e-9:
            break
    at_bound = ((alpha >= highest - 1e-6) & (score > 0)) | (
        (alpha <= lowest + 1e-6) & (score < 0)
    )
    return alpha, info, at_bound
