"""A sequential network computes what its module does; a change is the difference."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from netdyn_utils.networks import build_model
from netdyn_utils.perturbation.rank_one import (
    NotSequentialError,
    loss_change,
    read_sequential,
    relu_change,
)


def seed(number=0):
    return torch.Generator().manual_seed(number)


def normal(*shape, number=1):
    return torch.randn(shape, generator=seed(number), dtype=torch.float64)


def read(model, x):
    with torch.no_grad():
        return read_sequential(model.double().eval(), x)


class Methods(nn.Module):
    """Functions, methods and sizes, as people write them."""

    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Linear(12, 6, bias=False), nn.BatchNorm1d(6)
        self.drop, self.b = nn.Dropout(), nn.Linear(6, 4)

    def forward(self, x):
        x = torch.relu(self.norm(self.a(x.view(x.size(0), -1))))
        return self.b(F.dropout(self.drop(x), training=self.training))


def stack():
    return nn.Sequential(
        *(nn.Linear(5, 6), nn.BatchNorm1d(6, affine=False), nn.ReLU(), nn.Identity()),
        *(nn.Linear(6, 5), nn.Linear(5, 4)),
    )


CASES = {
    "methods": (Methods, (6, 3, 4)),
    "stack": (stack, (6, 5)),
    "mlp": (
        lambda: build_model("mlp", widths=(12, 7, 6, 4), generator=seed()),
        (6, 3, 4),
    ),
    "one layer": (lambda: nn.Linear(5, 4), (6, 5)),
}


@torch.no_grad()
@pytest.mark.parametrize("case", CASES)
def test_a_propagated_change_is_the_difference_of_two_forward_passes(case):
    make, shape = CASES[case]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, x = make().double(), normal(*shape)
    # Statistics and weights of its own.
    for number, tensor in enumerate([*model.parameters(), *model.buffers()]):
        if tensor.is_floating_point():
            values = torch.rand(tensor.shape, generator=seed(number)) - 0.4
            tensor.copy_(values + (tensor > 0.9))
    net = read(model, x)
    activations = net.activations(x)
    logits = activations[-1]
    torch.testing.assert_close(logits, model(x), rtol=1e-12, atol=1e-13)
    linear = [i for i, layer in enumerate(net.layers) if layer.kind == "linear"]
    for start in linear:
        layer = net.layers[start]
        for column in (0, layer.weight.shape[1] - 1):
            own = activations[start].T[[column]]
            for size in (1e-3, 1.0, -30.0):
                change, rows, changed = net.propagate(start, 1, size * own, activations)
                found = torch.zeros_like(logits)
                found[changed] = change
                assert torch.equal(rows, changed)  # of one displacement
                state = {name: p.clone() for name, p in model.named_parameters()}
                state[layer.name][1, column] += size
                expected = torch.func.functional_call(model, state, (x,)) - logits
                torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [1e-12, 1e-3, 1.0, 50.0, 1e3])
def test_compiled_rows_follow_their_definitions(size):
    x, rows, targets = normal(5, 7), torch.tensor([4, 0, 0, 3, 2, 1]), torch.arange(5)
    change = size * normal(6, 7, number=2)
    plain = (change + x[rows]).relu() - x[rows].relu()
    found = relu_change(change.clone(), x, rows)
    torch.testing.assert_close(found, plain, rtol=1e-9, atol=1e-15)
    after, before = (
        F.cross_entropy(logits, targets[rows], reduction="none")
        for logits in (x[rows] + change, x[rows])
    )
    found = loss_change(change.clone(), x, x.softmax(1), targets, rows)
    torch.testing.assert_close(found, after - before, rtol=1e-9, atol=2e-14)


def test_a_loss_change_keeps_its_digits_where_others_underflow():
    logits = torch.tensor([[0.0, 0.0], [0.0, 800.0], [40.0, 0.0]]).double()
    change = [[0.0, 1e-18], [900.0, 0.0], [-80.0, 0.0]]
    change = torch.tensor(change, dtype=torch.float64)
    targets, rows = torch.tensor([0, 1, 0]), torch.arange(3)
    found = loss_change(change, logits, logits.softmax(1), targets, rows)
    np.testing.assert_allclose(found, [5e-19, 100.0, 40.0], rtol=1e-14)


class Net(nn.Module):
    """Two layers, and a function of them and the inputs."""

    def __init__(self, function):
        super().__init__()
        self.function, self.a, self.b = function, nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.function(self, x)


def tied():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    return model


def hooked():
    model = nn.Sequential(nn.Linear(4, 4))
    model[0].register_forward_hook(lambda *arguments: 2 * arguments[-1])
    return model


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: Net(lambda net, x: net.a(x) + net.b(x)), (3, 4), "branches off"),
        (lambda: Net(lambda net, x: net.a(x) if x.sum() else x), (3, 4), "be traced"),
        (lambda: Net(lambda net, x: net.a(net.a(x))), (3, 4), "weight is used twice"),
        (lambda: Net(lambda net, x: (net.a(x), net.b(x))[0]), (3, 4), "branches off"),
        (hooked, (3, 4), "differs from its layers"),
        (tied, (3, 4), "weight is used twice"),
        (lambda: nn.Sequential(nn.Linear(4, 4), nn.Tanh()), (3, 4), "Tanh.* not known"),
        (lambda: nn.Sequential(nn.Linear(4, 4)), (3, 5, 4), "inputs of 3 axes"),
    ],
)
def test_other_networks_are_refused_with_the_reason(make, shape, message):
    with pytest.raises(NotSequentialError, match=message):
        read(make(), normal(*shape))
