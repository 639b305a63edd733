"""Observers of a live model: every update of every parameter, counted exactly.

An observer holds its own copy of the parameters and never touches the model, so any
module and any optimizer can be watched. Per step and parameter it does one
subtraction, one shift of bits and one increment of a counter; what it holds does not
grow with the steps. What is counted is defined in `histogram`. Here the same bins are
filled while the network trains: on a CPU in one compiled pass over the weights, on any
other device by torch's own operations.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .._numba import njit
from ..flat_parameters import FlatParameters
from ..histogram import (
    INFINITY,
    MANTISSA_BITS,
    LogHistogram,
    WindowedHistograms,
    code_count,
)
from ..validation import check_choice, check_positive_int

RMS_BITS = 4  # 16 bins to the octave: within 3 % of a root mean square
FLOAT32_SUM_STEPS = 1_000  # steps whose squares are summed in float32, then in float64
# Neighbouring weights often move alike and fall in one bin, and a counter that was
# just written makes the next write to it wait. Taking turns between a few counters per
# bin hides the wait.
N_REPLICAS = 4


@dataclass(frozen=True)
class Segment:
    """A stretch of the flat vector that belongs to one group."""

    group: int
    start: int
    stop: int


class UpdateTracker:
    """Count abs(Δw) of every parameter at every step, per group and window.

    Make it after the model and before the first step, and call `update` after each
    ``optimizer.step()``.

    Parameters
    ----------
    model : torch.nn.Module
        Any module, on any device, in any real dtype; shared parameters count once,
        frozen ones and buffers never.
    groups : "layer", "parameter" or "all"
        What is kept apart. The total, "all", is there in any case.
    window : int, optional
        Steps per window; None makes the whole run one window.
    bits : int
        Mantissa bits of the bins, 1 to 10: 2**bits bins to the octave.
    record : str, optional
        Name of one group whose magnitudes are kept raw as well, see `recorded`. That
        memory does grow: four bytes for each weight and step.

    Raises
    ------
    ValueError
        If nothing is trainable, or an argument is out of range or unknown.

    Notes
    -----
    Δw is the difference of the parameters around the step, taken in float32 (float64
    if a parameter has it; half precision fits float32 exactly) and counted as float32.
    Anything that changes the parameters between two calls is part of the update; a
    step that a gradient scaler skips counts as zeros. Where the parameters lie in one
    block of memory (`FlatParameters.share_storage`), they are read without a copy.

    Examples
    --------
    >>> model = nn.Linear(2, 1, bias=False)
    >>> tracker = UpdateTracker(model)
    >>> with torch.no_grad():
    ...     _ = model.weight.add_(torch.tensor([[0.5, 0.0]]))
    >>> tracker.update()
    >>> tracker.histogram("all").zeros, tracker.steps
    (1, 1)
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        groups: str = "layer",
        window: int | None = None,
        bits: int = 3,
        record: str | None = None,
    ):
        if window is not None:
            check_positive_int(window, "window")
        if isinstance(bits, bool) or bits not in range(1, 11):
            raise ValueError(f"bits must be a whole number from 1 to 10, got {bits!r}")
        self.parameters = FlatParameters(model)
        self.window, self.bits, self.steps = window, bits, 0
        self.groups, self._segments = _segments(self.parameters, groups)
        self._record = None
        if record is not None:
            check_choice(record, self.groups, "group of parameters")
            self._record = self.groups.index(record)

        self._previous = self.parameters.to_vector()
        self._current = torch.empty_like(self._previous)  # where a copy is needed
        self._magnitude = torch.zeros_like(self._previous, dtype=torch.float32)
        self._square = torch.zeros_like(self._magnitude)
        # Sums over the closed windows, and over the open one.
        kind = {"device": self._previous.device}
        shape = 2, self.parameters.numel
        self._squares = torch.zeros(shape, dtype=torch.float64, **kind)
        # Column 0 counts exact zeros, column c + 1 the code c. The last codes, from
        # code_count(bits) on, are those of infinity and NaN.
        shape = len(self.groups), N_REPLICAS, 1 + (1 << (bits + 8))
        self._counts = torch.zeros(shape, dtype=torch.int64, **kind)
        # The largest values, as bit patterns, which sort as the values do.
        self._max_patterns = [0] * len(self.groups)

        self._raw: list[np.ndarray] = []
        self._stops: list[int] = []
        self._cells: list[tuple[LogHistogram, ...]] = []
        self._rms: list[tuple[LogHistogram, ...]] = []

    @torch.no_grad()
    def update(self) -> None:
        """Count the change of all parameters since the last call."""
        self._count(self.parameters.read_into(self._current))
        self.steps += 1
        if self._record is not None:
            self._raw.append(self._of_group(self._magnitude, self._record))
        if self.steps % FLOAT32_SUM_STEPS == 0:
            self._sum_squares()
        if self.window and self.steps % self.window == 0:
            self._close_window()

    def histograms(self) -> WindowedHistograms:
        """Return the counts so far as a frozen record; an open window counts too."""
        return self._with_open(self._cells, self._open_cells)

    def histogram(self, group: str = "all", window=None) -> LogHistogram:
        """Return the counts of a group, or "all", in one window, or in the run."""
        return self.histograms().histogram(group, window)

    def rms_histograms(self) -> WindowedHistograms:
        """Return histograms of √⟨Δw²⟩ over the parameters, per group and window.

        They say how unequal the parameters are, which is what the scale mixture of
        Gaussians, the null model of heavy tails, is made from.
        """
        return self._with_open(self._rms, self._open_rms)

    def mean_square(self) -> Tensor:
        """Return ⟨Δw²⟩ of each parameter over the run, float64, shape (weights,)."""
        self._sum_squares()
        return self._squares.sum(0) / max(self.steps, 1)

    @property
    def magnitude(self) -> Tensor:
        """abs(Δw) of the last step, float32, shape (weights,).

        The tracker's own vector, which the next step overwrites: do not write to it.
        """
        return self._magnitude

    @property
    def recorded(self) -> np.ndarray:
        """Raw abs(Δw) of the group named by `record`, shape (steps, weights)."""
        if self._record is None:
            raise ValueError("nothing was recorded: make the tracker with record=GROUP")
        width = sum(s.stop - s.start for s in self._segments if s.group == self._record)
        return np.array(self._raw, np.float32).reshape(self.steps, width)

    def _count(self, current: Tensor) -> None:
        """Count one step and make `previous` what is now `current`."""
        arrays = current, self._previous, self._magnitude, self._square, self._counts
        count_step = _count_step_by_torch
        if current.device.type == "cpu":
            arrays = tuple(array.detach().numpy() for array in arrays)
            count_step = _count_step
        *vectors, counts = arrays
        for segment in self._segments:
            group, place = segment.group, slice(segment.start, segment.stop)
            parts = (vector[place] for vector in vectors)
            top = int(count_step(*parts, counts[group], MANTISSA_BITS - self.bits))
            self._max_patterns[group] = max(self._max_patterns[group], top)

    def _of_group(self, vector: Tensor, group: int) -> np.ndarray:
        parts = [vector[s.start : s.stop] for s in self._segments if s.group == group]
        return torch.cat(parts).cpu().numpy()

    def _with_open(self, closed, read_open) -> WindowedHistograms:
        stops, cells = list(self._stops), list(closed)
        if not stops or stops[-1] < self.steps:
            stops.append(self.steps)
            cells.append(read_open())
        return WindowedHistograms(self.groups, tuple(stops), tuple(cells))

    def _open_cells(self) -> tuple[LogHistogram, ...]:
        columns = self._counts.sum(1).cpu().numpy()
        pairs = zip(columns, self._max_patterns, strict=True)
        return tuple(_to_histogram(*pair, self.bits) for pair in pairs)

    def _open_rms(self) -> tuple[LogHistogram, ...]:
        self._sum_squares()
        begun = self._stops[-1] if self._stops else 0
        rms = (self._squares[1] / max(self.steps - begun, 1)).sqrt()
        return tuple(
            LogHistogram.from_values(self._of_group(rms, group), RMS_BITS)
            for group in range(len(self.groups))
        )

    def _sum_squares(self) -> None:
        self._squares[1] += self._square
        self._square.zero_()

    def _close_window(self) -> None:
        self._cells.append(self._open_cells())
        self._rms.append(self._open_rms())
        self._stops.append(self.steps)
        self._counts.zero_()
        self._max_patterns = [0] * len(self.groups)
        self._squares[0] += self._squares[1]
        self._squares[1] = 0


