"""Training is plain descent, repeatable to the bit, and stops if it diverges."""

import copy
import math
from itertools import islice, pairwise

import pytest
import torch
from torch import nn

from netdyn_utils.data import InMemoryBatches
from netdyn_utils.training import (
    SGD,
    DivergenceError,
    TrainConfig,
    evaluate,
    train_steps,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def learnable(samples=200, width=6, classes=3):
    """Points whose class is the largest of their first coordinates."""
    x = torch.randn(samples, width, generator=seeded(5))
    return x, x[:, :classes].argmax(1)


def network(norm=False):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        middle = nn.BatchNorm1d(8) if norm else nn.Identity()
        return nn.Sequential(nn.Linear(6, 8), middle, nn.ReLU(), nn.Linear(8, 3))


def batches(size=20):
    return InMemoryBatches(*learnable(), size, generator=seeded())


def equal(one, other):
    one, other = one.state_dict().values(), other.state_dict().values()
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("norm", [False, True])
def test_descent_equals_torch_sgd_to_the_bit(norm):
    ours, theirs = network(norm), network(norm)
    optimizer, expected = torch.optim.SGD(theirs.parameters(), lr=0.3), []
    for x, y in islice(batches(), 50):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(theirs(x), y)
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    config = TrainConfig(steps=50, learning_rate=0.3)
    records = list(train_steps(ours, batches(), config))
    assert equal(ours, theirs)
    assert [(r.step, r.loss) for r in records] == [*enumerate(expected, start=1)]


def test_descent_leaves_frozen_and_unused_parameters_alone():
    used, frozen, unused = (nn.Parameter(torch.ones(())) for _ in range(3))
    optimizer = SGD([used, frozen.requires_grad_(False), unused], lr=0.5)
    (used * frozen).backward()
    optimizer.step()
    assert (used.item(), frozen.item(), unused.item()) == (0.5, 1, 1)


@pytest.mark.parametrize(
    ("optimizer", "rate"), [("sgd", 0.3), ("momentum", 0.03), ("adam", 0.01)]
)
def test_the_loss_falls_where_there_is_something_to_learn(optimizer, rate):
    config = TrainConfig(steps=300, learning_rate=rate, optimizer=optimizer)
    model, data = network(), learnable()
    before = evaluate(model, *data)
    list(train_steps(model, batches(), config))
    after = evaluate(model, *data)
    assert after.loss < 0.5 * before.loss
    assert after.accuracy > 0.85


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_run_before_the_step(value):
    model, (x, y) = network(), learnable()
    source = [(x, y), (x, y), (torch.full_like(x, value), y)]
    steps = train_steps(model, source, TrainConfig(learning_rate=0.25))
    assert [next(steps).step, next(steps).step] == [1, 2]
    before = copy.deepcopy(model)
    with pytest.raises(DivergenceError, match=r"is nan at step 3 .* rate 0.25: lower"):
        next(steps)
    assert equal(model, before)


@pytest.mark.parametrize("wrong", [0, math.nan, "3", True])
@pytest.mark.parametrize(
    "field", ["learning_rate", "steps", "batch_size", "freeze_batchnorm_after"]
)
def test_wrong_settings_are_refused(field, wrong):
    with pytest.raises(ValueError, match=r"must be a (whole|positive finite) number"):
        TrainConfig(**{field: wrong})
    with pytest.raises(ValueError, match="choose 'sgd', 'momentum' or 'adam'"):
        TrainConfig(optimizer="sdg")


@pytest.mark.parametrize("count", [0, 3])
def test_batches_that_end_too_early_are_an_error(count):
    steps = train_steps(network(), [learnable()] * count, TrainConfig(steps=5))
    with pytest.raises(ValueError, match=f"ended after {count} of 5 steps"):
        list(steps)


def test_batchnorm_freezes_after_its_step_and_not_before():
    model = network(norm=True).eval()  # training puts it in its own mode
    norm, means = model[1], [torch.zeros(8)]
    config = TrainConfig(steps=6, learning_rate=0.01, freeze_batchnorm_after=3)
    for _ in train_steps(model, batches(), config):
        means.append(norm.running_mean.clone())
    moved = [not torch.equal(a, b) for a, b in pairwise(means)]
    assert moved == [True] * 3 + [False] * 3
    assert (norm.training, model[0].training) == (False, True)


def test_evaluation_equals_its_definition_and_restores_every_mode():
    model = nn.Sequential(network(norm=True), nn.Dropout(), nn.BatchNorm1d(3).eval())
    modes = [module.training for module in model.modules()]
    x, y = learnable()
    p = copy.deepcopy(model).eval()(x).double().softmax(1)
    loss = -p[range(len(y)), y].log().mean().item()
    for size in (1, 7, 199, 200, 1_000):
        result = evaluate(model, x, y, batch_size=size)
        assert result.loss == pytest.approx(loss, rel=1e-6)
        assert result.accuracy == (p.argmax(1) == y).double().mean().item()
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        evaluate(model, x[:, :4], y)
    assert [module.training for module in model.modules()] == modes


def test_places_in_a_sequence_count_as_samples():
    outputs = torch.randn(4, 5, 3, generator=seeded())
    targets = torch.randint(3, (4, 5), generator=seeded())
    expected = evaluate(nn.Identity(), outputs.flatten(0, 1), targets.flatten())
    result = evaluate(nn.Identity(), outputs, targets, batch_size=3)
    assert result.loss == pytest.approx(expected.loss, rel=1e-6)
    assert result.accuracy == expected.accuracy
