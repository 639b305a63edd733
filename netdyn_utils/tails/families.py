"""Five families of tails, each by the probabilities of the bins above xmin.

With z = ln(x/xmin), the densities in z are proportional to

    power law              e^{−s z}                  s = alpha − 1
    power law with cutoff  e^{−s z − k e^z}          rate = k/xmin
    log-normal             e^{−b z − c z²/2}         sigma² = 1/c, mu = ln xmin − b/c
    stretched exponential  e^{β z − (r/β) e^{β z}}   P(X ≥ x) ∝ e^{−(rate x)^beta}
    exponential            the last one with β = 1

In these coordinates the power law is k = 0, c = 0 or β → 0, and a search is well
conditioned there, where fits in the usual parameters run off to infinity. The two
laws without a closed CDF are integrated by Gauss-Legendre panels of a quarter in z,
exact to about 1e-12, and above the top edge to infinity.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import erfcx

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_TINY = 1e-13  # a curvature below this is none: the power law to every digit


@dataclass(frozen=True)
class Family:
    """A family of tails: `log_cells(theta)` is ln P of each bin."""

    name: str
    log_cells: Callable[[np.ndarray], np.ndarray]
    starts: tuple[tuple[float, ...], ...]  # where to search from
    bounds: tuple[tuple[float, float], ...]
    usual: Callable[[np.ndarray], dict[str, float]]  # theta to the usual parameters
    limit: dict[str, float]  # the usual parameters where it is the power law; or none

    def maximise(self, h):
        """Return theta and ln P of each bin at the largest likelihood of counts h.

        Nelder-Mead from each start, and once more from the best: two parameters,
        well scaled, no derivative to lose digits in.
        """
        occupied = h > 0
        weight = h[occupied] / h.sum()

        def loss(theta):
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                value = -(weight @ self.log_cells(theta)[occupied])
            return value if np.isfinite(value) else 1e300

        def search(start):
            return minimize(
                loss,
                start,
                method="Nelder-Mead",
                bounds=self.bounds,
                options={"xatol": 1e-7, "fatol": 1e-14, "maxiter": 1000},
            )

        best = min(map(search, self.starts), key=lambda found: found.fun)
        theta = search(best.x).x
        return theta, self.log_cells(theta)


def power_law_cells(z, top, s):
    """Return ln P of each bin between the edges z of a power law, (bins,)."""
    return _close(-s * z, s * np.diff(z), top)


def rival_families(z, top, xmin, s, mean):
    """Return the four rivals on the bins between the edges z = ln(edge/xmin).

    `s` is the slope of the fitted power law and `mean` the mean of z: for the starts.
    """
    near, rate = np.log(0.01 / mean), np.log(1 / np.expm1(mean))
    panels = _Panels.between(z, top)

    def weibull(theta):
        r, beta = np.exp(theta[0]), np.exp(theta[1])
        rise = np.exp(beta * z[:-1]) * np.expm1(beta * np.diff(z))
        return _close(-r * np.expm1(beta * z) / beta, r * rise / beta, top)

    def log_normal(theta):
        b, c = theta[0], np.exp(theta[1])
        x = (b + c * panels.end) / np.sqrt(2 * c)
        beyond = np.log(np.pi / (2 * c)) / 2 + np.log(erfcx(x))
        beyond -= panels.end * (b + c * panels.end / 2)
        return panels.cells(-panels.z * (b + c * panels.z / 2), beyond)

    def cutoff(theta):
        s, k = theta[0], np.exp(theta[1])
        beyond = beyond_cutoff(s, k * np.exp(panels.end)) - s * panels.end
        return panels.cells(-s * panels.z - k * np.exp(panels.z), beyond)

    def usual_weibull(theta):
        beta = np.exp(theta[1])
        with np.errstate(over="ignore"):
            rate = np.exp((theta[0] - theta[1]) / beta) / xmin
        return {"rate": float(rate), "beta": float(beta)}

    slope, log_curve = (-30.0, 30.0), (np.log(_TINY), 30.0)
    return (
        Family(
            "exponential",
            lambda theta: weibull((theta[0], 0.0)),
            ((rate,),),
            ((-40.0, 40.0),),
            lambda theta: {"rate": float(np.exp(theta[0])) / xmin},
            {},
        ),
        Family(
            "stretched exponential",
            weibull,
            ((np.log(s), near), (rate, 0.0)),
            ((-40.0, 40.0), (np.log(_TINY), np.log(20.0))),
            usual_weibull,
            {"rate": np.inf, "beta": 0.0},
        ),
        Family(
            "log-normal",
            log_normal,
            ((s, near), (0.0, -2 * np.log(mean))),
            ((-1e4, 1e4), log_curve),
            lambda theta: {
                "mu": float(np.log(xmin) - theta[0] * np.exp(-theta[1])),
                "sigma": float(np.exp(-theta[1] / 2)),
            },
            {"mu": -np.inf, "sigma": np.inf},
        ),
        Family(
            "power law with cutoff",
            cutoff,
            ((s, near - mean), (0.0, rate)),
            (slope, log_curve),
            lambda theta: {
                "alpha": float(1 + theta[0]),
                "rate": float(np.exp(theta[1])) / xmin,
            },
            {"alpha": 1 + s, "rate": 0.0},
        ),
    )


def _close(log_survival, falls, top):
    """Return ln P of each bin from ln S at the edges and its fall in each bin."""
    cells = log_survival[:-1] + np.log(-np.expm1(-falls))
    if top == "open":
        cells[-1] = log_survival[-2]
    if top == "truncated":
        cells -= np.log(-np.expm1(log_survival[-1]))
    return cells


@dataclass(frozen=True)
class _Panels:
    """Gauss-Legendre nodes over the bins, and the rest of the support beyond them."""

    z: np.ndarray  # nodes
    log_weights: np.ndarray  # nodes
    first: np.ndarray  # each bin's first node
    bin_of: np.ndarray  # each node's bin
    end: float  # where the panels end
    top: str

    @classmethod
    def between(cls, edges, top):
        """Divide each bin in panels of at most a quarter; an open bin has none."""
        edges = edges[:-1] if top == "open" else edges
        pieces = np.ceil(np.diff(edges) / 0.25).astype(int)
        width = np.repeat(np.diff(edges) / pieces, pieces)
        index = np.arange(len(width)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        left = np.repeat(edges[:-1], pieces) + index * width
        z = (left[:, None] + width[:, None] * (_NODES + 1) / 2).ravel()
        weights = (width[:, None] * _WEIGHTS / 2).ravel()
        count = pieces * len(_NODES)
        bin_of = np.repeat(np.arange(len(count)), count)
        first = np.cumsum(count) - count
        return cls(z, np.log(weights), first, bin_of, float(edges[-1]), top)

    def cells(self, log_density, log_beyond):
        """Return ln P of each bin; each bin scaled by its own largest value."""
        f = log_density + self.log_weights
        peak = np.maximum.reduceat(f, self.first)
        cells = peak + np.log(
            np.add.reduceat(np.exp(f - peak[self.bin_of]), self.first)
        )
        if self.top == "open":
            cells = np.append(cells, log_beyond)
        whole = cells if self.top != "unbounded" else np.append(cells, log_beyond)
        return cells - np.logaddexp.reduce(whole)


def beyond_cutoff(s, y):
    """Return ln ∫_0^∞ e^{−s v − y e^v} dv, the exponential integral E_{s+1}(y)."""
    reach = np.log1p(745 / y)  # from there on e^{−y e^v} is zero in float64
    reach = min(reach, 45 / s) if s > 0 else reach
    width = reach / 96
    v = (np.arange(96)[:, None] * width + width * (_NODES + 1) / 2).ravel()
    f = -s * v - y * np.exp(v) + np.tile(np.log(_WEIGHTS * width / 2), 96)
    return np.logaddexp.reduce(f)
