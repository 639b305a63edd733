"""The fast path of a scan: changes propagated through a sequential network.

A displaced weight w_ij changes the pre-activation of unit i by δ·x_j: a change of rank
one over the samples. It runs on to the logits as a change, so that no two large numbers
are subtracted, and only for the samples where a ReLU lets it through.

Activations have the shape (samples, units). A row of a change is one sample under one
displacement; `part` is the slice of the units that change.
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

    kind: str  # "linear", "scale" (a factor for each unit), "relu" or "identity"
    forward: Callable[[Tensor], Tensor]
    weight: Tensor | None = None  # (outputs, inputs) if linear, (units,) if a scale
    name: str = ""  # of a linear layer's weight in the model

    def propagate(self, change: Tensor, part: slice, x: Tensor, rows: Tensor):
        """Return the outputs' change and its part; row r changes ``x[rows[r]]``."""
        if self.kind == "linear":
            return F.linear(change, self.weight[:, part]), ALL
        if self.kind == "scale":
            return change * self.weight[part], part
        if self.kind == "relu":
            return relu_change(change, x[:, part], rows), part
        return change, part


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
        """Carry the change of a unit, (displacements, samples), up to the logits.

        Return the changes, (rows, classes), where there are any, and of each row the
        sample and the number displacement · samples + sample.
        """
        count, samples = change.shape
        rows = torch.arange(samples, device=change.device).repeat(count)
        change, part, changed = change.reshape(-1, 1), slice(unit, unit + 1), None
        above = zip(self.layers[start + 1 :], activations[start + 1 : -1], strict=True)
        for layer, x in (*above, (None, None)):
            if changed is None and (layer is None or layer.kind == "linear"):
                changed = change.squeeze(1).nonzero().squeeze(1)
                change, rows = change[changed], rows[changed]
            if layer:
                change, part = layer.propagate(change, part, x, rows)
        logits = change.new_zeros(len(changed), activations[-1].shape[1])
        logits[:, part] = change
        return logits, rows, changed


def scan_sequential(net, memory, inputs, targets, sampled, deltas, advance):
    """Return the loss, and its change (deltas, weights) under each signed displacement.

    Batches run side by side, each on one thread: the threads of a small product would
    wait for each other at its end.
    """
    workers = torch.get_num_threads() if inputs.device.type == "cpu" else 1
    places = {x.name: i for i, x in enumerate(net.layers) if x.kind == "linear"}
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
            x = activations[start].T[sampled.column[few]]  # ∂(the unit)/∂(a weight)
            change = (deltas[:, None, None] * x).flatten(0, 1)
            change, rows, changed = net.propagate(start, unit, change, activations)
            losses = logits.new_zeros(count, len(few), samples)
            losses.view(-1)[changed] = loss_change(change, *ends, rows)
            response[:, few] = losses.sum(2)
    return response


# A change past a kink and into the loss. The torch forms are the definitions and run on
# other devices; on a CPU one compiled pass over the rows takes half their time.


def relu_change(change: Tensor, x: Tensor, rows: Tensor) -> Tensor:
    """Return relu(x + Δ) − relu(x), as max(Δ + min(x, 0), −max(x, 0)) without loss."""
    if change.device.type != "cpu":
        x = x[rows]
        return torch.maximum(change + x.clamp(max=0), -x.clamp(min=0))
    change = change.contiguous()
    arrays = change, x.contiguous(), rows
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

IDENTITIES = {nn.Identity, nn.Dropout, F.dropout, "contiguous"}
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
    weights = [layer.weight for layer in layers if layer.kind == "linear"]
    if len({*map(id, weights)}) < len(weights):
        raise NotSequentialError("a weight is used twice")
    net, expected = SequentialNet(layers), model(sample)
    try:
        found = net.activations(sample)
        for layer, x in zip(layers, found, strict=False):
            if layer.kind == "linear" and x.ndim != 2:
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
        kind = type(run)
    if kind is nn.Linear:
        name = f"{node.target}.weight".removeprefix("0.")
        forward = partial(F.linear, weight=run.weight, bias=run.bias)  # without hooks
        return Layer("linear", forward, run.weight, name)
    if kind is nn.BatchNorm1d and run.track_running_stats:
        scale = (run.running_var + run.eps).rsqrt()
        scale = scale if run.weight is None else scale * run.weight
        return Layer("scale", run.forward, scale)
    if kind in RECTIFIERS:
        return Layer("relu", torch.relu)
    if kind in RESHAPES:
        return Layer("identity", partial(torch.flatten, start_dim=1))
    if kind in IDENTITIES:
        return Layer("identity", lambda x: x)
    name = getattr(kind, "__name__", kind)
    raise NotSequentialError(f"{node.name} ({name}) is not known")
