"""A chain computes what its module does, and a carried difference is the difference."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from netdyn_utils.networks import build_model
from netdyn_utils.perturbation.chain_scan import dense_tail
from netdyn_utils.perturbation.chain_tracing import NotAChainError, read_chain
from netdyn_utils.perturbation.chains import Dense, Rectifier
from netdyn_utils.perturbation.differences import (
    loss_change,
    loss_rows,
    rectified_change,
    rectify_rows,
)


def seed(number=0):
    return torch.Generator().manual_seed(number)


def normal(*shape, number=1):
    return torch.randn(shape, generator=seed(number), dtype=torch.float64)


class Methods(nn.Module):
    """Functions, methods and sizes, as people write them."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, stride=2, padding="valid", bias=False)
        self.drop, self.fc = nn.Dropout(), nn.Linear(12, 4)

    def forward(self, x):
        x = F.avg_pool2d(torch.relu(self.conv(x)), 2, stride=1)
        x = F.adaptive_avg_pool2d(x, 2).view(x.size(0), -1)
        return self.fc(F.dropout(self.drop(x), training=self.training))


def stack():
    return nn.Sequential(
        *(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.MaxPool2d(3, stride=2, padding=1), nn.Conv2d(4, 3, 3, dilation=2)),
        *(nn.AvgPool2d(2, stride=1), nn.Identity(), nn.Flatten(), nn.Linear(12, 6)),
        *(nn.BatchNorm1d(6, affine=False), nn.ReLU(), nn.Linear(6, 5), nn.Linear(5, 4)),
    )


def wake(model):
    """Give BatchNorm statistics of its own and every weight a value that matters."""
    with torch.no_grad():
        for number, tensor in enumerate([*model.parameters(), *model.buffers()]):
            if tensor.is_floating_point():
                values = torch.rand(tensor.shape, generator=seed(number)) - 0.4
                tensor.copy_(values + (tensor > 0.9))
    return model.eval()


CASES = {
    "methods": (Methods, (6, 2, 10, 10)),
    "stack": (stack, (6, 2, 13, 13)),
    "mlp": (
        lambda: build_model("mlp", widths=(12, 7, 6, 4), generator=seed()),
        (6, 3, 4),
    ),
    "convnet": (
        lambda: build_model(
            "convnet", channels=(3, 4), hidden=6, image=(2, 8), generator=seed()
        ),
        (6, 2, 8, 8),
    ),
    "one layer": (lambda: nn.Linear(5, 4), (6, 5)),
}


