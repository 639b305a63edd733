"""Exact counts in fixed log-linear bins, so that any two histograms merge exactly.

The bin of a float32 is the top bits of its own bit pattern: the eight bits of the
exponent and the first `bits` bits of the mantissa, ``pattern >> (23 - bits)``. With
three mantissa bits there are eight bins to the octave, equally wide inside it. No
logarithm is taken, so that no value can land on the wrong side of an edge, and the bins
are the same for every run, layer and window.
"""

from dataclasses import dataclass, field
from functools import reduce
from numbers import Integral
from pathlib import Path

import numpy as np

from .paper_format import write_published
from .validation import check_choice, real_numbers

MANTISSA_BITS = 23  # of a float32
INFINITY = 0x7F800000  # its pattern; every pattern above it is a NaN


def bin_codes(magnitudes, bits: int = 3) -> np.ndarray:
    """Return the bin of each magnitude, int32: the definition that is streamed.

    >>> bin_codes(np.float32([1.0, 1.124, 1.125, 2.0])) - bin_codes(np.float32(1))
    array([0, 0, 1, 8], dtype=int32)
    """
    values = np.abs(_float32(magnitudes))
    return values.view(np.int32) >> (MANTISSA_BITS - bits)


def _float32(magnitudes):
    with np.errstate(over="ignore", under="ignore"):  # to infinity and to zero
        return real_numbers(magnitudes, "magnitudes", single=True).astype(np.float32)


def code_edges(start: int, stop: int, bits: int = 3) -> np.ndarray:
    """Return the edges of the bins with codes start ≤ code < stop, in float64."""
    patterns = np.arange(start, stop + 1, dtype=np.int64) << (MANTISSA_BITS - bits)
    # Exact zeros have a counter of their own, so code 0 begins at the smallest positive
    # float32: every edge is positive, as a tail fit needs.
    patterns[patterns == 0] = 1
    return patterns.astype(np.int32).view(np.float32).astype(np.float64)


def code_count(bits: int = 3) -> int:
    """Return the number of bins that hold every finite float32."""
    return INFINITY >> (MANTISSA_BITS - bits)


