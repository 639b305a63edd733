"""Counting one step: bins of abs(Δw) and sums of Δw², where the weights lie.

The bin of a value is defined in `histogram`. Column 0 of a table counts exact zeros,
column c + 1 the code c; the last codes are those of infinity and NaN. On a CPU a
compiled kernel passes over each parameter in blocks that fit the fastest cache, and
copies nothing else. On any other device torch's own operations do the same, and no
result is read back before somebody asks.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .._numba import carray, float32_at, float64_at, njit
from ..histogram import INFINITY, MANTISSA_BITS

BLOCK = 4_096  # weights in flight: 16 KB of magnitudes
PIECE = 1 << 20  # weights of one piece of work
DEVICE_PIECE = 1 << 24
MIN_THREADED = 1 << 21  # weights from which on threads pay
# Neighbouring weights often fall in one bin, and a counter that was just written makes
# the next write to it wait: a few copies of it take turns.
LANE_BITS = 2
N_LANES = 1 << LANE_BITS
N_DEVICE_LANES = 16
MAX_DEVICE_CELLS = 1 << 24


@dataclass(frozen=True)
class Part:
    """One parameter in a step: its values now and before, and what is kept of it.

    All are flat and on one device; `squares` and `magnitude` may be missing.
    """

    group: int
    current: Tensor
    previous: Tensor
    squares: Tensor | None
    magnitude: Tensor | None


def column_count(bits: int) -> int:
    """Return how many columns a table of this many mantissa bits has."""
    return 1 + (1 << (bits + 8))


class CpuCounter:
    """Tables of counts of the groups, filled by compiled passes over the memory."""

    def __init__(self, groups: int, bits: int, relative: bool):
        self.bits, self.relative = bits, relative
        self._pool = None
        self._tables = np.zeros((1, 1 + relative, 0, column_count(bits)), np.uint32)
        self._tops = np.zeros((1, 1 + relative, 0), np.int32)
        self._lanes = self._empty_lanes(1)
        self._total = None  # what no longer fits 32 bits
        self._since = 0  # steps since the last fold
        self._work: list[list[tuple]] = []
        self._limit = 1
        self.grow(groups)

    def _empty_lanes(self, threads: int) -> np.ndarray:
        shape = threads, 1 + self.relative, N_LANES * column_count(self.bits)
        return np.zeros(shape, np.uint32)

    def grow(self, groups: int) -> None:
        """Make room for more groups."""
        more = groups - self._tables.shape[2]
        if not more:
            return
        self._tables = np.pad(self._tables, ((0, 0), (0, 0), (0, more), (0, 0)))
        self._tops = np.pad(self._tops, ((0, 0), (0, 0), (0, more)))
        if self._total is not None:
            self._total = np.pad(self._total, ((0, 0), (0, more), (0, 0)))

    def plan(self, parts: Sequence[Part], largest: int) -> None:
        """Take down where the parts lie; valid until one of them moves.

        `largest` is how many weights the largest group has, planned or not.
        """
        self._fold()
        weights = sum(part.current.numel() for part in parts)
        threads = torch.get_num_threads() if weights >= MIN_THREADED else 1
        if threads != len(self._tables):
            kinds, groups, columns = self._tables.shape[1:]
            tops = self._tops.max(0)
            self._tables = np.zeros((threads, kinds, groups, columns), np.uint32)
            self._tops = np.zeros((threads, kinds, groups), np.int32)
            self._tops[0] = tops
            self._lanes = self._empty_lanes(threads)
            self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        rows = [[] for _ in range(threads)]
        place = 0
        for part in parts:
            wide = part.current.dtype == torch.float64
            for start in range(0, part.current.numel(), PIECE):
                thread = min(place * threads // max(weights, 1), threads - 1)
                row = _row(part, start)
                place += row[1]
                rows[thread].append((wide, *row))
        self._work = [
            [
                (
                    kernel,
                    np.array([row[1:] for row in piece if row[0] == wide], np.int64),
                )
                for wide, kernel in enumerate((_count_float32, _count_float64))
                if any(row[0] == wide for row in piece)
            ]
            for piece in rows
        ]
        self._limit = (2**32 - 1) // max(largest, 1)

    def step(self) -> None:
        """Count the planned parts, and make what they were before what they are."""
        if self._since >= self._limit:
            self._fold()
        self._since += 1
        if self._pool is None:
            self._run(0)
        else:
            list(self._pool.map(self._run, range(len(self._work))))

    def count(self, part: Part) -> None:
        """Count one part now; it belongs to the step that was counted last."""
        wide = part.current.dtype == torch.float64
        rows = np.array([_row(part, 0)], np.int64)
        self._kernel(_count_float64 if wide else _count_float32, rows, 0)

    def _run(self, thread: int) -> None:
        for kernel, rows in self._work[thread]:
            self._kernel(kernel, rows, thread)

    def _kernel(self, kernel, rows: np.ndarray, thread: int) -> None:
        tables, tops = self._tables[thread], self._tops[thread]
        kernel(rows, tables, tops, self._lanes[thread], MANTISSA_BITS - self.bits)

    def _fold(self) -> None:
        if self._since:
            counts = self._tables.sum(0, dtype=np.int64)
            self._total = counts if self._total is None else self._total + counts
            self._tables[:] = 0
            self._since = 0

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Return counts (kinds, groups, columns) and patterns of the largest values."""
        counts = self._tables.sum(0, dtype=np.int64)
        if self._total is not None:
            counts += self._total
        return counts, self._tops.max(0)

    def clear(self) -> None:
        """Begin a new window."""
        self._tables[:] = 0
        self._tops[:] = 0
        self._total, self._since = None, 0


