"""A histogram at the door: edges and counts that the tail measures can stand on.

Bin i holds counts[i] values with edges[i] ≤ x < edges[i + 1]. What lies between two
edges is unknown, so that a cut can only be made at an edge.
"""

import numpy as np

TOPS = ("unbounded", "open", "truncated")


def check_histogram(edges, counts):
    """Return `edges` as float64 and `counts` as int64, or say what is wrong.

    >>> check_histogram([1, 2, 4], [3.0, 1.5])
    Traceback (most recent call last):
        ...
    ValueError: counts must be whole numbers, got 1.5 in bin 1: pass counts, not \
fractions or densities
    """
    edges, counts = np.asarray(edges, float), np.asarray(counts)
    if edges.ndim != 1 or counts.ndim != 1 or len(edges) != len(counts) + 1:
        raise ValueError(
            f"{edges.shape} edges and {counts.shape} counts do not fit: pass one "
            "axis each, with one more edge than counts"
        )
    if not np.isfinite(edges).all():
        raise ValueError("edges must be finite: for a last bin without end, top='open'")
    falls = np.flatnonzero(np.diff(edges) <= 0)
    if falls.size:
        i = falls[0]
        raise ValueError(
            f"edges must increase, got {edges[i]:g} then {edges[i + 1]:g} at {i}: "
            "sort them and drop repeats"
        )
    if edges.size and edges[0] <= 0:
        raise ValueError(
            f"edges must be positive, got {edges[0]:g} first: leave out the bin "
            "that reaches to zero, edges[1:] and counts[1:]"
        )
    return edges, _whole_counts(counts)


def _whole_counts(counts):
    """Return counts as int64 if each is a finite whole number, zero or above."""
    rules = (
        ("finite", np.isfinite, "count NaN and Inf apart"),
        ("zero or above", lambda h: h >= 0, "a histogram counts"),
        ("whole numbers", lambda h: h == np.floor(h), "pass counts, not fractions or "
         "densities"),
    )  # fmt: skip
    for expected, holds, remedy in rules:
        bad = np.flatnonzero(~holds(counts))
        if bad.size:
            i = bad[0]
            raise ValueError(
                f"counts must be {expected}, got {counts[i]} in bin {i}: {remedy}"
            )
    counts = counts.astype(np.int64)
    if not counts.any():
        raise ValueError("the histogram is empty: a tail fit needs two occupied bins")
    return counts


def edge_index(edges, value, what):
    """Return the index of the edge at `value`, or name the edges around it."""
    i = int(np.abs(edges - value).argmin())
    if np.isclose(edges[i], value, rtol=1e-9, atol=0):
        return i
    near = np.sort(edges[np.argsort(np.abs(edges - value))[:2]])
    around = " or ".join(f"{edge:.10g}" for edge in near)
    raise ValueError(
        f"{what}={value:g} is not a bin edge, and inside a bin nothing is known: "
        f"choose {around}"
    )


def fold_top(edges, counts, top, xmax):
    """Return edges and counts as the convention at the top sees them.

    "truncated" ends the support at xmax and leaves out what lies above. "open" keeps
    counting above xmax but forgets where: one last bin from xmax to infinity (its
    written upper edge has no meaning). "unbounded" leaves everything as it stands.

    >>> fold_top(np.array([1.0, 2, 4, 8]), np.array([5, 3, 1]), "open", 2)
    (array([1., 2., 4.]), array([5, 4]))
    """
    if xmax is None:
        return edges, counts
    if top == "unbounded":
        raise ValueError(
            f"xmax={xmax:g} cuts data off that an unbounded power law predicts: choose "
            "top='truncated' (support ends there) or top='open' (counted, not placed)"
        )
    i = edge_index(edges, xmax, "xmax")
    if i == 0 or (top == "open" and i == len(counts)):
        raise ValueError(
            f"xmax={xmax:g} leaves no bin on one side: choose an inner edge"
        )
    if top == "truncated":
        return edges[: i + 1], counts[:i]
    return edges[: i + 2], np.append(counts[:i], counts[i:].sum())


def as_fitted(edges, counts, fit):
    """Return edges and counts as `fit` saw them and its first tail bin's index."""
    if fit.kind != "binned":
        raise ValueError(f"the fit is {fit.kind}: bin the values and fit the histogram")
    edges, counts = check_histogram(edges, counts)
    as_is = fit.top == "unbounded" or (fit.top == "open" and fit.xmax == edges[-2])
    folded, h = fold_top(edges, counts, fit.top, None if as_is else fit.xmax)
    start = edge_index(folded, fit.xmin, "xmin")
    if h[start:].sum() != fit.n_tail or counts.sum() != fit.n:
        raise ValueError(
            f"the fit has {fit.n_tail:,} of {fit.n:,} counts in its tail, this "
            f"histogram {h[start:].sum():,} of {counts.sum():,}: pass the one fitted"
        )
    return folded, h, start
