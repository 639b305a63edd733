"""Observers of a live model: every update of every parameter, counted exactly.

An observer holds its own copy of the parameters and never touches the model, so any
module and any optimizer can be watched. Per step and parameter it does one
subtraction, one shift of bits and one increment of a counter; what it holds does not
grow with the steps.
"""

import numpy as np
import torch
from torch import Tensor, nn

from ..checks import choose, positive_int
from ..histogram import LogHistogram
from ..parameters import FlatParameters
from .counting import GroupCounter, Piece
from .windows import WindowedHistograms

RMS_BITS = 4  # 16 bins to the octave: within 3 % of a root mean square
FLUSH = 1_000  # steps whose squares are summed in float32 before float64 takes them


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
    block of memory (`FlatParameters.bind`), they are read without a copy.

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
        choose(groups, ("layer", "parameter", "all"), "kind of group")
        if window is not None:
            positive_int(window, "window")
        if isinstance(bits, bool) or bits not in range(1, 11):
            raise ValueError(f"bits must be a whole number from 1 to 10, got {bits!r}")
        self.parameters = FlatParameters(model)
        self.window, self.steps = window, 0
        self.groups, self._pieces = _pieces(self.parameters, groups)
        self._record = record and self.groups.index(
            choose(record, self.groups, "group of parameters")
        )
        self._previous = self.parameters.vector()
        self._magnitude = torch.zeros_like(self._previous, dtype=torch.float32)
        device = self._previous.device
        self._counter = GroupCounter(
            self._pieces, len(self.groups), bits=bits, device=device
        )
        self._square = torch.zeros_like(self._magnitude)
        # Sums over the closed windows, and over the open one.
        self._squares = torch.zeros(
            2, self.parameters.numel, dtype=torch.float64, device=device
        )
        self._raw: list[np.ndarray] = []
        self._stops: list[int] = []
        self._cells: list[tuple[LogHistogram, ...]] = []
        self._rms: list[tuple[LogHistogram, ...]] = []

    @torch.no_grad()
    def update(self) -> None:
        """Count the change of all parameters since the last call."""
        current = self.parameters.read(self._previous)
        self._counter.take(current, self._previous, self._magnitude, self._square)
        self.steps += 1
        if self._record is not None:
            self._raw.append(self._of_group(self._magnitude, self._record))
        if self.steps % FLUSH == 0:
            self._flush()
        if self.window and self.steps % self.window == 0:
            self._close_window()

    def histograms(self) -> WindowedHistograms:
        """Return the counts so far as a frozen record; an open window counts too."""
        return self._with_open(self._cells, self._counter.histograms)

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
        self._flush()
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
        width = sum(p.stop - p.start for p in self._pieces if p.group == self._record)
        return np.array(self._raw, np.float32).reshape(self.steps, width)

    def _of_group(self, vector: Tensor, group: int) -> np.ndarray:
        pieces = [vector[p.start : p.stop] for p in self._pieces if p.group == group]
        return torch.cat(pieces).cpu().numpy()

    def _with_open(self, closed, read_open) -> WindowedHistograms:
        stops, cells = list(self._stops), list(closed)
        if not stops or stops[-1] < self.steps:
            stops.append(self.steps)
            cells.append(tuple(read_open()))
        return WindowedHistograms(self.groups, tuple(stops), tuple(cells))

    def _open_rms(self) -> list[LogHistogram]:
        self._flush()
        begun = self._stops[-1] if self._stops else 0
        rms = (self._squares[1] / max(self.steps - begun, 1)).sqrt()
        return [
            LogHistogram.of(self._of_group(rms, group), RMS_BITS)
            for group in range(len(self.groups))
        ]

    def _flush(self) -> None:
        self._squares[1] += self._square
        self._square.zero_()

    def _close_window(self) -> None:
        self._cells.append(tuple(self._counter.histograms()))
        self._rms.append(tuple(self._open_rms()))
        self._stops.append(self.steps)
        self._counter.clear()
        self._squares[0] += self._squares[1]
        self._squares[1] = 0


def _pieces(parameters: FlatParameters, by: str) -> tuple[tuple[str, ...], list[Piece]]:
    """Return the names of the groups, and the longest stretches that belong to one."""
    members = parameters.groups(by)
    owner = {slot: g for g, slots in enumerate(members.values()) for slot in slots}
    pieces: list[Piece] = []
    for index, slot in enumerate(parameters.slots):
        start = slot.start
        if pieces and pieces[-1].group == owner[index]:
            start = pieces.pop().start
        pieces.append(Piece(owner[index], start, slot.stop))
    return tuple(members), pieces
