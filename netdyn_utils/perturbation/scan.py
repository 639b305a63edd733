"""The loss response to one displaced weight: exact, over the full batch, in float64.

ΔL = L(w + δ e_k) − L(w), L the mean cross-entropy in nats in evaluation mode. In plain
lines it is `loss_under_displacement`: a copy in float64, one weight moved, a forward
pass, a difference. `perturbation_scan` gives the same numbers for many weights, sizes
and both signs: for any module on many displaced copies at once, and at a small part of
that cost for a sequential network (`rank_one`).
"""

import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..flat_parameters import layer_of
from ..training import cross_entropy, eval_mode
from ..validation import check_choice, check_positive, check_positive_int
from .rank_one import (
    NotSequentialError,
    loss_change,
    read_sequential,
    scan_sequential,
)
from .response import PerturbationResponse

METHODS = ("auto", "chain", "general")
COMPARED = 16  # samples on which the model is compared with itself and with its layers


@torch.no_grad()
def loss_under_displacement(
    model: nn.Module, inputs: Tensor, targets: Tensor, *, name: str, index: int, delta
) -> float:
    """Return L(w + δ e_k): the definition, one forward pass of a copy in float64.

    Parameters
    ----------
    name : str
        Of the parameter.
    index : int
        Which of its entries is displaced, in row-major order.
    delta : float

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
    layers: Sequence[str] | None = None,
    memory: int = 2**28,
    method: str = "auto",
) -> PerturbationResponse:
    """Measure how the loss responds to single displaced weights of every layer.

    Parameters
    ----------
    model : torch.nn.Module
        A classifier. It is evaluated in evaluation mode, whatever mode it is in, and
        gets its mode back; nothing of it is changed.
    inputs : Tensor, (samples, ...)
    targets : Tensor of int64, (samples,) or as the outputs without their last axis
    deltas : sequence of float
        Sizes of the displacement, positive; both signs are always measured.
    weights_per_layer : int or mapping from layer to int
        How many weights are sampled of each layer, without replacement.
    generator : torch.Generator
        Samples them, layer by layer: the same seed gives the same weights, whatever
        the deltas.
    layers : sequence of str, optional
        Which layers; by default all that have weights. Weights are parameters named
        `weight` with two axes or more, trainable or not: no biases, no norms.
    memory : int
        Rough bound in bytes on working arrays, beside the inputs and one copy of the
        parameters in float64.
    method : {"auto", "chain", "general"}
        "chain" propagates changes through a sequence of known layers; "general" runs
        any module on displaced copies; "auto" takes the first where it can.

    Returns
    -------
    PerturbationResponse

    Raises
    ------
    ValueError
        Deltas that are not positive, finite and different; more weights than a layer
        has; a layer without weights; targets that do not fit; NaN in the inputs or the
        loss; a model whose output differs between two identical calls; method "chain"
        for a model that is none.

    Warns
    -----
    UserWarning
        If dropout is acting: the model is in training mode, the scan is not.

    Notes
    -----
    A chain is a sequence of Linear, Conv2d, ReLU, BatchNorm, pools, flatten and
    dropout, as modules, functions or methods. A displaced weight w_ij changes the sum
    of unit i by δ·x_j; where the unit's output does not change, the sample is done.
    Else the change runs on through the layers as a difference, so that the result keeps
    its digits however small δ is.

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
    check_choice(method, METHODS, "method")
    check_positive_int(memory, "memory")
    sizes = check_deltas(deltas)
    sampled = sample_weights(
        model, weights_per_layer, generator=generator, layers=layers
    )
    signed = torch.tensor([*sizes, *-sizes], dtype=torch.float64, device=inputs.device)
    total = len(signed) * sum(len(one.index) for one in sampled)
    watched = sys.stderr.isatty() or "ipykernel" in sys.modules
    hidden = not watched or bool(os.environ.get("TQDM_DISABLE"))
    _warn_if_dropout_acts(model)
    state = float64_state(model)
    with eval_mode(model):
        _check_batch(model, state, inputs, targets)
        scan, used = _scan_general, "general"
        subject = model, state
        if method != "general":
            try:
                subject = (read_sequential(model, state, inputs[:COMPARED]),)
                scan, used = scan_sequential, "chain"
            except NotSequentialError as error:
                if method == "chain":
                    raise ValueError(
                        f"{type(model).__name__} is no chain of known layers: {error}; "
                        "choose method 'auto' or 'general'"
                    ) from error
        # Short scans need no bar.
        with tqdm(total=total, desc="perturbations", disable=hidden, delay=2) as bar:
            loss, response = scan(
                *subject,
                inputs,
                targets,
                sampled=sampled,
                deltas=signed,
                memory=memory,
                advance=bar.update,
            )
    if not np.isfinite(loss):
        raise ValueError(f"the loss is {loss}: no change of it can be measured")
    return PerturbationResponse(
        layers=tuple(layer_of(one.name) for one in sampled),
        layer=np.repeat(np.arange(len(sampled)), [len(one.index) for one in sampled]),
        index=torch.cat([one.index for one in sampled]).cpu().numpy(),
        deltas=sizes,
        loss=loss,
        response=response.view(2, len(sizes), -1).transpose(0, 1).cpu().numpy().copy(),
        samples=len(inputs),
        method=used,
    )


