"""Mutual information of two variables, in nats, its bias and its permutation test.

I(x; y) = Σ p(x, y) ln(p(x, y)/(p(x) p(y))) of binned values. Counts that are few make
it too large, also where there is nothing to find: two independent normal samples of 500
share 1.12 nats in 50 × 50 bins. So an estimate needs its correction, and a permutation
test: whatever an estimator makes of unrelated numbers, it makes of permuted ones too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import nan

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma

from ..validation import check_choice, check_positive_int

ESTIMATORS = ("rank", "linear", "ksg")
CORRECTIONS = ("miller-madow", None)
JITTER = 1e-10  # of the spread: tells tied values apart and moves nothing else


@dataclass(frozen=True)
class MutualInformation:
    """An estimate of mutual information, in nats."""

    nats: float  # the estimate, corrected if asked for; below zero as chance has it
    plug_in: float  # of the counts as they stand; nan for "ksg", which has none
    estimator: str
    bins: int | None  # asked for on each side; ties leave fewer. None for "ksg"
    correction: str | None
    n: int  # pairs that entered

    def __str__(self):
        """Return the estimate as one line."""
        if self.bins is None:
            how = "nearest neighbours"
        else:
            how = f"{self.bins} × {self.bins} {self.estimator} bins, "
            how += self.correction or "no correction"
        return f"I = {self.nats:.4f} nats ({how}, n = {self.n:,})"


def mutual_information(
    x: ArrayLike,
    y: ArrayLike,
    *,
    estimator: str = "rank",
    bins: int = 50,
    correction: str | None = "miller-madow",
    neighbours: int = 3,
    subsample: int = 5_000,
    rng: np.random.Generator | None = None,
) -> MutualInformation:
    """Estimate the mutual information of two samples, in nats.

    Parameters
    ----------
    x, y : array, (samples,)
        Paired, finite, neither constant; any unit.
    estimator : {"rank", "linear", "ksg"}
        Bins of equal mass; bins of equal width over the range; nearest neighbours.
    bins : int
        On each side, at most as many as samples. Not for "ksg".
    correction : {"miller-madow", None}
        For the bias of few counts. "ksg" counts nothing: there it is not used, and
        None in the result.
    neighbours, subsample : int
        For "ksg": which neighbour, and how many pairs are drawn from longer samples.
    rng : numpy.random.Generator, optional
        For "ksg", which needs it.

    Returns
    -------
    MutualInformation
        Never clipped: an estimate below zero says that there is nothing to see.

    Raises
    ------
    ValueError
        Samples of other shapes, with NaN or infinity, constant, or fewer than bins;
        an unknown estimator or correction.

    Notes
    -----
    Binned: plug-in Σ (n_ij/N) ln(n_ij N/(n_i n_j)). Miller and Madow add
    (K_x + K_y − K_xy − 1)/(2N), K the numbers of occupied cells: enough where most
    cells are occupied, too little elsewhere. Independent normals in 50 × 50 bins,
    plug-in and corrected: rank bins 0.277 and 0.069 nats at n = 5,000, 0.0242 and
    0.0002 at 50,000; linear bins 0.155 and 0.064, 0.0171 and 0.0050, for their tails
    stay nearly empty. `permutation_test` shows what is left.

    "rank" depends on the order of the values only, so an increasing map of either
    changes nothing; heavy tails do no harm. "linear" is the usual way, and the one of
    Zhang & Tang (50 × 50 bins of z-scored values; they add 1e-10 to every cell, here
    nothing is added): of a heavy-tailed pair it sees nearly nothing. Any binning loses
    some information, so that a very strong dependence reads low. "ksg" see
    `ksg_nats`; for heavy tails give it logarithms or ranks, which I leaves alone.

    For the shared activations of a window see `window_information`.

    References
    ----------
    G. A. Miller, "Note on the bias of information estimates", in Information Theory in
    Psychology (1955) 95-100. X.-Y. Zhang, C. Tang, PNAS 122 (2025) e2523012122.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, noise = rng.normal(size=(2, 100_000))
    >>> print(mutual_information(x, 0.6 * x + 0.8 * noise))    # true: −ln 0.8 = 0.2231
    I = 0.2212 nats (50 × 50 rank bins, miller-madow, n = 100,000)
    >>> print(mutual_information(x, noise))                             # true: 0
    I = -0.0006 nats (50 × 50 rank bins, miller-madow, n = 100,000)
    """
    options = neighbours, subsample, rng
    estimate, y = prepare(x, y, estimator, bins, correction, *options)
    return estimate(y)


@dataclass(frozen=True)
class PermutationTest:
    """An estimate beside those of rearranged data, where only chance is left.

    >>> seen = MutualInformation(0.25, 0.26, "rank", 50, "miller-madow", 1_000)
    >>> print(PermutationTest(seen, np.array([0.01, 0.03]), "units"))
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
    def excess(self) -> float:
        """The estimate less the mean of the null; may be negative."""
        return self.nats - self.null_mean

    corrected = excess  # its name before

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
            f"I = {self.nats:.4f} nats, {self.excess:.4f} above chance "
            f"{self.null_mean:.4f} ± {self.null_spread:.4f} ({len(self.null):,} "
            f"permutations of {self.kind}, p = {self.p_value:.2g}, n = {self.n:,})"
        )


