"""What the updates of weights tell of the activity of their units, window by window.

In a window every weight gives, at each step, a pair: the magnitude of its update, and
the activation of the unit it leads to. A unit's weights share its activation, so pairs
are not independent draws, and the null moves whole units within their layer, or shifts
whole series in time. T steps of U units with F weights each make T·U·F pairs, in which
every activation occurs F times; no repeated value is held. The magnitudes of each step
and unit are counted once, which needs no activation, and for every arrangement these
rows of counts are added up under the bin of their activation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .._numba import njit
from ..validation import check_choice, check_positive_int
from .mutual_information import (
    CORRECTIONS,
    ESTIMATORS,
    PermutationTest,
    bin_numbers,
    close_edges,
    information_of_counts,
    ksg,
    linear_edges,
    rank_edges,
    rank_places,
)

NULLS = ("units", "times")
READINGS = ("steps", "window")  # the mean over single steps; the pairs of all steps
CORRECTION_OF = {"linear": None, "rank": "miller-madow"}  # of each estimator, read so
STRIDE = 20  # every twentieth step is read, where steps are read one by one


@dataclass(frozen=True)
class WindowInformation:
    """I(magnitude; activation) of a window: of all layers together, and of each."""

    pooled: PermutationTest  # bins from the pairs of all layers
    layers: tuple[PermutationTest, ...]  # bins from the layer's own pairs

    def __str__(self):
        """Return the pooled estimate as one line."""
        return f"{self.pooled}; {len(self.layers)} layers"


def window_information(
    layers: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    rng: np.random.Generator,
    estimator: str = "rank",
    bins: int = 50,
    correction: str | None = "miller-madow",
    null: str = "units",
    permutations: int = 20,
    neighbours: int = 3,
    subsample: int = 5_000,
) -> WindowInformation:
    """Estimate what update magnitudes tell of activations in a window of steps.

    Parameters
    ----------
    layers : sequence of (magnitudes, activations)
        abs(Δw), (steps, units, fan_in), and activations, (steps, units), of each
        layer. float32 magnitudes are read where they lie.
    rng : numpy.random.Generator
    estimator, bins, correction, neighbours, subsample
        As for `mutual_information`; "ksg" draws its pairs once for all arrangements.
    null : {"units", "times"}
        Activations permuted among the units of a layer, whole series together; or the
        series of each unit shifted round in time, each by its own number of steps.
    permutations : int
        How many arrangements.

    Returns
    -------
    WindowInformation

    Raises
    ------
    ValueError
        Shapes that do not belong together, values that are not finite or all the same,
        fewer pairs than bins, a layer of one unit to permute.

    Notes
    -----
    Bins of magnitude and of activation are those of all pairs, each activation once
    for every weight of its unit. No arrangement changes them: within a layer all units
    have the same number of weights.

    "units" asks whether a unit's weights go with its own activation rather than another
    unit's: what all units of a layer have in common, as the fall of the loss over the
    window, stays in the null. So does a relation of still units that have a bin each:
    moving them only renames the bins, which information does not see. "times" keeps
    which unit is which, and asks for step-by-step coincidence; a shift round the end
    assumes that the window has no trend. Both allow no arrangement at all as one of
    many, which keeps p honest.
    The null of the pooled estimate keeps what only tells layers apart: that one layer
    has larger activations and smaller updates counts as information there, not above
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
    check_choice(estimator, ESTIMATORS, "estimator")
    check_choice(correction, CORRECTIONS, "correction")
    check_choice(null, NULLS, "null")
    check_positive_int(permutations, "permutations")
    layers = [_check(i, *layer, null) for i, layer in enumerate(layers)]
    if not layers:
        raise ValueError("no layers: pass (magnitudes, activations) of one or more")
    if estimator == "ksg":
        estimate = _by_neighbours(layers, neighbours, subsample, rng)
    else:
        estimate = _by_counts(layers, estimator, bins, correction)
    shapes = [activations.shape for _, activations in layers]
    observed = estimate([_arrangement(*shape) for shape in shapes])
    chance = [
        [
            drawn.nats
            for drawn in estimate([_arrangement(*s, null, rng) for s in shapes])
        ]
        for _ in range(permutations)
    ]
    pooled, *single = (
        PermutationTest(seen, np.array(drawn), null)
        for seen, drawn in zip(observed, zip(*chance, strict=True), strict=True)
    )
    return WindowInformation(pooled, tuple(single))


