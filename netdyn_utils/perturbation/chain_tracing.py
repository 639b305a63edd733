"""Reading a module as a chain of stages, if it is one.

The forward pass is traced symbolically, so methods (`x.relu()`), functions (`F.relu`)
and modules (`nn.ReLU`) read the same. Whatever branches, or is not known here, is no
chain; and what was read is run beside the module itself before anybody trusts it.
"""

import operator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from .chains import (
    Chain,
    Channelwise,
    Convolution,
    Dense,
    Flatten,
    MaxPool,
    Rectifier,
    Scaling,
    Stage,
)
from .weight_draws import float64_state

PLAIN = {nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, "contiguous"}
PLAIN |= {F.dropout, F.dropout1d, F.dropout2d}
AVERAGES = {nn.AvgPool2d, nn.AdaptiveAvgPool2d, F.avg_pool2d, F.adaptive_avg_pool2d}
LARGEST = {nn.MaxPool2d, F.max_pool2d}
RECTIFIERS = {nn.ReLU, F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_"}
RESHAPES = {nn.Flatten, torch.flatten, "flatten", "view", "reshape"}
SIZES = {"size", getattr, operator.getitem}
AGREE = 1e-9  # relative: chain and module in float64 may differ in rounding only


class NotAChainError(ValueError):
    """The module is not a chain of known stages; the message says why."""


def read_chain(model: nn.Module, sample: Tensor) -> Chain:
    """Return the module as a chain of stages in float64.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    sample : Tensor, (samples, ...)
        A few inputs, on which chain and module are compared.

    Returns
    -------
    Chain

    Raises
    ------
    NotAChainError
        If it branches, shares weights, carries hooks, or has a stage not known here.

    Examples
    --------
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> chain = read_chain(model, torch.ones(1, 2, 2))
    >>> [type(stage).__name__ for stage in chain.stages]
    ['Flatten', 'Dense']
    """
    _require_plain(model)
    outer = nn.Sequential(model)  # so that a single layer is a stage of something
    try:
        graph = fx.symbolic_trace(outer).graph
    except Exception as error:  # whatever the module's own code raises
        raise NotAChainError(f"its forward pass can not be traced: {error}") from error
    state, stages = float64_state(model), []
    current, seen, sizes = None, set(), set()
    for node in graph.nodes:
        if node.op == "placeholder" and current is None:
            current = node
            seen.add(node)
        elif node.target in SIZES and node.args[0] in seen | sizes:
            sizes.add(node)
        elif node.op == "output":
            if node.args[0] is not current:
                raise NotAChainError("it returns something else than its last stage")
        else:
            stages.append(_stage(outer, state, node, current, sizes))
            current = node
            seen.add(node)
    names = [stage.name for stage in stages if stage.mixes]
    for name in set(names):
        if names.count(name) > 1:
            raise NotAChainError(f"{name} is used twice")
    chain = Chain(tuple(stages))
    _require_agreement(chain, model, state, sample)
    return chain


def _stage(outer, state, node, current, sizes) -> Stage:
    """Return the stage that a node of the graph stands for."""
    others = set(node.all_input_nodes) - {current}
    if node.args[:1] != (current,) or others - sizes:
        raise NotAChainError(f"{node.name} branches off")
    if node.op == "call_module":
        module = outer.get_submodule(node.target)
        kind, run = type(module), module
        name = node.target.removeprefix("0").removeprefix(".")
        if kind is nn.Linear:
            return Dense(*_affine(state, name))
        if kind is nn.Conv2d and (module.groups, module.padding_mode) == (1, "zeros"):
            geometry = module.stride, module.padding, module.dilation
            return Convolution(*_affine(state, name), *geometry)
        if kind in (nn.BatchNorm1d, nn.BatchNorm2d) and module.track_running_stats:
            return _scaling(state, name, module.eps)
    elif node.op == "call_function":
        kind = node.target
        run = partial(_call, kind, node.args[1:], node.kwargs)
    else:
        kind = node.target
        run = partial(
            _call, getattr(Tensor, str(kind), None), node.args[1:], node.kwargs
        )
    if kind in RECTIFIERS:
        return Rectifier()
    if kind in RESHAPES:
        return Flatten()
    if kind in LARGEST:
        return MaxPool(run)
    if kind in AVERAGES | PLAIN:
        return Channelwise(run)
    raise NotAChainError(
        f"{node.name} ({getattr(kind, '__name__', kind)}) is not known"
    )


def _call(function, args, kwargs, x):
    return function(x, *args, **kwargs)


def _affine(state, name):
    """Return weight, bias and the weight's name."""
    prefix = f"{name}." if name else ""
    return state[f"{prefix}weight"], state.get(f"{prefix}bias"), f"{prefix}weight"


def _scaling(state, name, eps):
    """Return BatchNorm as it is in evaluation mode."""
    prefix = f"{name}." if name else ""
    mean, variance = (state[f"{prefix}running_{part}"] for part in ("mean", "var"))
    scale = (variance + eps).rsqrt() * state.get(f"{prefix}weight", 1.0)
    return Scaling(scale, state.get(f"{prefix}bias", 0.0) - mean * scale)


def _require_plain(model: nn.Module) -> None:
    """Refuse hooks and shared weights, which a trace does not show."""
    for module in model.modules():
        if any(value for key, value in vars(module).items() if key.endswith("_hooks")):
            raise NotAChainError(f"a {type(module).__name__} carries hooks")
    if len(list(model.parameters())) < len(
        list(model.named_parameters(remove_duplicate=False))
    ):
        raise NotAChainError("two of its layers share a weight")


def _require_agreement(chain, model, state, sample):
    """Hold the chain against the module itself, both in float64."""
    try:
        x = sample.double()
        expected = torch.func.functional_call(model, state, (x,))
        bases = chain.bases(x)
    except Exception as error:
        raise NotAChainError(f"it does not run as a chain: {error}") from error
    fits = all(
        base.ndim == 2
        for stage, base in zip(chain.stages, bases, strict=False)
        if isinstance(stage, Dense)
    )
    if not fits or bases[-1].ndim != 2 or bases[-1].shape != expected.shape:
        raise NotAChainError("its layers do not work on (samples, units)")
    off = (bases[-1] - expected).abs().max()
    if off > AGREE * expected.abs().max():
        raise NotAChainError(f"it differs from its stages by {off:.1e}")
