"""The leading principal direction of a window of updates, and its change.

A window has few steps and many weights, so its leading direction is found from the
(steps, steps) matrix of inner products: exact in float64, and the only pass over the
window that costs anything is one product with itself.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from .validation import real_numbers

BLOCK = 1 << 20  # numbers of the window in float64 at one time


@dataclass(frozen=True)
class PrincipalDirection:
    """The direction along which a window varies most."""

    vector: np.ndarray = field(compare=False, repr=False)  # unit length, (weights,)
    explained_variance_ratio: float  # its part of the window's variance, 0 to 1
    variance: float  # along it, in the squared unit of the weight
    steps: int
    centred: bool

    def __str__(self):
        about = "variance" if self.centred else "mean square"
        return (
            f"leading direction of {self.steps:,} steps of {len(self.vector):,} "
            f"weights: {self.explained_variance_ratio:.1%} of the {about}"
        )


def leading_direction(window: ArrayLike, *, centred: bool = True) -> PrincipalDirection:
    """Return the first principal direction of a window of updates.

    The window, (steps, weights), has updates, signed or magnitudes, of two steps or
    more. `centred` subtracts the mean over steps, as principal component analysis does;
    otherwise a drift common to all steps counts as a direction. The entry of the vector
    that is largest in size is positive.

    Notes
    -----
    The largest eigenvalue λ of C·Cᵀ, (steps, steps), and its eigenvector u give the
    direction Cᵀu/√λ, the variance λ/(steps − 1), or λ/steps if not centred, and the
    ratio λ/trace. Where the two largest eigenvalues are equal the direction is any one
    in their plane.

    Examples
    --------
    >>> found = leading_direction([[1.0, 0.0], [2.0, -2.0], [3.0, -4.0]])
    >>> (found.vector * np.sqrt(5)).round(9)
    array([-1.,  2.])
    >>> print(found)
    leading direction of 3 steps of 2 weights: 100.0% of the variance
    """
    window = real_numbers(window, "updates", single=True)
    if window.ndim != 2 or len(window) < 2 or not window.shape[1]:
        raise ValueError(
            f"window of shape {window.shape}: expected (steps, weights) with two steps "
            "or more"
        )
    steps, weights = window.shape
    # The sums need no centred copy of the window: with the first step as origin, which
    # costs no accuracy and leaves exact zeros where nothing changes, centre afterwards.
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
    """Return abs(cos) of the angle between two directions, (weights,): β*, 0 to 1.

    1 is the same direction or the opposite one; neither sign nor length matters.
    Unrelated directions of n weights give about √(2/(πn)), not 0.

    >>> alignment([1.0, 0.0], [-3.0, 0.0]), alignment([1.0, 0.0], [0.0, 2.0])
    (1.0, 0.0)
    """
    one, other = (
        real_numbers(d.vector if isinstance(d, PrincipalDirection) else d, "weights")
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
        if not 0 < largest < np.inf:
            raise ValueError("a direction is zero or not finite: it has no angle")
        scaled = direction / largest  # squares neither overflow nor vanish
        units.append(scaled / np.linalg.norm(scaled))
    return float(min(1.0, abs(units[0] @ units[1])))
