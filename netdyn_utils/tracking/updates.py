"""Every update of every parameter, counted exactly while the network trains.

The tracker copies the parameters and never touches the model, so any module and any
optimizer can be watched. Per step and parameter it subtracts, shifts bits and adds one
to a counter, in the bins of `LogHistogram`; its memory does not grow with the steps.
"""

from itertools import groupby

import numpy as np
import torch
from torch import nn

from .._numba import njit
from ..flat_parameters import FlatParameters
from ..histogram import (
    INFINITY,
    MANTISSA_BITS,
    LogHistogram,
    WindowedHistograms,
    code_count,
)
from ..validation import check_positive_int

RMS_BITS = 4  # 16 bins to the octave: within 3 % of a root mean square
FLOAT32_SUM_STEPS = 1_000  # steps whose squares are summed in float32, then in float64
# Neighbouring weights often fall in one bin, and a write to a counter waits for the one
# before it. Several counters per bin, taking turns, avoid the wait.
N_REPLICAS = 4


class UpdateTracker:
    """Count abs(Δw) of every parameter at every step, per group and window.

    Make it after the model and before the first step, and call `update` after each
    ``optimizer.step()``.

    Parameters
    ----------
    model : torch.nn.Module
        Any module, on any device, in any real dtype; shared parameters count once,
        frozen ones and buffers never. If nothing is trainable: ValueError.
    groups : "layer", "parameter" or "all"
        What is counted separately; the total, "all", always is.
    window : int, optional
        Steps per window; None makes the whole run one window.
    bits : int
        Mantissa bits of the bins, 1 to 10: 2**bits bins to the octave.

    Attributes
    ----------
    steps : int
    groups : tuple of str
    magnitude : Tensor, float32, (weights,)
        abs(Δw) of the last step, in the order of `FlatParameters`. The next step
        overwrites it: do not write to it.

    Notes
    -----
    Δw is the difference of the parameters around the step, taken in float32 (float64
    if a parameter has it; half precision fits float32 exactly) and counted as float32.
    Anything that changes the parameters between two calls is part of the update; a
    step that a gradient scaler skips counts as zeros. Where the parameters share one
    storage (`FlatParameters.share_storage`), they are read without a copy.

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
    ):
        if window is not None:
            check_positive_int(window, "window")
        if isinstance(bits, bool) or bits not in range(1, 11):
            raise ValueError(f"bits must be a whole number from 1 to 10, got {bits!r}")
        self.parameters = FlatParameters(model)
        self.window, self.bits, self.steps = window, bits, 0
        self.groups, self._segments = _segments(self.parameters, groups)

        self._previous = self.parameters.to_vector()
        self._current = torch.empty_like(self._previous)  # where a copy is needed
        self.magnitude = torch.zeros_like(self._previous, dtype=torch.float32)
        # Sums over the open window: of up to FLOAT32_SUM_STEPS, and of those before.
        self._square = torch.zeros_like(self.magnitude)
        self._squares = torch.zeros_like(self.magnitude, dtype=torch.float64)
        # Column 0 counts exact zeros, column c + 1 the code c. The last codes, from
        # code_count(bits) on, are those of infinity and NaN.
        shape = len(self.groups), N_REPLICAS, 1 + (1 << (bits + 8))
        self._counts = self._previous.new_zeros(shape, dtype=torch.int64)
        # The largest values, as bit patterns, which sort as the values do.
        self._max_patterns = [0] * len(self.groups)

        self._stops: list[int] = []  # last steps of the closed windows
        self._closed: list[tuple[LogHistogram, ...]] = []
        self._closed_rms: list[tuple[LogHistogram, ...]] = []

    @torch.no_grad()
    def update(self) -> None:
        """Count the change of all parameters since the last call."""
        current = self.parameters.read_into(self._current)
        arrays = current, self._previous, self.magnitude, self._square, self._counts
        count_step = _count_step_by_torch
        if self._previous.device.type == "cpu":
            arrays = tuple(array.detach().numpy() for array in arrays)
            count_step = _count_step
        *vectors, counts = arrays
        for group, place in self._segments:
            parts = (vector[place] for vector in vectors)
            top = int(count_step(*parts, counts[group], MANTISSA_BITS - self.bits))
            self._max_patterns[group] = max(self._max_patterns[group], top)
        self.steps += 1
        if self.steps % FLOAT32_SUM_STEPS == 0:
            self._sum_squares()
        if self.window and self.steps % self.window == 0:
            self._close_window()

    def histograms(self) -> WindowedHistograms:
        """Return the counts so far as a frozen record; an open window counts too."""
        return self._with_open(self._closed, self._open)

    def histogram(self, group: str = "all", window=None) -> LogHistogram:
        """Return the counts of a group, or "all", in one window, or in the run."""
        return self.histograms().histogram(group, window)

    def rms_histograms(self) -> WindowedHistograms:
        """Return histograms of √⟨Δw²⟩ over the parameters, per group and window.

        They show how unequal the parameters are: `scale_mixture_null` is made of them.
        """
        return self._with_open(self._closed_rms, self._open_rms)

    def _with_open(self, closed, read_open) -> WindowedHistograms:
        stops, histograms = list(self._stops), list(closed)
        if not stops or stops[-1] < self.steps:
            stops.append(self.steps)
            histograms.append(read_open())
        return WindowedHistograms(self.groups, tuple(stops), tuple(histograms))

    def _open(self) -> tuple[LogHistogram, ...]:
        finite, counts = code_count(self.bits), self._counts.sum(1).cpu().numpy()
        return tuple(
            LogHistogram.from_codes(
                columns[1 : finite + 1],
                zeros=int(columns[0]),
                # Arithmetic makes quiet NaNs only, whose first mantissa bit is set, so
                # the first column after the finite ones is infinity's alone.
                infs=int(columns[finite + 1]),
                nans=int(columns[finite + 2 :].sum()),
                max=float(np.int32(pattern).view(np.float32)),
                bits=self.bits,
            )
            for columns, pattern in zip(counts, self._max_patterns, strict=True)
        )

    def _open_rms(self) -> tuple[LogHistogram, ...]:
        self._sum_squares()
        steps = self.steps - (self._stops[-1] if self._stops else 0)
        rms = (self._squares / max(steps, 1)).sqrt().cpu().numpy()
        parts: list[list[np.ndarray]] = [[] for _ in self.groups]
        for group, place in self._segments:
            parts[group].append(rms[place])
        return tuple(
            LogHistogram.from_values(np.concatenate(each), RMS_BITS) for each in parts
        )

    def _sum_squares(self) -> None:
        self._squares += self._square
        self._square.zero_()

    def _close_window(self) -> None:
        self._closed.append(self._open())
        self._closed_rms.append(self._open_rms())
        self._stops.append(self.steps)
        self._counts.zero_()
        self._squares.zero_()
        self._max_patterns = [0] * len(self.groups)


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


def _segments(parameters: FlatParameters, by: str):
    """Return the names of the groups, and the longest stretches that belong to one."""
    members = parameters.groups(by)
    group_of = {part: k for k, parts in enumerate(members.values()) for part in parts}
    segments = []
    for group, run in groupby(parameters.slices, group_of.__getitem__):
        parts = list(run)
        segments.append((group, slice(parts[0].start, parts[-1].stop)))
    return tuple(members), segments
