"""The loss response to one displaced weight: exact, over the full batch, in float64.

ΔL = L(w + δ e_k) − L(w), L the mean cross entropy in nats in evaluation mode.
`loss_under_displacement` is this definition. `perturbation_scan` gives the same numbers
for many weights, sizes and both signs: for any module by running displaced copies side
by side, and much faster for a sequential network (`rank_one`).
"""

import sys
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..flat_parameters import layer_of
from ..training import cross_entropy, eval_mode
from ..validation import check_choice, check_positive, check_positive_int
from .rank_one import NotSequentialError, read_sequential, scan_sequential
from .response import PerturbationResponse

PROBE_SAMPLES = 16  # on which the model is compared with itself and with its layers


@torch.no_grad()
def loss_under_displacement(
    model: nn.Module, inputs: Tensor, targets: Tensor, *, name: str, index: int, delta
) -> float:
    """Return L(w + δ e_k) in nats: the definition, one forward pass in float64.

    `index` counts the entries of the parameter `name` in row-major order.

    Examples
    --------
    >>> model, x = nn.Linear(1, 2), torch.ones(1, 1)
    >>> _ = [nn.init.zeros_(p) for p in model.parameters()]
    >>> y = torch.tensor([0])
    >>> loss_under_displacement(model, x, y, name="weight", index=0, delta=0.0)
    0.693147180559945...
    """
    copy = deepcopy(model).double().eval()
    copy.get_parameter(name).view(-1)[index] += delta
    return cross_entropy(copy(as_float64(inputs)), targets).item()


@torch.no_grad()
def perturbation_scan(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    deltas: Sequence[float],
    weights_per_layer: int | Mapping[str, int],
    generator: torch.Generator,
    memory: int = 2**28,
    method: str = "auto",
) -> PerturbationResponse:
    """Measure how the loss responds to single displaced weights of every layer.

    Parameters
    ----------
    model : torch.nn.Module
        A classifier. It is measured in evaluation mode and not changed.
    inputs, targets : Tensor, (samples, ...)
        Targets are classes, int64, of the outputs' shape without the last axis.
    deltas : sequence of float
        Sizes of the displacement, positive; both signs are measured.
    weights_per_layer : int or mapping from layer to int
        How many weights to sample without replacement, of each layer or of those in
        the mapping. Weights are the parameters named `weight` with two axes or more,
        except norms.
    generator : torch.Generator
        The same seed gives the same weights, whatever the deltas.
    memory : int
        Rough bound in bytes on working arrays, beside the inputs and one copy of the
        parameters in float64.
    method : {"auto", "chain", "general"}
        "chain" propagates changes through a sequence of known layers (Linear, Conv2d,
        ReLU, BatchNorm, pools, flatten, dropout; as modules, functions or methods);
        "general" runs displaced copies of any module; "auto" takes the first if it can.

    Raises
    ------
    ValueError
        If an argument is invalid, the targets do not fit the outputs, the loss is not
        finite, or the model's output is random or depends on the rest of the batch.

    Examples
    --------
    >>> model = nn.Linear(2, 2, bias=False)
    >>> _ = nn.init.zeros_(model.weight)
    >>> x, y = torch.eye(2), torch.tensor([0, 1])
    >>> response = perturbation_scan(
    ...     model, x, y, deltas=[0.1], weights_per_layer=4, generator=torch.Generator()
    ... )
    >>> response.gradient(0.1).round(3)
    array([-0.25,  0.25,  0.25, -0.25])
    """
    check_choice(method, ("auto", "chain", "general"), "method")
    check_positive_int(memory, "memory")
    sizes = check_deltas(deltas)
    sampled = sample_weights(model, weights_per_layer, generator=generator)
    counts = [len(one.index) for one in sampled]
    signed = torch.tensor([*sizes, *-sizes], dtype=torch.float64, device=inputs.device)
    _warn_if_dropout_is_active(model)
    state = float64_state(model)
    with eval_mode(model):
        _check_batch(partial(_run, model, state), inputs, targets)
        scan, used = partial(_scan_copies, model, state), "general"
        if method != "general":
            try:
                net = read_sequential(model, state, inputs[:PROBE_SAMPLES])
                scan, used = partial(scan_sequential, net), "chain"
            except NotSequentialError as error:
                if method == "chain":
                    raise ValueError(
                        f"{type(model).__name__} is not a sequence of known layers: "
                        f"{error}; choose method 'auto' or 'general'"
                    ) from error
        visible = sys.stderr.isatty() or "ipykernel" in sys.modules
        quiet = {} if visible else {"disable": True}
        total = len(signed) * sum(counts)
        with tqdm(total=total, desc="perturbations", delay=2, **quiet) as bar:
            loss, response = scan(inputs, targets, sampled, signed, memory, bar.update)
    if not np.isfinite(loss):
        raise ValueError(
            f"the loss is {loss}, so no change of it can be measured: look for NaN or "
            "infinity in the inputs and the weights"
        )
    return PerturbationResponse(
        layers=tuple(layer_of(one.name) for one in sampled),
        layer=np.repeat(np.arange(len(sampled)), counts),
        index=torch.cat([one.index for one in sampled]).cpu().numpy(),
        deltas=sizes,
        loss=loss,
        response=response.view(2, len(sizes), -1).transpose(0, 1).cpu().numpy().copy(),
        samples=len(inputs),
        method=used,
    )


