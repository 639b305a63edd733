"""The loss response to one displaced weight: exact, over the full batch, in float64.

ΔL = L(w + δ e_k) − L(w), L the mean cross-entropy in nats in evaluation mode. In plain
lines it is `loss_under_displacement`: a copy in float64, one weight moved, a forward
pass, a difference. `perturbation_scan` gives the same numbers for many weights, sizes
and both signs, at a small part of the cost.
"""

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..checks import choose, positive, positive_int
from ..flat_parameters import layer_of
from ..training import cross_entropy, evaluating
from .chain_scan import scan_chain
from .chain_tracing import NotAChainError, read_chain
from .general_scan import scan_general
from .responses import PerturbationResponse
from .weight_draws import as_float64, draw_weights, float64_state

METHODS = ("auto", "chain", "general")
COMPARED = 16  # samples on which a model is held against itself and against its chain


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
        How many weights are drawn of each layer, without replacement.
    generator : torch.Generator
        Draws them, layer by layer: the same seed gives the same weights, whatever the
        deltas.
    layers : sequence of str, optional
        Which layers; by default all that have weights. Weights are parameters named
        `weight` with two axes or more, trainable or not: no biases, no norms.
    memory : int
        Rough bound in bytes on working arrays, beside the inputs and one copy of the
        parameters in float64.
    method : {"auto", "chain", "general"}
        "chain" carries differences through a stack of known stages; "general" runs
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
    A chain is a stack of Linear, Conv2d, ReLU, BatchNorm, pools, flatten and dropout,
    as modules, functions or methods. A displaced weight w_ij changes the sum of unit i
    by δ·x_j; where the unit's output does not change, the sample is done. Else the
    change runs on through the stages as a difference, so that the result keeps its
    digits however small δ is: see `chains` and `differences`.

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
    choose(method, METHODS, "method")
    positive_int(memory, "memory")
    sizes = check_deltas(deltas)
    drawn = draw_weights(model, weights_per_layer, generator=generator, layers=layers)
    signed = torch.tensor([*sizes, *-sizes], dtype=torch.float64, device=inputs.device)
    total = len(signed) * sum(len(one.index) for one in drawn)
    watched = sys.stderr.isatty() or "ipykernel" in sys.modules
    hidden = not watched or bool(os.environ.get("TQDM_DISABLE"))
    _say_if_dropout_acts(model)
    with evaluating(model):
        _check_batch(model, inputs, targets)
        path, used = scan_general, "general"
        subject = model
        if method != "general":
            try:
                subject = read_chain(model, inputs[:COMPARED])
                path, used = scan_chain, "chain"
            except NotAChainError as error:
                if method == "chain":
                    raise ValueError(
                        f"{type(model).__name__} is no chain of known stages: {error}; "
                        "choose method 'auto' or 'general'"
                    ) from error
        # Short scans need no bar.
        with tqdm(total=total, desc="perturbations", disable=hidden, delay=2) as bar:
            loss, response = path(
                subject,
                inputs,
                targets,
                drawn=drawn,
                deltas=signed,
                memory=memory,
                advance=bar.update,
            )
    if not np.isfinite(loss):
        raise ValueError(f"the loss is {loss}: no change of it can be measured")
    return PerturbationResponse(
        layers=tuple(layer_of(one.name) for one in drawn),
        layer=np.repeat(np.arange(len(drawn)), [len(one.index) for one in drawn]),
        index=torch.cat([one.index for one in drawn]).cpu().numpy(),
        deltas=sizes,
        loss=loss,
        response=response.view(2, len(sizes), -1).transpose(0, 1).cpu().numpy().copy(),
        samples=len(inputs),
        method=used,
    )


def check_deltas(deltas) -> np.ndarray:
    """Return sizes of the displacement in ascending order, or say what is wrong."""
    sizes = [
        float(positive(delta, "each delta (both signs are measured)"))
        for delta in deltas
    ]
    if not sizes:
        raise ValueError("deltas is empty: pass one positive size or more")
    if len(set(sizes)) < len(sizes):
        raise ValueError(f"deltas must differ from each other, got {sizes}")
    return np.sort(np.array(sizes))


def _say_if_dropout_acts(model):
    """Warn that what the caller sees of the model is not what is measured."""
    acting = {type(m).__name__ for m in model.modules() if m.training}
    dropout = sorted(name for name in acting if "dropout" in name.lower())
    if dropout:
        warnings.warn(
            f"the model is in training mode, where its {', '.join(dropout)} is random: "
            "it is measured in evaluation mode, and then put back",
            stacklevel=3,
        )


def _check_batch(model, inputs, targets):
    """Refuse a batch, or a model, for which no change of the loss is defined."""
    if not 0 < len(inputs) == len(targets):
        raise ValueError(
            f"got {len(inputs)} inputs and {len(targets)} targets: expected as many of "
            "each, at least one"
        )
    if targets.dtype != torch.int64:
        raise ValueError(f"targets must be classes as int64, got {targets.dtype}")
    if inputs.is_floating_point() and not inputs.isfinite().all():
        raise ValueError("inputs hold NaN or infinity: leave those samples out")
    state, few = float64_state(model), as_float64(inputs[:COMPARED])
    outputs, again = (
        torch.func.functional_call(model, state, (few,)) for _ in range(2)
    )
    if not torch.allclose(outputs, again, rtol=1e-9, atol=1e-12, equal_nan=True):
        raise ValueError(
            "the model gives two outputs for the same inputs, even in evaluation mode: "
            "a change of its loss has no meaning, so switch off what is random in it"
        )
    half = (len(few) + 1) // 2
    alone = torch.func.functional_call(model, state, (few[:half],))
    if not torch.allclose(outputs[:half], alone, rtol=1e-9, atol=1e-12, equal_nan=True):
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
