"""The fast path of a scan: changes propagated through a sequential network.

A displaced weight w_ij changes the pre-activation of unit i by δ·x_j: a change of rank
one over the samples. It runs on to the logits as a change, so that no two large numbers
are subtracted, and only for the samples where a ReLU lets it through.

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
from itertools import accumulate

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from .._numba import njit

ALL = slice(None)
BLOCK_BYTES = 2**23  # of rows at a time: more leave the processor's cache
BATCH = 4_096  # samples at a time, at most
# Above it the exponential of a difference of logits may be infinite, and a probability
# that underflowed could come back: the two losses are subtracted instead.
MAX_EXPONENT = 100.0


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: its outputs, and what it makes of a change of its inputs."""

    forward: Callable[[Tensor], Tensor]  # of inputs (samples, units, ...)
    is_dense = False  # whether one unit going in changes all units coming out

    def propagate(self, change: Tensor, part: slice, x: Tensor, rows: Tensor):
        """Return the outputs' change and its part; row r changes ``x[rows[r]]``."""


@dataclass(frozen=True, eq=False)
class Weighted(Layer):
    """Linear or Conv2d: ``operation(x, weight)``, plus a constant."""

    operation: Callable[[Tensor, Tensor], Tensor]
    name: str  # of the weight in the model
    weight: Tensor  # (outputs, inputs, ...)
    is_dense = True

    def propagate(self, change, part, _x, _rows):
        return self.operation(change, self.weight[:, part]), ALL

    def weight_jacobian(self, x: Tensor, columns: Tensor) -> Tensor:
        """Return ∂(a unit's output)/∂(its weights), (weights, samples, 1, ...)."""
        kernel = self.weight[0]
        if kernel.ndim == 1:
            return x.T[columns].unsqueeze(2)
        maps = []
        for column in columns.tolist():
            channel, place = divmod(column, kernel[0].numel())
            one = torch.zeros_like(kernel[0])
            one.view(-1)[place] = 1
            maps.append(self.operation(x[:, channel, None], one[None, None]))
        return torch.stack(maps)


class LinearPool(Layer):
    """Anything linear, without a constant, that keeps channels apart."""

    def propagate(self, change, part, _x, _rows):
        return self.forward(change), part


class MaxPool(Layer):
    """The largest value of each window."""

    def propagate(self, change, part, x, rows):
        before = x[:, part][rows]
        return self.forward(before + change) - self.forward(before), part


class ReLU(Layer):
    """x ↦ max(x, 0)."""

    def propagate(self, change, part, x, rows):
        return relu_change(change, x[:, part], rows), part


class Flatten(Layer):
    """Maps as one axis of features: a channel becomes a span of them."""

    def propagate(self, change, part, _x, _rows):
        size = change[0, 0].numel()
        span = part if part == ALL else slice(part.start * size, part.stop * size)
        return change.flatten(1), span


@dataclass(frozen=True, eq=False)
class EvalBatchNorm(Layer):
    """BatchNorm in evaluation mode: every channel times `scale`, plus a constant."""

    scale: Tensor  # (channels, ...), as many axes as a sample has

    def propagate(self, change, part, _x, _rows):
        return change * self.scale[part], part


