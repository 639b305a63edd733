"""The complete scan of a large sample, compiled."""

import numpy as np

from .._numba import njit


@njit()
def least_distances(logs, above, starts, s, beyond, n, least, tie):
    """Return the KS distance of each row, or infinity where it exceeds the least.

    Both CDFs fall, so that their values at the ends of a stretch bound the distance
    inside: a stretch is halved only if its bound exceeds what is known.
    """
    last, found = logs.size - 1, np.full(starts.size, np.inf)
    stack = np.empty((64, 2), np.int64)
    sides = np.empty((64, 2))
    known = np.zeros(4, np.int64)  # columns that lately ruled out a row
    for r in range(starts.size):
        first, slope, end, total = starts[r], s[r], beyond[r], n[r]
        ks, lost = 0.0, False
        for k in range(known.size + 2):
            i = known[k] if k < known.size else first if k == known.size else last
            if i >= first:
                f = (np.exp(-slope * (logs[i] - logs[first])) - end) / (1 - end)
                ks = max(ks, abs(f - above[i] / total), abs(f - above[i + 1] / total))
                if ks > least + tie:
                    lost = True
                    break
        if lost:
            continue
        top = 1
        stack[0, 0], stack[0, 1] = first, last
        sides[0, 0] = 1.0
        sides[0, 1] = (np.exp(-slope * (logs[last] - logs[first])) - end) / (1 - end)
        while top and not lost:
            top -= 1
            low, high = stack[top, 0], stack[top, 1]
            f_low, f_high = sides[top, 0], sides[top, 1]
            if high - low < 2:
                continue
            if max(f_low - above[high] / total, above[low + 1] / total - f_high) <= ks:
                continue
            i = (low + high) // 2
            f = (np.exp(-slope * (logs[i] - logs[first])) - end) / (1 - end)
            ks = max(ks, abs(f - above[i] / total), abs(f - above[i + 1] / total))
            if ks > least + tie:
                lost = True
                known[r % known.size] = i
            stack[top, 0], stack[top, 1] = low, i
            sides[top, 0], sides[top, 1] = f_low, f
            stack[top + 1, 0], stack[top + 1, 1] = i, high
            sides[top + 1, 0], sides[top + 1, 1] = f, f_high
            top += 2
        if not lost:
            found[r] = ks
            least = min(least, ks)
    return found
