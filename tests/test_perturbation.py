"""Every path gives the numbers of the definition, and leaves the model as it was."""

import numpy as np
import pytest
import torch
from torch import nn

from netdyn_utils.networks import build_model
from netdyn_utils.perturbation.response import PerturbationResponse
from netdyn_utils.perturbation.scan import (
    loss_under_displacement,
    perturbation_scan,
    sample_weights,
)

EPS = np.finfo(float).eps


def seed(number=0):
    return torch.Generator().manual_seed(number)


def images(count, *shape, classes=4):
    x = torch.randn(count, *shape, generator=seed(1))
    return x, torch.randint(classes, (count,), generator=seed(2))


def mlp(widths=(9, 7, 6, 5, 4)):
    return build_model("mlp", widths=widths, generator=seed())


def convnet():
    sizes = {"channels": (3, 4), "hidden": 6, "image": (2, 8), "classes": 4}
    model = build_model("convnet", **sizes, generator=seed())
    with torch.no_grad():  # statistics of its own
        for _ in range(3):
            model(torch.randn(16, 2, 8, 8, generator=seed(3)))
    return model


class Residual(nn.Module):
    """A branch, so no chain."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(9, 9), nn.Linear(9, 4)

    def forward(self, x):
        return self.b(x + self.a(x).relu())


def scan(model, *batch, **options):
    options = {"deltas": [0.01, 1.0], "weights_per_layer": 6} | options
    return perturbation_scan(model, *batch, **{"generator": seed(), **options})


def agrees_with_the_definition(model, x, y, response, every=1):
    """Relative 1e-10, above what the definition's own subtraction rounds away."""
    for k in range(0, len(response.index), every):
        name = response.layers[response.layer[k]]
        which = {
            "name": "weight" if name == "model" else f"{name}.weight",
            "index": int(response.index[k]),
        }
        base = loss_under_displacement(model, x, y, **which, delta=0.0)
        assert response.loss == pytest.approx(base, rel=1e-14)
        for delta in (*response.deltas, *-response.deltas):
            moved = loss_under_displacement(model, x, y, **which, delta=float(delta))
            tolerance = {"rel": 1e-10, "abs": 16 * EPS * max(base, moved)}
            change = response.changes(delta)[k]
            assert change == pytest.approx(moved - base, **tolerance)
    return True


@pytest.mark.parametrize("method", ["chain", "general"])
@pytest.mark.parametrize(
    ("make", "shape"), [(mlp, (3, 3)), (convnet, (2, 8, 8))], ids=["mlp", "convnet"]
)
def test_both_paths_agree_with_the_definition(make, shape, method):
    model, batch = make(), images(31, *shape)
    response = scan(model, *batch, method=method)
    assert response.method == method
    assert agrees_with_the_definition(model, *batch, response)


class DataDependent(Residual):
    """What vmap can not batch: one copy runs after another."""

    def forward(self, x):
        return super().forward(x) if self.a.weight.sum().item() else x


def tied():
    model = mlp((9, 9, 9, 4))
    model.fc2.weight = model.fc1.weight
    return model


@pytest.mark.parametrize("make", [Residual, DataDependent, tied])
def test_other_networks_go_the_general_way(make):
    model, batch = make(), images(9, 9)
    response = scan(model, *batch)
    assert response.method == "general"
    assert agrees_with_the_definition(model, *batch, response)


def test_a_transformer_goes_the_general_way_with_a_target_at_each_place():
    x = torch.randint(5, (4, 6), generator=seed(1))
    model = build_model(
        "transformer", width=8, heads=2, hidden=6, vocabulary=5, generator=seed()
    )
    model, batch = model.eval(), (x, x.roll(1, 1))
    response = scan(model, *batch, weights_per_layer=2)
    assert response.method == "general"
    assert "embedding" in response.layers
    assert agrees_with_the_definition(model, *batch, response, every=3)


def test_large_displacements_and_sure_predictions_keep_their_digits():
    model, batch = mlp((9, 7, 4)), images(20, 9)
    with torch.no_grad():
        model.fc2.weight *= 400
    response = scan(model, *batch, deltas=[1e-3, 30.0, 1e3])
    assert agrees_with_the_definition(model, *batch, response)