@dataclass(frozen=True, eq=False)
class SequentialNet:
    """Layers from the inputs to the logits, in float64."""

    layers: Sequence[Layer]

    def activations(self, x: Tensor) -> list[Tensor]:
        """Return the input of every layer, and last the logits."""
        return [*accumulate(self.layers, lambda x, layer: layer.forward(x), initial=x)]

    def propagate(
        self, start: int, unit: int, change: Tensor, activations: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Carry a unit's change, (displacements, samples, 1, ...), up to the logits.

        Return the changes, (rows, classes), where there are any, and of each row the
        sample and the number displacement · samples + sample.
        """
        count, samples = change.shape[:2]
        change, part, changed = change.flatten(0, 1), slice(unit, unit + 1), None
        rows = torch.arange(samples, device=change.device).repeat(count)
        above = zip(self.layers[start + 1 :], activations[start + 1 : -1], strict=True)
        for layer, x in above:
            if layer.is_dense and changed is None:
                change, changed = _nonzero_rows(change)
                rows = rows[changed]
            change, part = layer.propagate(change, part, x, rows)
        if changed is None:  # no dense layer above: only some of the logits change
            part_change, changed = _nonzero_rows(change)
            change = change.new_zeros(len(changed), activations[-1].shape[1])
            change[:, part], rows = part_change, rows[changed]
        return change, rows, changed


def scan_sequential(net, memory, inputs, targets, sampled, deltas, advance):
    """Return the loss, and its change (deltas, weights) under each signed displacement.

    Batches run side by side, each on one thread: the threads of a small product would
    wait for each other at its end.
    """
    workers = torch.get_num_threads() if inputs.device.type == "cpu" else 1
    places = {x.name: i for i, x in enumerate(net.layers) if isinstance(x, Weighted)}
    starts = [places[one.name] for one in sampled]
    deltas = torch.from_numpy(deltas).to(inputs.device)
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
    return loss / len(inputs), (response / len(inputs)).cpu().numpy()


def _responses(net, start, sampled, deltas, activations, targets, most) -> Tensor:
    """Return a layer's loss changes summed over a batch, (deltas, weights)."""
    count, samples, logits = len(deltas), len(targets), activations[-1]
    response = logits.new_zeros(count, len(sampled.index))
    ends = logits, logits.softmax(1), targets
    for unit in sampled.unit.unique().tolist():
        of_unit = (sampled.unit == unit).nonzero().squeeze(1)
        for few in of_unit.split(max(1, most // (count * samples))):
            jacobian = net.layers[start].weight_jacobian(
                activations[start], sampled.column[few]
            )
            change = torch.tensordot(deltas[:, None], jacobian[None], 1).flatten(0, 1)
            change, rows, changed = net.propagate(start, unit, change, activations)
            losses = logits.new_zeros(count, len(few), samples)
            losses.view(-1)[changed] = loss_change(change, *ends, rows)
            response[:, few] = losses.sum(2)
    return response


def _nonzero_rows(change: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows that are not all zero, and their numbers."""
    flat = change.flatten(1)
    some = flat.squeeze(1) if flat.shape[1] == 1 else flat.any(1)
    numbers = some.nonzero().squeeze(1)
    return change[numbers], numbers


# A change past a kink and into the loss. The torch forms are the definitions and run on
# other devices; on a CPU one compiled pass over the rows takes half their time.


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

    ln(1 + Σ_c p_c (exp(Δ_c − Δ_y) − 1)), p the softmax, y the target, keeps the digits
    that a difference of losses loses. Where it overflows, the difference is taken.
    """
    relative = change.contiguous()
    if change.device.type == "cpu":
        total = change.new_empty(len(rows))
        arrays = relative, probabilities, targets, rows, total
        _loss_rows(*(array.numpy() for array in arrays))  # overwrites `relative`
    else:
        relative = change - change.gather(1, targets[rows, None])
        terms = relative.clamp(-MAX_EXPONENT, MAX_EXPONENT).expm1()
        total = (probabilities[rows] * terms).sum(1)
        total[relative.abs().amax(1) > MAX_EXPONENT] = -math.inf
    result = total.clamp(min=-0.5).log1p()
    plain = (total <= -0.5).nonzero().squeeze(1)
    if len(plain):
        base, own = logits[rows[plain]], targets[rows[plain]]
        after, before = (
            F.cross_entropy(outputs, own, reduction="none")
            for outputs in (base + relative[plain], base)
        )
        result[plain] = after - before
    return result


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
def _loss_rows(change, probabilities, targets, rows, total):
    for r in range(len(rows)):
        own, largest = change[r, targets[rows[r]]], 0.0
        for c in range(change.shape[1]):
            change[r, c] -= own
            largest = max(largest, abs(change[r, c]))
        total[r] = 0.0 if largest <= MAX_EXPONENT else -math.inf
    terms = np.empty_like(change)
    _expm1(terms.reshape(-1), change.reshape(-1))
    for r in range(len(rows)):
        for c in range(change.shape[1]):
            total[r] += probabilities[rows[r], c] * terms[r, c]


# ln 2 in two parts, the first with few bits so that its multiples are exact; Taylor
# coefficients 1/13! … 1/2! of exp(r) − 1 − r, whose rest is below the rounding.
_LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SERIES = tuple(1.0 / math.factorial(k) for k in range(13, 1, -1))


@_compiled
def _expm1(result, values):
    """Write exp(v) − 1, cut at ±MAX_EXPONENT: math.expm1, in a form that vectorises."""
    for i in range(len(values)):
        v = min(max(values[i], -MAX_EXPONENT), MAX_EXPONENT)
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
AGREEMENT = 1e-9  # relative: layers and module in float64 may differ in rounding only


class NotSequentialError(ValueError):
    """The module is not a sequence of known layers; the message says why."""


def read_sequential(model: nn.Module, sample: Tensor) -> SequentialNet:
    """Return a module in float64 as layers that agree with it on a sample."""
    outer = nn.Sequential(model)  # so that a single layer is a layer of something
    try:
        nodes = fx.symbolic_trace(outer).graph.nodes
    except Exception as error:  # whatever the module's own code raises
        message = f"its forward pass cannot be traced: {error}"
        raise NotSequentialError(message) from error
    layers, current, sizes = [], None, set()
    for node in nodes:
        if node.op == "placeholder":
            current = node
        elif node.target in SIZES:
            sizes.add(node)
        elif node.op != "output":
            if {*node.all_input_nodes} - sizes != {current}:
                raise NotSequentialError(f"{node.name} branches off")
            layers.append(_layer(outer, node))
            current = node
    weights = [layer.weight for layer in layers if isinstance(layer, Weighted)]
    if len({*map(id, weights)}) < len(weights):
        raise NotSequentialError("a weight is used twice")
    net, expected = SequentialNet(layers), model(sample)
    try:
        found = net.activations(sample)
        for layer, x in zip(layers, found, strict=False):
            if isinstance(layer, Weighted) and x.ndim != layer.weight.ndim:
                raise ValueError(f"{layer.name} has inputs of {x.ndim} axes")
        difference = (found[-1] - expected).abs().max()
    except Exception as error:
        raise NotSequentialError(f"it does not run layer by layer: {error}") from error
    fits = found[-1].ndim == 2 and found[-1].shape == expected.shape
    if not fits or difference > AGREEMENT * expected.abs().max():
        raise NotSequentialError(f"it differs from its layers by {difference:.1e}")
    return net


def _layer(outer, node) -> Layer:
    """Return the layer that a node of the graph stands for."""
    kind = node.target
    if node.op == "call_module":
        run = outer.get_submodule(node.target)
        kind, operation = type(run), None
        if kind is nn.Linear:
            operation = F.linear
        if kind is nn.Conv2d and (run.groups, run.padding_mode) == (1, "zeros"):
            geometry = {k: getattr(run, k) for k in ("stride", "padding", "dilation")}
            operation = partial(F.conv2d, **geometry)
        if operation:  # without hooks: they are not layers
            forward = partial(operation, weight=run.weight, bias=run.bias)
            name = f"{node.target}.weight".removeprefix("0.")
            return Weighted(forward, operation, name, run.weight)
        if kind in (nn.BatchNorm1d, nn.BatchNorm2d) and run.track_running_stats:
            scale = (run.running_var + run.eps).rsqrt()
            scale = scale if run.weight is None else scale * run.weight
            scale = scale.view(-1, 1, 1) if kind is nn.BatchNorm2d else scale
            return EvalBatchNorm(run.forward, scale)
    else:
        function = getattr(Tensor, kind, None) if isinstance(kind, str) else kind
        run = partial(_call, function, node.args[1:], node.kwargs)
    if kind in RECTIFIERS:
        return ReLU(torch.relu)
    if kind in RESHAPES:
        return Flatten(partial(torch.flatten, start_dim=1))
    if kind in MAXIMA | LINEAR:
        return (MaxPool if kind in MAXIMA else LinearPool)(run)
    name = getattr(kind, "__name__", kind)
    raise NotSequentialError(f"{node.name} ({name}) is not known")


def _call(function, args, kwargs, x):
    return function(x, *args, **kwargs)