def check_deltas(deltas) -> np.ndarray:
    """Return sizes of the displacement in ascending order, or say what is wrong."""
    sizes = [
        float(check_positive(delta, "each delta (both signs are measured)"))
        for delta in deltas
    ]
    if not sizes:
        raise ValueError("deltas is empty: pass one positive size or more")
    if len(set(sizes)) < len(sizes):
        raise ValueError(f"deltas must differ from each other, got {sizes}")
    return np.sort(np.array(sizes))


@dataclass(frozen=True, eq=False)
class SampledWeights:
    """The weights of one layer that are displaced."""

    name: str  # of the parameter
    shape: tuple[int, ...]
    index: Tensor  # row-major, ascending, (weights,)

    @property
    def unit(self) -> Tensor:
        """Which output each weight leads into, (weights,)."""
        return self.index // self.shape[1:].numel()

    @property
    def column(self) -> Tensor:
        """Which of that output's weights each one is, (weights,)."""
        return self.index % self.shape[1:].numel()


def sample_weights(
    model: nn.Module,
    count: int | Mapping[str, int],
    *,
    generator: torch.Generator,
    layers: Sequence[str] | None = None,
) -> list[SampledWeights]:
    """Sample weights of each layer, by default of all that have some."""
    norms = {
        f"{name}.weight".removeprefix(".")
        for name, module in model.named_modules()
        if isinstance(module, nn.LayerNorm)
    }
    weights = {
        layer_of(name): (name, value.detach())
        for name, value in model.named_parameters()
        if name.rpartition(".")[2] == "weight" and value.ndim > 1 and name not in norms
    }
    if not weights:
        raise ValueError(
            f"{type(model).__name__} has no weights with two axes or more to displace"
        )
    if isinstance(layers, str):
        raise ValueError(f"layers must be a sequence of names, got one name {layers!r}")
    counts = count if isinstance(count, Mapping) else dict.fromkeys(weights, count)
    layers = list(counts if layers is None else layers)
    if not layers or len(set(layers)) < len(layers):
        raise ValueError(f"layers must be one or more different names, got {layers}")
    sampled = []
    for layer in layers:
        if layer not in weights and layer in dict(model.named_modules()):
            raise ValueError(
                f"layer {layer!r} has no weights with two axes or more: choose from "
                f"{', '.join(weights)}"
            )
        name, value = weights[check_choice(layer, weights, "layer")]
        if layer not in counts:
            raise ValueError(
                f"weights_per_layer says nothing of layer {layer!r}: add it"
            )
        number = check_positive_int(counts[layer], f"weights_per_layer of {layer!r}")
        if number > value.numel():
            raise ValueError(
                f"layer {layer!r} has {value.numel():,} weights, fewer than "
                f"{number:,}: ask for fewer, or pass a mapping such as "
                f"{{{layer!r}: {value.numel()}, ...}}"
            )
        order = torch.randperm(
            value.numel(), generator=generator, device=generator.device
        ).to(value.device)
        index = order[:number].sort().values
        sampled.append(SampledWeights(name, value.shape, index))
    return sampled