@pytest.mark.parametrize("memory", [2**15, 2**19])
def test_less_memory_gives_the_same_numbers(memory):
    model, batch = convnet(), images(30, 2, 8, 8)
    for method in ("chain", "general"):
        whole = scan(model, *batch, weights_per_layer=3, method=method)
        less = scan(model, *batch, weights_per_layer=3, method=method, memory=memory)
        np.testing.assert_allclose(less.response, whole.response, rtol=1e-9, atol=1e-14)


def test_gradient_and_curvature_are_those_of_autograd():
    model, (x, y) = mlp().double(), images(40, 9)
    response = scan(model, x, y, deltas=[1e-5, 1e-4], weights_per_layer=10)
    x = x.double()
    for layer in response.layers:
        name, weight = f"{layer}.weight", model.get_submodule(layer).weight.detach()

        def loss(flat, name=name, weight=weight):
            state = {name: flat.view(weight.shape)}
            out = torch.func.functional_call(model, state, (x,))
            return nn.functional.cross_entropy(out, y)

        index = response.index[response.of(layer)]
        gradient = torch.func.grad(loss)(weight.flatten())[index]
        hessian = torch.func.jacrev(torch.func.grad(loss))(weight.flatten()).diagonal()[
            index
        ]
        found = response.gradient(1e-5, layer)
        np.testing.assert_allclose(found, gradient.detach(), rtol=1e-5, atol=1e-8)
        found = response.curvature(1e-4, layer)
        np.testing.assert_allclose(found, hessian.detach(), rtol=1e-4, atol=1e-6)


def test_a_softmax_layer_has_its_response_in_closed_form():
    model, x = nn.Linear(1, 2, bias=False), torch.tensor([[2.0], [-1.0]])
    nn.init.zeros_(model.weight)
    response = scan(model, x, torch.tensor([0, 1]), weights_per_layer=2, deltas=[0.5])
    moved = 0.5 * np.array([2.0, -1.0])
    own, other = np.log((1 + np.exp(-moved)) / 2), np.log((1 + np.exp(moved)) / 2)
    plus = (own[0] + other[1]) / 2
    assert response.changes(0.5)[0] == pytest.approx(plus, rel=1e-14)
    assert response.changes(-0.5)[1] == pytest.approx(plus, rel=1e-14)


def test_weights_of_a_dead_unit_change_exactly_nothing():
    model, batch = mlp(), images(20, 9)
    with torch.no_grad():
        model.fc2.bias[3] = -1e6
    response = scan(model, *batch, weights_per_layer={"fc2": 30, "fc3": 30})
    into = response.of("fc2") & (response.index // 7 == 3)
    out_of = response.of("fc3") & (response.index % 6 == 3)
    assert into.sum() > 1
    assert out_of.sum() > 1
    assert (response.response[:, :, into | out_of] == 0).all()
    assert (response.response[:, :, ~into & ~out_of] != 0).any()


def test_the_symmetric_and_the_antisymmetric_part_make_up_the_response():
    response = scan(mlp(), *images(20, 9))
    even, odd = response.symmetric, response.antisymmetric
    np.testing.assert_allclose(even + odd, response.response[:, 0], atol=1e-15)
    np.testing.assert_allclose(even - odd, response.response[:, 1], atol=1e-15)
    assert np.array_equal(response.gradient(0.01), odd[0] / 0.01)
    assert np.array_equal(response.curvature(1.0, "fc2"), 2 * even[1, 6:12])


def test_the_weights_depend_on_the_seed_and_not_on_the_deltas():
    model, batch = mlp(), images(5, 9)
    one, other = scan(model, *batch), scan(model, *batch, deltas=[3.0, 0.5, 0.1])
    assert np.array_equal(one.index, other.index)
    assert other.deltas.tolist() == [0.1, 0.5, 3.0]
    assert not np.array_equal(one.index, scan(model, *batch, generator=seed(1)).index)
    assert all(len(set(one.index[one.of(layer)])) == 6 for layer in one.layers)


def test_a_mapping_selects_layers_and_norms_and_biases_are_left_out():
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm((2, 3)), nn.Embedding(3, 2))
    names = [one.name for one in sample_weights(model, 1, generator=seed())]
    assert names == ["0.weight", "2.weight"]
    response = scan(mlp(), *images(5, 9), weights_per_layer={"fc4": 20, "fc1": 2})
    assert response.layers == ("fc4", "fc1")
    assert response.index[response.of("fc4")].tolist() == list(range(20))


