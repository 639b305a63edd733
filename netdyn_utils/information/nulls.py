"""What chance gives where there is no information: the same data, rearranged.

Whatever an estimator makes of unrelated numbers, by few counts, ties or tails, it makes
of rearranged ones too. What counts is what is moved: pairs if they are independent
draws, else whatever shares a value as one block.
"""

from dataclasses import dataclass, field
from math import nan

import numpy as np
from numpy.typing import ArrayLike

from ..checks import positive_int
from .estimates import MutualInformation, prepare


@dataclass(frozen=True)
class InformationNull:
    """An estimate beside those of rearranged data, where only chance is left.

    >>> seen = MutualInformation(0.25, 0.26, "rank", 50, "miller-madow", 1_000)
    >>> print(InformationNull(seen, np.array([0.01, 0.03]), "units"))
    I = 0.2500 nats, 0.2300 above chance 0.0200 ± 0.0141 (2 permutations of units, \
p = 0.33, n = 1,000)
    """

    observed: MutualInformation
    null: np.ndarray = field(compare=False, repr=False)  # nats of each rearrangement
    kind: str  # what was rearranged: "pairs", "groups", "units", "times"

    @property
    def nats(self) -> float:
        """The estimate itself."""
        return self.observed.nats

    @property
    def null_mean(self) -> float:
        """What chance gives on average."""
        return float(self.null.mean())

    @property
    def null_spread(self) -> float:
        """The standard deviation of what chance gives; nan for one rearrangement."""
        return float(self.null.std(ddof=1)) if len(self.null) > 1 else nan

    @property
    def corrected(self) -> float:
        """The estimate less the mean of the null; may be negative."""
        return self.nats - self.null_mean

    @property
    def p_value(self) -> float:
        """(1 + how many of the null reach the estimate)/(1 + how many there are)."""
        reached = int(np.count_nonzero(self.null >= self.nats))
        return (1 + reached) / (1 + len(self.null))

    @property
    def n(self) -> int:
        """Pairs that entered; how many are independent, only the null knows."""
        return self.observed.n

    def __str__(self):
        """Return estimate and null as one line."""
        return (
            f"I = {self.nats:.4f} nats, {self.corrected:.4f} above chance "
            f"{self.null_mean:.4f} ± {self.null_spread:.4f} ({len(self.null):,} "
            f"permutations of {self.kind}, p = {self.p_value:.2g}, n = {self.n:,})"
        )


def shuffled_null(
    x: ArrayLike,
    y: ArrayLike,
    *,
    permutations: int,
    rng: np.random.Generator,
    groups: ArrayLike | None = None,
    estimator: str = "rank",
    bins: int = 50,
    correction: str | None = "miller-madow",
    neighbours: int = 3,
    subsample: int = 5_000,
) -> InformationNull:
    """Estimate mutual information again and again with y rearranged against x.

    Parameters
    ----------
    x, y, estimator, bins, correction, neighbours, subsample
        As for `mutual_information`.
    permutations : int
        How many rearrangements. The least p-value is 1/(permutations + 1).
    rng : numpy.random.Generator
    groups : array of whole numbers, (samples,), optional
        What moves as one. The y of a group, in the order of its samples, go together
        to the place of another group, all of the same size; x stays. Without it every
        pair is its own group.

    Returns
    -------
    InformationNull

    Raises
    ------
    ValueError
        As `mutual_information`; groups of unequal sizes, or a single one.

    Notes
    -----
    Permuting pairs is right if pairs are independent draws. If y is shared, as the
    activation of a unit is by all weights that lead to it, there are as many
    independent values as units, and the pairs of one unit are alike: the null of single
    pairs is then far too narrow, and whatever is common to a unit's weights looks like
    information. Pass the unit as the group. With order kept inside a group a series
    over steps stays a series.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(rng.normal(size=40), 50)             # 40 units share 40 values
    >>> x = np.repeat(rng.normal(size=40), 50) + rng.normal(size=2_000)
    >>> unit = np.repeat(np.arange(40), 50)
    >>> options = {"bins": 10, "permutations": 99, "rng": rng}
    >>> shuffled_null(x, y, **options).p_value               # as if of 2,000 draws
    0.01
    >>> shuffled_null(x, y, groups=unit, **options).p_value > 0.05
    True
    """
    positive_int(permutations, "permutations")
    options = bins, correction, neighbours, subsample, rng
    estimate, y = prepare(x, y, estimator, *options)
    places = np.arange(len(y))[:, None] if groups is None else _blocks(groups, len(y))
    null, moved = np.empty(permutations), np.empty_like(y)
    for i in range(permutations):
        moved[places] = y[rng.permutation(places)]
        null[i] = estimate(moved).nats
    return InformationNull(estimate(y), null, "pairs" if groups is None else "groups")


def _blocks(groups, n):
    """Return the places of the samples of each group, (groups, size), in order."""
    groups = np.asarray(groups)
    if groups.shape != (n,):
        raise ValueError(
            f"groups of shape {groups.shape}: expected a label for each of {n} samples"
        )
    _, sizes = np.unique(groups, return_counts=True)
    if len(sizes) < 2:
        raise ValueError("one group has none to exchange with: give two or more")
    if sizes.min() != sizes.max():
        raise ValueError(
            f"groups of {sizes.min()} to {sizes.max()} samples cannot exchange: cut "
            "all to one size, or take those of one size at a time"
        )
    return np.argsort(groups, kind="stable").reshape(len(sizes), -1)
