"""The loss under single displaced weights of any module: many copies run at once.

Slow but general: the module itself runs, on copies of its parameters in float64 of
which each has one weight displaced (`torch.func.functional_call`, batched by `vmap`).
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .differences import loss_change
from .weight_draws import Drawn, as_float64, float64_state


def scan_general(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    drawn: Sequence[Drawn],
    deltas: Tensor,
    memory: int,
    advance: Callable[[float], object],
) -> tuple[float, Tensor]:
    """Return what `scan_chain` does, for any module in evaluation mode.

    Targets may have further axes, (samples, places), if the outputs do.
    """
    state = float64_state(model)
    kept = _bytes_kept(model, state, inputs[:1])
    step = max(1, min(len(inputs), memory // 2 // kept))
    loss, response = 0.0, [torch.zeros(len(deltas), len(d.index)) for d in drawn]
    response = [r.double().to(inputs.device) for r in response]
    for x, y in zip(inputs.split(step), targets.split(step), strict=True):
        x, y = as_float64(x), y.flatten()
        base = _run(model, state, x).flatten(0, -2)
        loss += F.cross_entropy(base, y, reduction="sum").item()
        for total, layer in zip(response, drawn, strict=True):
            cost = kept * len(x) + 8 * state[layer.name].numel()
            pairs = torch.cartesian_prod(
                torch.arange(len(deltas)), torch.arange(len(layer.index))
            ).to(inputs.device)
            for pair in pairs.split(max(1, memory // cost)):
                delta, place = pair.T
                copies = state[layer.name].flatten().repeat(len(pair), 1)
                order = torch.arange(len(pair), device=inputs.device)
                copies[order, layer.index[place]] += deltas[delta]
                outputs = _run_copies(model, state, x, layer, copies)
                for k, logits in enumerate(outputs.flatten(1, -2)):
                    total[delta[k], place[k]] += loss_change(
                        logits - base, base, y
                    ).sum()
                advance(len(pair) * len(x) / len(inputs))
    return loss / targets.numel(), torch.cat(response, 1) / targets.numel()


def _run(model, state, x):
    return torch.func.functional_call(model, state, (x,))


def _run_copies(model, state, x, layer, copies):
    """Return the outputs under each displaced copy of one parameter."""

    def run(weight):
        return _run(model, {**state, layer.name: weight.view(layer.shape)}, x)

    try:
        return torch.func.vmap(run)(copies)
    except RuntimeError:  # code that vmap can not batch runs one copy at a time
        return torch.stack([run(weight) for weight in copies])


def _bytes_kept(model, state, x) -> int:
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
