"""The streamed form of `LogHistogram`: a step of a flat vector, counted where it lies.

What is counted is defined in `histogram`. Here the same bins are filled while the
network trains, group by group, in memory that never grows: on a CPU in one compiled
pass over the weights, on any other device by torch's own operations.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .._numba import njit
from ..histogram import INFINITY, MANTISSA_BITS, LogHistogram, code_count

# Neighbouring weights often move alike and fall in one bin, and a counter that was
# just written makes the next write to it wait. Taking turns between a few counters per
# bin hides the wait.
LANES = 4


@dataclass(frozen=True)
class Piece:
    """A stretch of the flat vector that belongs to one group."""

    group: int
    start: int
    stop: int


class GroupCounter:
    """Exact counts, per group, of how far each value of a flat vector moved in a step.

    Parameters
    ----------
    pieces : sequence of Piece
        Which stretch of the vector belongs to which group.
    groups : int
        Number of groups.
    bits : int
        Mantissa bits of the bins, 1 to 10.
    device : torch.device or str

    Examples
    --------
    >>> counter = GroupCounter([Piece(0, 0, 2), Piece(1, 2, 3)], 2, bits=3)
    >>> before, after = torch.zeros(3), torch.tensor([0.0, -0.5, 2.0])
    >>> magnitude, square = torch.zeros(3), torch.zeros(3)
    >>> counter.take(after, before, magnitude, square)
    >>> counter.histograms()[0]
    LogHistogram(2 values, 1 zero, 1 in 1 bins from 0.5 to 0.5625, largest 0.5)
    """

    def __init__(self, pieces, groups: int, *, bits: int, device="cpu"):
        self._spans = [(p.group, slice(p.start, p.stop)) for p in pieces]
        self.bits, self.device = bits, torch.device(device)
        # Column 0 counts exact zeros, column c + 1 the code c. The last codes, from
        # code_count(bits) on, are those of infinity and NaN.
        shape = groups, LANES, 1 + (1 << (bits + 8))
        self._counts = torch.zeros(shape, dtype=torch.int64, device=self.device)
        self._largest = [0] * groups  # as bit patterns, which sort as the values do

    def take(
        self, current: Tensor, previous: Tensor, magnitude: Tensor, square: Tensor
    ) -> None:
        """Count one step and make `previous` what is now `current`.

        Parameters
        ----------
        current, previous : Tensor of float32 or float64, shape (weights,)
        magnitude, square : Tensor of float32, shape (weights,)
            Where the step's magnitudes are written to, and their squares added to.
        """
        vectors = current, previous, magnitude, square
        if self.device.type == "cpu":
            vectors = tuple(vector.detach().numpy() for vector in vectors)
        for group, span in self._spans:
            counts = self._counts[group]
            parts = (vector[span] for vector in vectors)
            if self.device.type == "cpu":
                top = _take_compiled(*parts, counts.numpy(), MANTISSA_BITS - self.bits)
            else:
                top = _take_by_torch(*parts, counts, MANTISSA_BITS - self.bits)
            self._largest[group] = max(self._largest[group], int(top))

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
                largest=float(np.int32(largest).view(np.float32)),
                bits=self.bits,
            )
            for columns, largest in cells
        ]

    def clear(self) -> None:
        """Begin anew at zero."""
        self._counts.zero_()
        self._largest = [0] * len(self._largest)


@njit()
def _take_compiled(current, previous, magnitude, square, counts, shift):
    """Do all that a step needs in one pass, while a weight is in a register."""
    top = np.int32(0)
    for i in range(current.size):
        size = np.float32(abs(current[i] - previous[i]))
        previous[i] = current[i]
        magnitude[i] = size
        square[i] += size * size
        pattern = size.view(np.int32)
        column = (pattern >> shift) + (1 if pattern > 0 else 0)
        counts[i % LANES, column] += 1
        if INFINITY > pattern > top:
            top = pattern
    return top


def _take_by_torch(current, previous, magnitude, square, counts, shift):
    """Do the same by whole vectors, on the device that holds them."""
    magnitude.copy_((current - previous).abs_())
    previous.copy_(current)
    square.addcmul_(magnitude, magnitude)
    patterns = magnitude.view(torch.int32)
    columns = (patterns >> shift) + patterns.clamp(max=1)
    counts[0] += torch.bincount(columns, minlength=counts.shape[1])
    return torch.where(patterns < INFINITY, patterns, 0).max()
