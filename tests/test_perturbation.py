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


def agrees_with_the_definition(model, x, y, response):
    """Relative 1e-10, above what the definition's own subtraction rounds away."""
    for k in range(len(response.index)):
        name = f"{response.layers[response.layer[k]]}.weight"
        which = {"name": name, "index": int(response.index[k])}
        base = loss_under_displacement(model, x, y, **which, delta=0.0)
        assert response.loss == pytest.approx(base, rel=1e-14)
        for delta in (*response.deltas, *-response.deltas):
            moved = loss_under_displacement(model, x, y, **which, delta=float(delta))
            tolerance = {"rel": 1e-10, "abs": 16 * EPS * max(base, moved)}
            change = response.changes(delta)[k]
            assert change == pytest.approx(moved - base, **tolerance)
    return True


@pytest.mark.parametrize("method", ["chain", "general"])
def test_both_paths_agree_with_the_definition(method):
    model, batch = mlp(), images(31, 3, 3)
    response = scan(model, *batch, method=method)
    assert response.method == method
    assert agrees_with_the_definition(model, *batch, response)


def test_large_displacements_and_sure_predictions_keep_their_digits():
    model, batch = mlp((9, 7, 4)), images(20, 9)
    with torch.no_grad():
        model.fc2.weight *= 400
    response = scan(model, *batch, deltas=[1e-3, 30.0, 1e3])
    assert agrees_with_the_definition(model, *batch, response)


@pytest.mark.parametrize("memory", [2**15, 2**19])
def test_less_memory_gives_the_same_numbers(memory):
    model, batch = mlp(), images(30, 9)
    for method in ("chain", "general"):
        whole = scan(model, *batch, weights_per_layer=3, method=method)
        less = scan(model, *batch, weights_per_layer=3, method=method, memory=memory)
        np.testing.assert_allclose(less.response, whole.response, rtol=1e-9, atol=1e-14)


def test_gradient_and_curvature_are_those_of_autograd():
    model, (x, y) = mlp().double(), images(40, 9)
    response = scan(model, x, y, deltas=[1e-5, 1e-4], weights_per_layer=10)
    for layer in response.layers:
        name, weight = f"{layer}.weight", model.get_submodule(layer).weight.detach()

        def loss(flat, name=name, weight=weight):
            state = {name: flat.view(weight.shape)}
            out = torch.func.functional_call(model, state, (x.double(),))
            return nn.functional.cross_entropy(out, y)

        index, gradient = response.index[response.of(layer)], torch.func.grad(loss)
        expected = gradient(weight.flatten())[index].detach()
        found = response.gradient(1e-5, layer)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)
        expected = torch.func.jacrev(gradient)(weight.flatten()).diagonal()[index]
        found = response.curvature(1e-4, layer)
        np.testing.assert_allclose(found, expected.detach(), rtol=1e-4, atol=1e-6)


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
    signed = np.stack([even + odd, even - odd], 1)
    np.testing.assert_allclose(signed, response.response, atol=1e-15)
    assert np.array_equal(response.gradient(0.01), odd[0] / 0.01)
    assert np.array_equal(response.curvature(1.0, "fc2"), 2 * even[1, 6:12])


def test_the_weights_depend_on_the_seed_and_not_on_the_deltas():
    model, batch = mlp(), images(5, 9)
    one, other = scan(model, *batch), scan(model, *batch, deltas=[3.0, 0.5, 0.1])
    assert np.array_equal(one.index, other.index)
    assert other.deltas.tolist() == [0.1, 0.5, 3.0]
    assert not np.array_equal(one.index, scan(model, *batch, generator=seed(1)).index)
    assert all(len(set(one.index[one.of(layer)])) == 6 for layer in one.layers)


def test_a_mapping_selects_layers_and_the_others_are_named():
    response = scan(mlp(), *images(5, 9), weights_per_layer={"fc4": 20, "fc1": 2})
    assert response.layers == ("fc4", "fc1")
    assert response.index[response.of("fc4")].tolist() == list(range(20))
    assert response.excluded == ("fc2.weight", "fc3.weight")
    assert "samples, not scanned: fc2.weight, fc3.weight)" in repr(response)
    response = scan(mlp(), *images(5, 9), weights_per_layer=30)  # or all there are
    assert [response.of(layer).sum() for layer in response.layers] == [30, 30, 30, 20]


def test_names_of_layers_have_no_wrappers():
    inner = nn.Sequential(nn.Linear(9, 4), nn.Linear(4, 4), nn.LSTM(4, 4))
    nn.utils.parametrizations.weight_norm(inner[0])
    nn.utils.parametrizations.orthogonal(inner[1])
    model = nn.Module()
    model.net, model.weight = nn.DataParallel(inner), nn.Parameter(torch.ones(2, 2))
    model.model = nn.Linear(2, 2)  # named as the layer of the model's own weight
    layers = [one.layer for one in sample_weights(model, 1, generator=seed())]
    assert sorted(layers) == [
        *("(model)", "model", "net.0.weight.original0", "net.0.weight.original1"),
        *("net.1", "net.2.weight_hh_l0", "net.2.weight_ih_l0"),
    ]


