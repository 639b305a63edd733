"""The fast path of a scan: a sequential network, through which the change itself runs.

A displaced weight w_ij changes the pre-activation of unit i by δ·x_j: a change of rank
one over the samples. It is carried to the logits as a change, so that nothing is
computed twice and subtracted, and only for the samples where a ReLU lets it through.

Axis 0 is samples (of activations) or rows (of a change: one sample under one
displacement), axis 1 is units or channels. A change that fills only some of them comes
with `part`, the slice of axis 1 that it fills.
"""

import math
import operator
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from .._numba import njit

ALL = slice(None)
BLOCK_BYTES = 2**23  # of rows at a time: more leave the processor's cache
CACHED_ROWS = 64  # of logits: 5 KB where there are ten classes
BATCH = 4_096  # samples at a time, at most
# Above it the exponential of a difference of logits may be infinite, and a probability
# that underflowed could come back: the two losses are subtracted instead.
MAX_EXPONENT = 100.0


class Layer:
    """One layer: its outputs, and what it makes of a change of its inputs."""

    is_dense = False  # whether one unit going in changes all units coming out

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs for inputs `x`, (samples, units, ...)."""

    def propagate(self, change: Tensor, part: slice, x: Tensor, rows: Tensor):
        """Return the outputs' change and its part; row r changes ``x[rows[r]]``."""


@dataclass(frozen=True, eq=False)
class Weighted(Layer):
    """Linear or Conv2d: ``run(x, weight, bias)`` with weight (outputs, inputs, ...)."""

    name: str  # of the weight in the model
    weight: Tensor
    bias: Tensor | None
    run: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    is_dense = True

    def forward(self, x):
        return self.run(x, self.weight, self.bias)

    def propagate(self, change, part, _x, _rows):
        return self.run(change, self.weight[:, part], None), ALL

    def weight_jacobian(self, x: Tensor, columns: Tensor) -> Tensor:
        """Return ∂(a unit's output)/∂(its weights), (weights, samples, 1, ...)."""
        kernel = self.weight[0]
        if kernel.ndim == 1:
            return x.T[columns].unsqueeze(2)
        maps = []
        for column in columns.tolist():
            channel, place = divmod(column, kernel[0].numel())
            one = torch.zeros_like(kernel[0]).flatten()
            one[place] = 1
            one = one.view(1, 1, *kernel.shape[1:])
            maps.append(self.run(x[:, channel, None], one, None))
        return torch.stack(maps)


@dataclass(frozen=True, eq=False)
class EvalBatchNorm(Layer):
    """BatchNorm in evaluation mode: every channel times a factor, plus a constant."""

    scale: Tensor
    shift: Tensor

    def forward(self, x):
        shape = -1, *[1] * (x.ndim - 2)
        return x * self.scale.view(shape) + self.shift.view(shape)

    def propagate(self, change, part, _x, _rows):
        return change * self.scale[part].view(-1, *[1] * (change.ndim - 2)), part


class ReLU(Layer):
    """x ↦ max(x, 0)."""

    def forward(self, x):
        return x.relu()

    def propagate(self, change, part, x, rows):
        return relu_change(change, x[:, part], rows), part


@dataclass(frozen=True, eq=False)
class MaxPool(Layer):
    """The largest value of each window."""

    run: Callable[[Tensor], Tensor]

    def forward(self, x):
        return self.run(x)

    def propagate(self, change, part, x, rows):
        before = x[:, part][rows]
        return self.run(before + change) - self.run(before), part


@dataclass(frozen=True, eq=False)
class LinearPool(Layer):
    """Anything linear, without a constant, that keeps channels apart."""

    run: Callable[[Tensor], Tensor]

    def forward(self, x):
        return self.run(x)

    def propagate(self, change, part, _x, _rows):
        return self.run(change), part


class Flatten(Layer):
    """Maps as one axis of features: a channel becomes a span of them."""

    def forward(self, x):
        return x.flatten(1)

    def propagate(self, change, part, _x, _rows):
        size = change[0, 0].numel()
        span = part if part == ALL else slice(part.start * size, part.stop * size)
        return change.flatten(1), span


