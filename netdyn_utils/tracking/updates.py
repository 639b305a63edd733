"""Every update of every parameter, counted exactly while any loop trains any model.

A tracker holds its own copy of the parameters and never touches the model. Per step and
parameter it does one subtraction, one shift of bits and one increment of a counter
(`kernels`), and what it holds does not grow with the steps.
"""

import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..flat_parameters import Named, check_countable, named_parameters
from ..histogram import LogHistogram, WindowedHistograms, code_count
from ..validation import check_choice, check_positive_int
from .hooks import Observer
from .kernels import CpuCounter, DeviceCounter, Part, column_count, count_rms
from .watched import Groups, Structure, group_function, is_owner, local_part, mesh_of

RMS_BITS = 4  # 16 bins to the octave: within 3 % of a root mean square
STATE_VERSION = 1
SILENT_STEPS = 10  # steps without any change before a warning
STAGE = 1 << 20  # weights of half precision that are widened at a time
DIRECT = (torch.float32, torch.float64)  # what the kernels read where it lies


Cells = tuple[LogHistogram, ...]  # one of each group


@dataclass
class _Slot:
    """One watched parameter; what is kept of it lies in the same memory order."""

    name: str
    group: int
    parameter: Tensor
    previous: Tensor
    squares: Tensor | None  # sums of the open window
    since: int  # counted steps of the window before it was there
    place: int = 0  # of its first weight in the vector of magnitudes


