"""Three laws of whole numbers k ≥ xmin, each by the probability of each number.

    geometric              e^{−rate k}           what equal, random times leave
    log-normal             k^−1 e^{−(ln k − mu)²/(2 sigma²)}
    power law with cutoff  k^−alpha e^{−rate k}

The last two contain k^−alpha as a limit or a member. Their sums have no closed form:
they are added one by one up to xmin + 511 and continued by the midpoint rule of Euler
and Maclaurin with its first correction, exact to about 1e-12 of the whole.

References
----------
Z. Bi, C. Faloutsos, F. Korn, "The DGX distribution for mining massive, skewed data",
KDD (2001) 17-26: the discrete log-normal.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import erfcx

from ..tails.families import Family, beyond_cutoff

_ONE_BY_ONE = 512  # terms of a sum before an integral continues it
_TINY = 1e-13  # a curvature or rate below this is none


def discrete_families(length, alpha, mean):
    """Return the rivals on the whole numbers `length`, xmin and up.

    `alpha` is that of the fitted power law and `mean` the mean length: for the starts.
    """
    xmin, s = int(length[0]), alpha - 1
    z, spread = np.log(length / xmin), np.log(1 + mean / xmin)
    whole = _Sum(xmin)

    def log_normal(theta):
        b, c = theta[0], np.exp(theta[1])
        end = b + c * whole.z_end
        beyond = np.sqrt(np.pi / (2 * c)) * erfcx(end / np.sqrt(2 * c))
        return whole.normalise(lambda z: -z * (1 + b + c * z / 2), beyond, 1 + end, z)

    def cutoff(theta):
        s, k = theta[0], np.exp(theta[1])
        end = k * np.exp(whole.z_end)
        beyond = np.exp(beyond_cutoff(s, end) + end)
        return whole.normalise(
            lambda z: -(1 + s) * z - k * np.exp(z), beyond, 1 + s + end, z
        )

    def usual_log_normal(theta):
        b, c = theta[0], np.exp(theta[1])
        return {"mu": float(np.log(xmin) - b / c), "sigma": float(c**-0.5)}

    def usual_cutoff(theta):
        return {"alpha": float(1 + theta[0]), "rate": float(np.exp(theta[1])) / xmin}

    rate = np.log1p(1 / max(mean - xmin, 1e-6))  # the maximum, in closed form
    low, high = np.log(_TINY), 30.0
    return (
        Family(
            "geometric",
            lambda theta: np.log(-np.expm1(-theta[0])) - theta[0] * (length - xmin),
            ((rate,),),
            ((rate / 2, rate * 2),),
            lambda theta: {"p": float(-np.expm1(-theta[0]))},
            {},
        ),
        Family(
            "log-normal",
            log_normal,
            ((s, np.log(0.01 / spread)), (0.0, -2 * np.log(spread))),
            ((-1e4, 1e4), (low, high)),
            usual_log_normal,
            {"mu": -np.inf, "sigma": np.inf},
        ),
        Family(
            "power law with cutoff",
            cutoff,
            ((s, np.log(0.01 * xmin / mean)), (-1.0, np.log(rate * xmin))),
            ((-30.0, 30.0), (low, high)),
            usual_cutoff,
            {"alpha": alpha, "rate": 0.0},
        ),
    )


class _Sum:
    """The sum over all whole numbers from xmin on of f(z), z = ln(k/xmin)."""

    def __init__(self, xmin):
        self.z = np.log1p(np.arange(_ONE_BY_ONE) / xmin)
        self.end = xmin + _ONE_BY_ONE - 0.5
        self.z_end = np.log(self.end / xmin)

    def normalise(self, log_f: Callable, beyond, slope, z):
        """Return ln p at z.

        `beyond` is ∫ f/f(end) dx/x from the end on, `slope` −d ln f/d ln x there.
        """
        head, last = log_f(self.z), log_f(self.z_end)
        rest = max(self.end * beyond - slope / (24 * self.end), 1e-300)
        return log_f(z) - np.logaddexp(np.logaddexp.reduce(head), last + np.log(rest))