def check_deltas(deltas: Sequence[float]) -> np.ndarray:
    """Return sizes of the displacement in ascending order, or say what is wrong."""
    what = "each delta (both signs are measured)"
    sizes = [float(check_positive(delta, what)) for delta in deltas]
    if not 0 < len(sizes) == len(set(sizes)):
        raise ValueError(f"deltas must be one or more different sizes, got {sizes}")
    return np.sort(sizes)


@dataclass(frozen=True, eq=False)
class SampledWeights:
    """The weights of one layer that are displaced."""

    name: str  # of the parameter
    shape: torch.Size
    index: Tensor  # row-major, ascending, (weights,)

    @property
    def unit(self) -> Tensor:
        """The output unit that each weight leads to, (weights,)."""
        return self.index // self.shape[1:].numel()

    @property
    def column(self) -> Tensor:
        """Index of each weight among those of its unit, (weights,)."""
        return self.index % self.shape[1:].numel()


def sample_weights(
    model: nn.Module, count: int | Mapping[str, int], *, generator: torch.Generator
) -> list[SampledWeights]:
    """Sample weights of each layer that has some, or of those in the mapping."""
    norms = {id(m.weight) for m in model.modules() if isinstance(m, nn.LayerNorm)}
    weights = {
        layer_of(name): (name, value)
        for name, value in model.named_parameters()
        if name.rpartition(".")[2] == "weight" and value.ndim > 1
        if id(value) not in norms
    }
    counts = count if isinstance(count, Mapping) else dict.fromkeys(weights, count)
    if not counts:
        raise ValueError(
            f"{type(model).__name__} has no weights with two axes or more to displace"
        )
    sampled = []
    for layer, number in counts.items():
        name, value = weights[check_choice(layer, weights, "layer with weights")]
        check_positive_int(number, f"weights_per_layer of {layer!r}")
        if number > value.numel():
            raise ValueError(
                f"layer {layer!r} has {value.numel():,} weights, fewer than {number:,}:"
                f" pass a mapping such as {{{layer!r}: {value.numel()}, ...}}"
            )
        source = {"generator": generator, "device": generator.device}
        order = torch.randperm(value.numel(), **source)
        index = order[:number].sort().values.to(value.device)
        sampled.append(SampledWeights(name, value.shape, index))
    return sampled


