"""What else the tail could be: the power law against four rivals, by Vuong's test.

A straight tail on log-log axes proves little: a log-normal bends so slowly that it
passes for one. So exponential, stretched exponential, log-normal and power law with
cutoff are fitted to the same tail, by the same binned likelihood, with the same top
edge; and the test says whether the counts can tell each from the power law.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, erfc

from .binned import as_fitted
from .families import power_law_cells, rival_families
from .power_law import TailFit


@dataclass(frozen=True)
class Rival:
    """One rival of the power law, and which of the two the counts favour."""

    name: str
    parameters: Mapping[str, float]  # usual names; infinite only near the power law
    log_likelihood: float  # nats
    ratio: float  # Vuong's R = ln L(power law) − ln L(rival): below 0 for the rival
    normalised: float  # R over its standard deviation
    p: float  # two-sided: how often chance alone would part the two so far
    nested: bool  # the power law is a member of it: R ≤ 0, and 2|R| is chi-squared
    at_limit: bool  # its best fit is the power law itself
    favoured: str  # "power law", the rival's name, or "not decided"
    expected: np.ndarray = field(compare=False, repr=False)  # counts, tail bins

    def __str__(self):
        """Return the row of the table."""
        parameters = ", ".join(f"{k} = {v:.4g}" for k, v in self.parameters.items())
        return (
            f"{self.name:<22} R = {self.ratio:<10.4g} z = {self.normalised:<8.3g} "
            f"p = {self.p:<8.2g} {self.favoured:<22} {parameters}"
        )


@dataclass(frozen=True)
class TailComparison:
    """The power law against each rival on one tail: a table that prints."""

    fit: TailFit
    rivals: tuple[Rival, ...]
    level: float  # p below which a difference counts as decided
    edges: np.ndarray = field(compare=False, repr=False)  # of the tail bins

    def __getitem__(self, name: str) -> Rival:
        """Return the rival of that name."""
        for rival in self.rivals:
            if rival.name == name:
                return rival
        raise KeyError(f"{name!r}: choose one of {[r.name for r in self.rivals]}")

    def __str__(self):
        """Return the table, one line for each rival, and the verdict."""
        return "\n".join([*map(str, self.rivals), self.verdict])

    @property
    def verdict(self) -> str:
        """Say in words which rivals are favoured, beaten, or not decided."""
        said = (
            ("favoured over the power law", lambda r: r.favoured == r.name),
            ("less likely than the power law", lambda r: r.favoured == "power law"),
            ("not decided", lambda r: r.favoured == "not decided"),
        )
        parts = []
        for words, belongs in said:
            names = [rival.name for rival in self.rivals if belongs(rival)]
            if names:
                parts.append(f"{words}: {', '.join(names)}")
        return f"At level {self.level:g}, {'; '.join(parts)}."


def compare_tails(
    edges: ArrayLike,
    counts: ArrayLike,
    fit: TailFit,
    *,
    level: float = 0.05,
    n_effective: float | None = None,
) -> TailComparison:
    """Hold the fitted power law against four rivals on the same tail.

    Parameters
    ----------
    edges, counts : array, (bins+1,) and (bins,)
        The histogram that `fit` was made from.
    fit : TailFit
        Gives xmin and the convention at the top.
    level : float
        A difference with p below it counts as decided.
    n_effective : float, optional
        Size of an independent sample that says as much as all `fit.n` counts: R
        shrinks by n_effective/n, its z by the root of that.

    Returns
    -------
    TailComparison

    Raises
    ------
    ValueError
        The fit is not of this histogram, or not of a histogram.

    Notes
    -----
    With l_i = ln P(bin i | power law) − ln P(bin i | rival), R = Σ h_i l_i, and
    p = erfc(abs(R)/√(2 n var l)), var over the n tail counts (Vuong; Clauset, eq. C.6;
    with counts as weights: Virkar). The law with cutoff contains the power law: there
    p = P(χ²₁ > 2 abs(R)), and since a rate cannot be negative the true p is half of it,
    so that the test is cautious. Log-normal and stretched exponential have the power
    law as a limit only, and go by Vuong, as Clauset et al. do. Where a
    rival's best fit is that limit the two laws are one: R = 0, p = 1, not decided.

    At 1e9 counts p is 0 or 1 and means little: every model is false at that size, and
    neighbouring updates are not independent. Read R per count beside the curves, and
    pass `n_effective`, for which see `effective_sample_size`.

    References
    ----------
    - Q. H. Vuong, Econometrica 57 (1989) 307-333, doi 10.2307/1912557.
    - A. Clauset, C. R. Shalizi, M. E. J. Newman, SIAM Review 51 (2009) 661-703.
    - Y. Virkar, A. Clauset, Ann. Appl. Stat. 8 (2014) 89-119, section 6.

    Examples
    --------
    >>> from netdyn_utils.tails.power_law import fit_power_law
    >>> edges = np.arange(1.0, 42.0)                    # an exponential, rate 1/4
    >>> counts = np.round(1e5 * -np.diff(np.exp(-edges / 4))).astype(int)
    >>> comparison = compare_tails(edges, counts, fit_power_law(edges, counts, xmin=1))
    >>> comparison["exponential"].favoured
    'exponential'
    >>> round(comparison["exponential"].parameters["rate"], 3)
    0.25
    """
    folded, counts, start = as_fitted(edges, counts, fit)
    tail_edges, h = folded[start:], counts[start:].astype(float)
    z, n, s = np.log(tail_edges / fit.xmin), h.sum(), fit.alpha - 1
    share = 1.0 if n_effective is None else min(1.0, n_effective / fit.n)
    power_law = power_law_cells(z, fit.top, s)
    mean = max(float(h @ (z[:-1] + z[1:]) / 2 / n), 1e-6)
    rivals = []
    for family in rival_families(z, fit.top, fit.xmin, s, mean):
        theta, cells = family.maximise(h)
        nested = family.name == "power law with cutoff"
        gain = h @ np.where(h > 0, cells - power_law, 0.0)
        # The limit belongs to every family but one: no search may end below it.
        at_limit = bool(family.limit) and bool(gain <= 1e-12 * n)
        cells = power_law if at_limit else cells
        ratio, normalised = vuong(h, power_law, cells, share)
        p = chdtrc(1, 2 * abs(ratio)) if nested else erfc(abs(normalised) / 2**0.5)
        leader = "power law" if ratio > 0 else family.name
        rivals.append(
            Rival(
                name=family.name,
                parameters=family.limit if at_limit else family.usual(theta),
                log_likelihood=float(h @ np.where(h > 0, cells, 0.0)),
                ratio=ratio,
                normalised=normalised,
                p=float(p),
                nested=nested,
                at_limit=at_limit,
                favoured=leader if p < level else "not decided",
                expected=n * np.exp(cells),
            )
        )
    return TailComparison(fit, tuple(rivals), level, tail_edges)


def vuong(h, log_first, log_second, share):
    """Return R and R over its standard deviation, for a share of the counts h."""
    gap = np.where(h > 0, log_first - log_second, 0.0)
    ratio = h @ gap
    spread = np.sqrt(h @ (gap - ratio / h.sum()) ** 2)
    return float(ratio * share), float(ratio / spread * share**0.5 if spread else 0.0)