def permutation_test(
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
) -> PermutationTest:
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
    PermutationTest

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
    >>> permutation_test(x, y, **options).p_value               # as if of 2,000 draws
    0.01
    >>> permutation_test(x, y, groups=unit, **options).p_value > 0.05
    True
    """
    check_positive_int(permutations, "permutations")
    options = bins, correction, neighbours, subsample, rng
    estimate, y = prepare(x, y, estimator, *options)
    places = np.arange(len(y))[:, None] if groups is None else _blocks(groups, len(y))
    null, moved = np.empty(permutations), np.empty_like(y)
    for i in range(permutations):
        moved[places] = y[rng.permutation(places)]
        null[i] = estimate(moved).nats
    return PermutationTest(estimate(y), null, "pairs" if groups is None else "groups")


InformationNull, shuffled_null = PermutationTest, permutation_test  # the names before


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


def information_of_counts(
    counts: ArrayLike,
    *,
    estimator: str = "rank",
    bins: int | None = None,
    correction: str | None = "miller-madow",
) -> MutualInformation:
    """Return the mutual information of a table of joint counts, (x_bins, y_bins)."""
    check_choice(correction, CORRECTIONS, "correction")
    counts = np.asarray(counts, float)
    n, in_x, in_y = counts.sum(), counts.sum(1), counts.sum(0)
    i, j = np.nonzero(counts)
    cells = counts[i, j]
    plug_in = float(cells @ np.log(cells * n / (in_x[i] * in_y[j])) / n)
    surplus = np.count_nonzero(in_x) + np.count_nonzero(in_y) - len(cells) - 1
    shift = float(surplus / (2 * n)) if correction else 0.0
    bins = bins or len(counts)
    return MutualInformation(
        plug_in + shift, plug_in, estimator, bins, correction, int(n)
    )


def prepare(
    x, y, estimator, bins, correction, neighbours, subsample, rng
) -> tuple[Callable[[np.ndarray], MutualInformation], np.ndarray]:
    """Return an estimate as a function of y in any arrangement, and y as it takes it.

    What no arrangement changes is done here, once: checks, edges, bins, the subsample.
    """
    check_choice(estimator, ESTIMATORS, "estimator")
    check_choice(correction, CORRECTIONS, "correction")
    x, y = _check_pairs(x, y)
    if estimator == "ksg":
        if rng is None:
            raise ValueError(
                "estimator='ksg' draws pairs and jitter: pass "
                "rng=numpy.random.default_rng(seed)"
            )
        chosen = slice(None)
        if check_positive_int(subsample, "subsample") < len(x):
            chosen = rng.choice(len(x), subsample, replace=False)
        x = x[chosen]
        return lambda y: ksg(x, y[chosen], neighbours=neighbours, rng=rng), y

    rank_places(len(x), bins)  # says so if there are too few
    edges = [
        rank_edges(values, bins=bins)
        if estimator == "rank"
        else linear_edges(values.min(), values.max(), bins=bins)
        for values in (x, y)
    ]
    shape = [len(e) - 1 for e in edges]
    row, column = map(bin_numbers, (x, y), edges)
    row *= shape[1]

    def estimate(column):
        counts = np.bincount(row + column, minlength=shape[0] * shape[1])
        return information_of_counts(
            counts.reshape(shape), estimator=estimator, bins=bins, correction=correction
        )

    return estimate, column


def _check_pairs(x, y):
    """Return two paired samples as float64, or say what is wrong with them."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.shape != y.shape or x.ndim != 1 or not x.size:
        raise ValueError(
            f"x of shape {x.shape} and y of shape {y.shape}: expected one axis and "
            "equal lengths, a pair at each place"
        )
    for name, values in (("x", x), ("y", y)):
        if not np.isfinite(values).all():
            first = values[~np.isfinite(values)][0]
            raise ValueError(
                f"{name} holds {first}: leave out pairs that are not finite"
            )
        if values.min() == values.max():
            raise ValueError(
                f"{name} is {values[0]:g} throughout: a constant has no bins, and "
                "shares no information"
            )
    return x, y


# Bins: edges[i] ≤ x < edges[i + 1], the last one closed, as numpy has them.


