"""What else a tail could be: a power law against four alternatives, by Vuong's test.

A log-normal bends so slowly that it passes for a straight line on log-log axes. So four
other laws are fitted to the same tail, by the same binned likelihood, with the same
upper edge. With z = ln(x/xmin), their densities in z are proportional to

    power law              e^{−s z}                  s = alpha − 1
    power law with cutoff  e^{−s z − k e^z}          rate = k/xmin
    log-normal             e^{−b z − c z²/2}         sigma² = 1/c, mu = ln xmin − b/c
    stretched exponential  e^{β z − (r/β) e^{β z}}   P(X ≥ x) ∝ e^{−(rate x)^beta}
    exponential            the last one with β = 1

The power law is k = 0, c = 0 or β → 0, and a search is well conditioned there, where
fits in the usual parameters run off to infinity.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import chdtrc, erfc, erfcx

from ..validation import check_level, check_positive
from .binned import as_fitted, power_law_cells
from .power_law import TailFit

POWER_LAW, CUTOFF, UNDECIDED = "power law", "power law with cutoff", "not decided"
_LOG_CURVATURE = (np.log(1e-13), 30.0)  # bounds of ln c, ln k and ln β: below, none
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


@dataclass(frozen=True)
class Alternative:
    """One alternative to the power law, and which of the two the counts favour."""

    name: str
    parameters: Mapping[str, float]  # usual names; infinite only near the power law
    log_likelihood: float  # nats
    loglik_ratio: float  # Vuong's R = ln L(power law) − ln L(alternative), in nats
    vuong_z: float  # R over its standard deviation
    p: float  # two-sided: how often chance alone would part the two so far
    nested: bool  # the power law is a member of it: R ≤ 0, and 2|R| is chi-squared
    at_limit: bool  # its best fit is the power law itself
    preferred: str  # "power law", the alternative's name, or "not decided"
    expected: np.ndarray = field(compare=False, repr=False)  # counts, tail bins

    def __str__(self):
        parameters = ", ".join(f"{k} = {v:.4g}" for k, v in self.parameters.items())
        return (
            f"{self.name:<22} R = {self.loglik_ratio:<10.4g} z = {self.vuong_z:<8.3g} "
            f"p = {self.p:<8.2g} {self.preferred:<22} {parameters}"
        )


@dataclass(frozen=True)
class TailComparison:
    """The power law against each alternative on one tail: a table that prints."""

    fit: TailFit
    alternatives: tuple[Alternative, ...]
    level: float  # p below which a difference counts as decided
    edges: np.ndarray = field(compare=False, repr=False)  # of the tail bins

    def __getitem__(self, name: str) -> Alternative:
        rows = {row.name: row for row in self.alternatives}
        if name not in rows:
            raise KeyError(f"{name!r}: choose one of {[*rows]}")
        return rows[name]

    def __str__(self):
        return "\n".join([*map(str, self.alternatives), self.verdict])

    @property
    def verdict(self) -> str:
        """Say in words which alternatives are favoured, beaten, or not decided."""
        favoured, beaten = (
            "favoured over the power law",
            "less likely than the power law",
        )
        groups = {favoured: [], beaten: [], UNDECIDED: []}
        words = {POWER_LAW: beaten, UNDECIDED: UNDECIDED}
        for row in self.alternatives:
            groups[words.get(row.preferred, favoured)].append(row.name)
        parts = [f"{key}: {', '.join(names)}" for key, names in groups.items() if names]
        return f"At level {self.level:g}, {'; '.join(parts)}."


@np.errstate(under="ignore")
def compare_tails(
    edges: ArrayLike,
    counts: ArrayLike,
    fit: TailFit,
    *,
    level: float = 0.05,
    n_effective: float | None = None,
) -> TailComparison:
    """Compare the fitted power law with four alternatives on the same tail.

    Parameters
    ----------
    edges, counts : array, (bins+1,) and (bins,)
        The histogram that `fit` was made from.
    fit : TailFit
        Gives xmin and the convention at the upper edge. A ValueError if it is not of
        this histogram.
    level : float
        A difference with p below it counts as decided.
    n_effective : float, optional
        Size of an independent sample that says as much as all `fit.n` counts: R
        shrinks by n_effective/n, its z by the root of that.

    Notes
    -----
    With l_i = ln P(bin i | power law) − ln P(bin i | alternative), R = Σ h_i l_i, and
    p = erfc(abs(R)/√(2 n var l)), var over the n tail counts (Q. H. Vuong, Econometrica
    57 (1989) 307-333; Clauset, Shalizi & Newman, SIAM Review 51 (2009), eq. C.6; Virkar
    & Clauset, Ann. Appl. Stat. 8 (2014), section 6). The law with cutoff contains the
    power law: there p = P(χ²₁ > 2 abs(R)), and since a rate cannot be negative the true
    p is half of it, so that the test is cautious. Log-normal and stretched exponential
    have the power law as a limit only, and go by Vuong. Where the best fit of an
    alternative is that limit the two laws are one: R = 0, p = 1, not decided.

    At 1e9 counts p is 0 or 1 and means little: every model is false at that size, and
    neighbouring updates are not independent. Read R per count beside the curves, and
    pass `n_effective` (see `effective_sample_size`).

    Examples
    --------
    >>> from netdyn_utils.tails.power_law import fit_power_law
    >>> edges = np.arange(1.0, 42.0)                    # an exponential, rate 1/4
    >>> counts = np.round(1e5 * -np.diff(np.exp(-edges / 4))).astype(int)
    >>> comparison = compare_tails(edges, counts, fit_power_law(edges, counts, xmin=1))
    >>> comparison["exponential"].preferred
    'exponential'
    >>> round(comparison["exponential"].parameters["rate"], 3)
    0.25
    """
    bounded, counts, start = as_fitted(edges, counts, fit)
    tail_edges, h = bounded[start:], counts[start:].astype(float)
    z, s = np.log(tail_edges / fit.xmin), fit.alpha - 1
    mean = max(float(h @ (z[:-1] + z[1:]) / 2 / h.sum()), 1e-6)
    cells = power_law_cells(z, fit.upper, s)
    families = binned_families(z, fit.upper, fit.xmin, s, mean)
    options = {"level": level, "n_effective": n_effective, "rounding": 1e-12}
    return compare_cells(fit, tail_edges, h, cells, families, **options)


def compare_cells(
    fit, edges, h, power_law, families, *, level, n_effective, rounding, fixed=None
) -> TailComparison:
    """Compare a power law with families, and with laws that have nothing to fit.

    `power_law` and the values of `fixed`, by name, are ln P of each cell of the counts
    h; a difference below `rounding`, in nats per count, is none.
    """
    check_level(level)
    fraction = 1.0
    if n_effective is not None:
        fraction = min(1.0, check_positive(n_effective, "n_effective") / fit.n)

    def row(name, parameters, cells, at_limit=False):
        nested = name == CUTOFF
        ratio, z, p = vuong_test(power_law, cells, h, nested, fraction, rounding)
        leader = POWER_LAW if ratio > 0 else name
        preferred = leader if p < level else UNDECIDED
        likelihood, expected = h @ np.where(h > 0, cells, 0.0), h.sum() * np.exp(cells)
        numbers = float(likelihood), ratio, z, p, nested, at_limit
        return Alternative(name, parameters, *numbers, preferred, expected)

    def fitted_row(family):
        theta, cells = family.maximise(h)
        # The limit belongs to every family but one: no search may end below it.
        gain = h @ np.where(h > 0, cells - power_law, 0.0)
        if family.limit and gain <= rounding * h.sum():
            return row(family.name, family.limit, power_law, at_limit=True)
        return row(family.name, family.usual(theta), cells)

    rows = [fitted_row(family) for family in families]
    rows += [row(name, {}, cells) for name, cells in (fixed or {}).items()]
    return TailComparison(fit, tuple(rows), level, edges)


def vuong_test(one, other, h, nested=False, fraction=1.0, rounding=1e-12):
    """Return R = ln L(one) − ln L(other) in nats, its z, and p, from ln P of each cell.

    With `nested`, `one` is a member of `other`'s family. Of the counts h only a
    `fraction` are independent.
    """
    gap = np.where(h > 0, one - other, 0.0)
    if abs(h @ gap) <= rounding * h.sum():
        gap = np.zeros(len(h))  # two laws that the counts cannot tell apart
    ratio = h @ gap
    spread = np.sqrt(h @ (gap - ratio / h.sum()) ** 2)
    z = float(ratio / spread * fraction**0.5) if spread else 0.0
    ratio = float(ratio * fraction)
    p = chdtrc(1, 2 * abs(ratio)) if nested else erfc(abs(z) / 2**0.5)
    return ratio, z, float(p)


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
