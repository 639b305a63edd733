"""Mean-squared displacement of weights, and drift of representations, against the lag.

For weights MSD(τ) = ⟨(w(t+τ) − w(t))²⟩ with the exponent γ of MSD ~ τ^γ: 1 is a random
walk, 2 a straight line, below 1 a weight that is pulled back. For representations the
distance of a layer's activations on a fixed batch, relative and up to rotation.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from .validation import check_level, real_numbers


def relative_distance(before: ArrayLike, after: ArrayLike) -> float:
    """Return ‖after − before‖/‖before‖ (Frobenius) of activations, (samples, units).

    NaN if `before` is zero throughout.

    >>> relative_distance([[3.0], [4.0]], [[3.0], [9.0]])
    1.0
    """
    one, other = _matrices(before, after)
    if one.shape != other.shape:
        raise ValueError(
            f"activations of shapes {one.shape} and {other.shape} have no distance: "
            "take the same layer on the same batch"
        )
    size = np.linalg.norm(one)
    return float(np.linalg.norm(other - one) / size) if size else float("nan")


def linear_cka(before: ArrayLike, after: ArrayLike) -> float:
    """Return the linear centred kernel alignment of activations, (samples, units).

    1 if one matrix is the other rotated, scaled and shifted; NaN if the activations of
    one do not differ between samples. The number of units may differ.

    Notes
    -----
    ‖BᵀA‖²/(‖AᵀA‖ ‖BᵀB‖) of the matrices with centred columns, S. Kornblith et al.,
    ICML (2019); for wide layers by the (samples, samples) Gram matrices, which give the
    same. With fewer samples than units chance alone lifts it well above 0: compare
    values at one number of samples only.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])
    >>> turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    >>> round(linear_cka(x, 5 * x @ turn + 7), 12)
    1.0
    """
    one, other = _matrices(before, after)
    if len(one) != len(other):
        raise ValueError(
            f"{len(one)} and {len(other)} samples: both matrices need the same ones"
        )
    one, other = (a - a.mean(0) for a in (one, other))
    if min(one.shape[1], other.shape[1]) < len(one):
        shared = ((other.T @ one) ** 2).sum()
        one, other = one.T @ one, other.T @ other
    else:
        one, other = one @ one.T, other @ other.T
        shared = (one * other).sum()
    scale = np.linalg.norm(one) * np.linalg.norm(other)
    return float(shared / scale) if scale else float("nan")


def squared_displacements(
    positions: ArrayLike, starts: ArrayLike, lags: ArrayLike
) -> np.ndarray:
    """Return the mean over weights of (w(start + lag) − w(start))², (starts, lags).

    `positions`, (steps + 1, weights), are those before the first step and after each.
    The mean over all starts is the mean-squared displacement.

    >>> squared_displacements([[0.0], [1.0], [2.0], [3.0]], [0], [1, 2, 3])
    array([[1., 4., 9.]])
    """
    positions = real_numbers(positions, "positions")
    starts, lags = np.asarray(starts), np.asarray(lags)
    last, ends = len(positions) - 1, np.add.outer(starts, lags)
    if positions.ndim != 2 or lags.min() < 1 or starts.min() < 0 or ends.max() > last:
        raise ValueError(
            f"positions of shape {positions.shape}, starts from {starts.min()}, lags "
            f"from {lags.min()}, ends to {ends.max()}: expected (steps + 1, weights), "
            f"starts from 0, lags from 1, ends to {last}"
        )
    return ((positions[ends] - positions[starts][:, None]) ** 2).mean(-1)


@dataclass(frozen=True)
class DiffusionExponent:
    """γ of MSD ~ τ^γ with its interval."""

    gamma: float
    sigma: float  # jackknife standard error
    low: float
    high: float
    level: float
    lags: tuple[int, int]  # between which the line was fitted, steps
    of_starts: np.ndarray = field(compare=False, repr=False)  # γ of each start alone

    def __str__(self):
        return (
            f"gamma = {self.gamma:.3f}, {self.level:.0%} interval {self.low:.3f} to "
            f"{self.high:.3f}, lags {self.lags[0]:,} to {self.lags[1]:,} steps, "
            f"{len(self.of_starts)} starts"
        )


def diffusion_exponent(
    lags: ArrayLike, squares: ArrayLike, *, level: float = 0.95
) -> DiffusionExponent:
    """Fit MSD ~ τ^γ by a straight line through the logarithms.

    `squares`, (starts, lags), are those of `squared_displacements`, of two starts or
    more that do not overlap. The lags, two or more, should be about even in the
    logarithm, since each weighs the same. `level` is the coverage of the interval.

    Notes
    -----
    The interval is a jackknife over starts: γ without each start in turn, Student's t
    with starts − 1 degrees of freedom (B. Efron, C. Stein, Ann. Stat. 9 (1981) 586).
    A bootstrap over weights would be narrow and wrong, for the weights of a layer share
    every batch and move together; stretches of training that do not overlap share
    none. Where training slows down, starts differ for that reason, and the interval
    says so: then look at `of_starts`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> walk = np.cumsum(rng.normal(size=(2_001, 300)), axis=0)
    >>> lags = np.array([1, 2, 5, 10, 20, 50, 100, 200])
    >>> fit = diffusion_exponent(
    ...     lags, squared_displacements(walk, np.arange(0, 2_000, 200), lags))
    >>> fit.low < 1 < fit.high
    True
    """
    lags, squares = real_numbers(lags, "lags"), real_numbers(squares, "squares")
    if squares.ndim != 2 or squares.shape[1:] != lags.shape or min(squares.shape) < 2:
        raise ValueError(
            f"got lags of shape {lags.shape} and squares of shape {squares.shape}: "
            "expected (lags,) and (starts, lags), two of each or more"
        )
    if not (np.isfinite(squares) & (squares > 0)).all():
        raise ValueError("a displacement is zero or not finite: it has no exponent")
    n, x = len(squares), np.log(lags) - np.log(lags).mean()

    def slope(values):
        return np.log(values) @ x / (x @ x)

    gamma, without = slope(squares.mean(0)), slope((squares.sum(0) - squares) / (n - 1))
    sigma = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    half = stdtrit(n - 1, (1 + check_level(level)) / 2) * sigma
    numbers = map(float, (gamma, sigma, gamma - half, gamma + half))
    ends = int(lags[0]), int(lags[-1])
    return DiffusionExponent(*numbers, level, ends, slope(squares))


def _matrices(before, after):
    """Return two matrices in float64."""
    pair = [real_numbers(a, "activations") for a in (before, after)]
    for a in pair:
        if a.ndim != 2 or not a.size:
            raise ValueError(f"expected (samples, units), got shape {a.shape}")
    return pair