def _arrangement(steps, units, null=None, rng=None):
    """Return which step and unit each (step, unit) takes its activation from."""
    step, unit = np.arange(steps)[:, None], np.arange(units)
    if null == "units":
        unit = rng.permutation(units)
    elif null == "times":
        step = (step + rng.integers(steps, size=units)) % steps
    return step, unit


def read_window(
    layers: Sequence[tuple[np.ndarray, np.ndarray]], *, seed: int, permutations: int
) -> dict[tuple[str, str], np.ndarray]:
    """Return a window's information and null, by every reading and estimator.

    A window gives its information all at once, from the pairs of all its steps, or as
    the mean of single steps. The first sees how updates and activations go up and down
    together in time, the second only how they differ between units; the published
    numbers have the size of the second. The permutations are the same at every step.

    Each (reading, estimator) has an array (1 + layers, 3), pooled and layer by layer:
    nats, mean of the null, its standard deviation. A layer whose updates or activations
    are all the same is left out, of the pooled pairs too, and has nan.
    """
    steps = range(len(layers[0][0]))
    single = [
        [(part[t : t + 1], active[t : t + 1]) for part, active in layers]
        for t in steps[STRIDE - 1 :: STRIDE] or steps[:1]
    ]
    found = {}
    for reading, groups in (("steps", single), ("window", [layers])):
        for estimator, correction in CORRECTION_OF.items():
            options = {"estimator": estimator, "correction": correction}
            options["permutations"] = permutations
            each = np.array([_nats(group, seed, options) for group in groups])
            known = np.isfinite(each)
            total = np.where(known, each, 0).sum(axis=0)
            mean = np.divide(
                total, known.sum(0), out=np.full_like(total, np.nan), where=known.any(0)
            )
            nats, null = mean[:, 0], mean[:, 1:]
            spread = null.std(axis=1, ddof=1 if permutations > 1 else 0)
            rows = np.stack([nats, null.mean(axis=1), spread], axis=1)
            found[reading, estimator] = rows
    return found


def _nats(layers, seed: int, options) -> np.ndarray:
    """Return (pooled and layers) × (estimate, null …); nan for a layer at rest."""
    alive = [
        i
        for i, pair in enumerate(layers)
        if all(part.min() < part.max() for part in pair)
    ]
    rows = np.full((1 + len(layers), 1 + options["permutations"]), np.nan)
    if alive:
        # The same seed at every step: the same units are exchanged all the time.
        found = window_information(
            [layers[i] for i in alive], rng=np.random.default_rng(seed), **options
        )
        places = [0, *(1 + i for i in alive)]
        for place, null in zip(places, (found.pooled, *found.layers), strict=True):
            rows[place] = [null.nats, *null.null]
    return rows


def window_edges(
    magnitudes: Sequence[np.ndarray],
    scopes: Sequence[Sequence[int]],
    *,
    bins: int,
    linear: bool = False,
) -> list[np.ndarray]:
    """Return the edges, float64, for each scope: layers that are taken together."""
    if linear:
        ends = [(float(m.min()), float(m.max())) for m in magnitudes]
    else:
        ordered = [np.sort(m, axis=None) for m in magnitudes]
        ends = [(m[0], m[-1]) for m in ordered]  # NaN is last
    if not np.isfinite(ends).all():
        raise ValueError("the magnitudes hold NaN or infinity: leave these out")
    edges = []
    for scope in scopes:
        if linear:
            lows, highs = zip(*(ends[i] for i in scope), strict=True)
            edges.append(linear_edges(min(lows), max(highs), bins=bins))
            continue
        together = ordered[scope[0]]
        if len(scope) > 1:  # a stable sort merges what is sorted in parts
            together = np.sort(
                np.concatenate([ordered[i] for i in scope]), kind="stable"
            )
        places = rank_places(len(together), bins)
        edges.append(close_edges(together[places].astype(float)))
    return edges