@njit()
def _count_step(current, previous, magnitude, square, counts, shift):
    """Do all that a step needs in one pass, while a weight is in a register.

    Writes the magnitudes, adds their squares, counts their bins, copies `current` to
    `previous`, and returns the bit pattern of the largest finite magnitude.
    """
    top = np.int32(0)
    for i in range(current.size):
        size = np.float32(abs(current[i] - previous[i]))
        previous[i] = current[i]
        magnitude[i] = size
        square[i] += size * size
        pattern = size.view(np.int32)
        column = (pattern >> shift) + (1 if pattern > 0 else 0)
        counts[i % N_REPLICAS, column] += 1
        if INFINITY > pattern > top:
            top = pattern
    return top


def _count_step_by_torch(current, previous, magnitude, square, counts, shift):
    """Do the same by whole vectors, on the device that holds them."""
    magnitude.copy_((current - previous).abs_())
    previous.copy_(current)
    square.addcmul_(magnitude, magnitude)
    patterns = magnitude.view(torch.int32)
    columns = (patterns >> shift) + patterns.clamp(max=1)
    counts[0] += torch.bincount(columns, minlength=counts.shape[1])
    return torch.where(patterns < INFINITY, patterns, 0).max()


def _to_histogram(columns: np.ndarray, max_pattern: int, bits: int) -> LogHistogram:
    """Return a histogram of the columns that a step is counted in."""
    finite = code_count(bits)
    return LogHistogram.from_codes(
        columns[1 : finite + 1],
        zeros=int(columns[0]),
        # Arithmetic makes quiet NaNs only, whose first mantissa bit is set, so the
        # first column after the finite ones is infinity's alone.
        infs=int(columns[finite + 1]),
        nans=int(columns[finite + 2 :].sum()),
        max=float(np.int32(max_pattern).view(np.float32)),
        bits=bits,
    )


def _segments(parameters: FlatParameters, by: str):
    """Return the names of the groups, and the longest stretches that belong to one."""
    members = parameters.groups(by)
    owner = {index: g for g, parts in enumerate(members.values()) for index in parts}
    segments: list[Segment] = []
    for index, part in enumerate(parameters.slices):
        start = part.start
        if segments and segments[-1].group == owner[index]:
            start = segments.pop().start
        segments.append(Segment(owner[index], start, part.stop))
    return tuple(members), segments