def state_of(model):
    """Return the bits, places, modes and gradients of a model."""
    tensors = model.state_dict().values()
    bits = [(t.numpy().tobytes(), t.data_ptr()) for t in tensors]
    grads = [(p.requires_grad, p.grad.numpy().tobytes()) for p in model.parameters()]
    return bits, grads, [module.training for module in model.modules()]


@pytest.mark.parametrize("method", ["chain", "general"])
def test_the_model_is_as_it_was_also_after_an_exception(method, monkeypatch):
    model, (x, y) = convnet(), images(8, 2, 8, 8)
    nn.functional.cross_entropy(model(x), y).backward()
    model.train()
    model.bn1.eval()
    model.fc1.bias.requires_grad_(False)
    before, threads = state_of(model), torch.get_num_threads()
    scan(model, x, y, method=method)
    assert state_of(model) == before

    def fail(*_args, **_kwargs):
        raise KeyboardInterrupt

    for name in ("rank_one.loss_change", "scan._change_of_copy"):
        monkeypatch.setattr(f"netdyn_utils.perturbation.{name}", fail)
    with pytest.raises(KeyboardInterrupt):
        scan(model, x, y, method=method)
    assert state_of(model) == before
    assert torch.get_num_threads() == threads


def test_dropout_in_training_mode_is_switched_off_and_comes_back():
    layers = nn.Linear(9, 5), nn.ReLU(), nn.Dropout(0.9), nn.Linear(5, 4)
    model, batch = nn.Sequential(*layers), images(10, 9)
    with pytest.warns(UserWarning, match=r"Dropout is random: it is measured in eval"):
        one = scan(model.train(), *batch)
    assert model[2].training
    other = scan(model.eval(), *batch)
    assert np.array_equal(one.response, other.response)


def test_a_response_survives_a_file_and_prints_as_one_line():
    response = scan(mlp(), *images(20, 9))
    again = PerturbationResponse.from_arrays(response.to_arrays())
    assert again.layers == response.layers
    assert (again.loss, again.samples) == (response.loss, 20)
    assert np.array_equal(again.changes(1.0, "fc2"), response.changes(1.0, "fc2"))
    assert repr(again).startswith("PerturbationResponse(24 weights of 4 layers, δ from")
    assert "\n" not in repr(again)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deltas": [-0.1]}, "both signs.*positive.*got -0.1"),
        ({"deltas": [0.1, 0.2, 0.1]}, "one or more different sizes"),
        ({"weights_per_layer": 21}, "'fc4' has 20 weights, fewer than 21.*mapping"),
        ({"weights_per_layer": {"fc9": 1}}, "unknown layer .*'fc9'.*did you mean"),
        ({"targets": torch.full((30,), 4)}, "0 to 3, got 4 to 4"),
        ({"targets": torch.zeros(30)}, "targets of torch.float32"),
        ({"targets": torch.zeros(4, dtype=int)}, "30 inputs and 4 targets"),
        ({"targets": torch.zeros(30, 1, dtype=int)}, "do not fit targets"),
        ({"inputs": torch.full((30, 9), torch.nan)}, "NaN or infinity"),
    ],
)
def test_invalid_arguments_are_refused(options, message):
    x, y = images(30, 9)
    with pytest.raises(ValueError, match=message):
        scan(mlp(), **{"inputs": x, "targets": y, **options})


class Random(Residual):
    """Not the same twice, in any mode."""

    def forward(self, x):
        return nn.functional.dropout(super().forward(x))


def test_models_without_a_defined_change_are_refused():
    batch = images(5, 9)
    norm = nn.BatchNorm1d(9, track_running_stats=False)
    broken = mlp()
    nn.init.constant_(broken.fc1.bias, float("inf"))
    for model, message in (
        (Random(), "output is random"),
        (nn.Sequential(norm, nn.Linear(9, 4)), "depends on the rest of the batch"),
        (nn.Sequential(nn.Flatten()), "no weights with two axes"),
        (broken, "the loss is"),
    ):
        with pytest.raises(ValueError, match=message):
            scan(model, *batch)
    with pytest.raises(ValueError, match=r"Residual is not a sequence .*branches off"):
        scan(Residual(), *batch, method="chain")
    with pytest.raises(ValueError, match=r"delta=0.2 was not scanned.*±0.01, ±1"):
        scan(mlp(), *batch).changes(0.2)