def state_of(model):
    """Return the bits, places, modes and gradients of a model."""
    tensors = model.state_dict().values()
    bits = [(t.numpy().tobytes(), t.data_ptr()) for t in tensors]
    grads = [(p.requires_grad, p.grad.numpy().tobytes()) for p in model.parameters()]
    return bits, grads, [module.training for module in model.modules()]


@pytest.mark.parametrize("method", ["chain", "general"])
def test_the_model_is_as_it_was_also_after_an_exception(method, monkeypatch):
    model, (x, y) = mlp(), images(8, 9)
    nn.functional.cross_entropy(model(x), y).backward()
    model.fc1.eval()
    model.fc1.bias.requires_grad_(False)
    before, threads = state_of(model), torch.get_num_threads()
    scan(model, x, y, method=method)
    assert state_of(model) == before

    def fail(*_args, **_kwargs):
        raise KeyboardInterrupt

    for name in ("rank_one.loss_change", "scan._displaced"):
        monkeypatch.setattr(f"netdyn_utils.perturbation.{name}", fail)
    with pytest.raises(KeyboardInterrupt):
        scan(model, x, y, method=method)
    assert state_of(model) == before
    assert torch.get_num_threads() == threads


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
        ({"weights_per_layer": {"fc4": 21}}, "'fc4' has 20 weights, fewer than 21"),
        ({"weights_per_layer": {"fc9": 1}}, "unknown layer .*'fc9'.*did you mean"),
        ({"targets": torch.full((30,), 4)}, "0 to 3, got 4 to 4"),
        (
            {"targets": torch.zeros(30)},
            "classes as int64, got Tensor and torch.float32",
        ),
        (
            {"targets": torch.zeros(4, dtype=int)},
            r"have \[4, 30\] "
            "samples along their first axes: expected one",
        ),
        ({"targets": torch.zeros(30, 1, dtype=int)}, "do not fit targets"),
        ({"inputs": torch.full((30, 9), torch.nan)}, "NaN or infinity"),
    ],
)
def test_invalid_arguments_are_refused(options, message):
    x, y = images(30, 9)
    with pytest.raises(ValueError, match=message):
        scan(mlp(), **{"inputs": x, "targets": y, **options})


class Random(nn.Module):
    """Not the same twice, in any mode."""

    def forward(self, x):
        return nn.functional.dropout(x)


class OwnTensor(nn.Module):
    """A tensor that is no parameter or buffer, and so stays in float32."""

    def __init__(self):
        super().__init__()
        self.matrix = [torch.ones(9, 9)]

    def forward(self, x):
        return x @ self.matrix[0]


def test_networks_without_a_defined_change_are_refused_by_the_modules_name():
    batch = images(5, 9)
    broken = mlp()
    nn.init.constant_(broken.fc1.bias, float("inf"))
    for model, message in (
        (nn.Sequential(Random(), nn.Linear(9, 4)), "output of Random '0' is random"),
        (nn.Sequential(OwnTensor(), nn.Linear(9, 4)), "OwnTensor '0' cannot run in"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3, 4)), "Linear '1' cannot run in fl"),
        (nn.Sequential(nn.Flatten()), "no weights with two axes"),
        (broken, "the loss is"),
    ):
        with pytest.raises(ValueError, match=message):
            scan(model, *batch)
    embedding = nn.Embedding(4, 9, max_norm=0.1)
    with pytest.raises(ValueError, match="Sequential changes itself when it runs"):
        scan(nn.Sequential(embedding, nn.Linear(9, 4)), batch[1], batch[1])
    with pytest.raises(ValueError, match=r"Residual is not a sequence .*branches off"):
        scan(Residual(), *batch, method="chain")
    with pytest.raises(ValueError, match=r"delta=0.2 was not scanned.*±0.01, ±1"):
        scan(mlp(), *batch).changes(0.2)


class Cast(nn.Module):
    """The norm of LLaMA: in float32, whatever the dtype of its inputs."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.dtype = dtype
        self.register_buffer("ones", torch.ones(9))

    def forward(self, x):
        narrow = x.to(self.dtype)
        narrow = narrow * narrow.square().mean(-1, keepdim=True).add(1e-6).rsqrt()
        return (self.ones * narrow.to(x.dtype)) * self.ones.float().to(x.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_cast_inside_is_noticed_where_it_depends_on_the_weights(dtype):
    name = str(dtype).removeprefix("torch.")
    model, batch = (
        nn.Sequential(nn.Linear(9, 9), Cast(dtype), nn.Linear(9, 4)),
        images(5, 9),
    )
    with pytest.warns(
        UserWarning, match=f"Cast '1' computes in {name}, so the loss is"
    ):
        scan(model, *batch)
    scan(nn.Sequential(nn.Linear(9, 9), Cast(torch.float64), nn.Linear(9, 4)), *batch)
    scan(nn.Sequential(Cast(dtype), nn.Linear(9, 4)), *batch)  # of the inputs only
