"""Mutual information between update magnitudes and unit activations in a window.

Every weight gives, at each step, a pair: the magnitude of its update, and the
activation of the unit it leads to. A unit's weights share its activation, so pairs are
not independent draws, and the null permutes whole units within their layer. Repeated
activations are never stored: the magnitudes of each step and unit are counted once, and
for every permutation these rows of counts are added up by activation bin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._numba import njit
from ..validation import check_choice, check_positive_int, real_numbers
from .mutual_information import (
    BINNED,
    CORRECTIONS,
    PermutationTest,
    bin_numbers,
    check_values,
    edges_of_sorted,
    information_of_counts,
    linear_edges,
    rank_edges,
)

AGGREGATES = ("per_step", "pooled")  # the mean over single steps; pairs of all steps
CORRECTION_OF = {"linear": None, "rank": "miller-madow"}  # in `read_window`
STRIDE = 20  # "per_step" reads every twentieth step


@dataclass(frozen=True)
class WindowInformation:
    """I(magnitude; activation) of a window: of all layers together, and of each."""

    pooled: PermutationTest  # bins from the pairs of all layers
    layers: tuple[PermutationTest, ...]  # bins from the layer's own pairs

    def __str__(self):
        return f"{self.pooled}; {len(self.layers)} layers"


def window_information(
    layers: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    rng: np.random.Generator,
    estimator: str = "rank",
    bins: int = 50,
    correction: str | None = "miller-madow",
    permutations: int = 20,
) -> WindowInformation:
    """Estimate the information between magnitudes and activations in a window of steps.

    Of each layer abs(Δw), (steps, units, fan_in), and activations, (steps, units).
    Permutations are of the units in a layer, their whole series together. The other
    options are those of `mutual_information`, without "ksg".

    Notes
    -----
    The null asks whether a unit's weights go with its own activation rather than
    another unit's: what all units of a layer have in common, as the fall of the loss
    over the window, stays in the null. So does a relation of constant units that have a
    bin each: permuting them only renames the bins.
    The null of the pooled estimate keeps what only separates layers: that one layer has
    larger activations and smaller updates counts as information there, not above
    chance.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> activations = rng.random((100, 20))
    >>> magnitudes = np.float32(activations[..., None] * rng.random((100, 20, 30)))
    >>> print(window_information([(magnitudes, activations)], bins=10, rng=rng))
    I = 0.4335 nats, 0.4294 above chance 0.0040 ± 0.0028 (20 permutations of units, \
p = 0.048, n = 60,000); 1 layers
    """
    options = rng, estimator, bins, correction, permutations
    return _estimate(layers, *options, apart=True)


def _estimate(layers, rng, estimator, bins, correction, permutations, apart):
    check_choice(estimator, BINNED, "estimator")
    check_choice(correction, CORRECTIONS, "correction")
    check_positive_int(permutations, "permutations")
    layers = [_check(i, *layer) for i, layer in enumerate(layers)]
    if not layers:
        raise ValueError("no layers: pass (magnitudes, activations) of one or more")
    scopes = _count_rows(layers, estimator, bins, apart)
    units = [activations.shape[1] for _, activations in layers]
    orders = [[np.arange(n) for n in units]]  # as observed, then permuted
    orders += [[rng.permutation(n) for n in units] for _ in range(permutations)]
    tests = []
    for size, members in scopes:
        tables = (
            sum(
                add_counts(rows, y.take(order[i], axis=1), size)
                for i, rows, y in members
            )
            for order in orders
        )
        observed, *null = (
            information_of_counts(table, estimator, bins, correction)
            for table in tables
        )
        nats = np.array([one.nats for one in null])
        tests.append(PermutationTest(observed, nats, "units"))
    return WindowInformation(tests[0], tuple(tests[1:]))


def read_window(
    layers, *, seed: int, permutations: int
) -> dict[tuple[str, str], np.ndarray]:
    """Return a window's information and null, by every aggregate and estimator.

    Each (aggregate, estimator) has an array (1 + layers, 3), pooled and layer by layer:
    nats, mean of the null, its standard deviation. "pooled" pairs see how updates and
    activations go up and down together in time, "per_step" only how they differ between
    units; the published numbers have the size of the second. A layer whose updates or
    activations are all the same is left out, of the pooled pairs too, and has nan.
    """
    steps = range(len(layers[0][0]))
    single = [
        [(part[t : t + 1], active[t : t + 1]) for part, active in layers]
        for t in steps[STRIDE - 1 :: STRIDE] or steps[:1]
    ]
    found = {}
    for aggregate, parts in zip(AGGREGATES, (single, [layers]), strict=True):
        for estimator, correction in CORRECTION_OF.items():
            options = {"estimator": estimator, "correction": correction, "bins": 50}
            options["permutations"] = permutations
            each = np.array([_nats(part, seed, options) for part in parts])
            known = np.isfinite(each)
            with np.errstate(invalid="ignore"):  # 0/0: known at no step
                mean = np.where(known, each, 0).sum(0) / known.sum(0)
            nats, null = mean[:, 0], mean[:, 1:]
            spread = null.std(axis=1, ddof=1 if permutations > 1 else 0)
            rows = np.stack([nats, null.mean(axis=1), spread], axis=1)
            found[aggregate, estimator] = rows
    return found


def _nats(layers, seed: int, options) -> np.ndarray:
    """Return (pooled and layers) × (estimate, null …); nan for a constant layer."""
    vary = [all(part.min() < part.max() for part in pair) for pair in layers]
    varying = np.flatnonzero(vary)
    rows = np.full((1 + len(layers), 1 + options["permutations"]), np.nan)
    if varying.size:
        # The same seed at every step: the same permutations all the time.
        rng = np.random.default_rng(seed)
        # Ties as the records have them: apart would be better, and another version.
        found = _estimate([layers[i] for i in varying], rng, **options, apart=False)
        tests = found.pooled, *found.layers
        rows[[0, *(1 + varying)]] = [[test.nats, *test.null] for test in tests]
    return rows


def _count_rows(layers, estimator, bins, apart):
    """Return of all layers together, and of each, what permutations leave alone.

    The number of activation bins, and of each layer its index, its counts (steps,
    units, x_bins) and the bins of its activations (steps, units).
    """
    scopes = [range(len(layers)), *([i] for i in range(len(layers)))]
    magnitudes = [m for m, _ in layers]
    linear = estimator == "linear"
    x_edges = window_edges(magnitudes, scopes, bins, linear, apart)
    found = []
    for scope, x in zip(scopes, x_edges, strict=True):
        values = np.concatenate([layers[i][1].ravel() for i in scope])
        if linear:
            y = linear_edges(values, bins=bins)
        else:
            fans = [np.full(layers[i][1].size, magnitudes[i].shape[2]) for i in scope]
            y = rank_edges(values, bins=bins, repeats=np.concatenate(fans), apart=apart)
        members = [
            (i, count_magnitudes(magnitudes[i], x), bin_numbers(layers[i][1], y))
            for i in scope
        ]
        found.append((len(y) - 1, members))
    return found


def window_edges(magnitudes, scopes, bins, linear=False, apart=True):
    """Return the edges, float64, for each scope: layers that are taken together."""
    if linear:
        ends = np.array([(m.min(), m.max()) for m in magnitudes], float)
        return [linear_edges(ends[scope], bins=bins) for scope in scopes]
    ordered, edges = [np.sort(m, axis=None) for m in magnitudes], []
    for scope in scopes:
        together = ordered[scope[0]]
        if len(scope) > 1:  # a stable sort merges what is sorted in parts
            together = np.concatenate([ordered[i] for i in scope])
            together.sort(kind="stable")
        edges.append(edges_of_sorted(together, bins, apart=apart))
    return edges


def count_magnitudes(magnitudes: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the counts of each step's and unit's magnitudes, (steps, units, bins)."""
    # The least number of the data's own type in each bin but the first.
    least = edges[1:-1].astype(magnitudes.dtype)
    below = least < edges[1:-1]
    least[below] = np.nextafter(least[below], magnitudes.dtype.type(np.inf))
    counts = np.zeros((*magnitudes.shape[:2], len(edges) - 1), np.int32)
    _count(magnitudes, least, counts)
    return counts