def float64_state(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers by name, real ones in float64."""
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: as_float64(tensor.detach()).clone() for name, tensor in named}


def as_float64(x: Tensor) -> Tensor:
    """Return real numbers in float64, and indices as they are."""
    return x.double() if x.is_floating_point() else x


def _scan_general(
    model: nn.Module,
    state: dict[str, Tensor],
    inputs: Tensor,
    targets: Tensor,
    *,
    sampled: Sequence[SampledWeights],
    deltas: Tensor,
    memory: int,
    advance: Callable[[float], object],
) -> tuple[float, Tensor]:
    """Return what `scan_sequential` does, for any module, on many displaced copies."""
    per_sample = _bytes_per_sample(model, state, inputs[:1])
    step = max(1, min(len(inputs), memory // 2 // per_sample))
    loss = 0.0
    response = [deltas.new_zeros(len(deltas), len(one.index)) for one in sampled]
    for x, y in zip(inputs.split(step), targets.split(step), strict=True):
        x, y = as_float64(x), y.flatten()
        rows = torch.arange(len(y), device=y.device)
        base = _run(model, state, x).flatten(0, -2)
        loss += F.cross_entropy(base, y, reduction="sum").item()
        for total, one in zip(response, sampled, strict=True):
            per_copy = per_sample * len(x) + 8 * state[one.name].numel()
            pairs = torch.cartesian_prod(
                *(torch.arange(n, device=y.device) for n in total.shape)
            )
            for pair in pairs.split(max(1, memory // per_copy)):
                delta, place = pair.T
                copies = state[one.name].flatten().repeat(len(pair), 1)
                copies.scatter_add_(1, one.index[place, None], deltas[delta, None])
                outputs = _run_copies(model, state, x, one, copies)
                changes = [
                    loss_change(logits - base, base, base.softmax(1), y, rows).sum()
                    for logits in outputs.flatten(1, -2)
                ]
                total[delta, place] += torch.stack(changes)
                advance(len(pair) * len(x) / len(inputs))
    return loss / targets.numel(), torch.cat(response, 1) / targets.numel()


def _run(model, state, x):
    return torch.func.functional_call(model, state, (x,))


def _run_copies(model, state, x, one, copies):
    """Return the outputs under each displaced copy of one parameter."""

    def run(weight):
        return _run(model, {**state, one.name: weight.view(one.shape)}, x)

    try:
        return torch.func.vmap(run)(copies)
    except RuntimeError:  # code that vmap can not batch runs one copy at a time
        return torch.stack([run(weight) for weight in copies])


def _bytes_per_sample(model, state, x) -> int:
    """Return how many bytes of intermediate results one sample makes, roughly.

    What a backward pass would keep is what there is, short of passing buffers.
    """
    known = {tensor.data_ptr() for tensor in state.values()}
    sizes = [1]

    def note(tensor):
        if tensor.data_ptr() not in known:
            sizes.append(tensor.nbytes)
        return tensor

    trainable = {name for name, _ in model.named_parameters()}
    leaves = {n: t.requires_grad_(n in trainable) for n, t in state.items()}
    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
    with torch.enable_grad(), hooks:
        _run(model, leaves, as_float64(x))
    for tensor in state.values():
        tensor.requires_grad_(False)
    return 2 * sum(sizes)


def _warn_if_dropout_acts(model):
    """Warn that what the caller sees of the model is not what is measured."""
    acting = {type(m).__name__ for m in model.modules() if m.training}
    dropout = sorted(name for name in acting if "dropout" in name.lower())
    if dropout:
        warnings.warn(
            f"the model is in training mode, where its {', '.join(dropout)} is random: "
            "it is measured in evaluation mode, and then put back",
            stacklevel=3,
        )


def _check_batch(model, state, inputs, targets):
    """Refuse a batch, or a model, for which no change of the loss is defined."""
    if not 0 < len(inputs) == len(targets):
        raise ValueError(
            f"got {len(inputs)} inputs and {len(targets)} targets: expected as many of "
            "each, at least one"
        )
    if targets.dtype != torch.int64:
        raise ValueError(f"targets must be classes as int64, got {targets.dtype}")
    # The extremes are NaN if any value is, and need no array of the inputs' size.
    if inputs.is_floating_point() and not all(x.isfinite() for x in inputs.aminmax()):
        raise ValueError("inputs hold NaN or infinity: leave those samples out")
    few = as_float64(inputs[:COMPARED])
    outputs, again = (_run(model, state, few) for _ in range(2))
    same = {"rtol": 1e-9, "atol": 1e-12, "equal_nan": True}
    if not torch.allclose(outputs, again, **same):
        raise ValueError(
            "the model gives two outputs for the same inputs, even in evaluation mode: "
            "a change of its loss has no meaning, so switch off what is random in it"
        )
    half = (len(few) + 1) // 2
    if not torch.allclose(outputs[:half], _run(model, state, few[:half]), **same):
        raise ValueError(
            "the output for one sample depends on the others beside it, so that the "
            "loss can not be summed batch by batch: let BatchNorm track its statistics"
        )
    if outputs.shape[:-1] != targets[:COMPARED].shape:
        raise ValueError(
            f"outputs of shape {tuple(outputs.shape)} do not fit targets of shape "
            f"{tuple(targets[:COMPARED].shape)}: expected one class for each row"
        )
    low, high, classes = targets.min().item(), targets.max().item(), outputs.shape[-1]
    if low < 0 or high >= classes:
        raise ValueError(f"targets must lie in 0 to {classes - 1}, got {low} to {high}")
