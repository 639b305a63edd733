"""What the updates of weights tell of the activity of their units, window by window.

In a window every weight gives, at each step, a pair: the magnitude of its update, and
the activation of the unit it leads to. A unit's weights share its activation, so pairs
are not independent draws, and the null moves whole units within their layer, or shifts
whole series in time. The counts of each step and unit serve every arrangement: pairs
are met once (`joint`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..checks import choose, positive_int
from .edges import bin_numbers, linear_edges, rank_edges, window_edges
from .estimates import CORRECTIONS, ESTIMATORS, information_of_counts, ksg
from .joint import add_rows, unit_counts
from .nulls import InformationNull

NULLS = ("units", "times")


@dataclass(frozen=True)
class WindowInformation:
    """I(magnitude; activation) of a window: of all layers together, and of each."""

    pooled: InformationNull  # bins from the pairs of all layers
    layers: tuple[InformationNull, ...]  # bins from the layer's own pairs

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
    choose(estimator, ESTIMATORS, "estimator")
    choose(correction, CORRECTIONS, "correction")
    choose(null, NULLS, "null")
    positive_int(permutations, "permutations")
    layers = [_check(i, *layer, null) for i, layer in enumerate(layers)]
    if not layers:
        raise ValueError("no layers: pass (magnitudes, activations) of one or more")
    if estimator == "ksg":
        estimate = _by_neighbours(layers, neighbours, subsample, rng)
    else:
        estimate = _by_counts(layers, estimator, bins, correction)
    shapes = [activations.shape for _, activations in layers]
    observed = estimate([_places(*shape) for shape in shapes])
    chance = [
        [drawn.nats for drawn in estimate([_places(*s, null, rng) for s in shapes])]
        for _ in range(permutations)
    ]
    pooled, *single = (
        InformationNull(seen, np.array(drawn), null)
        for seen, drawn in zip(observed, zip(*chance, strict=True), strict=True)
    )
    return WindowInformation(pooled, tuple(single))


def _places(steps, units, null=None, rng=None):
    """Return which step and unit each (step, unit) takes its activation from."""
    step, unit = np.arange(steps)[:, None], np.arange(units)
    if null == "units":
        unit = rng.permutation(units)
    elif null == "times":
        step = (step + rng.integers(steps, size=units)) % steps
    return step, unit


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
            (i, unit_counts(magnitudes[i], x), bin_numbers(activations[i], y))
            for i in scope
        ]
        counted.append((len(y) - 1, members))

    def estimate(places):
        tables = (
            sum(
                add_rows(rows, numbers[places[i]], size) for i, rows, numbers in members
            )
            for size, members in counted
        )
        how = {"estimator": estimator, "bins": bins, "correction": correction}
        return [information_of_counts(table, **how) for table in tables]

    return estimate


def _by_neighbours(layers, neighbours, subsample, rng) -> Callable:
    """Return the estimates from drawn pairs, pooled first, by the places."""
    positive_int(subsample, "subsample")
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
