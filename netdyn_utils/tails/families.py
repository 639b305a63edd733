"""The four families that a tail is compared with: in bins, at values, at whole numbers.

With z = ln(x/xmin), the densities in z are proportional to

    power law              e^{−s z}                  s = alpha − 1
    power law with cutoff  e^{−s z − k e^z}          rate = k/xmin
    log-normal             e^{−b z − c z²/2}         sigma² = 1/c, mu = ln xmin − b/c
    stretched exponential  e^{β z − (r/β) e^{β z}}   P(X ≥ x) ∝ e^{−(rate x)^beta}
    exponential            the last one with β = 1

The power law is k = 0, c = 0 or β → 0, and a search is well conditioned there, where
fits in the usual parameters run off to infinity. On whole numbers the geometric law
takes the place of both exponentials.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from scipy.optimize import minimize
from scipy.special import erfc, erfcx

CUTOFF = "power law with cutoff"
_LOG_CURVATURE = (np.log(1e-13), 30.0)  # bounds of ln c, ln k and ln β: below, none
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_TERMS = 512  # of a sum, before an integral continues it
_MAX_SUPPORT = 1 << 20  # whole numbers to xmax, which are summed one by one


@dataclass(frozen=True)
class Family:
    """A family of tails: `log_cells(theta)` is ln P of each cell."""

    name: str
    log_cells: Callable[[np.ndarray], np.ndarray]
    starts: tuple[tuple[float, ...], ...]  # where to search from
    bounds: tuple[tuple[float, float], ...]
    usual: Callable[[np.ndarray], dict[str, float]]  # theta to the usual parameters
    limit: dict[str, float]  # the usual parameters where it is the power law; or none

    def maximise(self, h):
        """Return theta and ln P of each cell at the largest likelihood of counts h."""
        occupied = h > 0
        weight = h[occupied] / h.sum()

        def loss(theta):
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                value = -(weight @ self.log_cells(theta)[occupied])
            return value if np.isfinite(value) else 1e300

        def search(start):  # well scaled, with no derivative to lose digits in
            options = {"xatol": 1e-7, "fatol": 1e-14, "maxiter": 1000}
            how = {"method": "Nelder-Mead", "bounds": self.bounds, "options": options}
            return minimize(loss, start, **how)

        best = min(map(search, self.starts), key=lambda found: found.fun)
        theta = search(best.x).x
        return theta, self.log_cells(theta)

    @np.errstate(all="ignore")
    def errors(self, theta, h):
        """Return the standard error of each usual parameter: observed information."""
        steps = 1e-3 * np.eye(len(theta))  # of logarithms and slopes

        def value(at):
            return h[h > 0] @ self.log_cells(at)[h > 0]

        info = -np.array(
            [
                [
                    (value(theta + a + b) - value(theta + a - b))
                    - (value(theta - a + b) - value(theta - a - b))
                    for b in steps
                ]
                for a in steps
            ]
        ) / (4 * 1e-6)
        slopes = (
            np.array(
                [
                    np.subtract(
                        *([*self.usual(theta + k * a).values()] for k in (1, -1))
                    )
                    for a in steps
                ]
            )
            / 2e-3
        )
        names = [*self.usual(theta)]
        if not np.isfinite(info).all() or (np.linalg.eigvalsh(info) <= 0).any():
            return dict.fromkeys(names, np.nan)  # no maximum in all directions
        variances = np.diag(slopes.T @ np.linalg.solve(info, slopes))
        return dict(zip(names, map(float, np.sqrt(variances)), strict=True))


def log_normal_family(log_cells, xmin, starts, max_slope):
    """Return the family of densities e^{−b z − c z²/2}, theta = (b, ln c)."""

    def usual(theta):
        mu = np.log(xmin) - theta[0] * np.exp(-theta[1])
        return {"mu": float(mu), "sigma": float(np.exp(-theta[1] / 2))}

    bounds = ((-max_slope, max_slope), _LOG_CURVATURE)
    limit = {"mu": -np.inf, "sigma": np.inf}
    return Family("log-normal", log_cells, starts, bounds, usual, limit)


def cutoff_family(log_cells, xmin, starts, max_slope, alpha):
    """Return the family of densities e^{−s z − k e^z}, theta = (s, ln k)."""

    def usual(theta):
        return {"alpha": float(1 + theta[0]), "rate": float(np.exp(theta[1])) / xmin}

    bounds = ((-max_slope, max_slope), _LOG_CURVATURE)
    limit = {"alpha": alpha, "rate": 0.0}
    return Family(CUTOFF, log_cells, starts, bounds, usual, limit)


def binned_families(z, upper, xmin, s, mean):
    """Return the alternatives on the bins between the edges z = ln(edge/xmin).

    `s` is the slope of the fitted power law and `mean` the mean of z: for the starts.
    """
    near, rate = np.log(0.01 / mean), np.log(1 / np.expm1(mean))
    steepest = max(30.0, 2 * abs(s))
    # A rising power law (truncated, s < 0) is the stretched exponential of rate 0.
    power_law = (np.log(s), near) if s > 0 else (-25.0, np.log(max(-s, 1e-3)))

    def weibull(theta):
        r, beta = np.exp(theta[0]), np.exp(theta[1])
        rise = np.exp(beta * z[:-1]) * np.expm1(beta * np.diff(z))
        log_survival = -r * np.expm1(beta * z) / beta
        cells = log_survival[:-1] + np.log(-np.expm1(-r * rise / beta))
        if upper == "censored":
            cells[-1] = log_survival[-2]
        if upper == "truncated":
            cells -= np.log(-np.expm1(log_survival[-1]))
        return cells

    def exponential(theta):
        return weibull((theta[0], 0.0))

    def log_normal(theta):
        return log_normal_cells(z, upper, theta[0], np.exp(theta[1]))

    def usual_rate(theta):
        return {"rate": float(np.exp(theta[0])) / xmin}

    def usual_weibull(theta):
        beta = np.exp(theta[1])
        with np.errstate(over="ignore"):
            rate = np.exp((theta[0] - theta[1]) / beta) / xmin
        return {"rate": float(rate), "beta": float(beta)}

    log_r, log_beta = (-40.0, 40.0), (_LOG_CURVATURE[0], np.log(max(20.0, 2 * abs(s))))
    limit = {"rate": np.inf, "beta": 0.0} if s > 0 else {"rate": 0.0, "beta": -s}
    starts = ((s, near), (0.0, -2 * np.log(mean)))
    cutoff_starts = ((s, near - mean), (0.0, rate))
    weibull_search = (power_law, (rate, 0.0)), (log_r, log_beta)
    return (
        Family("exponential", exponential, ((rate,),), (log_r,), usual_rate, {}),
        Family("stretched exponential", weibull, *weibull_search, usual_weibull, limit),
        log_normal_family(log_normal, xmin, starts, 1e3 * steepest),
        cutoff_family(cutoff_cells(z, upper), xmin, cutoff_starts, steepest, 1 + s),
    )


def log_normal_cells(z, upper, b, c):
    """Return ln P of each bin for a density e^{−b z − c z²/2}, with z[0] = 0."""
    # Beyond an edge lies density · erfcx(u) · √(π/2c), u = (b + c z)/√(2c). A bin is a
    # difference of two such terms, on the side of the peak where they are smaller.
    u, log_density = (b + c * z) / np.sqrt(2 * c), -z * (b + c * z / 2)
    left = u[1:] < -u[:-1]
    near, far = np.where(left, -u[1:], u[:-1]), np.where(left, -u[:-1], u[1:])
    drop = np.abs(np.diff(z) * (b + c * (z[1:] + z[:-1]) / 2))  # of the log density
    log_near = _log_erfcx(near)
    cells = np.where(left, log_density[1:], log_density[:-1]) + log_near
    cells += np.log(-np.expm1(_log_erfcx(far) - log_near - drop))
    if upper == "censored":
        cells[-1] = log_density[-2] + _log_erfcx(u[-2])
    whole = np.logaddexp.reduce(cells) if upper == "truncated" else _log_erfcx(u[0])
    return cells - whole


def _log_erfcx(u):
    """Return ln(e^{u²} erfc(u)), also where u is far below zero."""
    left, right = np.minimum(u, 0), np.maximum(u, 0)
    return np.where(u < 0, u * u + np.log(erfc(left)), np.log(erfcx(right)))


def cutoff_cells(z, upper):
    """Return the function from theta to ln P of each bin of the law with cutoff."""
    # No closed CDF: Gauss-Legendre panels of at most a quarter in z, exact to 1e-12.
    edges = z[:-1] if upper == "censored" else z
    pieces = np.ceil(np.diff(edges) / 0.25).astype(int)
    width = np.repeat(np.diff(edges) / pieces, pieces)
    index = np.arange(len(width)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    left = np.repeat(edges[:-1], pieces) + index * width
    nodes = (left[:, None] + width[:, None] * (_NODES + 1) / 2).ravel()
    log_weights = np.log((width[:, None] * _WEIGHTS / 2).ravel())
    per_bin = pieces * len(_NODES)
    first = np.cumsum(per_bin) - per_bin
    bin_of, rise = np.repeat(np.arange(len(pieces)), per_bin), np.exp(nodes)

    def log_cells(theta):
        s, k = theta[0], np.exp(theta[1])
        f = -s * nodes - k * rise + log_weights
        peak = np.maximum.reduceat(f, first)  # each bin scaled by its own largest value
        cells = peak + np.log(np.add.reduceat(np.exp(f - peak[bin_of]), first))
        if upper == "truncated":
            return cells - np.logaddexp.reduce(cells)
        beyond = log_beyond_cutoff(s, k * np.exp(edges[-1])) - s * edges[-1]
        whole = np.append(cells, beyond)
        return (whole if upper == "censored" else cells) - np.logaddexp.reduce(whole)

    return log_cells


def log_beyond_cutoff(s, y):
    """Return ln ∫_0^∞ e^{−s v − y e^v} dv, the exponential integral E_{s+1}(y)."""
    reach = np.log1p(745 / y)  # from there on e^{−y e^v} is zero in float64
    reach = min(reach, 45 / s) if s > 0 else reach
    width = reach / 96
    v = (np.arange(96)[:, None] * width + width * (_NODES + 1) / 2).ravel()
    f = -s * v - y * np.exp(v) + np.tile(np.log(_WEIGHTS * width / 2), 96)
    return np.logaddexp.reduce(f)


def continuous_families(z, reach, xmin, s, mean):
    """Return the alternatives at values z = ln(x/xmin), of support to `reach`."""
    edges = np.array([0.0, min(reach, 700.0)])
    families = binned_families(edges, "infinite", xmin, s, mean)

    def weibull(theta):
        r, beta = np.exp(theta[0]), np.exp(theta[1])
        return theta[0] + beta * z - r * np.expm1(beta * z) / beta

    def exponential(theta):
        return weibull((theta[0], 0.0))

    def log_normal(theta):
        b, c = theta[0], np.exp(theta[1])
        whole = np.log(np.pi / (2 * c)) / 2 + _log_erfcx(b / np.sqrt(2 * c))
        return -z * (b + c * z / 2) - whole

    def cutoff(theta):
        s, k = theta[0], np.exp(theta[1])
        return -s * z - k * np.exp(z) - log_beyond_cutoff(s, k)

    def at_values(family, log_density):
        def log_p(theta):
            inside = family.log_cells(theta)[0] if reach < inf else 0.0
            return log_density(theta) - inside - z - np.log(xmin)

        return replace(family, log_cells=log_p)

    densities = exponential, weibull, log_normal, cutoff
    return tuple(map(at_values, families, densities))


def discrete_families(length, xmin, alpha, mean, xmax=inf):
    """Return the alternatives at whole numbers `length`, of support xmin to xmax.

    `alpha` is that of the fitted power law and `mean` the mean length: for the starts.
    """
    s = alpha - 1
    z, spread = np.log(length / xmin), np.log(1 + mean / xmin)
    # The sums over all k have no closed form: added one by one, then continued by the
    # midpoint rule of Euler and Maclaurin with its first correction, exact to 1e-12.
    z_sum = np.log1p(np.arange(_TERMS) / xmin)
    end = xmin + _TERMS - 0.5
    z_end = np.log(end / xmin)

    if xmax - xmin > _MAX_SUPPORT and xmax < inf:
        raise ValueError(
            f"{xmax - xmin:,.0f} whole numbers from xmin to xmax are too many to sum: "
            f"compare without xmax, or take one at most {_MAX_SUPPORT:,} above xmin"
        )
    support = None if xmax == inf else np.log(np.arange(xmin, xmax + 1) / xmin)

    def normalised(log_f, beyond, slope):
        # `beyond` is ∫ f/f(end) dx/x from the end on, `slope` −d ln f/d ln x there.
        if support is not None:
            return log_f(z) - np.logaddexp.reduce(log_f(support))
        rest = np.log(max(end * beyond - slope / (24 * end), 1e-300))
        first = np.logaddexp.reduce(log_f(z_sum))
        return log_f(z) - np.logaddexp(first, log_f(z_end) + rest)

    def log_normal(theta):
        b, c = theta[0], np.exp(theta[1])
        slope = b + c * z_end
        beyond = np.sqrt(np.pi / (2 * c)) * erfcx(slope / np.sqrt(2 * c))
        return normalised(lambda z: -z * (1 + b + c * z / 2), beyond, 1 + slope)

    def cutoff(theta):
        s, k = theta[0], np.exp(theta[1])
        slope = k * np.exp(z_end)
        beyond = np.exp(log_beyond_cutoff(s, slope) + slope)
        return normalised(lambda z: -(1 + s) * z - k * np.exp(z), beyond, 1 + s + slope)

    rate = np.log1p(1 / max(mean - xmin, 1e-6))  # the maximum, in closed form, if inf

    def geometric(theta):
        whole = np.log(-np.expm1(-theta[0] * (xmax - xmin + 1))) if xmax < inf else 0.0
        return np.log(-np.expm1(-theta[0])) - theta[0] * (length - xmin) - whole

    def usual_p(theta):
        return {"p": float(-np.expm1(-theta[0]))}

    bounds = ((rate / 2, rate * 2),) if xmax == inf else ((1e-12, rate * 2),)
    starts = ((s, np.log(0.01 / spread)), (0.0, -2 * np.log(spread)))
    cutoff_starts = ((s, np.log(0.01 * xmin / mean)), (-1.0, np.log(rate * xmin)))
    return (
        Family("geometric", geometric, ((rate,),), bounds, usual_p, {}),
        log_normal_family(log_normal, xmin, starts, 1e4),
        cutoff_family(cutoff, xmin, cutoff_starts, 30.0, alpha),
    )