class UpdateTracker(Observer):
    """Count abs(Δw) of every parameter at every step, per group and window.

    Make it after the model and before the first step. Then call `update` after each
    ``optimizer.step()``, or `attach` the optimizer once.

    Parameters
    ----------
    model : torch.nn.Module
        Any module, on any device, in any real dtype; shared parameters count once,
        frozen ones and buffers never.
    groups : "layer", "parameter", "all", list of str, or function
        What is kept apart. A list names layers or parameters, and only these are
        tracked; a function gives the group of a parameter's name, or None to leave it
        out. The total is there in any case, as "all".
    window : int, optional
        Steps per window; None makes the whole run one window.
    bits : int
        Mantissa bits of the bins, 1 to 10: 2**bits bins to the octave.
    mean_squares : bool
        Sum Δw² of each parameter, for `rms_histograms`: 8 bytes a parameter beside the
        4 of the copy.
    relative : bool
        Count abs(Δw)/abs(w) too, w before the step, for ``histograms("relative")``.
    every : int
        Count each step whose number is a multiple of it, and no other.

    Raises
    ------
    ValueError
        If nothing is trainable, a parameter has no real dense values, or an argument
        is out of range or unknown.

    Notes
    -----
    Δw is the difference of the parameters around the step, taken in float32 (float64
    if the parameter has it; half precision fits float32 exactly) and counted as
    float32. Anything that changes the parameters between two calls is part of the
    update, unless `resync` is called after it; a step that a gradient scaler skips
    counts as zeros.

    The model may change. What is added, replaced, unfrozen, cast or reshaped is counted
    from the next step on; what is removed or frozen is not counted any more. Moving a
    parameter to another device changes nothing.

    Names leave out what wraps the model: DataParallel, DDP, FSDP, ``torch.compile``.
    With parameters that are sharded (DTensor) each process counts its shard, and
    `reduce` adds them up. A tracker may be read by one thread while another updates it.

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
        groups: Groups = "layer",
        window: int | None = None,
        bits: int = 3,
        mean_squares: bool = True,
        relative: bool = False,
        every: int = 1,
    ):
        if window is not None:
            check_positive_int(window, "window")
        if isinstance(bits, bool) or bits not in range(1, 11):
            raise ValueError(f"bits must be a whole number from 1 to 10, got {bits!r}")
        if not isinstance(model, nn.Module):
            raise ValueError(
                f"model must be a torch.nn.Module, got {type(model).__name__}: put the "
                "parameters into a module, for example nn.ParameterList"
            )
        self.model, self.window, self.bits = model, window, bits
        self.every = check_positive_int(every, "every")
        self.steps = self._counted = 0  # all steps; those counted in the open window
        self.revision = 0  # raised when the set of parameters changes
        self._group_of, self._by_all = group_function(groups), groups == "all"
        self._options = {
            **{"window": window, "bits": bits, "every": every},
            **{"mean_squares": mean_squares, "relative": relative},
        }
        self._lock = threading.RLock()
        self._counters: dict[torch.device, CpuCounter | DeviceCounter] = {}
        self._magnitude: Tensor | None = None
        self._known: list | None = None

        self.groups: tuple[str, ...] = ()
        self._slots: list[_Slot] = []
        self._fresh: set[str] = set()
        self._refresh()
        if not self.groups:
            raise ValueError(
                f"{type(model).__name__} has no trainable parameters to track: call "
                "this after building the model, and check requires_grad and groups"
            )
        self._fresh.clear()
        self._stops: list[int] = []
        kinds = {"updates": True, "relative": relative, "rms": mean_squares}
        self._closed: dict[str, list[Cells]] = {
            k: [] for k, used in kinds.items() if used
        }

    # --- counting -------------------------------------------------------------------

    @torch.no_grad()
    def update(self) -> None:
        """Count the change of all parameters since the last call or `resync`.

        With `every` above 1 the change of a step is that since the step before it.
        """
        with self._lock:
            self.steps += 1
            if self._structure.changed():
                self._refresh()
            phase = self.steps % self.every
            if phase == 0:
                self._count()
            elif phase == self.every - 1:
                self._copy()
            if self.window and self.steps % self.window == 0:
                self._close_window()

    @torch.no_grad()
    def resync(self) -> None:
        """Leave out what has changed since the last update, such as loaded weights."""
        with self._lock:
            self._refresh()
            self._copy()

    # --- reading --------------------------------------------------------------------

    def histograms(self, kind: str = "updates") -> WindowedHistograms:
        """Return the counts so far as a frozen record; an open window counts too.

        `kind` is "updates", "relative" (abs(Δw)/abs(w), infinite where w was zero) or
        "rms" (√⟨Δw²⟩ over the parameters).
        """
        options = {"relative": "relative=True", "rms": "mean_squares=True"}
        if kind not in self._closed:
            check_choice(kind, ("updates", *options), "kind of histogram")
            raise ValueError(
                f"there is no {kind} histogram: make the tracker with {options[kind]}"
            )
        with self._lock:
            stops, rows = list(self._stops), list(self._closed[kind])
            if not stops or stops[-1] < self.steps:
                stops.append(self.steps)
                rows.append(self._open(kind))
        return WindowedHistograms(self.groups, tuple(stops), _pad(rows, self.groups))

    def histogram(self, group: str = "all", window=None) -> LogHistogram:
        """Return the counts of a group, or "all", in one window, or in the run."""
        return self.histograms().histogram(group, window)

    def rms_histograms(self) -> WindowedHistograms:
        """Return histograms of √⟨Δw²⟩ over the parameters, per group and window.

        They say how unequal the parameters are, which is what the scale mixture of
        Gaussians, the null model of heavy tails, is made from.
        """
        return self.histograms("rms")

    @property
    def numel(self) -> int:
        """How many weights are tracked by this process."""
        return sum(slot.previous.numel() for slot in self._slots)

    @property
    def slots(self) -> tuple[tuple[str, str, int, int], ...]:
        """Name, group, and first and last-plus-one place in `magnitude`, of each."""
        return tuple(
            (s.name, self.groups[s.group], s.place, s.place + s.previous.numel())
            for s in self._slots
        )

    @property
    def magnitude(self) -> Tensor:
        """abs(Δw) of the last step, float32, shape (weights,).

        The tracker's own vector, which the next step overwrites: do not write to it.
        It is there if `keep_magnitudes` was called before.
        """
        if self._magnitude is None:
            raise ValueError("call keep_magnitudes() before the step")
        return self._magnitude

    def keep_magnitudes(self) -> None:
        """Keep abs(Δw) of the last step from now on: 4 bytes a parameter."""
        devices = {slot.previous.device for slot in self._slots}
        if len(devices) > 1:
            raise ValueError(f"magnitudes need one device, and there are {devices}")
        with self._lock, torch.inference_mode(False):
            if self._magnitude is None:
                (device,) = devices
                self._magnitude = torch.zeros(self.numel, device=device)
                self._known = None

    # --- saving ---------------------------------------------------------------------

    def state_dict(self) -> dict[str, object]:
        """Return everything that resuming needs, as tensors, numbers and strings.

        ``torch.load(..., weights_only=True)`` reads it back.
        """
        with self._lock:
            counts, tops = map(torch.from_numpy, self._read())
            return {
                **{"version": STATE_VERSION, "options": dict(self._options)},
                **{"steps": self.steps, "counted": self._counted},
                **{"groups": list(self.groups), "stops": list(self._stops)},
                **{"counts": counts, "tops": tops},
                "closed": {
                    kind: _to_tensors(_pad(rows, self.groups), self._stops)
                    for kind, rows in self._closed.items()
                    if rows
                },
                "parameters": {
                    slot.name: {
                        **{"group": self.groups[slot.group], "since": slot.since},
                        "previous": _copy(slot.previous),
                        "squares": _copy(slot.squares),
                    }
                    for slot in self._slots
                },
            }

    def load_state_dict(self, state: Mapping) -> None:
        """Go on where `state_dict` was taken, with the same model and options.

        Raises
        ------
        ValueError
            If the state is of another version, other options or another model; the
            first name that differs is in the message.
        """
        if state.get("version") != STATE_VERSION:
            raise ValueError(
                f"this state has version {state.get('version')!r} and this tracker "
                f"reads {STATE_VERSION}: use the netdyn that wrote it"
            )
        for name, value in self._options.items():
            if (theirs := state["options"][name]) != value:
                raise ValueError(
                    f"the state was saved with {name}={theirs!r}, and this tracker has "
                    f"{name}={value!r}: make it with the same options"
                )
        with self._lock, torch.no_grad():
            self._refresh()
            saved = state["parameters"]
            mine = {slot.name: tuple(slot.previous.shape) for slot in self._slots}
            theirs = {n: tuple(one["previous"].shape) for n, one in saved.items()}
            for name in (*mine, *theirs):
                if mine.get(name) != theirs.get(name):
                    raise ValueError(
                        f"parameter {name!r} has shape {theirs.get(name, 'none')} in "
                        f"the state and {mine.get(name, 'none')} in the model"
                    )
            for slot in self._slots:
                mine, theirs = self.groups[slot.group], saved[slot.name]["group"]
                if mine != theirs:
                    raise ValueError(
                        f"parameter {slot.name!r} is in group {theirs!r} of the state "
                        f"and in {mine!r} of this tracker: make it with the same groups"
                    )
            self.steps, self._counted = state["steps"], state["counted"]
            self.groups, self._stops = tuple(state["groups"]), list(state["stops"])
            for slot in self._slots:
                one = saved[slot.name]
                slot.group, slot.since = self.groups.index(one["group"]), one["since"]
                slot.previous.copy_(one["previous"])
                if slot.squares is not None:
                    slot.squares.copy_(one["squares"])
            for kind, rows in self._closed.items():
                rows[:] = _from_tensors(state["closed"].get(kind))
            self._counters.clear()
            self._fresh.clear()
            self._saved = state["counts"].numpy().copy(), state["tops"].numpy().copy()
            self._known = None

    def reduce(self, process_group=None) -> WindowedHistograms:
        """Return the counts of all processes together; each must call it.

        Where some parameters are sharded (DTensor, as FSDP2 and tensor parallelism
        make them), each shard is counted by its process and each replica by the first
        one, and the sum is exact. Of a model that is only replicated (DDP) each
        process has all counts already, and these are returned.
        """
        found = self.histograms()
        if not self._sharded:
            return found
        import torch.distributed as dist

        parts = [None] * dist.get_world_size(process_group)
        dist.all_gather_object(parts, found, group=process_group)
        rows = zip(*(part.cells for part in parts), strict=True)
        cells = tuple(
            tuple(map(LogHistogram.merge, zip(*row, strict=True))) for row in rows
        )
        return WindowedHistograms(found.groups, found.stops, cells)

    def __reduce__(self):
        raise TypeError(
            "an UpdateTracker watches a live model and cannot be copied or pickled: "
            "save tracker.state_dict() and load it into a tracker of the other model"
        )

    # --- inside ---------------------------------------------------------------------

    def _refresh(self) -> None:
        """Find the parameters again; those that are new are counted from now on."""
        self._structure = Structure(self.model)
        before = {slot.name: slot for slot in self._slots}
        groups = {name: number for number, name in enumerate(self.groups)}
        named, slots = named_parameters(self.model), []
        meshes = [m for one in named if (m := mesh_of(one.parameter)) is not None]
        self._sharded = bool(meshes)
        for one in named:
            group = self._group_of(one)
            if group is None:
                continue
            check_countable(one)
            if group == "all" and not self._by_all:
                raise ValueError(
                    f"the group of parameter {one.name!r} is called 'all', which is "
                    "the name of the total: pass groups=function with other names"
                )
            number = groups.setdefault(group, len(groups))
            if not is_owner(one.parameter, meshes):
                continue
            slot = before.get(one.name)
            if slot is None or slot.parameter is not one.parameter:
                slot = self._new_slot(one, number, slot)
            slots.append(slot)
        place = 0
        for slot in slots:
            slot.place = place
            place += slot.previous.numel()
        if self._magnitude is not None and place != self._magnitude.numel():
            self._magnitude = self._magnitude.new_zeros(place)
        if [*map(id, slots)] != [*map(id, self._slots)]:
            self.revision += 1
        self._slots, self.groups, self._known = slots, tuple(groups), None
        self._tensors = [slot.parameter for slot in slots]

    def _new_slot(self, one: Named, group: int, old: _Slot | None) -> _Slot:
        values = local_part(one.parameter)
        with torch.inference_mode(False):
            previous = torch.empty_like(values).copy_(values)
            squares = _zero_squares(values) if self._options["mean_squares"] else None
        since = self._counted
        if old is not None and old.previous.shape == previous.shape:
            since = old.since
            if squares is not None:
                squares.copy_(old.squares)
        self._fresh.add(one.name)
        return _Slot(one.name, group, one.parameter, previous, squares, since)

    def _fingerprint(self) -> list[tuple]:
        """Return where each parameter lies, and of what kind it is."""
        tensors = map(local_part, self._tensors) if self._sharded else self._tensors
        return [(t.data_ptr(), t.numel(), t.dtype) for t in tensors]

    def _count(self) -> None:
        if (found := self._fingerprint()) != self._known:
            self._plan()
            self._known = None if self._fresh else found
            for slot in self._slots:
                slot.since += slot.name in self._fresh
            self._fresh.clear()
        for counter in self._counters.values():
            counter.step()
        for slot, values in self._staged:
            self._count_staged(slot, values)
        self._counted += 1
        if self.steps != SILENT_STEPS:
            return
        seen = self.histogram()
        if 0 < seen.total == seen.zeros:
            warnings.warn(
                f"no tracked parameter has changed in {SILENT_STEPS} steps: does the "
                "optimizer hold the parameters of this model, and is update() called "
                "after optimizer.step()?",
                stacklevel=3,
            )

    def _plan(self) -> None:
        """Give each counter its parts, in the order in which memory holds them."""
        parts: dict[torch.device, list[Part]] = {}
        sizes: dict[torch.device, np.ndarray] = {}
        self._staged: list[tuple[_Slot, Tensor]] = []
        for slot in self._slots:
            values = local_part(slot.parameter)
            self._adapt(slot, values)
            size = sizes.setdefault(values.device, np.zeros(len(self.groups), np.int64))
            size[slot.group] += values.numel()
            if slot.name in self._fresh or not values.numel():
                continue
            current = _flat(values)
            ordered = self._magnitude is None or values.is_contiguous()
            if current is None or not ordered or values.dtype not in DIRECT:
                self._staged.append((slot, values))
                continue
            part = self._part(slot, current, _flat(slot.previous))
            parts.setdefault(values.device, []).append(part)
        for device, size in sizes.items():
            counter = self._counter(device)
            counter.plan(parts.get(device, ()), int(size.max(initial=1)))

    def _part(self, slot: _Slot, current: Tensor, previous: Tensor, start=0) -> Part:
        n = current.numel()
        squares, magnitude = slot.squares, self._magnitude
        return Part(
            slot.group,
            current,
            previous,
            None if squares is None else squares[start : start + n],
            None if magnitude is None else magnitude[slot.place + start :][:n],
        )

    def _adapt(self, slot: _Slot, values: Tensor) -> None:
        """Bring what the tracker has of a parameter to where and what it is now."""
        old = slot.previous
        if (old.shape, old.dtype) != (values.shape, values.dtype):
            with torch.inference_mode(False):
                slot.previous = torch.empty_like(values).copy_(values)
                if slot.squares is not None and old.shape != values.shape:
                    slot.squares, slot.since = _zero_squares(values), self._counted
            self._fresh.add(slot.name)
            if self._magnitude is not None and old.shape != values.shape:
                raise ValueError(
                    f"parameter {slot.name!r} has another shape, so the magnitudes of "
                    "the last step cannot be kept: make a new tracker"
                )
        elif old.device != values.device or old.stride() != values.stride():
            with torch.inference_mode(False):
                slot.previous = torch.empty_like(values).copy_(old)
        if slot.squares is not None:
            slot.squares = slot.squares.to(values.device)

    def _counter(self, device: torch.device) -> CpuCounter | DeviceCounter:
        groups = len(self.groups)
        counter = self._counters.get(device)
        if counter is None:
            with torch.inference_mode(False):
                options = groups, self.bits, self._options["relative"]
                counter = self._counters[device] = (
                    CpuCounter(*options)
                    if device.type == "cpu"
                    else DeviceCounter(*options, device)
                )
        counter.grow(groups)
        return counter

    def _count_staged(self, slot: _Slot, values: Tensor) -> None:
        """Count a parameter that the kernels cannot read where it lies, by pieces."""
        counter = self._counter(values.device)
        flat, old = values.reshape(-1), slot.previous.reshape(-1)
        wide = torch.float64 if values.dtype == torch.float64 else torch.float32
        for start in range(0, flat.numel(), STAGE):
            piece = slice(start, start + STAGE)
            pair = flat[piece].to(wide).contiguous(), old[piece].to(wide).clone()
            counter.count(self._part(slot, *pair, start))
        slot.previous.copy_(values)

    def _copy(self) -> None:
        """Take the values as they are now for those before the next step."""
        for slot in self._slots:
            values = local_part(slot.parameter)
            self._adapt(slot, values)
            slot.previous.copy_(values)
        self._fresh.clear()
        self._known = None

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        shape = 1 + self._options["relative"], len(self.groups)
        counts = np.zeros((*shape, column_count(self.bits)), np.int64)
        tops = np.zeros(shape, np.int32)
        pairs = [counter.read() for counter in self._counters.values()]
        for more, highest in [*pairs, *([self._saved] if self._saved else [])]:
            counts[:, : more.shape[1]] += more
            np.maximum(tops[:, : more.shape[1]], highest, out=tops[:, : more.shape[1]])
        return counts, tops

    _saved = None  # counts of the open window from before a resume

    def _open(self, kind: str) -> Cells:
        """Return the histograms of the open window."""
        if kind == "rms":
            return self._open_rms()
        counts, tops = (array[int(kind == "relative")] for array in self._read())
        pairs = zip(counts, tops, strict=True)
        return tuple(_to_histogram(*pair, self.bits) for pair in pairs)

    def _open_rms(self) -> Cells:
        tables = np.zeros((len(self.groups), column_count(RMS_BITS)), np.int64)
        tops = [0.0] * len(self.groups)
        for slot in self._slots:
            if steps := self._counted - slot.since:
                top = count_rms(slot.squares, steps, RMS_BITS, tables[slot.group])
                tops[slot.group] = max(tops[slot.group], top)
        patterns = np.float32(tops).view(np.int32)
        pairs = zip(tables, patterns, strict=True)
        return tuple(_to_histogram(*pair, RMS_BITS) for pair in pairs)

    def _close_window(self) -> None:
        for kind, rows in self._closed.items():
            rows.append(self._open(kind))
        self._stops.append(self.steps)
        self._saved, self._counted = None, 0
        for counter in self._counters.values():
            counter.clear()
        for slot in self._slots:
            slot.since = 0
            if slot.squares is not None:
                slot.squares.zero_()


def _flat(tensor: Tensor) -> Tensor | None:
    """Return a dense tensor as memory has it, without a copy; None if it has gaps."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1 and stride != expected:
            return None
        expected *= size
    return torch.as_strided(tensor, (tensor.numel(),), (1,), tensor.storage_offset())


def _copy(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.clone()


def _zero_squares(values: Tensor) -> Tensor:
    """Return room for sums of squares: float64 where the device has it."""
    dtype = torch.float32 if values.device.type == "mps" else torch.float64
    return torch.zeros(values.numel(), dtype=dtype, device=values.device)


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


def _pad(rows, groups) -> tuple[Cells, ...]:
    """Return rows of all groups; one that came later was empty before."""
    blank = LogHistogram.from_values([], rows[-1][0].bits)
    return tuple((*row, *(blank,) * (len(groups) - len(row))) for row in rows)


def _to_tensors(rows, stops) -> dict[str, Tensor]:
    groups = tuple(map(str, range(len(rows[0]))))
    arrays = WindowedHistograms(groups, tuple(stops), rows).to_arrays()
    del arrays["groups"]
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _from_tensors(tensors: Mapping[str, Tensor] | None) -> tuple[Cells, ...]:
    if tensors is None:
        return ()
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    arrays["groups"] = np.arange(arrays["counts"].shape[1]).astype(str)
    return WindowedHistograms.from_arrays(arrays).cells
