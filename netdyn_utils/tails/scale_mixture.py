"""A heavy tail without any heavy-tailed step: the scale mixture of Gaussians.

Let every parameter take Gaussian steps of its own variance. The pooled magnitudes have
a tail as heavy as the variances are uneven: Student's t if σ² is inverse-gamma. So a
tail that this null reproduces says that parameters differ, and nothing about how any
one of them moves.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf, erfc

from ..validation import check_positive_int, real_numbers
from .binned import apply_upper_bound, as_fitted, check_histogram
from .power_law import TailFit, fit_power_law

_CELLS = 2_000_000  # variances × edges worked on at once


@dataclass(frozen=True)
class NullHistogram:
    """What Gaussian steps with given variances put in each bin."""

    edges: np.ndarray
    expected: np.ndarray  # exact expectation, fractional counts
    counts: np.ndarray  # random, or the expectation rounded to whole counts
    n: int  # steps in all: those outside the edges are in n, not in the bins


@np.errstate(under="ignore")
def scale_mixture_null(
    variances: ArrayLike,
    n: int,
    rng: np.random.Generator | None = None,
    *,
    edges: ArrayLike,
    weights: ArrayLike | None = None,
) -> NullHistogram:
    """Return the histogram of abs(Δw) if each parameter took Gaussian steps.

    `variances`, (weights,), are the mean squares of each parameter's updates about zero
    in the squared unit of the weight, 0 for one that never moves; `weights` how many
    share each, equal by default. `n` counts all steps of all parameters, zeros too. The
    bins are those of the histogram to compare with it. Without `rng` the counts are the
    rounded expectation.

    Notes
    -----
    P(bin i) = Σ_j ω_j [erf(b_{i+1}/(σ_j√2)) − erf(b_i/(σ_j√2))]. Random counts
    are one multinomial. The cost is (distinct variances) × (bins).

    The variance of a parameter over the whole window takes in its drift during the
    window, so that the null may owe part of its tail to learning itself; variances of
    shorter windows, pooled, do less so.

    Examples
    --------
    >>> null = scale_mixture_null([1.0, 4.0], 1_000_000, edges=[1, 2, 4, 8])
    >>> null.expected.round()
    array([285787., 158624.,  22750.])
    """
    edges, _ = check_histogram(edges, np.ones(max(0, np.size(edges) - 1)))
    check_positive_int(n, "n")
    variances = real_numbers(variances, "variances").ravel()
    weights = np.ones_like(variances) if weights is None else weights
    weights = real_numbers(weights, "weights").ravel()
    if weights.shape != variances.shape:
        raise ValueError(f"got {weights.size} weights for {variances.size} variances")
    for what, values in (("variances", variances), ("weights", weights)):
        if not (np.isfinite(values) & (values >= 0)).all() or not values.any():
            raise ValueError(f"{what} must be finite, zero or above, not all zero")
    variances, place = np.unique(variances, return_inverse=True)
    weights = np.bincount(place, weights) / weights.sum()
    moving = variances > 0
    scales, weights = np.sqrt(2 * variances[moving]), weights[moving]
    probability = np.zeros(len(edges) - 1)
    block = max(1, _CELLS // len(edges))
    for k in range(0, len(scales), block):
        x = edges / scales[k : k + block, None]
        # Differences of erf cancel far out, those of erfc near zero.
        near, far = np.diff(erf(x), axis=1), -np.diff(erfc(x), axis=1)
        probability += weights[k : k + block] @ np.where(x[:, :-1] < 0.7, near, far)
    if rng is None:
        counts = np.round(n * probability).astype(np.int64)
    else:
        whole = np.append(probability, max(0.0, 1 - probability.sum()))
        counts = rng.multinomial(n, whole / whole.sum())[:-1]
    return NullHistogram(edges, n * probability, counts, n)


@dataclass(frozen=True)
class NullComparison:
    """The observed tail beside the tail of a null, above the same xmin."""

    observed: TailFit
    null: TailFit | None  # none where the null leaves no tail there
    excess: float  # counts of the tail over those expected under the null
    ks: float  # largest distance of the two whole CDFs

    def __str__(self):
        other = "no tail" if self.null is None else f"alpha = {self.null.alpha:.3f}"
        return (
            f"above {self.observed.xmin:.4g}: observed alpha = "
            f"{self.observed.alpha:.3f}, null {other}; {self.excess:.3g} times the "
            f"counts of the null (KS of the whole {self.ks:.3g})"
        )


def compare_with_null(
    edges: ArrayLike, counts: ArrayLike, fit: TailFit, null: NullHistogram
) -> NullComparison:
    """Fit the tail of a null above the same xmin as that of the data, and compare.

    Pass the histogram that `fit` was made from, on the edges of the null, and a null of
    as many steps as the data have, zeros included.

    Notes
    -----
    If both exponents agree and `excess` is near 1, uneven parameters explain the
    tail. No p-value is given: the counts depend on each other, and the variances were
    taken from the same data. Repeat over seeds and windows and show the scatter.

    Examples
    --------
    >>> edges = 2 ** np.arange(-4, 6, 0.25)
    >>> rng = np.random.default_rng(0)
    >>> null = scale_mixture_null(1 / rng.gamma(1.5, size=2000), 100_000, edges=edges)
    >>> data = scale_mixture_null([1.0], 100_000, rng, edges=edges)
    >>> fit = fit_power_law(edges, data.counts, xmin=2)
    >>> compare_with_null(edges, data.counts, fit, null).excess < 1
    True
    """
    if not np.array_equal(np.asarray(edges, float), null.edges):
        raise ValueError("data and null have different edges: make the null on these")
    _, h, start = as_fitted(edges, counts, fit)
    bounds = {"upper": fit.upper, "xmax": fit.xmax}

    def tail(values):
        return apply_upper_bound(null.edges, values, **bounds)[1][start:]

    null_fit = None
    if np.count_nonzero(tail(null.counts)) > 1:
        null_fit = fit_power_law(null.edges, null.counts, xmin=fit.xmin, **bounds)
    counts, expected = np.asarray(counts), null.expected
    gap = np.cumsum(counts) / counts.sum() - np.cumsum(expected) / expected.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = float(h[start:].sum() / tail(expected).sum())
    return NullComparison(fit, null_fit, excess, float(np.abs(gap).max()))