@dataclass(frozen=True, eq=False)
class SequentialNet:
    """Layers from the inputs to the logits, in float64."""

    layers: Sequence[Layer]

    def activations(self, x: Tensor) -> list[Tensor]:
        """Return the input of every layer, and last the logits."""
        found = [x]
        for layer in self.layers:
            found.append(layer.forward(found[-1]))
        return found

    def propagate(
        self, start: int, unit: int, change: Tensor, activations: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Carry a unit's change, (displacements, samples, 1, ...), up to the logits.

        Returns the changes, (rows, classes), where there are any, and the number
        displacement · samples + sample of each row, ascending.
        """
        count, samples = change.shape[:2]
        change, part = change.flatten(0, 1), slice(unit, unit + 1)
        rows, kept = torch.arange(samples, device=change.device).repeat(count), None
        above = zip(self.layers[start + 1 :], activations[start + 1 : -1], strict=True)
        for layer, x in above:
            if layer.is_dense and kept is None:
                change, kept = _nonzero_rows(change)
                rows = rows[kept]
            change, part = layer.propagate(change, part, x, rows)
        if kept is None:  # no dense layer above: only some of the logits change
            change, kept = _nonzero_rows(change)
            logits = change.new_zeros(len(change), activations[-1].shape[1])
            logits[:, part] = change
            change = logits
        return change, kept


def scan_sequential(
    net: SequentialNet,
    inputs: Tensor,
    targets: Tensor,
    *,
    sampled: Sequence,
    deltas: Tensor,
    memory: int,
    advance: Callable[[float], object],
) -> tuple[float, Tensor]:
    """Return the loss, and its change (deltas, weights) under each signed displacement.

    Batches run side by side, each on one thread: the threads of a small product would
    wait for each other at its end.
    """
    workers = torch.get_num_threads() if inputs.device.type == "cpu" else 1
    places = {x.name: i for i, x in enumerate(net.layers) if isinstance(x, Weighted)}
    starts = [places[one.name] for one in sampled]
    sizes = [8 * x.numel() for x in net.activations(inputs[:1].double())]
    per_worker = memory // workers // 2
    rows = min(per_worker, BLOCK_BYTES) // (3 * max(sizes[min(starts) + 1 :]))
    limits = per_worker // (2 * sum(sizes)), len(inputs) // (2 * workers), BATCH
    step = max(1, min(rows // len(deltas), *limits))

    @torch.no_grad()
    def run(batch):
        x, y = batch
        activations = net.activations(x.double())
        change = [
            _responses(net, start, one, deltas, activations, y, rows)
            for start, one in zip(starts, sampled, strict=True)
        ]
        loss = F.cross_entropy(activations[-1], y, reduction="sum").item()
        return loss, torch.cat(change, 1), len(x) / len(inputs)

    loss, response, threads = 0.0, 0.0, torch.get_num_threads()
    one_thread = {"initializer": torch.set_num_threads, "initargs": (1,)}
    try:
        with ThreadPoolExecutor(workers, **one_thread) as pool:
            batches = zip(inputs.split(step), targets.split(step), strict=True)
            for one_loss, one_response, fraction in pool.map(run, batches):
                loss, response = loss + one_loss, response + one_response
                advance(fraction * one_response.numel())
    finally:
        torch.set_num_threads(threads)
    return loss / len(inputs), response / len(inputs)


def _responses(net, start, sampled, deltas, activations, targets, rows) -> Tensor:
    """Return a layer's loss changes summed over a batch, (deltas, weights)."""
    count, samples, logits = len(deltas), len(targets), activations[-1]
    response = logits.new_zeros(count, len(sampled.index))
    ends = logits, logits.softmax(1), targets
    for unit in sampled.unit.unique().tolist():
        of_unit = (sampled.unit == unit).nonzero().squeeze(1)
        for few in of_unit.split(max(1, rows // (count * samples))):
            jacobian = net.layers[start].weight_jacobian(
                activations[start], sampled.column[few]
            )
            change = torch.tensordot(deltas[:, None], jacobian[None], 1).flatten(0, 1)
            change, kept = net.propagate(start, unit, change, activations)
            losses = loss_change(change, *ends, kept % samples)
            sums = losses.new_zeros(count * len(few))
            sums.index_add_(0, kept // samples, losses)
            response[:, few] = sums.view(count, -1)
    return response


def _nonzero_rows(change: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows that hold a change, and their numbers."""
    flat = change.flatten(1)
    some = flat.squeeze(1) if flat.shape[1] == 1 else flat.any(1)
    kept = some.nonzero().squeeze(1)
    return change[kept], kept


# How a change passes a kink and a loss. The torch forms are the definitions, and what
# runs on other devices; on a CPU one compiled pass over the rows is far faster.


def relu_change(change: Tensor, x: Tensor, rows: Tensor) -> Tensor:
    """Return relu(x + Δ) − relu(x), as max(Δ + min(x, 0), −max(x, 0)) without loss."""
    if change.device.type != "cpu":
        x = x[rows]
        return torch.maximum(change + x.clamp(max=0), -x.clamp(min=0))
    change = change.contiguous()
    arrays = change.flatten(1), x.flatten(1).contiguous(), rows
    _relu_rows(*(array.numpy() for array in arrays))
    return change


def loss_change(
    change: Tensor, logits: Tensor, probabilities: Tensor, targets: Tensor, rows: Tensor
) -> Tensor:
    """Return by how much −ln p(target) of ``logits[rows[r]]`` grows, (rows,), in nats.

    ln(1 + Σ_c p_c (exp(Δ_c − Δ_y) − 1)), p the softmax, y the target: it keeps the
    digits that a difference of losses loses. Where it can not, the difference is taken.
    """
    if change.device.type == "cpu":
        arrays = change.contiguous(), logits, probabilities, targets, rows
        result = change.new_empty(len(rows))
        _loss_rows(*(array.numpy() for array in (*arrays, result)))
        return result
    logits, targets = logits[rows], targets[rows]
    relative = change - change.gather(1, targets[:, None])
    total = probabilities[rows] * relative.clamp(max=MAX_EXPONENT).expm1()
    total = total.sum(1)
    plain = (total < -0.5) | (relative.abs().amax(1) > MAX_EXPONENT)
    after, before = (
        F.cross_entropy(outputs, targets, reduction="none")
        for outputs in (logits + change, logits)
    )
    return torch.where(plain, after - before, total.clamp(min=-0.5).log1p())


_compiled = njit(fastmath={"contract"})


@_compiled
def _relu_rows(change, x, rows):
    for r in range(len(rows)):
        s = rows[r]
        for j in range(change.shape[1]):
            low = x[s, j] if x[s, j] < 0.0 else 0.0
            moved, floor = change[r, j] + low, low - x[s, j]
            change[r, j] = moved if moved > floor else floor


@_compiled
def _loss_rows(change, logits, probabilities, targets, rows, result):
    classes = change.shape[1]
    # A few rows at a time, so that they stay in the nearest cache.
    relative = np.empty((CACHED_ROWS, classes))
    powers = np.empty_like(relative)
    for first in range(0, len(rows), CACHED_ROWS):
        count = min(CACHED_ROWS, len(rows) - first)
        for k in range(count):
            own = change[first + k, targets[rows[first + k]]]
            for c in range(classes):
                relative[k, c] = change[first + k, c] - own
        size = count * classes
        _expm1(powers.reshape(-1)[:size], relative.reshape(-1)[:size])
        for k in range(count):
            r, total, largest = first + k, 0.0, 0.0
            s = rows[r]
            for c in range(classes):
                total += probabilities[s, c] * powers[k, c]
                largest = max(largest, abs(relative[k, c]))
            if total > -0.5 and largest <= MAX_EXPONENT:
                result[r] = math.log1p(total)
            else:
                after, before = logits[s] + change[r], logits[s]
                result[r] = _log_sum(after) - _log_sum(before) - change[r, targets[s]]


@_compiled
def _log_sum(values):
    top = values.max()
    return top + math.log(np.exp(values - top).sum())


# ln 2 in two parts, the first with few bits so that its multiples are exact; Taylor
# coefficients 1/13! … 1/2! of exp(r) − 1 − r, whose rest is below the rounding.
_LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SERIES = tuple(1.0 / math.factorial(k) for k in range(13, 1, -1))


@_compiled
def _expm1(result, values):
    """Write exp(v) − 1, cut at ±MAX_EXPONENT: math.expm1, in a form that vectorises."""
    for i in range(len(values)):
        v = values[i] if values[i] < MAX_EXPONENT else MAX_EXPONENT
        v = v if v > -MAX_EXPONENT else -MAX_EXPONENT
        octaves = math.floor(v * (1 / math.log(2)) + 0.5)
        r = (v - octaves * _LN2[0]) - octaves * _LN2[1]
        series = 0.0
        for coefficient in _SERIES:
            series = series * r + coefficient
        power = np.int64((np.int64(octaves) + 1023) << 52).view(np.float64)
        result[i] = power * (series * r * r + r) + (power - 1.0)


# Reading a module as a sequential network. The forward pass is traced symbolically, so
# methods (`x.relu()`), functions (`F.relu`) and modules (`nn.ReLU`) read the same.

DROPOUTS = {nn.Dropout, nn.Dropout1d, nn.Dropout2d}
DROPOUTS |= {F.dropout, F.dropout1d, F.dropout2d}
AVERAGES = {nn.AvgPool2d, nn.AdaptiveAvgPool2d, F.avg_pool2d, F.adaptive_avg_pool2d}
LINEAR = {nn.Identity, "contiguous"} | DROPOUTS | AVERAGES
MAXIMA = {nn.MaxPool2d, F.max_pool2d}
RECTIFIERS = {nn.ReLU, F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_"}
RESHAPES = {nn.Flatten, torch.flatten, "flatten", "view", "reshape"}
SIZES = {"size", getattr, operator.getitem}
AGREE = 1e-9  # relative: layers and module in float64 may differ in rounding only


class NotSequentialError(ValueError):
    """The module is not a sequence of known layers; the message says why."""


def read_sequential(
    model: nn.Module, state: dict[str, Tensor], sample: Tensor
) -> SequentialNet:
    """Return the module, in evaluation mode, as layers that agree with it on a sample.

    `state` has its parameters and buffers in float64.
    """
    for module in model.modules():  # what a trace does not show
        if any(value for key, value in vars(module).items() if key.endswith("_hooks")):
            raise NotSequentialError(f"a {type(module).__name__} carries hooks")
    named = [*model.named_parameters(remove_duplicate=False)]
    if len(named) > len({*model.parameters()}):
        raise NotSequentialError("two of its layers share a weight")
    outer = nn.Sequential(model)  # so that a single layer is a layer of something
    try:
        graph = fx.symbolic_trace(outer).graph
    except Exception as error:  # whatever the module's own code raises
        raise NotSequentialError(
            f"its forward pass can not be traced: {error}"
        ) from error
    layers, current, seen, sizes = [], None, set(), set()
    for node in graph.nodes:
        if node.op == "placeholder" and current is None:
            current = node
        elif node.target in SIZES and node.args[0] in seen | sizes:
            sizes.add(node)
            continue
        elif node.op == "output":
            if node.args[0] is not current:
                raise NotSequentialError(
                    "it returns something else than its last layer"
                )
            continue
        elif node.args[:1] != (current,) or {*node.all_input_nodes} - {current} - sizes:
            raise NotSequentialError(f"{node.name} branches off")
        else:
            layers.append(_layer(outer, state, node))
            current = node
        seen.add(node)
    names = [layer.name for layer in layers if isinstance(layer, Weighted)]
    for name in set(names):
        if names.count(name) > 1:
            raise NotSequentialError(f"{name} is used twice")
    net = SequentialNet(layers)
    _require_agreement(net, model, state, sample)
    return net


def _layer(outer, state, node) -> Layer:
    """Return the layer that a node of the graph stands for."""
    kind, run = node.target, None
    if node.op == "call_module":
        run = outer.get_submodule(node.target)
        kind, name = type(run), node.target.removeprefix("0").removeprefix(".")
        own = {
            k: state.get(f"{name}.{k}".removeprefix(".")) for k in ("weight", "bias")
        }
        name = f"{name}.weight".removeprefix(".")
        if kind is nn.Linear:
            return Weighted(name, **own, run=F.linear)
        if kind is nn.Conv2d and (run.groups, run.padding_mode) == (1, "zeros"):
            geometry = {k: getattr(run, k) for k in ("stride", "padding", "dilation")}
            return Weighted(name, **own, run=partial(F.conv2d, **geometry))
        if kind in (nn.BatchNorm1d, nn.BatchNorm2d) and run.track_running_stats:
            mean, variance = run.running_mean.double(), run.running_var.double()
            weight, bias = (1.0, 0.0) if own["weight"] is None else own.values()
            scale = (variance + run.eps).rsqrt() * weight
            return EvalBatchNorm(scale, bias - mean * scale)
    elif isinstance(kind, str):
        run = partial(_call, getattr(Tensor, kind, None), node.args[1:], node.kwargs)
    else:
        run = partial(_call, kind, node.args[1:], node.kwargs)
    if kind in RECTIFIERS:
        return ReLU()
    if kind in RESHAPES:
        return Flatten()
    if kind in MAXIMA:
        return MaxPool(run)
    if kind in LINEAR:
        return LinearPool(run)
    name = getattr(kind, "__name__", kind)
    raise NotSequentialError(f"{node.name} ({name}) is not known")


def _call(function, args, kwargs, x):
    return function(x, *args, **kwargs)


def _require_agreement(net, model, state, sample):
    """Compare the layers with the module itself, both in float64."""
    try:
        x = sample.double()
        expected = torch.func.functional_call(model, state, (x,))
        found = net.activations(x)
    except Exception as error:
        raise NotSequentialError(f"it does not run layer by layer: {error}") from error
    fits = all(
        x.ndim == layer.weight.ndim
        for layer, x in zip(net.layers, found, strict=False)
        if isinstance(layer, Weighted)
    )
    if not fits or found[-1].ndim != 2 or found[-1].shape != expected.shape:
        raise NotSequentialError("its layers do not work on (samples, units)")
    off = (found[-1] - expected).abs().max()
    if off > AGREE * expected.abs().max():
        raise NotSequentialError(f"it differs from its layers by {off:.1e}")
