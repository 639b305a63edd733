"""The loss response to one displaced weight: exact, over the full batch, in float64.

ΔL = L(w + δ e_k) − L(w), in evaluation mode. `loss_under_displacement` is this
definition. `perturbation_scan` gives the same numbers for many weights, sizes and both
signs: for any module by running one displaced copy after another, and much faster for a
sequential network (`rank_one`).
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map
from tqdm.auto import tqdm

from ..flat_parameters import Named, named_parameters
from ..validation import check_choice, check_positive, check_positive_int
from .float64 import as_float64, check_runs, float64_copy, run
from .rank_one import NotSequentialError, read_sequential, scan_sequential
from .response import PerturbationResponse

PROBE_SAMPLES = 16  # that run beforehand, to see what the model does


def cross_entropies(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of each row in nats, with the classes on the last axis."""
    outputs = outputs.flatten(0, -2)
    return F.cross_entropy(outputs, targets.flatten(), reduction="none")


@torch.no_grad()
def loss_under_displacement(
    model: nn.Module,
    inputs,
    targets,
    *,
    name: str,
    index: int,
    delta: float,
    loss: Callable = cross_entropies,
) -> float:
    """Return L(w + δ e_k): the definition, one forward pass in float64.

    `index` counts the entries of the parameter `name` in row-major order; the other
    arguments are those of `perturbation_scan`.

    Examples
    --------
    >>> model, x = nn.Linear(1, 2), torch.ones(1, 1)
    >>> _ = [nn.init.zeros_(p) for p in model.parameters()]
    >>> y = torch.tensor([0])
    >>> loss_under_displacement(model, x, y, name="weight", index=0, delta=0.0)
    0.693147180559945...
    """
    copy, (x, y) = float64_copy(model), as_float64((inputs, targets))
    with _displaced(copy, name, index, delta):
        return loss(run(copy, x), y).mean().item()


