"""A run in windows of steps: one histogram per group of parameters and window.

This is what a tracked run leaves behind, a few kilobytes for billions of updates: the
tracker fills it, the store keeps it as dense arrays, the chapters read it.
"""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from ..checks import choose
from ..histogram import LogHistogram


@dataclass(frozen=True, eq=False, repr=False)
class WindowedHistograms:
    """Histograms of every group of parameters in every window of steps.

    Parameters
    ----------
    groups : tuple of str
        Names of the groups, in the order of the parameters.
    stops : tuple of int
        Step at which each window ends; the first window begins at step 0.
    cells : tuple of tuple of LogHistogram
        ``cells[window][group]``.
    """

    groups: tuple[str, ...]
    stops: tuple[int, ...]
    cells: tuple[tuple[LogHistogram, ...], ...]

    def histogram(self, group: str = "all", window=None) -> LogHistogram:
        """Return the counts of one group, or "all", in one window, or in the run.

        Parameters
        ----------
        group : str
            "all" or one of `groups`.
        window : int or slice, optional
            Which window, counted from 0, or from the end if negative; a slice merges
            several, None the whole run.
        """
        if group != "all":
            choose(group, ("all", *self.groups), "group of parameters")
        asked = slice(None) if window is None else window
        if isinstance(window, Integral):
            asked = slice(window, window + 1 or None)
        rows = self.cells[asked]
        if not rows:
            raise IndexError(
                f"window {window} does not exist: the run has {len(self.cells)} windows"
            )
        wanted = range(len(self.groups))
        if group != "all":
            wanted = [self.groups.index(group)]
        return LogHistogram.merge(row[index] for row in rows for index in wanted)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything as a few dense arrays, for a run's record."""
        cells = [cell for row in self.cells for cell in row]
        shape = (len(self.stops), len(self.groups))
        used = [cell for cell in cells if cell.counts.size]
        start = min((cell.start for cell in used), default=0)
        stop = max((cell.start + cell.counts.size for cell in used), default=0)
        counts = np.zeros((len(cells), stop - start), np.int64)
        for row, cell in zip(counts, cells, strict=True):
            row[cell.start - start :][: cell.counts.size] = cell.counts
        return {
            "groups": np.array(self.groups),
            "stops": np.array(self.stops, np.int64),
            "counts": counts.reshape(*shape, -1),
            "start": np.array([start, cells[0].bits], np.int64),
            "outside": np.array(
                [(cell.zeros, cell.infs, cell.nans) for cell in cells], np.int64
            ).reshape(*shape, 3),
            "largest": np.array([cell.largest for cell in cells]).reshape(shape),
        }

    @classmethod
    def from_arrays(cls, arrays) -> "WindowedHistograms":
        """Read back what `to_arrays` gave; other arrays may be there too."""
        start, bits = arrays["start"].tolist()
        cells = tuple(
            tuple(
                LogHistogram.from_codes(
                    counts, start, **outside, largest=float(largest), bits=bits
                )
                for counts, outside, largest in zip(*row, strict=True)
            )
            for row in zip(
                arrays["counts"],
                _named(arrays["outside"]),
                arrays["largest"],
                strict=True,
            )
        )
        groups, stops = arrays["groups"].tolist(), arrays["stops"].tolist()
        return cls(tuple(groups), tuple(stops), cells)


def _named(outside):
    names = ("zeros", "infs", "nans")
    return [
        [dict(zip(names, cell, strict=True)) for cell in row.tolist()]
        for row in outside
    ]
