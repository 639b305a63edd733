"""The file format of the arrays published with Zhang & Tang, PNAS 122(51) (2025).

A histogram there is a pair of files: ``<stem>_xbins.npy`` holds the centres of equal
bins (float32), ``<stem>_nums.npy`` the fraction of all values in each (float64).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Counts of the smallest bin: at most, at a time, and where chance plays no part.
_LARGEST, _BLOCK, _FEW = 1 << 28, 1 << 16, 1_000


@dataclass(frozen=True, eq=False)
class LinearHistogram:
    """Counts (bins,) in equal bins with edges (bins + 1,); the first begins at zero."""

    edges: np.ndarray
    counts: np.ndarray


def read_published(stem: str | Path) -> LinearHistogram:
    """Read ``<stem>_xbins.npy`` (bin centres) and ``<stem>_nums.npy`` (fractions).

    Counts are the smallest whole numbers in the ratio of the fractions, to the last
    digit of float64: those written, less a common divisor, unless so large that smaller
    ones have the same fractions. A ValueError if the two arrays do not belong together
    or hold no histogram.

    >>> import tempfile
    >>> stem = Path(tempfile.mkdtemp()) / "update"
    >>> pair = write_published(stem, np.linspace(0, 1, 4), np.array([900, 90, 12]))
    >>> read_published(stem).counts  # in the ratio 900 : 90 : 12
    array([150,  15,   2])
    """
    pair = [Path(f"{stem}_{part}.npy") for part in ("xbins", "nums")]
    centres, fractions = (np.load(path, allow_pickle=False) for path in pair)
    centres = centres.astype(np.float64)
    if centres.ndim != 1 or centres.shape != fractions.shape or centres.size < 2:
        raise ValueError(
            f"{pair[0].name} and {pair[1].name} have shapes {centres.shape} and "
            f"{fractions.shape}: a published pair holds as many centres as fractions"
        )
    width = (centres[-1] - centres[0]) / (centres.size - 1)
    if width <= 0 or not fractions.max() > 0 or fractions.min() < 0:
        raise ValueError(f"{pair[1].name} is no histogram: check that it is the file")
    edges = centres[0] - width / 2 + width * np.arange(centres.size + 1)
    if abs(edges[0]) < 1e-6 * width:  # float32 centres miss the zero by a rounding
        edges[0] = 0.0
    return LinearHistogram(edges, _smallest_counts(fractions))


def _smallest_counts(fractions):
    """Return the smallest whole numbers that have these fractions, int64."""
    ratios = fractions[fractions > 0]
    lowest = ratios.min()
    for first in range(1, _LARGEST, _BLOCK):  # of the counts in the smallest bin
        smallest = np.arange(first, first + _BLOCK, dtype=float)
        for fraction in np.sort(ratios)[::-1]:
            counts = smallest * (fraction / lowest)
            # A fraction and the ratio of two are rounded at 2**-53 of themselves.
            whole = np.abs(counts - np.rint(counts)) <= counts * 2.0**-51
            smallest = smallest[whole]
        for one in smallest:
            counts = np.rint(fractions / lowest * one)
            # Of many numbers some fit by chance, but not to the last bit.
            if one < _FEW or np.array_equal(counts / counts.sum(), fractions):
                return counts.astype(np.int64)
    raise ValueError("the fractions are no counts over their sum: check the file")


def write_published(stem: str | Path, edges, counts) -> tuple[Path, Path]:
    """Write counts of equal bins as the pair of files, and return their paths."""
    pair = Path(f"{stem}_xbins.npy"), Path(f"{stem}_nums.npy")
    np.save(pair[0], ((edges[1:] + edges[:-1]) / 2).astype(np.float32))
    np.save(pair[1], counts / counts.sum())
    return pair
