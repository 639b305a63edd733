"""The streamed form of `LogHistogram`: one vector of magnitudes a step, on its device.

What is counted is defined in `histogram`; here the same bins are filled by torch,
group by group, without leaving the device and in memory that never grows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .histogram import INFINITY, MANTISSA_BITS, LogHistogram, code_count


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
    >>> counter = GroupCounter([Piece(0, 0, 2), Piece(1, 2, 3)], 2, 3, "cpu")
    >>> counter.count(torch.tensor([0.0, 0.5, 2.0]))
    >>> counter.histograms()[0]
    LogHistogram(2 values, 1 zero, 1 in 1 bins from 0.5 to 0.5625, largest 0.5)
    """

    def __init__(self, pieces, groups: int, bits: int, device):
        self._spans = [(piece.group, piece.start, piece.stop) for piece in pieces]
        self.bits = bits
        # Column 0 counts exact zeros, column c + 1 the code c. The last codes, from
        # code_count(bits) on, are those of infinity and NaN.
        self._columns = 1 + (1 << (bits + 8))
        self._counts = torch.zeros(
            groups, self._columns, dtype=torch.int64, device=device
        )
        self._largest = [0] * groups  # as bit patterns, which sort as the values do

    def count(self, magnitudes: Tensor) -> None:
        """Add one float32 vector of values without a sign bit, shape (weights,)."""
        patterns = magnitudes.view(torch.int32)
        columns = patterns >> (MANTISSA_BITS - self.bits)
        columns += patterns.clamp(max=1)  # one up, but for exact zeros
        for group, start, stop in self._spans:
            self._counts[group] += torch.bincount(
                columns[start:stop], minlength=self._columns
            )
            self._keep_largest(group, patterns[start:stop])

    def histograms(self) -> list[LogHistogram]:
        """Return what was counted since the last `clear`, one histogram per group."""
        return [
            LogHistogram.from_codes(
                codes[: code_count(self.bits)],
                zeros=int(zeros),
                # Arithmetic makes quiet NaNs only, whose first mantissa bit is set, so
                # the first code after the finite ones is infinity's alone.
                infs=int(codes[code_count(self.bits)]),
                nans=int(codes[code_count(self.bits) + 1 :].sum()),
                largest=_value(largest),
                bits=self.bits,
            )
            for (zeros, *_), codes, largest in zip(
                self._counts[:, :1].tolist(),
                self._counts[:, 1:].cpu().numpy(),
                self._largest,
                strict=True,
            )
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