def float64_state(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers by name, real ones in float64."""
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: as_float64(tensor.detach()).clone() for name, tensor in named}


def as_float64(x: Tensor) -> Tensor:
    """Return real numbers in float64, and indices as they are."""
    return x.double() if x.is_floating_point() else x


def _scan_copies(model, state, inputs, targets, sampled, deltas, memory, advance):
    """Return what `scan_sequential` does, for any module, from displaced copies."""
    per_sample = _bytes_per_sample(model, state, inputs[:1])
    step = max(1, min(len(inputs), memory // 2 // per_sample))
    loss, counts = 0.0, [len(one.index) for one in sampled]
    response = deltas.new_zeros(len(deltas), sum(counts))
    for x, y in zip(inputs.split(step), targets.split(step), strict=True):
        before = _losses(model, state, x, y)
        loss += before.sum().item()
        for one, part in zip(sampled, response.split(counts, dim=1), strict=True):
            change = partial(_change_of_copy, model, state, x, y, before, one.name)
            pairs = (
                deltas.repeat_interleave(part.shape[1]),
                one.index.repeat(len(deltas)),
            )
            copies = memory // (per_sample * len(x) + 8 * one.shape.numel())
            try:
                changes = torch.func.vmap(change, chunk_size=max(1, copies))(*pairs)
            except RuntimeError:  # code that vmap can not batch runs one copy at a time
                changes = torch.stack([*map(change, *pairs)])
            part += changes.view(part.shape)
            advance(part.numel() * len(x) / len(inputs))
    return loss / targets.numel(), response / targets.numel()


def _change_of_copy(model, state, x, y, before, name, delta, index):
    """Return by how much the summed loss changes if one entry of a weight does."""
    at = torch.arange(state[name].numel(), device=x.device) == index
    moved = {name: state[name] + delta * at.view(state[name].shape)}
    return (_losses(model, state | moved, x, y) - before).sum()


def _run(model, state, x):
    return torch.func.functional_call(model, state, (as_float64(x),))


def _losses(model, state, x, y):
    outputs = _run(model, state, x).flatten(0, -2)
    return F.cross_entropy(outputs, y.flatten(), reduction="none")


def _bytes_per_sample(model, state, x) -> int:
    """Return roughly what one sample takes: twice what autograd would save."""
    known = {tensor.data_ptr() for tensor in state.values()}
    sizes = [1]

    def note(tensor):
        sizes.append(tensor.nbytes * (tensor.data_ptr() not in known))
        return tensor

    trainable = {name for name, _ in model.named_parameters()}
    leaves = {n: t.detach().requires_grad_(n in trainable) for n, t in state.items()}
    with (
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(note, lambda t: t),
    ):
        _run(model, leaves, x)
    return 2 * sum(sizes)


def _warn_if_dropout_is_active(model):
    active = {type(m).__name__ for m in model.modules() if m.training}
    if dropout := sorted(name for name in active if "dropout" in name.lower()):
        warnings.warn(
            f"the model is in training mode, where its {', '.join(dropout)} is random: "
            "it is measured in evaluation mode, and then put back",
            stacklevel=3,
        )


def _check_batch(run, inputs, targets):
    """Refuse a batch, or a model, for which no change of the loss is defined."""
    if targets.dtype != torch.int64 or not 0 < len(inputs) == len(targets):
        raise ValueError(
            f"got {len(inputs)} inputs and {len(targets)} targets of {targets.dtype}: "
            "expected one or more inputs, and as many classes as int64"
        )
    few = inputs[:PROBE_SAMPLES]
    outputs, again, alone = run(few), run(few), run(few[: (len(few) + 1) // 2])
    if outputs.shape[:-1] != targets[:PROBE_SAMPLES].shape:
        raise ValueError(
            f"outputs of shape {tuple(outputs.shape)} do not fit targets of shape "
            f"{tuple(targets[:PROBE_SAMPLES].shape)}: expected one class for each row"
        )
    low, high, top = targets.min().item(), targets.max().item(), outputs.shape[-1] - 1
    if low < 0 or high > top:
        raise ValueError(f"targets must lie in 0 to {top}, got {low} to {high}")
    for other, reason in (
        (again, "is random, even in evaluation mode: switch that off"),
        (alone, "depends on the rest of the batch: let BatchNorm track its statistics"),
    ):
        same = {"rtol": 1e-9, "atol": 1e-12, "equal_nan": True}
        if not torch.allclose(outputs[: len(other)], other, **same):
            raise ValueError(f"the model's output {reason}")