def linear_edges(low: float, high: float, *, bins: int) -> np.ndarray:
    """Return edges of equal width from the least value to the largest, (bins+1,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        edges = np.linspace(low, high, check_bins(bins) + 1)
        even = np.isfinite(edges).all() and (np.diff(edges) > 0).all()
    if not even:
        raise ValueError(
            f"the values from {low:g} to {high:g} leave no room for {bins} bins of "
            "equal width: use estimator='rank', or leave out what is constant"
        )
    return edges


def rank_edges(
    values: ArrayLike, *, bins: int, repeats: ArrayLike | None = None
) -> np.ndarray:
    """Return edges that put equally many values into each bin, (bins+1,) or fewer.

    `repeats` says how often each value occurs. Equal values fall in one bin, so ties
    leave fewer bins. Only the order of the values enters.
    """
    values = np.asarray(values, float).ravel()
    order = np.argsort(values)
    upto = np.arange(1, values.size + 1)
    if repeats is not None:
        upto = np.cumsum(np.ravel(repeats)[order])
    places = rank_places(upto[-1] if values.size else 0, bins)
    chosen = values[order[np.searchsorted(upto, places, "right")]]
    if not np.isfinite(values).all():
        raise ValueError("the values hold NaN or infinity: leave these out")
    return close_edges(chosen)


def rank_places(n: int, bins: int) -> np.ndarray:
    """Return where, among n sorted values, the edges of equal mass lie, (bins+1,)."""
    if n < check_bins(bins):
        raise ValueError(
            f"{n:,} samples are fewer than {bins} bins: use fewer bins, or more samples"
        )
    return np.append(np.arange(bins) * n // bins, n - 1)


def close_edges(ordered: np.ndarray) -> np.ndarray:
    """Return the edges of order statistics, the last of which is the largest value.

    The last edge is the float after it where it has a bin of its own.
    """
    edges = np.unique(ordered)
    if ordered[-2] == ordered[-1]:
        edges = np.append(edges, np.nextafter(edges[-1], np.inf))
    return edges


def bin_numbers(values: ArrayLike, edges: ArrayLike) -> np.ndarray:
    """Return the bin of each value, as `numpy.histogram` has it, or −1 outside."""
    values, edges = np.asarray(values), np.asarray(edges)
    numbers = np.searchsorted(edges, values, "right") - 1
    numbers[values == edges[-1]] -= 1
    numbers[numbers == len(edges) - 1] = -1
    return numbers


def check_bins(bins):
    """Return the number of bins if it can show a dependence."""
    if check_positive_int(bins, "bins") < 2:
        raise ValueError("bins=1 puts every value in one bin: use two or more")
    return bins


# Nearest neighbours.


def ksg(x, y, *, neighbours: int, rng: np.random.Generator) -> MutualInformation:
    """Return the estimate by nearest neighbours, of all pairs, as a record."""
    if len(x) <= check_positive_int(neighbours, "neighbours"):
        raise ValueError(
            f"{len(x)} samples have no neighbour number {neighbours}: take more samples"
        )
    if x.min() == x.max() or y.min() == y.max():
        raise ValueError(
            "the pairs drawn are constant on one side: draw a larger sample"
        )
    nats = ksg_nats(x, y, neighbours=neighbours, rng=rng)
    return MutualInformation(nats, nan, "ksg", None, None, len(x))


def ksg_nats(
    x: np.ndarray, y: np.ndarray, *, neighbours: int, rng: np.random.Generator
) -> float:
    """Return the first estimate of Kraskov, Stögbauer and Grassberger, in nats.

    I = ψ(k) + ψ(N) − ⟨ψ(n_x + 1) + ψ(n_y + 1)⟩, eq. 8 of Phys. Rev. E 69 (2004) 066138:
    n_x and n_y count the others nearer in x, in y, than the k-th neighbour is in the
    larger of the two, at unit spread. Not cut at zero, as scikit-learn's is.
    """
    # Here, for it takes a second, and readers of histograms need none of it.
    from sklearn.neighbors import KDTree, NearestNeighbors

    columns = []
    for values in (x, y):
        scaled = values / values.std()
        size = JITTER * max(1.0, np.abs(scaled).mean())
        columns.append((scaled + size * rng.standard_normal(len(x)))[:, None])
    search = NearestNeighbors(metric="chebyshev", n_neighbors=neighbours)
    distances = search.fit(np.hstack(columns)).kneighbors()[0]
    radius = np.nextafter(distances[:, -1], 0)  # strictly nearer than the k-th
    nearer = [  # n + 1 of each: a value lies in its own ball
        KDTree(column, metric="chebyshev").query_radius(column, radius, count_only=True)
        for column in columns
    ]
    means = [digamma(count).mean() for count in nearer]
    return float(digamma(neighbours) + digamma(len(x)) - sum(means))
