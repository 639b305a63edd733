"""The file format of the arrays published with Zhang & Tang, PNAS 122(51) (2025).

A histogram there is a pair of files: ``<stem>_xbins.npy`` holds the centres of equal
bins (float32), ``<stem>_nums.npy`` the fraction of all values in each (float64).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class LinearHistogram:
    """Counts (bins,) in equal bins with edges (bins + 1,); the first begins at zero."""

    edges: np.ndarray
    counts: np.ndarray


def read_published(stem: str | Path) -> LinearHistogram:
    """Read ``<stem>_xbins.npy`` (bin centres) and ``<stem>_nums.npy`` (fractions).

    Counts are the smallest whole numbers in the ratio of the fractions. A ValueError
    if the two arrays do not belong together or hold no histogram.

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
    ratios = fractions / fractions[fractions > 0].min()
    for smallest in range(1, 1_000):  # how many counts the smallest bin may hold
        counts = np.rint(ratios * smallest)
        # Float64 fractions carry 16 digits; half of them settle what is whole.
        if np.all(np.abs(ratios * smallest - counts) <= 1e-8 * counts + 1e-6):
            return LinearHistogram(edges, counts.astype(np.int64))
    raise ValueError("the fractions are no counts over their sum: check the file")


def write_published(stem: str | Path, edges, counts) -> tuple[Path, Path]:
    """Write counts of equal bins as the pair of files, and return their paths."""
    pair = Path(f"{stem}_xbins.npy"), Path(f"{stem}_nums.npy")
    np.save(pair[0], ((edges[1:] + edges[:-1]) / 2).astype(np.float32))
    np.save(pair[1], counts / counts.sum())
    return pair
