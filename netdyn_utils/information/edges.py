"""Where bins begin and end: of equal width, or of equal mass by exact ranks.

Bins are those of `numpy.histogram`: edges[i] ≤ x < edges[i + 1], the last one closed.
Equal width is what the eye expects, and what heavy tails defeat: one far value, and all
others share the first bin. Equal mass asks for the order of the values only.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..checks import positive_int
from .order_statistics import order_statistics


def linear_edges(low: float, high: float, *, bins: int) -> np.ndarray:
    """Return edges of equal width from the least value to the largest.

    Parameters
    ----------
    low, high : float
        Least and largest value, in the unit of the data.
    bins : int
        Two or more.

    Returns
    -------
    array, (bins+1,)

    Raises
    ------
    ValueError
        If the range holds no `bins` distinct edges, or is infinite.

    Notes
    -----
    z-scoring first would change nothing: bins over the range move with the values.

    Examples
    --------
    >>> linear_edges(0, 1, bins=4)
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
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
    """Return edges that put equally many values into each bin.

    Parameters
    ----------
    values : array, any shape
        Finite.
    bins : int
        Two or more, at most as many as there are values.
    repeats : array of whole numbers, same shape, optional
        How often each value occurs.

    Returns
    -------
    array, (bins+1,) or shorter
        Float64. Values that are equal fall in one bin, so ties leave fewer bins.

    Raises
    ------
    ValueError
        If there are fewer values than bins, or not all are finite.

    Notes
    -----
    Edge k is the order statistic at place ⌊k·n/bins⌋ from 0 on, the last the largest
    value; or the float after it, where the largest is tied so often that it has a bin
    of its own. Nothing but the order of the values enters: an increasing map moves no
    value to another bin.

    Examples
    --------
    >>> rank_edges([5, 1, 2, 9, 3, 4], bins=3)
    array([1., 3., 5., 9.])
    >>> rank_edges([0, 0, 0, 0, 2, 3], bins=3)
    array([0., 2., 3.])
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
    return _close(chosen)


def rank_places(n: int, bins: int) -> np.ndarray:
    """Return where, among n sorted values, the edges of equal mass stand, (bins+1,).

    >>> rank_places(6, 3)
    array([0, 2, 4, 5])
    """
    if n < check_bins(bins):
        raise ValueError(
            f"{n:,} samples are fewer than {bins} bins: use fewer bins, or more samples"
        )
    return np.append(np.arange(bins) * n // bins, n - 1)


def window_edges(
    magnitudes: Sequence[np.ndarray],
    scopes: Sequence[Sequence[int]],
    *,
    bins: int,
    linear: bool = False,
) -> list[np.ndarray]:
    """Return edges for the magnitudes of several layers, taken alone or together.

    Parameters
    ----------
    magnitudes : sequence of arrays, each (steps, units, fan_in)
        One per layer.
    scopes : sequence of sequences of int
        The layers that each set of edges is for.
    bins : int
    linear : bool
        Bins of equal width; otherwise of equal mass, as `rank_edges` defines them.

    Returns
    -------
    list of arrays, float64
        One for each scope.

    Examples
    --------
    >>> layers = [np.float32([[[0, 1]]]), np.float32([[[4, 9]]])]
    >>> window_edges(layers, [[0, 1]], bins=2)
    [array([0., 4., 9.])]
    """
    if linear:
        ends = [(float(m.min()), float(m.max())) for m in magnitudes]
        if not np.isfinite(ends).all():
            raise ValueError("the magnitudes hold NaN or infinity: leave these out")
        lows, highs = np.transpose(ends)
        return [linear_edges(lows[s].min(), highs[s].max(), bins=bins) for s in scopes]
    sizes = np.array([m.size for m in magnitudes])
    wanted = [(scope, rank_places(sizes[scope].sum(), bins)) for scope in scopes]
    return [_close(ordered) for ordered in order_statistics(magnitudes, wanted)]


def bin_numbers(values: ArrayLike, edges: ArrayLike) -> np.ndarray:
    """Return the bin of each value, or −1 outside the edges.

    >>> bin_numbers([-1, 0, 1, 2, 3], [0, 1, 2]).tolist()
    [-1, 0, 1, 1, -1]
    """
    values, edges = np.asarray(values), np.asarray(edges)
    numbers = np.searchsorted(edges, values, "right") - 1
    numbers[values == edges[-1]] -= 1
    numbers[numbers == len(edges) - 1] = -1
    return numbers


def _close(ordered):
    """Return the edges of order statistics, the last of which is the largest value."""
    edges = np.unique(ordered)
    if ordered[-2] == ordered[-1]:
        edges = np.append(edges, np.nextafter(edges[-1], np.inf))
    return edges


def check_bins(bins):
    """Return the number of bins if it can show a dependence."""
    if positive_int(bins, "bins") < 2:
        raise ValueError("bins=1 puts every value in one bin: use two or more")
    return bins