@pytest.fixture(params=CASES)
def network(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make, shape = CASES[request.param]
        return wake(make()).double(), normal(*shape)


def test_a_chain_computes_what_its_module_computes(network):
    model, x = network
    logits = read_chain(model, x).bases(x)[-1]
    torch.testing.assert_close(logits, model(x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("size", [1e-3, 1.0, -30.0])
def test_a_carried_change_is_the_difference_of_two_forward_passes(network, size):
    model, x = network
    chain = read_chain(model, x)
    bases = chain.bases(x)
    for start, stage in enumerate(chain.stages):
        if not stage.mixes:
            continue
        for column in (0, stage.weight[0].numel() - 1):
            moved = size * stage.moved(bases[start], torch.tensor([column]))
            change, kept = chain.carry(start, 1, moved, bases)
            carried = torch.zeros_like(bases[-1])
            carried[kept] = change
            state = {name: p.clone() for name, p in model.named_parameters()}
            state[stage.name].flatten(1)[1, column] += size
            expected = torch.func.functional_call(model, state, (x,)) - bases[-1]
            torch.testing.assert_close(carried, expected, rtol=1e-9, atol=1e-12)


def test_samples_that_a_kink_keeps_out_are_dropped_and_only_those():
    weight = torch.eye(2, dtype=torch.float64)
    out = torch.ones(1, 2, dtype=torch.float64)
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    chain = read_chain(model.eval(), normal(2, 2))
    chain = type(chain)((Dense(weight, None, "a"), Rectifier(), Dense(out, None, "b")))
    bases = chain.bases(torch.tensor([[1.0, 0], [-1, 0], [-0.5, 0]]).double())
    moved = torch.full((1, 3, 1), 0.7, dtype=torch.float64)
    change, kept = chain.carry(0, 0, moved, bases)
    assert kept.tolist() == [0, 2]
    np.testing.assert_allclose(change.flatten(), [0.7, 0.2])


@pytest.mark.parametrize("size", [1e-12, 1e-3, 1.0, 50.0, 1e3])
def test_compiled_rows_follow_the_definitions(size):
    base, rows = normal(5, 7), torch.tensor([4, 0, 0, 3, 2, 1])
    change = size * normal(6, 7, number=2)
    expected = rectified_change(change, base[rows])
    plain = (change + base[rows]).relu() - base[rows].relu()
    torch.testing.assert_close(expected, plain, rtol=1e-9, atol=1e-15)
    assert torch.equal(rectify_rows(change.clone(), base, rows), expected)
    targets = torch.arange(5)
    losses = loss_rows(change, base, base.softmax(1), targets, rows)
    expected = loss_change(change, base[rows], targets[rows])
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=4e-16 * (1 + size))
    after, before = (
        F.cross_entropy(logits, targets[rows], reduction="none")
        for logits in (base[rows] + change, base[rows])
    )
    torch.testing.assert_close(losses, after - before, rtol=1e-9, atol=2e-14)


def test_a_loss_change_keeps_its_digits_where_the_difference_of_losses_has_none():
    logits, targets = torch.zeros(1, 2).double(), torch.tensor([0])
    change = torch.tensor([[0.0, 1e-18]]).double()
    rows = torch.tensor([0])
    found = loss_rows(change, logits, logits.softmax(1), targets, rows).item()
    assert found == pytest.approx(5e-19, rel=1e-14)
    assert loss_change(change, logits, targets).item() == pytest.approx(5e-19)


def test_a_loss_change_is_right_where_a_probability_underflows_or_vanishes():
    logits = torch.tensor([[0.0, 800.0], [40.0, 0.0]]).double()
    change = torch.tensor([[900.0, 0.0], [-80.0, 0.0]]).double()
    targets, rows = torch.tensor([1, 0]), torch.arange(2)
    exact = [100.0, 40.0]  # up to exp(-40)
    found = loss_rows(change, logits, logits.softmax(1), targets, rows)
    np.testing.assert_allclose(found, exact, rtol=1e-14)
    np.testing.assert_allclose(loss_change(change, logits, targets), exact, rtol=1e-14)


def test_a_small_dense_rest_is_compiled_and_a_large_or_convolved_one_is_not():
    chain = read_chain(wake(stack()).double(), normal(6, 2, 13, 13))
    dense = [i for i, stage in enumerate(chain.stages) if isinstance(stage, Dense)]
    widths = [dense_tail(chain, start).widths.tolist() for start in dense]
    assert widths == [[4], [4], [4]]  # two products without a rectifier are one
    assert dense_tail(chain, 0) is None
    wide = nn.Sequential(
        *(nn.Linear(4, 300), nn.ReLU(), nn.Linear(300, 300)),
        *(nn.ReLU(), nn.Linear(300, 300), nn.ReLU(), nn.Linear(300, 2)),
    )
    chain = read_chain(wide.eval(), normal(2, 4))
    assert dense_tail(chain, 0) is None
    assert dense_tail(chain, 4) is not None


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.a(x) + self.b(x)


class Asking(Branching):
    def forward(self, x):
        return self.a(x) if x.sum() > 0 else self.b(x)


class Twice(Branching):
    def forward(self, x):
        return self.a(self.a(x).relu())


def tied():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    return model


def hooked():
    model = nn.Sequential(nn.Linear(4, 4))
    model[0].register_forward_hook(lambda *_: None)
    return model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Branching, "branches off"),
        (Asking, "can not be traced"),
        (Twice, "used twice"),
        (tied, "share a weight"),
        (hooked, "carries hooks"),
        (lambda: nn.Sequential(nn.Linear(4, 4), nn.Tanh()), "Tanh.* not known"),
    ],
)
def test_what_is_no_chain_is_told_apart(make, message):
    with pytest.raises(NotAChainError, match=message):
        read_chain(make().eval(), normal(3, 4))


def test_layers_on_sequences_are_no_chain():
    with pytest.raises(NotAChainError, match=r"\(samples, units\)"):
        read_chain(nn.Sequential(nn.Linear(4, 4)).eval(), normal(3, 5, 4))