def count_magnitudes(magnitudes: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the counts of each step's and unit's magnitudes, (steps, units, bins)."""
    edges = np.asarray(edges, float)
    # The least number of the data's own type in each bin, and the least above all: the
    # last bin is closed.
    with np.errstate(over="ignore"):
        least = edges.astype(magnitudes.dtype)
    below = least < edges
    below[-1] = least[-1] <= edges[-1]
    least[below] = np.nextafter(least[below], magnitudes.dtype.type(np.inf))
    counts = np.zeros((*magnitudes.shape[:2], len(edges) + 1), np.int32)
    _count(magnitudes, least, counts)
    return np.ascontiguousarray(counts[..., 1:-1])


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
    """Return rows (steps, units, x_bins) added up by their bin, (x_bins, size).

    `bins`, (steps, units), are those of the activations in any arrangement; −1: none.
    """
    sums = np.zeros((size, rows.shape[2]), np.int64)
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            to = bins[i, j]
            if to >= 0:
                for k in range(rows.shape[2]):  # views of rows would cost more
                    sums[to, k] += rows[i, j, k]
    return sums.T


def _by_counts(layers, estimator, bins, correction) -> Callable:
    """Return the binned estimates, pooled first, as a function of the places."""
    magnitudes, activations = zip(*layers, strict=True)
    scopes = _scopes(layers)
    linear = estimator == "linear"
    x_edges = window_edges(magnitudes, scopes, bins=bins, linear=linear)
    counted = []  # of each scope: number of y bins, and (layer, rows, bins) of members
    for scope, x in zip(scopes, x_edges, strict=True):
        values = np.concatenate([activations[i].ravel() for i in scope])
        fans = [np.full(activations[i].size, magnitudes[i].shape[2]) for i in scope]
        y = (
            linear_edges(values.min(), values.max(), bins=bins)
            if linear
            else rank_edges(values, bins=bins, repeats=np.concatenate(fans))
        )
        members = [
            (i, count_magnitudes(magnitudes[i], x), bin_numbers(activations[i], y))
            for i in scope
        ]
        counted.append((len(y) - 1, members))

    def estimate(places):
        tables = (
            sum(
                add_counts(rows, numbers[places[i]], size)
                for i, rows, numbers in members
            )
            for size, members in counted
        )
        how = {"estimator": estimator, "bins": bins, "correction": correction}
        return [information_of_counts(table, **how) for table in tables]

    return estimate


def _by_neighbours(layers, neighbours, subsample, rng) -> Callable:
    """Return the estimates from drawn pairs, pooled first, by the places."""
    check_positive_int(subsample, "subsample")
    drawn = []  # of each scope: magnitudes, and layer and (step, unit) of its members
    for scope in _scopes(layers):
        ends = np.cumsum([layers[i][0].size for i in scope])
        size = min(subsample, ends[-1])
        pairs = np.sort(rng.choice(ends[-1], size, replace=False))
        parts = np.split(pairs, np.searchsorted(pairs, ends[:-1]))
        x, members = [], []
        for i, part, end in zip(scope, parts, ends, strict=True):
            magnitudes = layers[i][0]
            at = np.unravel_index(part - end + magnitudes.size, magnitudes.shape)
            x.append(magnitudes[at].astype(float))
            members.append((i, at[:2]))
        drawn.append((np.concatenate(x), members))

    def estimate(places):
        moved = [a[at] for (_, a), at in zip(layers, places, strict=True)]
        return [
            ksg(
                x,
                np.concatenate([moved[i][at] for i, at in members]),
                neighbours=neighbours,
                rng=rng,
            )
            for x, members in drawn
        ]

    return estimate


def _scopes(layers):
    """Return which layers each estimate is of: all, and each alone."""
    return [list(range(len(layers))), *([i] for i in range(len(layers)))]


def _check(i, magnitudes, activations, null):
    """Return a layer's arrays as they are counted, or say what is wrong with them."""
    magnitudes, activations = np.asarray(magnitudes), np.asarray(activations, float)
    if magnitudes.dtype != np.float32:
        magnitudes = magnitudes.astype(float, copy=False)
    if magnitudes.ndim != 3 or magnitudes.shape[:2] != activations.shape:
        raise ValueError(
            f"layer {i}: magnitudes of shape {magnitudes.shape}, activations of shape "
            f"{activations.shape}; expected (steps, units, fan_in) and (steps, units)"
        )
    for name, values in (("magnitudes", magnitudes), ("activations", activations)):
        low, high = (values.min(), values.max()) if values.size else (0.0, 0.0)
        if not np.isfinite([low, high]).all():
            raise ValueError(
                f"layer {i}: the {name} hold NaN or infinity: look at the run, or end "
                "the window before them"
            )
        if low == high:
            raise ValueError(
                f"layer {i}: the {name} are {low + 0.0:g} throughout and share no "
                "information: leave the layer out"
            )
    if null == "units" and activations.shape[1] == 1:
        raise ValueError(
            f"layer {i} has one unit, and none to permute it with: use null='times', "
            "or leave the layer out"
        )
    return magnitudes, activations