@dataclass(frozen=True, eq=False, repr=False)
class LogHistogram:
    """Exact counts of magnitudes; zeros, infinities and NaN are counted apart.

    Examples
    --------
    >>> early = LogHistogram.from_values([0.0, 0.5, 1.0, 1.05])
    >>> late = LogHistogram.from_values([0.25, 0.5])
    >>> early
    LogHistogram(4 values, 1 zero, 3 in 9 bins from 0.5 to 1.125, largest 1.05)
    >>> (early + late).counts.sum(), (early + late).zeros
    (np.int64(5), 1)
    """

    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # (bins,)
    start: int = 0  # code of the first bin; bin i has the code start + i
    zeros: int = 0  # exact zeros, which no bin holds, as infinities and NaN
    infs: int = 0
    nans: int = 0
    max: float = 0.0  # the largest finite value, exact; 0.0 if there is none
    bits: int = 3  # mantissa bits of the bins

    @classmethod
    def from_values(cls, magnitudes, bits: int = 3) -> "LogHistogram":
        """Count the magnitudes of an array of any shape and sign, as float32."""
        values = np.abs(_float32(magnitudes).ravel())
        finite = values[np.isfinite(values)]
        positive = finite[finite > 0]
        return cls.from_codes(
            np.bincount(bin_codes(positive, bits), minlength=code_count(bits)),
            zeros=finite.size - positive.size,
            infs=int(np.isinf(values).sum()),
            nans=int(np.isnan(values).sum()),
            max=float(finite.max(initial=0.0)),
            bits=bits,
        )

    @classmethod
    def from_codes(cls, counts, start: int = 0, **rest) -> "LogHistogram":
        """Trim dense counts per code to the occupied range."""
        counts = np.asarray(counts, dtype=np.int64)
        used = np.flatnonzero(counts)
        if used.size == 0:
            return cls(**rest)
        low, high = used[0], used[-1] + 1
        return cls(counts[low:high].copy(), start=int(start + low), **rest)

    @classmethod
    def merge(cls, histograms) -> "LogHistogram":
        """Add histograms of the same `bits`; exact, in any order."""
        return reduce(lambda one, other: one + other, histograms)

    def __add__(self, other: "LogHistogram") -> "LogHistogram":
        if self.bits != other.bits:
            raise ValueError(
                f"histograms with {self.bits} and {other.bits} mantissa bits have "
                "different bins: count both with the same bits"
            )
        parts = [part for part in (self, other) if part.counts.size]
        start = min((part.start for part in parts), default=0)
        stop = max((part.start + part.counts.size for part in parts), default=0)
        counts = np.zeros(stop - start, np.int64)
        for part in parts:
            low = part.start - start
            counts[low : low + part.counts.size] += part.counts
        return LogHistogram(
            counts,
            start,
            zeros=self.zeros + other.zeros,
            infs=self.infs + other.infs,
            nans=self.nans + other.nans,
            max=max(self.max, other.max),
            bits=self.bits,
        )

    @property
    def edges(self) -> np.ndarray:
        """Edges of the occupied range, shape (bins + 1,); empty without counts."""
        if self.counts.size == 0:
            return np.zeros(0)
        return code_edges(self.start, self.start + self.counts.size, self.bits)

    @property
    def n_binned(self) -> int:
        """How many values the bins hold, positive and finite."""
        return int(self.counts.sum())

    @property
    def total(self) -> int:
        """How many values were counted, whatever they are."""
        return self.n_binned + self.zeros + self.infs + self.nans

    @property
    def density(self) -> np.ndarray:
        """Probability density per bin, shape (bins,); exact zeros count in its mass."""
        mass = max(self.n_binned + self.zeros, 1)
        return self.counts / mass / np.diff(self.edges)

    @property
    def median(self) -> float:
        """Geometric middle of the bin that holds the median of the positive values.

        >>> LogHistogram.from_values([0.0, 1.0, 1.0, 1.0, 100.0]).median
        1.0606601717798212
        """
        if self.counts.size == 0:
            return 0.0
        place = np.searchsorted(np.cumsum(self.counts), self.n_binned / 2)
        return float(np.sqrt(self.edges[place] * self.edges[place + 1]))

    def tail_threshold(self, fraction: float) -> float:
        """Return the lowest edge above which at most `fraction` of the values lie.

        Zeros count as values. The number of values above an edge is known exactly.

        >>> LogHistogram.from_values([1.0] * 99 + [4.0]).tail_threshold(0.01)
        1.125
        """
        if not 0 < fraction < 1:
            raise ValueError(f"fraction must lie between 0 and 1, got {fraction!r}")
        if self.counts.size == 0:
            raise ValueError("no positive value was counted, so there is no threshold")
        above = np.concatenate([np.cumsum(self.counts[::-1])[::-1], [0]])
        allowed = fraction * (self.n_binned + self.zeros)
        return float(self.edges[np.argmax(above <= allowed)])

    of, threshold, binned = from_values, tail_threshold, n_binned  # former names
    largest = property(lambda self: self.max, doc="Former name.")

    def to_published(self, stem: str | Path, bins: int = 60) -> tuple[Path, Path]:
        """Write the pair of files that the authors of the paper publish.

        Equal bins from 0 to the top edge, zeros in the first. A logarithmic bin that
        a linear edge cuts is divided in proportion to width; the total stays exact.
        """
        if self.counts.size == 0:
            raise ValueError("an empty histogram cannot be written: count first")
        linear = np.linspace(0.0, self.edges[-1], bins + 1)
        below = self.zeros + np.concatenate([[0], np.cumsum(self.counts)])
        cumulative = np.rint(np.interp(linear[1:], self.edges, below))
        counts = np.diff(cumulative, prepend=0.0)
        return write_published(stem, linear, counts)

    def __repr__(self):
        zeros = f"{self.zeros:,} zero{'' if self.zeros == 1 else 's'}"
        text = f"{self.total:,} values, {zeros}"
        if self.infs or self.nans:
            text += f", {self.infs:,} infinite, {self.nans:,} NaN"
        if self.counts.size:
            low, high = self.edges[[0, -1]]
            text += f", {self.n_binned:,} in {self.counts.size} bins"
            text += f" from {low:.4g} to {high:.4g}, largest {self.max:.4g}"
        return f"LogHistogram({text})"


@dataclass(frozen=True, eq=False, repr=False)
class WindowedHistograms:
    """Histograms of every group of parameters in every window of steps."""

    groups: tuple[str, ...]  # in the order of the parameters
    stops: tuple[int, ...]  # step at which each window ends; the first begins at step 0
    cells: tuple[tuple[LogHistogram, ...], ...]  # cells[window][group]

    def histogram(self, group: str = "all", window=None) -> LogHistogram:
        """Return the counts of one group, or "all", in one window or in the whole run.

        A window is counted from 0, or from the end if negative; a slice merges several.
        """
        indices = range(len(self.groups))
        if group != "all":
            check_choice(group, ("all", *self.groups), "group of parameters")
            indices = [self.groups.index(group)]
        windows = slice(None) if window is None else window
        if isinstance(window, Integral):
            windows = slice(window, window + 1 or None)
        rows = self.cells[windows]
        if not rows:
            raise IndexError(
                f"window {window} does not exist: the run has {len(self.cells)} windows"
            )
        return LogHistogram.merge(row[index] for row in rows for index in indices)

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
            "largest": np.array([cell.max for cell in cells]).reshape(shape),
        }

    @classmethod
    def from_arrays(cls, arrays) -> "WindowedHistograms":
        """Read back what `to_arrays` gave; other arrays may be there too."""
        start, bits = arrays["start"].tolist()

        def cell(counts, outside, largest):
            zeros, infs, nans = outside.tolist()
            beside = {"zeros": zeros, "infs": infs, "nans": nans, "max": float(largest)}
            return LogHistogram.from_codes(counts, start, bits=bits, **beside)

        rows = zip(arrays["counts"], arrays["outside"], arrays["largest"], strict=True)
        cells = tuple(tuple(map(cell, *row)) for row in rows)
        groups, stops = arrays["groups"].tolist(), arrays["stops"].tolist()
        return cls(tuple(groups), tuple(stops), cells)
