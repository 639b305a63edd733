"""Joint counts of magnitudes and activations in a window, without repeated values.

In a window of T steps a unit has one activation per step and F incoming weights, each
with its own magnitude: T·U·F pairs in which every activation occurs F times. The plain
way repeats the activations until both sides have one length, and counts pairs
(`tiled_counts`). The quick way counts the magnitudes of a (step, unit) first, which
needs no activation, and then adds that row of counts up under the activation's bin. It
gives the same whole numbers, holds no repeated value, and meets every pair once however
often the activations are rearranged.

Bins are those of `numpy.histogram2d`, and what lies outside is not counted.
"""

import numpy as np
from numpy.typing import ArrayLike

from .._numba import njit
from .edges import bin_numbers
from .order_statistics import sort_key


def tiled_counts(
    magnitudes: np.ndarray, activations: np.ndarray, x_edges, y_edges
) -> np.ndarray:
    """Return the joint counts of a window by their definition: repeat, then count.

    Parameters and result are those of `joint_counts`, which is the quick way.
    """
    repeated = np.broadcast_to(activations[..., None], magnitudes.shape)
    pairs = magnitudes.ravel(), repeated.ravel()
    return np.histogram2d(*pairs, bins=(x_edges, y_edges))[0].astype(np.int64)


def joint_counts(
    magnitudes: np.ndarray, activations: np.ndarray, x_edges, y_edges
) -> np.ndarray:
    """Return how often each bin of magnitude meets each bin of activation.

    Parameters
    ----------
    magnitudes : array, (steps, units, fan_in)
        float32 is read where it lies, other dtypes are counted as float64.
    activations : array, (steps, units)
    x_edges, y_edges : array, (x_bins+1,) and (y_bins+1,)
        Increasing.

    Returns
    -------
    array of int64, (x_bins, y_bins)

    Examples
    --------
    >>> magnitudes = np.float32([[[0.1, 0.9, 0.8], [0.2, 0.3, 0.1]]])
    >>> joint_counts(magnitudes, np.array([[1.0, 2.0]]), [0, 0.5, 1], [1, 1.5, 2])
    array([[1, 3],
           [2, 0]])
    """
    rows = unit_counts(magnitudes, x_edges)
    return add_rows(rows, bin_numbers(activations, y_edges), len(y_edges) - 1)


def unit_counts(magnitudes: np.ndarray, edges: ArrayLike) -> np.ndarray:
    """Return the counts of the magnitudes of each step and unit.

    Parameters
    ----------
    magnitudes : array, (steps, units, fan_in)
    edges : array, (bins+1,)

    Returns
    -------
    array of int32, (steps, units, bins)
    """
    edges = np.asarray(edges, float)
    steps, units, _ = magnitudes.shape
    # A column more at each end, for what lies outside.
    counts = np.zeros((steps, units, len(edges) + 1), np.int32)
    if magnitudes.dtype == np.float32:
        if magnitudes.strides[-1] != 4:
            magnitudes = magnitudes.copy()
        keys = _edge_keys(edges)
        # The bin of the least number with the same first 16 bits: nearly always right.
        begin = np.searchsorted(keys, np.arange(1 << 16) << 16, "right")
        _count_keys(magnitudes.view(np.int32), keys, begin.astype(np.int32), counts)
    else:
        cells = np.arange(units)[:, None] * (len(edges) + 1) + 1
        for step, table in zip(magnitudes, counts, strict=True):
            at = (cells + bin_numbers(step, edges)).ravel()
            table += np.bincount(at, minlength=table.size).reshape(table.shape)
    return np.ascontiguousarray(counts[..., 1:-1])  # rows are added up again and again


@njit()
def add_rows(rows, bins, size):
    """Return the rows of counts added up by the bin of their activation.

    Parameters
    ----------
    rows : array of int32, (steps, units, x_bins)
        Of `unit_counts`.
    bins : array of int64, (steps, units)
        Of the activations, −1 for none; in any arrangement over steps and units.
    size : int
        Number of bins of the activations.

    Returns
    -------
    array of int64, (x_bins, size)
    """
    sums = np.zeros((size, rows.shape[2]), np.int64)
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            to = bins[i, j]
            if to >= 0:
                for k in range(rows.shape[2]):  # views of rows would cost more
                    sums[to, k] += rows[i, j, k]
    return sums.T


@njit()
def _count_keys(patterns, keys, begin, counts):
    """Count, for every step and unit, how many keys lie between those of the edges."""
    for i in range(patterns.shape[0]):
        for j in range(patterns.shape[1]):
            row = counts[i, j]
            for pattern in patterns[i, j]:
                k = sort_key(pattern)
                column = begin[k >> np.uint32(16)]
                while column < keys.size and keys[column] <= k:
                    column += 1
                row[column] += 1


def _edge_keys(edges):
    """Return, as sort keys, the least float32 in each bin and the least above all."""
    with np.errstate(over="ignore"):
        least = edges.astype(np.float32)
    below = least < edges
    below[-1] = least[-1] <= edges[-1]  # the last bin is closed
    least[below] = np.nextafter(least[below], np.float32(np.inf))
    return sort_key.py_func(least.view(np.int32))
