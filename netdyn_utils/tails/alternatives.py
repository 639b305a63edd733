"""What else a tail could be: a power law against four alternatives, by Vuong's test.

A log-normal bends so slowly that it passes for a straight line on log-log axes. So
other laws are fitted to the same tail, by the same likelihood, with the same support:
those of `families`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, nan

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, erfc

from ..validation import check_level, check_positive
from .binned import as_fitted, power_law_cells
from .families import CUTOFF, binned_families, continuous_families, discrete_families
from .laws import TailLaw
from .power_law import TailFit, as_fitted_sample, data_and_fit

POWER_LAW, UNDECIDED = "power law", "not decided"
ROUNDING = 1e-9  # of ln L per count: what two ways to sum may differ by


@dataclass(frozen=True)
class Alternative:
    """One alternative to the power law, and which of the two the counts favour."""

    name: str
    parameters: Mapping[str, float]  # usual names; infinite only near the power law
    errors: Mapping[str, float]  # standard error of each, nan where there is no maximum
    log_likelihood: float  # nats
    loglik_ratio: float  # Vuong's R = ln L(power law) − ln L(alternative), in nats
    vuong_z: float  # R over its standard deviation
    p: float  # two-sided: how often chance alone would part the two so far
    nested: bool  # the power law is a member of it: R ≤ 0, and 2|R| is chi-squared
    at_limit: bool  # its best fit is the power law itself
    preferred: str  # "power law", the alternative's name, or "not decided"
    expected: np.ndarray = field(compare=False, repr=False)  # counts of tail bins
    law: TailLaw | TailFit | None = field(compare=False, repr=False)  # None of a null

    def pdf(self, x: ArrayLike) -> np.ndarray:
        """Return the density at x, or the probability of a whole number, of the tail.

        The tail is what lies at or above the xmin of the fit, up to its xmax if
        truncated. A ValueError if the law has only its `expected` counts.

        >>> from netdyn_utils import fit_power_law_samples
        >>> fit = fit_power_law_samples([1, 2, 3, 4.0], xmin=1)
        >>> row = compare_tails([1, 2, 3, 4.0], fit)["exponential"]  # of mean 1 + 1.5
        >>> row.pdf([0.5, 1, 2.5]).round(3), row.cdf([1, 2.5]).round(3)
        (array([0.   , 0.667, 0.245]), array([0.   , 0.632]))
        >>> row.sample(3, np.random.default_rng(0)).round(2)
        array([2.52, 1.47, 1.06])
        """
        return self._own_law().pdf(x)

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """Return P(X ≤ x) among the values at or above xmin."""
        return self._own_law().cdf(x)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw n independent values of the tail."""
        return self._own_law().sample(n, rng)

    def _own_law(self):
        if self.law is None:
            raise ValueError(f"{self.name!r} has no law but its `expected` counts")
        return self.law

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
    edges: np.ndarray = field(compare=False, repr=False)  # of the tail bins; values

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
    counts: ArrayLike | TailFit | None,
    fit: TailFit | None = None,
    *,
    level: float = 0.05,
    n_effective: float | None = None,
) -> TailComparison:
    """Compare the fitted power law with alternatives on the same tail.

    They are "exponential", "stretched exponential", "log-normal" and "power law with
    cutoff"; of whole numbers "geometric" in place of the first two.

    Pass the histogram that `fit` was made from; of a fit to samples, continuous or
    discrete, the values and, if there are any, how often each occurs:
    ``compare_tails(x, fit)``. A ValueError if the fit is of other data or at a bound. A
    difference with p below `level` counts as decided. `n_effective` is the size of an
    independent sample that says as much as all `fit.n` counts: R shrinks by
    n_effective/n, its z by the root of that.

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

    At 1e9 counts p is 0 or 1 and means little, see `fit_power_law`: read R per count
    beside the curves, and pass `n_effective`.

    Examples
    --------
    >>> from netdyn_utils import fit_power_law, fit_power_law_samples
    >>> edges = np.arange(1.0, 42.0)                    # an exponential, rate 1/4
    >>> counts = np.round(1e5 * -np.diff(np.exp(-edges / 4))).astype(int)
    >>> comparison = compare_tails(edges, counts, fit_power_law(edges, counts, xmin=1))
    >>> comparison["exponential"].preferred
    'exponential'
    >>> round(comparison["exponential"].parameters["rate"], 3)
    0.25
    >>> x = np.random.default_rng(0).lognormal(size=2_000)
    >>> compare_tails(x, fit_power_law_samples(x, xmin=1))["log-normal"].preferred
    'log-normal'
    """
    options = {"level": level, "n_effective": n_effective}
    edges, counts, fit = data_and_fit(edges, counts, fit)
    if fit.kind != "binned":
        return _compare_values(edges, counts, fit, options)
    bounded, counts, start = as_fitted(edges, counts, fit)
    tail_edges, h = bounded[start:], counts[start:].astype(float)
    z, s = np.log(tail_edges / fit.xmin), fit.alpha - 1
    mean = max(float(h @ (z[:-1] + z[1:]) / 2 / h.sum()), 1e-6)
    cells = power_law_cells(z, fit.upper, s)
    families = binned_families(z, fit.upper, fit.xmin, s, mean)
    return compare_cells(fit, tail_edges, h, cells, families, rounding=1e-12, **options)


def _compare_values(data, counts, fit, options):
    """Compare at the single values of a sample, each with its density."""
    _, (x, h) = as_fitted_sample(data, counts, fit)
    x, h = x[h > 0], h[h > 0].astype(float)
    power_law = fit.log_pdf(x)
    end = fit.xmax if fit.upper == "truncated" else inf
    if fit.kind == "discrete":
        mean = float(h @ x / h.sum())
        families = discrete_families(x, fit.xmin, fit.alpha, mean, end)
    else:
        z = np.log(x / fit.xmin)
        mean = max(float(h @ z / h.sum()), 1e-6)
        reach = np.log(end / fit.xmin)
        families = continuous_families(z, reach, fit.xmin, fit.alpha - 1, mean)
    return compare_cells(fit, x, h, power_law, families, rounding=ROUNDING, **options)


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

    def row(name, parameters, cells, law=None, at_limit=False, errors=None):
        nested = name == CUTOFF
        ratio, z, p = vuong_test(power_law, cells, h, nested, fraction, rounding)
        leader = POWER_LAW if ratio > 0 else name
        preferred = leader if p < level else UNDECIDED
        likelihood, expected = h @ np.where(h > 0, cells, 0.0), h.sum() * np.exp(cells)
        numbers = float(likelihood), ratio, z, p, nested, at_limit
        errors = errors or dict.fromkeys(parameters, nan)
        return Alternative(name, parameters, errors, *numbers, preferred, expected, law)

    def fitted_row(family):
        theta, cells = family.maximise(h)
        # The limit belongs to every family but one: no search may end below it.
        gain = h @ np.where(h > 0, cells - power_law, 0.0)
        if family.limit and gain <= rounding * h.sum():
            return row(family.name, family.limit, power_law, fit, at_limit=True)
        errors = family.errors(theta, h)
        law = TailLaw(family.name, theta, fit.xmin, fit.end, fit.kind == "discrete")
        return row(family.name, family.usual(theta), cells, law, errors=errors)

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
