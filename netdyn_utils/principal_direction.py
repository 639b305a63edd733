"""The direction most updates of a window share, and how it turns from one to the next.

A window has few steps and many weights, so its leading direction is found from the
(steps, steps) matrix of inner products: exact in float64, and the only pass over the
window that costs anything is one product with itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

BLOCK = 1 << 20  # numbers of the window that are held as float64 together


@dataclass(frozen=True)
class PrincipalDirection:
    """The direction along which a window varies most."""

    vector: np.ndarray = field(compare=False, repr=False)  # unit length, (weights,)
    explained_variance_ratio: float  # its part of the window's variance, 0 to 1
    variance: float  # along it, in the squared unit of the weight
    steps: int
    centred: bool

    @property
    def explained(self) -> float:
        """`explained_variance_ratio` by its name before."""
        return self.explained_variance_ratio

    def __str__(self):
        """Return the direction as one line."""
        about = "variance" if self.centred else "mean square"
        return (
            f"leading direction of {self.steps:,} steps of {len(self.vector):,} "
            f"weights: {self.explained_variance_ratio:.1%} of the {about}"
        )


def leading_direction(window: ArrayLike, *, centred: bool = True) -> PrincipalDirection:
    """Return the first principal direction of a window of updates.

    Parameters
    ----------
    window : array, (steps, weights)
        Updates, signed or magnitudes, float32 or float64; two steps or more.
    centred : bool
        Take the mean over steps away first, as principal component analysis does.
        Otherwise a drift common to all steps counts as a direction.

    Returns
    -------
    PrincipalDirection
        The entry of `vector` that is largest in size is positive (the first of them).

    Raises
    ------
    ValueError
        One step; NaN, infinity or a square that overflows; no variance at all.

    Notes
    -----
    The largest eigenvalue λ of C·Cᵀ, (steps, steps), and its eigenvector u give the
    direction Cᵀu/√λ, the variance λ/(steps − 1), or λ/steps if not centred, and the
    share λ/trace. C·Cᵀ is added up in float64 over blocks of weights, with the first
    step as origin, and centred afterwards; so no copy of the window is made. Where
    the two largest eigenvalues are equal the direction is any one in their plane.

    Examples
    --------
    >>> found = leading_direction([[1.0, 0.0], [2.0, -2.0], [3.0, -4.0]])
    >>> (found.vector * np.sqrt(5)).round(9)
    array([-1.,  2.])
    >>> print(found)
    leading direction of 3 steps of 2 weights: 100.0% of the variance
    """
    window = np.asarray(window)
    if window.ndim != 2 or len(window) < 2 or not window.shape[1]:
        raise ValueError(
            f"window of shape {window.shape}: expected (steps, weights) with two steps "
            "or more"
        )
    if window.dtype not in (np.float32, np.float64):
        window = window.astype(float)
    steps, weights = window.shape
    # The first step lies among the others, so taking it away costs no accuracy, and
    # leaves exact zeros where nothing changes.
    origin = window[0].astype(float) if centred else np.zeros(weights)
    width = 1 + BLOCK // steps
    blocks = [slice(start, start + width) for start in range(0, weights, width)]
    gram = np.zeros((steps, steps))
    with np.errstate(over="ignore", invalid="ignore"):
        for block in blocks:
            part = window[:, block] - origin[block]
            gram += part @ part.T
    if not np.isfinite(gram).all():
        raise ValueError(
            "the window holds NaN, infinity or numbers whose squares overflow: look at "
            "the run, or end the window before them"
        )
    if centred:
        mean = gram.mean(0)
        gram += mean.mean() - mean - mean[:, None]
    total = float(gram.trace())
    if not total > 0:
        kind = "is the same at every step" if centred else "is zero throughout"
        raise ValueError(f"the window {kind}: it has no direction")
    # numpy's, as the products are: scipy brings threads of its own, and while those of
    # numpy still spin after a product, both together take three times as long.
    values, vectors = np.linalg.eigh(gram)
    mix = [vectors[:, -1] @ (window[:, block] - origin[block]) for block in blocks]
    vector = np.concatenate(mix)
    vector /= np.linalg.norm(vector)
    vector *= np.sign(vector[np.abs(vector).argmax()])
    largest = float(values[-1])
    return PrincipalDirection(
        vector, largest / total, largest / (steps - centred), steps, centred
    )


def alignment(
    first: PrincipalDirection | ArrayLike, second: PrincipalDirection | ArrayLike
) -> float:
    """Return abs(cos) of the angle between two directions, 1 for the same or opposite.

    Parameters
    ----------
    first, second : PrincipalDirection or array, (weights,)
        Of any length but zero; neither sign nor length matters.

    Returns
    -------
    float
        In [0, 1]; β* of successive windows. Unrelated directions of n weights give
        about √(2/(πn)), not 0.

    Raises
    ------
    ValueError
        Different numbers of weights, a zero direction, NaN or infinity.

    Examples
    --------
    >>> alignment([1.0, 0.0], [-3.0, 0.0]), alignment([1.0, 0.0], [0.0, 2.0])
    (1.0, 0.0)
    """
    one, other = (
        np.asarray(d.vector if isinstance(d, PrincipalDirection) else d, float)
        for d in (first, second)
    )
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(
            f"directions of shapes {one.shape} and {other.shape}: expected one axis "
            "and the same weights in both"
        )
    units = []
    for direction in (one, other):
        largest = np.abs(direction).max(initial=0.0)
        if not np.isfinite(largest):
            raise ValueError("a direction holds NaN or infinity: look at its window")
        if largest == 0:
            raise ValueError("a direction is zero: it has no angle with any other")
        scaled = direction / largest  # squares neither overflow nor vanish
        units.append(scaled / np.linalg.norm(scaled))
    return float(min(1.0, abs(units[0] @ units[1])))


def alignment_series(
    windows: Iterable[ArrayLike], *, centred: bool = True
) -> np.ndarray:
    """Return β* of each window (steps, weights) and the next, (windows − 1,)."""
    directions = (leading_direction(window, centred=centred) for window in windows)
    series = [alignment(*pair) for pair in pairwise(directions)]
    if not series:
        raise ValueError("fewer than two windows: there is nothing to align")
    return np.array(series)