@torch.no_grad()
def perturbation_scan(
    model: nn.Module,
    inputs,
    targets,
    *,
    deltas: Sequence[float],
    weights_per_layer: int | Mapping[str, int],
    generator: torch.Generator,
    loss: Callable = cross_entropies,
    memory: int = 2**28,
    method: str = "auto",
) -> PerturbationResponse:
    """Measure how the loss responds to single displaced weights of every layer.

    Parameters
    ----------
    model : torch.nn.Module
        It is copied, and the copy measured in evaluation mode and in float64.
    inputs : Tensor, (samples, ...), or a tuple or mapping of them
        Several are the positional or the keyword arguments of the model.
    targets : Tensor, (samples, ...)
        For the default loss classes, int64, of the outputs' shape without the last
        axis; for another loss whatever it takes.
    deltas : sequence of float
        Sizes of the displacement, positive; both signs are measured.
    weights_per_layer : int or mapping from layer to int
        How many weights to sample without replacement: of each layer, or all that it
        has; or of the layers in the mapping. All real parameters with two axes or more
        are layers, named by their module if they are its `weight`, and else by
        themselves (``"lstm.weight_ih_l0"``). Others are listed in `excluded`.
    generator : torch.Generator
        The same seed gives the same weights, whatever the deltas.
    loss : callable, optional
        From outputs and targets to a tensor; L is its mean. By default the cross
        entropy in nats. For example ``F.mse_loss``,
        ``F.binary_cross_entropy_with_logits``, ``F.cross_entropy`` for classes on axis
        1, or ``lambda outputs, y: F.cross_entropy(outputs["logits"], y)``. If L is not
        the mean of the losses of the samples, all samples run at once.
    memory : int
        Rough bound in bytes on working arrays, beside the inputs and one copy of the
        parameters in float64.
    method : {"auto", "chain", "general"}
        "chain" propagates changes through a sequence of known layers (Linear, ReLU,
        BatchNorm1d, flatten, dropout; as modules, functions or methods) to the default
        loss; "general" runs displaced copies of any module, at the cost of a forward
        pass in float64 each; "auto" takes the first if it can.

    Raises
    ------
    ValueError
        If an argument is invalid, the targets do not fit the outputs, the loss is not
        finite, or a module, which is named, fails in float64 or is random.

    Warns
    -----
    UserWarning
        If a module casts to less than float64, as the norms of LLaMA do: the rounding
        hides small changes of the loss.

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
    inputs = dict(inputs) if isinstance(inputs, Mapping) else inputs
    samples = _count_samples((inputs, targets))
    copy, few = float64_copy(model), _samples(inputs, 0, PROBE_SAMPLES)
    outputs, size = check_runs(copy, few)
    if loss is cross_entropies:
        _check_classes(outputs, targets)
    step = max(2, memory * min(samples, PROBE_SAMPLES) // max(size, 1))
    scan, used = partial(_scan_copies, copy, loss, step), "general"
    if method != "general":
        try:
            if loss is not cross_entropies or not isinstance(inputs, Tensor):
                raise NotSequentialError("it has several inputs or another loss")
            net = read_sequential(copy, few)
            if not {one.name for one in sampled} <= {x.name for x in net.layers}:
                raise NotSequentialError("some weights are in none of its layers")
            scan, used = partial(scan_sequential, net, memory), "chain"
        except NotSequentialError as error:
            if method == "chain":
                raise ValueError(
                    f"{type(model).__name__} is not a sequence of known layers: "
                    f"{error}; choose method 'auto' or 'general'"
                ) from error
    signed = np.concatenate([sizes, -sizes])
    quiet = not (sys.stderr.isatty() or "ipykernel" in sys.modules)
    total = len(signed) * sum(counts)
    with tqdm(total=total, desc="perturbations", delay=2, disable=quiet) as bar:
        base, response = scan(inputs, targets, sampled, signed, bar.update)
    if not np.isfinite(base):
        raise ValueError(
            f"the loss is {base}, so no change of it can be measured: look for NaN or "
            "infinity in the inputs and the weights"
        )
    return PerturbationResponse(
        layers=tuple(one.layer for one in sampled),
        layer=np.repeat(np.arange(len(sampled)), counts),
        index=torch.cat([one.index for one in sampled]).cpu().numpy(),
        deltas=sizes,
        loss=base,
        response=response.reshape(2, len(sizes), -1).swapaxes(0, 1).copy(),
        samples=samples,
        method=used,
        excluded=tuple(
            one.name
            for one in named_parameters(model, frozen=True)
            if one.parameter.ndim > 1 and one.path not in {s.name for s in sampled}
        ),
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

    layer: str
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
    weights = {}
    for one in named_parameters(model, frozen=True):
        value, layer = one.parameter, _layer_name(one)
        if value.ndim > 1 and value.is_floating_point() and value.numel():
            weights[one.name if layer in weights else layer] = one.path, value
    if isinstance(count, Mapping):
        counts = dict(count)
    else:
        check_positive_int(count, "weights_per_layer")
        counts = {layer: min(count, w.numel()) for layer, (_, w) in weights.items()}
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
                f"layer {layer!r} has {value.numel():,} weights, fewer than {number:,}"
            )
        source = {"generator": generator, "device": generator.device}
        order = torch.randperm(value.numel(), **source)
        index = order[:number].sort().values.to(value.device)
        sampled.append(SampledWeights(layer, name, value.shape, index))
    return sampled


def _layer_name(one: Named) -> str:
    """Return the layer of a weight, and the own name of any other parameter."""
    name = one.name.removesuffix(".original")
    return one.layer if name.rpartition(".")[2] == "weight" else name


@contextmanager
def _displaced(model, name, index, delta):
    """Displace one entry of a parameter, and put it back."""
    parameter = model.get_parameter(name)
    place = tuple(int(k) for k in np.unravel_index(int(index), parameter.shape))
    own = parameter[place].clone()
    parameter[place] = own + delta
    try:
        yield
    finally:
        parameter[place] = own


def _samples(tree, start, stop):
    """Return some of the samples in float64."""

    def some(x):
        return x[start:stop] if isinstance(x, Tensor) and x.ndim else x

    return as_float64(tree_map(some, tree))


def _count_samples(batch) -> int:
    """Return the length of all tensors."""
    tensors = [x for x in tree_leaves(batch) if isinstance(x, Tensor) and x.ndim]
    lengths = {len(x) for x in tensors}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(
            f"inputs and targets have {sorted(lengths)} samples along their first "
            "axes: expected one number, at least 1"
        )
    return lengths.pop()


def _scan_copies(model, loss, step, inputs, targets, sampled, deltas, advance):
    """Return what `scan_sequential` does, for any module, one displaced copy each."""
    samples = _count_samples((inputs, targets))
    moves = [
        (one.name, index, delta)
        for delta in deltas
        for one in sampled
        for index in one.index.tolist()
    ]

    def losses(batch):
        return loss(run(model, batch[0]), batch[1])

    def batches(stride):
        starts = range(0, samples, stride)
        return (_samples((inputs, targets), k, k + step) for k in starts)

    def is_mean(batch):
        """Tell whether the loss is the mean of those of two parts."""
        if (count := _count_samples(batch)) == 1:
            return True
        ends = (0, (count + 2) // 3, count)
        parts = [batch, *(_samples(batch, *pair) for pair in pairwise(ends))]
        try:
            whole, *parts = (losses(part).mean().item() for part in parts)
        except Exception:  # it may need several samples; a real fault comes up again
            return False
        mean = np.average(parts, weights=np.diff(ends))
        return np.isclose(whole, mean, rtol=1e-9, atol=0)

    # Batches that overlap: no other split of samples sorted by class shows that their
    # classes have weights.
    if step < samples and not all(map(is_mean, batches(step // 2))):
        step = samples
    base, changes = 0.0, np.zeros(len(moves))
    for batch in batches(step):
        before, fraction = losses(batch), _count_samples(batch) / samples
        if before.dtype != torch.float64:
            raise ValueError(f"the loss is {before.dtype} for outputs in torch.float64")
        base += fraction * before.mean().item()
        for k, move in enumerate(moves):
            with _displaced(model, *move):
                changes[k] += fraction * (losses(batch) - before).mean().item()
            advance(fraction)
        if not losses(batch).allclose(before, rtol=1e-9, equal_nan=True):
            raise ValueError(f"{type(model).__name__} changes itself when it runs")
    return base, changes.reshape(len(deltas), -1)


def _check_classes(outputs, targets) -> None:
    """Refuse what the default loss cannot take."""
    if not isinstance(outputs, Tensor) or targets.dtype != torch.int64:
        raise ValueError(
            f"the cross entropy takes one tensor and classes as int64, got "
            f"{type(outputs).__name__} and {targets.dtype}: pass another loss"
        )
    shape = targets[: len(outputs)].shape
    if outputs.shape[:-1] != shape:
        raise ValueError(
            f"outputs of shape {tuple(outputs.shape)} do not fit targets of shape "
            f"{tuple(shape)}: expected one class for each row; or pass another loss"
        )
    low, high, top = targets.min().item(), targets.max().item(), outputs.shape[-1] - 1
    if low < 0 or high > top:
        raise ValueError(f"targets must lie in 0 to {top}, got {low} to {high}")