def _row(part: Part, start: int) -> tuple[int, ...]:
    """Return group, size and addresses of a piece; 0 for what is not there."""
    arrays = part.current, part.previous, part.squares, part.magnitude
    return (
        part.group,
        min(PIECE, part.current.numel() - start),
        *(0 if a is None else a.data_ptr() + start * a.element_size() for a in arrays),
    )


class DeviceCounter:
    """The same tables on a device, filled by torch; the host reads nothing back."""

    def __init__(self, groups: int, bits: int, relative: bool, device: torch.device):
        self.bits, self.relative, self.device = bits, relative, device
        columns, kinds = column_count(bits), 1 + relative
        cells = max(groups * columns * kinds, 1)
        self._lanes = max(1, min(N_DEVICE_LANES, MAX_DEVICE_CELLS // cells))
        shape = kinds, groups, self._lanes, columns
        self._tables = torch.zeros(shape, dtype=torch.int64, device=device)
        self._tops = torch.zeros(shape[:2], dtype=torch.int32, device=device)
        self._parts: Sequence[Part] = ()

    def grow(self, groups: int) -> None:
        """Make room for more groups."""
        more = groups - self._tables.shape[1]
        if not more:
            return
        pad = torch.nn.functional.pad
        self._tables = pad(self._tables, (0, 0, 0, 0, 0, more))
        self._tops = pad(self._tops, (0, more))

    def plan(self, parts: Sequence[Part], _largest: int) -> None:
        """Take down which parts there are."""
        self._parts = tuple(parts)

    def step(self) -> None:
        """Count the planned parts."""
        for part in self._parts:
            self.count(part)

    def count(self, part: Part) -> None:
        """Count one part by whole tensors, a piece at a time."""
        for start in range(0, part.current.numel(), DEVICE_PIECE):
            piece = slice(start, start + DEVICE_PIECE)
            current, previous = part.current[piece], part.previous[piece]
            size = (current - previous).abs_().to(torch.float32)
            if self.relative:
                ratio = size / previous.abs().to(torch.float32)
                self._tally(1, part.group, torch.where(size == 0, 0, ratio).abs_())
            previous.copy_(current)
            if part.squares is not None:
                wide = size.to(part.squares.dtype)
                part.squares[piece].addcmul_(wide, wide)
            if part.magnitude is not None:
                part.magnitude[piece] = size
            self._tally(0, part.group, size)

    def _tally(self, kind: int, group: int, values: Tensor) -> None:
        patterns = values.view(torch.int32)
        columns = (patterns >> (MANTISSA_BITS - self.bits)) + patterns.clamp(0, 1)
        lane = torch.arange(patterns.numel(), device=self.device) % self._lanes
        index = lane * self._tables.shape[-1] + columns
        ones = torch.ones_like(index)
        self._tables[kind, group].view(-1).scatter_add_(0, index, ones)
        finite = torch.where(patterns < INFINITY, patterns, 0)
        top = self._tops[kind, group : group + 1]
        torch.maximum(top, finite.amax(0, keepdim=True), out=top)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Return counts (kinds, groups, columns) and patterns of the largest values."""
        return self._tables.sum(2).cpu().numpy(), self._tops.cpu().numpy()

    def clear(self) -> None:
        """Begin a new window."""
        self._tables.zero_()
        self._tops.zero_()


@njit(error_model="numpy")
def _tally(patterns, size, places, counts, spread, shift):
    """Count a block of bit patterns in turning lanes; return the largest finite one.

    Unsigned places spare the compiler the question whether one is negative.
    """
    top = np.int32(0)
    for i in range(size):
        pattern = patterns[i]
        column = (pattern >> shift) + min(pattern, np.int32(1))
        places[i] = np.uint32((column << spread) + (i & ((1 << spread) - 1)))
        top = max(top, pattern if pattern < INFINITY else np.int32(0))
    for i in range(size):
        counts[places[i]] += np.uint32(1)
    return top


def _make_kernel(pointer_at):
    def count(rows, tables, tops, turning, shift):
        """Count every row: group, size, and the addresses of its arrays.

        `turning`, (kinds, columns · N_LANES), is zero before and after.
        """
        kinds = len(tables)
        sizes, ratios = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
        places = np.empty(BLOCK, np.uint32)
        for r in range(len(rows)):
            group, length = rows[r, 0], rows[r, 1]
            now = carray(pointer_at(rows[r, 2]), (length,))
            before = carray(pointer_at(rows[r, 3]), (length,))
            squares = carray(float64_at(rows[r, 4]), (length,))
            magnitude = carray(float32_at(rows[r, 5]), (length,))
            many = length >= turning.shape[1]
            spread = np.int32(LANE_BITS if many else 0)
            for start in range(0, length, BLOCK):
                stop = min(start + BLOCK, length)
                size = stop - start
                new, old = now[start:stop], before[start:stop]
                if kinds > 1:
                    for i in range(size):
                        change = np.float32(abs(new[i] - old[i]))
                        ratio = abs(change / np.float32(abs(old[i])))
                        ratios[i] = np.float32(0) if change == 0 else ratio
                    counts = turning[-1] if many else tables[-1, group]
                    patterns = ratios.view(np.int32)
                    top = _tally(patterns, size, places, counts, spread, shift)
                    tops[-1, group] = max(tops[-1, group], top)
                for i in range(size):
                    value = np.float32(abs(new[i] - old[i]))
                    sizes[i] = value
                    old[i] = new[i]
                if rows[r, 4]:
                    sums = squares[start:stop]
                    for i in range(size):
                        sums[i] += np.float64(sizes[i]) * np.float64(sizes[i])
                if rows[r, 5]:
                    magnitude[start:stop] = sizes[:size]
                counts = turning[0] if many else tables[0, group]
                patterns = sizes.view(np.int32)
                top = _tally(patterns, size, places, counts, spread, shift)
                tops[0, group] = max(tops[0, group], top)
            if many:
                for kind in range(kinds):
                    row, lanes = tables[kind, group], turning[kind]
                    for column in range(row.size):
                        for lane in range(N_LANES):
                            row[column] += lanes[column * N_LANES + lane]
                turning[:] = 0

    return count


_count_float32 = njit(error_model="numpy")(_make_kernel(float32_at))
_count_float64 = njit(error_model="numpy")(_make_kernel(float64_at))


def count_rms(squares: Tensor, steps: int, bits: int, table: np.ndarray) -> float:
    """Add the bins of √(Δw² / steps) to a row of counts; return the largest value."""
    if squares.device.type == "cpu":
        top = _count_rms(squares.numpy(), steps, table, MANTISSA_BITS - bits)
    else:
        patterns = (squares / steps).sqrt().to(torch.float32).view(torch.int32)
        columns = (patterns >> (MANTISSA_BITS - bits)) + patterns.clamp(0, 1)
        table += torch.bincount(columns, minlength=len(table)).cpu().numpy()
        top = int(torch.where(patterns < INFINITY, patterns, 0).max())
    return float(np.int32(top).view(np.float32))


@njit(error_model="numpy")
def _count_rms(squares, steps, table, shift):
    top = np.int32(0)
    for start in range(0, squares.size, BLOCK):
        block = np.sqrt(squares[start : start + BLOCK] / steps).astype(np.float32)
        patterns = block.view(np.int32)
        for i in range(patterns.size):
            pattern = patterns[i]
            table[(pattern >> shift) + min(pattern, 1)] += 1
            top = max(top, pattern if pattern < INFINITY else 0)
    return top