@njit()
def _count(magnitudes, least, counts):
    """Count in column k the values that reach k of the limits."""
    for i in range(magnitudes.shape[0]):
        for j in range(magnitudes.shape[1]):
            for f in range(magnitudes.shape[2]):
                column = 0
                for k in range(least.size):  # on vectors, faster than bisection
                    column += least[k] <= magnitudes[i, j, f]
                counts[i, j, column] += 1


@njit()
def add_counts(rows, bins, size):
    """Return rows (steps, units, x_bins) added up by `bins` (steps, units) of y."""
    sums = np.zeros((size, rows.shape[2]), np.int64)
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            to = bins[i, j]
            for k in range(rows.shape[2]):  # views of rows would cost more
                sums[to, k] += rows[i, j, k]
    return sums.T


def _check(i, magnitudes, activations):
    magnitudes = real_numbers(magnitudes, f"magnitudes of layer {i}", single=True)
    activations = real_numbers(activations, f"activations of layer {i}")
    if magnitudes.ndim != 3 or magnitudes.shape[:2] != activations.shape:
        raise ValueError(
            f"layer {i}: magnitudes of shape {magnitudes.shape}, activations of shape "
            f"{activations.shape}; expected (steps, units, fan_in) and (steps, units)"
        )
    check_values(f"magnitudes of layer {i}", magnitudes)
    check_values(f"activations of layer {i}", activations)
    if activations.shape[1] == 1:
        raise ValueError(f"layer {i} has one unit, and none to permute it with")
    return magnitudes, activations
