"""A copy of a model in float64, and a look at what it does there."""

import warnings
from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map


def float64_copy(model: nn.Module) -> nn.Module:
    """Return a copy in float64 and in evaluation mode."""
    attributes = (
        value for module in model.modules() for value in vars(module).values()
    )
    computed = {  # by hooks such as weight_norm's; deepcopy refuses them
        id(value): value.detach().clone()
        for value in attributes
        if isinstance(value, Tensor) and not value.is_leaf
    }
    try:
        return deepcopy(model, computed).double().eval()
    except Exception as error:  # whatever the model's own code raises
        kind = type(model).__name__
        raise ValueError(f"{kind} cannot be copied in float64: {error}") from error


def as_float64(tree):
    """Return real tensors in float64, and all else as it is."""

    def cast(x):
        return x.double() if isinstance(x, Tensor) and x.is_floating_point() else x

    return tree_map(cast, tree)


def run(model: nn.Module, inputs):
    """Return the outputs for one tensor, or for several: a tuple or keywords."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple | list) else model(inputs)


def check_runs(model: nn.Module, batch) -> tuple[object, int]:
    """Run a few samples; return the outputs and roughly the bytes that they take.

    A module that fails or is random is refused by name; one that casts to less than
    float64 gets a warning.
    """
    first, again = _Watch(model), _Watch(model)
    outputs = first.run(batch)
    again.run(batch)
    same = {"rtol": 1e-9, "atol": 1e-12, "equal_nan": True}
    for (name, one), (_, other) in zip(first.outputs, again.outputs, strict=False):
        pairs = zip(tree_leaves(one), tree_leaves(other), strict=True)
        tensors = [pair for pair in pairs if isinstance(pair[0], Tensor)]
        if not all(a.shape == b.shape and a.allclose(b, **same) for a, b in tensors):
            raise ValueError(
                f"the output of {name} is random, even in evaluation mode: switch "
                "that off"
            )
    if first.casts:
        warnings.warn(
            f"{' and '.join(first.casts)}, so the loss is rounded more than in float64 "
            "and its small changes are lost: trust large displacements only, or let "
            "the module keep the dtype of its inputs",
            stacklevel=4,
        )
    return outputs, first.nbytes


class _Watch(TorchDispatchMode):
    """One run of a model: outputs by module, and what comes from the weights."""

    def __init__(self, model):
        super().__init__()
        self.model, self.outputs, self.casts = model, [], {}
        self.running = [type(model).__name__]
        self.names = {m: f"{type(m).__name__} {n!r}" for n, m in model.named_modules()}
        self.names[model] = type(model).__name__
        self.derived = {id(p): p for p in model.parameters()}

    def run(self, batch):
        handles = []
        try:
            for module in self.names:
                handles.append(module.register_forward_pre_hook(self._enter))
                handles.append(module.register_forward_hook(self._leave))
            with self:
                return run(self.model, batch)
        except Exception as error:  # whatever the model's own code raises
            module = self.running[-1]
            raise ValueError(f"{module} cannot run in float64: {error}") from error
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module, _inputs):
        self.running.append(self.names[module])

    def _leave(self, _module, _inputs, outputs):
        self.outputs.append((self.running.pop(), outputs))

    def __torch_dispatch__(self, function, _types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if any(id(value) in self.derived for value in tree_leaves((args, kwargs))):
            for value in tree_leaves(result):
                if isinstance(value, Tensor) and value.is_floating_point():
                    self.derived[id(value)] = value
                    if value.dtype != torch.float64 and value.numel():
                        dtype = str(value.dtype).removeprefix("torch.")
                        self.casts[f"{self.running[-1]} computes in {dtype}"] = None
        return result

    @property
    def nbytes(self) -> int:
        """Bytes of all that is computed from the weights."""
        sizes = {
            x.untyped_storage().data_ptr(): x.nbytes for x in self.derived.values()
        }
        for parameter in self.model.parameters():
            sizes.pop(parameter.untyped_storage().data_ptr(), None)
        return sum(sizes.values())
