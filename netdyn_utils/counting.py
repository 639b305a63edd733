"""The streamed form of `LogHistogram`: one vector of magnitudes a step, on its device.

What is counted is defined in `histogram`; here the same bins are filled by torch,
group by group, without leaving the device and in memory that never grows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .histogram import INFINITY, MANTISSA_BITS, LogHistogram, code_count

# Neighbouring weights often move alike and fall in one bin, and a counter that was
# just written makes the next write to it wait. Taking turns between a few counters per
# bin hides the wait: measured, a quarter less time for the MLP.
LANES = 4


@dataclass(frozen=True)
class Piece:
    """A stretch of the flat vector that belongs to one group."""

    group: int
    start: int
    stop: int


class GroupCounter:
    """Exact counts per group of the values of a flat vector that comes again and again.

    Parameters
    ----------
    pieces : sequence of Piece
        Which stretch of the vector belongs to which group.
    groups : int
        Number of groups.
    bits : int
        Mantissa bits of the bins, 1 to 10.
    device : torch.device

    Examples
    --------
    >>> counter = GroupCounter([Piece(0, 0, 2), Piece(1, 2, 3)], 2, bits=3)
    >>> counter.count(torch.tensor([0.0, 0.5, 2.0]))
    >>> counter.histograms()[0]
    LogHistogram(2 values, 1 zero, 1 in 1 bins from 0.5 to 0.5625, largest 0.5)
    """

    def __init__(self, pieces, groups: int, *, bits: int, device="cpu"):
        self._spans = [
            (piece.group, slice(piece.start, piece.stop)) for piece in pieces
        ]
        self.bits = bits
        # Column 0 counts exact zeros, column c + 1 the code c. The last codes, from
        # code_count(bits) on, are those of infinity and NaN.
        self._shape = groups, LANES, 1 + (1 << (bits + 8))
        self._counts = torch.zeros(self._shape, dtype=torch.int64, device=device)
        weights = max(piece.stop for piece in pieces)
        # Vectors that live as long as the counter: fresh ones each step would cost as
        # much as the arithmetic, in pages that the system hands out anew.
        self._columns, self._positive, self._first = torch.zeros(
            3, weights, dtype=torch.int32, device=device
        )
        for group, span in self._spans:
            self._first[span] = group * LANES
        self._first += torch.arange(weights, device=device) % LANES
        self._first *= self._shape[-1]
        self._largest = [0] * groups  # as bit patterns, which sort as the values do

    def count(self, magnitudes: Tensor) -> None:
        """Add one float32 vector of values without a sign bit, shape (weights,)."""
        patterns = magnitudes.view(torch.int32)
        shift = MANTISSA_BITS - self.bits
        torch.bitwise_right_shift(patterns, shift, out=self._columns)
        torch.clamp(patterns, max=1, out=self._positive)
        self._columns += self._positive  # one up, but for exact zeros
        self._columns += self._first
        found = torch.bincount(self._columns, minlength=self._counts.numel())
        self._counts += found.view(self._shape)
        for group, span in self._spans:
            self._keep_largest(group, patterns[span])

    def histograms(self) -> list[LogHistogram]:
        """Return what was counted since the last `clear`, one histogram per group."""
        finite = code_count(self.bits)
        cells = zip(self._counts.sum(1).cpu().numpy(), self._largest, strict=True)
        return [
            LogHistogram.from_codes(
                columns[1 : finite + 1],
                zeros=int(columns[0]),
                # Arithmetic makes quiet NaNs only, whose first mantissa bit is set, so
                # the first column after the finite ones is infinity's alone.
                infs=int(columns[finite + 1]),
                nans=int(columns[finite + 2 :].sum()),
                largest=_value(largest),
                bits=self.bits,
            )
            for columns, largest in cells
        ]

    def clear(self) -> None:
        """Begin anew at zero."""
        self._counts.zero_()
        self._largest = [0] * len(self._largest)

    def _keep_largest(self, group: int, patterns: Tensor) -> None:
        top = int(patterns.max())
        if top >= INFINITY:  # a diverged step: look again among the finite ones
            top = int(torch.where(patterns < INFINITY, patterns, 0).max())
        self._largest[group] = max(self._largest[group], top)


def _value(pattern: int) -> float:
    return torch.tensor(pattern, dtype=torch.int32).view(torch.float32).item()
