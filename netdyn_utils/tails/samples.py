"""The power-law likelihood of single values, for every threshold of a sample at once.

Continuous, p(x) = (α−1)/xmin (x/xmin)^−α: alpha has a closed form (Clauset, Shalizi
& Newman 2009, eq. 3.1). Discrete, p(x) = x^−α/ζ(α, xmin) on whole numbers: Newton on
the exact likelihood with Hurwitz' zeta (eq. 3.5), not the approximation of eq. 3.7.

The scan is complete without n² steps: a few values bound each KS distance from below,
and a threshold whose bound exceeds the least distance found cannot win.
"""

import numpy as np
from scipy.special import zeta

from ..validation import real_numbers, whole_counts
from .binned import KS_TIE

ALPHA_BOUNDS = (1.001, 20.0)  # of a discrete law
_CELLS = 100_000  # size of one block of (thresholds × values)


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


def fit_points(values, counts, starts, discrete):
    """Return fields of a `TailFit` for the tail of least KS distance among `starts`."""
    logs = np.log(values)
    above = np.append(np.cumsum(counts[::-1])[::-1], 0)  # n of x ≥ values[i]
    terms = np.append(np.diff(logs), 0.0) * above[1:]
    excess = np.cumsum(terms[::-1])[::-1][starts]  # Σ ln(x/xmin)
    n = above[starts]
    if discrete:
        alpha, info, at_bound = _solve_zeta(values[starts], logs[starts] + excess / n)
    else:
        alpha = 1 + n / excess
        info, at_bound = (alpha - 1) ** -2, np.zeros(len(n), bool)

    def distances(rows, columns):
        """Return max |S − F| over some values, on both sides of each step, (rows,)."""
        ks = np.zeros(len(rows))
        size = max(1, _CELLS // len(columns))
        for k in range(0, len(rows), size):
            row = rows[k : k + size]
            used = columns[columns >= starts[row].min()]
            first, a = starts[row][:, None], alpha[row][:, None]
            model = _survivals(values, logs, first, used, a, discrete)
            for side, data in zip(model, (above[used], above[used + 1]), strict=True):
                gap = np.abs(side - data / n[row][:, None])
                gap[used < first] = 0.0
                ks[k : k + size] = np.maximum(ks[k : k + size], gap.max(1))
        return ks

    usable = np.flatnonzero(~at_bound) if not at_bound.all() else np.arange(len(n))
    best, ks = _least(usable, len(values), distances)
    xmin, alpha, log_xmin = values[starts[best]], alpha[best], logs[starts[best]]
    if discrete:
        scale = -np.log(zeta(alpha, xmin))
    else:
        scale = np.log(alpha - 1) + (alpha - 1) * log_xmin
    tail_logs = excess[best] + n[best] * log_xmin
    return {
        "alpha": float(alpha),
        "sigma": float("nan" if at_bound[best] else 1 / np.sqrt(n[best] * info[best])),
        "xmin": float(xmin),
        "n_tail": int(n[best]),
        "ks": float(ks),
        "log_likelihood": float(n[best] * scale - alpha * tail_logs),
        "at_bound": bool(at_bound[best]),
    }


def _least(rows, n_values, distances):
    """Return the row of least distance and that distance; the first wins a tie."""
    everything, least, size = np.arange(n_values), np.inf, 32
    while size < n_values // 2:
        # Even in rank, and even in the logarithm of the rank from the top, so that
        # short tails are bounded as well as long ones.
        even = np.linspace(0, n_values - 1, size)
        top = n_values - np.geomspace(1, n_values, size)
        bound = distances(rows, np.unique(np.concatenate([even, top]).astype(int)))
        leaders = rows[np.sort(np.argsort(bound)[:4])]
        least = min(least, distances(leaders, everything).min())
        rows, size = rows[bound <= least + KS_TIE], 8 * size
    ks = distances(rows, everything)
    first = (ks <= ks.min() + KS_TIE).argmax()
    return rows[first], ks[first]


def _survivals(values, logs, first, columns, alpha, discrete):
    """Return P(X ≥ v) and P(X ≥ next value) of the model, (rows, columns)."""
    if not discrete:
        same = np.exp((1 - alpha) * np.maximum(logs[columns] - logs[first], 0.0))
        return same, same  # a continuous model has no steps
    whole = zeta(alpha, values[first])
    at = np.maximum(values[columns], values[first])
    return zeta(alpha, at) / whole, zeta(alpha, at + 1) / whole


def _solve_zeta(xmin, mean_log):
    """Return alpha of largest −ln ζ(α, xmin) − α·mean_log, var(ln x) and at_bound."""
    lowest, highest = ALPHA_BOUNDS
    left, right = np.full(len(xmin), lowest), np.full(len(xmin), highest)
    # Eq. 3.7, a fair start everywhere; the half shifts the continuous cell to xmin − ½.
    alpha = np.clip(1 + 1 / (mean_log - np.log(xmin - 0.5)), lowest + 1e-3, highest)
    for _ in range(60):  # safeguarded Newton; central differences are good to 1e-8
        h = np.minimum(1e-4, (alpha - 1) / 20)
        down, here, up = (np.log(zeta(alpha + k * h, xmin)) for k in (-1, 0, 1))
        score = -(up - down) / (2 * h) - mean_log
        info = np.maximum((up - 2 * here + down) / h**2, 1e-12)
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
