"""Exact order statistics of many numbers, without a sorted copy of them.

The bit pattern of a float, with the lower bits of negative ones turned round, is a
whole number that sorts as the floats do: its key. Keys are counted digit by digit from
the top, 16 bits, 8 and 8, and below the first digit only where a wanted place lies.
Three passes read the numbers where they are; what is held are counts, so ties cost
nothing and memory does not grow with the sample.
"""

from collections.abc import Sequence

import numpy as np

from .._numba import njit

DIGITS = (1 << 16, 1 << 8, 1 << 8)  # how many values each digit has, from the top
_FINITE = slice(0x80, 0xFF80)  # first digits of finite float32 numbers


def order_statistics(
    parts: Sequence[np.ndarray],
    scopes: Sequence[tuple[Sequence[int], np.ndarray]],
) -> list[np.ndarray]:
    """Return what would stand at given places of the sorted numbers.

    Parameters
    ----------
    parts : sequence of arrays, each with three axes
        The numbers. float32 is read where it lies, other dtypes are copied and sorted.
    scopes : sequence of (members, places)
        Which parts are taken together, and the wanted places in their sorted union,
        an array of whole numbers from 0 on.

    Returns
    -------
    list of arrays, float64 (places,)
        One for each scope.

    Raises
    ------
    ValueError
        If a number is NaN or infinite.

    Examples
    --------
    >>> x = np.float32([[[3, 0, -1, 7]]])
    >>> order_statistics([x], [([0], np.array([0, 2, 3]))])
    [array([-1.,  3.,  7.])]
    """
    if any(part.dtype != np.float32 for part in parts):
        return [_by_sorting([parts[i] for i in of], places) for of, places in scopes]
    parts = [part if part.strides[-1] == 4 else part.copy() for part in parts]
    left = [places for _, places in scopes]
    slots = keys = [np.zeros(len(places), np.int64) for places in left]
    tries = np.zeros(DIGITS[0], np.int32), np.zeros((1, 1), np.int32)
    for level, digits in enumerate(DIGITS):
        shape = len(parts), 1 + max(slot.max() for slot in slots), digits
        tables = np.zeros(shape, np.int64)
        for part, table in zip(parts, tables, strict=True):
            _COUNT[level](part.view(np.int32), *tries, table)
        if level == 0 and tables[..., _FINITE].sum() != sum(p.size for p in parts):
            raise ValueError(_NOT_FINITE)
        found = [
            _descend(tables[of].sum(0), *at)
            for (of, _), *at in zip(scopes, slots, left, strict=True)
        ]
        cells, left = zip(*found, strict=True)
        keys = [k * digits + c % digits for k, c in zip(keys, cells, strict=True)]
        # Slot 0 is for what nobody wants: cheaper to count than to branch around.
        wanted = np.unique(np.concatenate(cells))
        slots = [np.searchsorted(wanted, c) + 1 for c in cells]
        trie = np.zeros(tables[0].size, np.int32)
        trie[wanted] = np.arange(len(wanted)) + 1
        tries = (trie, tries[1]) if level == 0 else (tries[0], trie.reshape(-1, digits))
    return [_floats(k) for k in keys]


@njit(inline="always")
def sort_key(pattern):
    """Return the uint32 that sorts as the float32 of this bit pattern does."""
    turned = pattern ^ ((pattern >> np.int32(31)) & np.int32(0x7FFFFFFF))
    turned += turned == -1  # minus zero is zero
    return np.uint32(turned) ^ np.uint32(0x80000000)


@njit()
def _count_high(patterns, first, second, table):  # noqa: ARG001
    """Count the first digit of every key."""
    for i in range(patterns.shape[0]):
        for j in range(patterns.shape[1]):
            for pattern in patterns[i, j]:
                table[0, sort_key(pattern) >> np.uint32(16)] += 1


@njit()
def _count_middle(patterns, first, second, table):  # noqa: ARG001
    """Count the second digit of every key, in the slot of its first."""
    for i in range(patterns.shape[0]):
        for j in range(patterns.shape[1]):
            for pattern in patterns[i, j]:
                k = sort_key(pattern)
                digit = (k >> np.uint32(8)) & np.uint32(255)
                table[first[k >> np.uint32(16)], digit] += 1


@njit()
def _count_low(patterns, first, second, table):
    """Count the last digit of every key, in the slot of its first two."""
    for i in range(patterns.shape[0]):
        for j in range(patterns.shape[1]):
            for pattern in patterns[i, j]:
                k = sort_key(pattern)
                slot = first[k >> np.uint32(16)]
                slot = second[slot, (k >> np.uint32(8)) & np.uint32(255)]
                table[slot, k & np.uint32(255)] += 1


_COUNT = _count_high, _count_middle, _count_low


def _descend(table, slots, left):
    """Return in which cell of the table each place lies, and its place in there."""
    before = np.append(0, table.cumsum())
    sought = left + before[slots * table.shape[1]]
    cells = np.searchsorted(before, sought, "right") - 1
    return cells, sought - before[cells]


def _floats(keys):
    """Return the floats that have these keys, as float64."""
    turned = (keys - (1 << 31)).astype(np.int32)
    patterns = turned ^ ((turned >> 31) & 0x7FFFFFFF)
    return patterns.view(np.float32).astype(float)


def _by_sorting(parts, places):
    """Return order statistics by their definition."""
    ordered = np.sort(np.concatenate([part.ravel() for part in parts]))
    if not np.isfinite(ordered[[0, -1]]).all():  # NaN sorts last
        raise ValueError(_NOT_FINITE)
    return ordered[places].astype(float)


_NOT_FINITE = "the values hold NaN or infinity: leave these out, or look at the run"
