"""Every path gives the numbers of the definition, and leaves the model as it was."""

import numpy as np
import pytest
import torch
from torch import nn

from netdyn_utils.networks import build_model
from netdyn_utils.perturbation import chain_scan
from netdyn_utils.perturbation.responses import PerturbationResponse
from netdyn_utils.perturbation.scan import loss_under_displacement, perturbation_scan
from netdyn_utils.perturbation.weight_draws import draw_weights

EPS = np.finfo(float).eps


def seed(number=0):
    return torch.Generator().manual_seed(number)


def images(count, *shape, classes=4):
    x = torch.randn(count, *shape, generator=seed(1))
    return x, torch.randint(classes, (count,), generator=seed(2))


def mlp(widths=(9, 7, 6, 5, 4)):
    return build_model("mlp", widths=widths, generator=seed())


def convnet(**options):
    model = build_model(
        "convnet",
        **{"channels": (3, 4), "hidden": 6, "image": (2, 8), "classes": 4, **options},
        generator=seed(),
    )
    with torch.no_grad():  # statistics of its own
        for _ in range(3):
            model(torch.randn(16, 2, 8, 8, generator=seed(3)))
    return model


def transformer():
    return build_model(
        "transformer", width=8, heads=2, hidden=6, vocabulary=5, generator=seed()
    )


class Residual(nn.Module):
    """A branch, so no chain."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(9, 9), nn.Linear(9, 4)

    def forward(self, x):
        return self.b(x + self.a(x).relu())


def scan(model, x, y, **options):
    options = {"deltas": [0.01, 1.0], "weights_per_layer": 6} | options
    return perturbation_scan(model, x, y, **{"generator": seed(), **options})


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


def test_stages_of_torch_agree_with_compiled_code(monkeypatch):
    model, batch = mlp(), images(31, 9)
    compiled = scan(model, *batch)
    monkeypatch.setattr(chain_scan, "SMALL", -1)
    staged = scan(model, *batch)
    scale = 1e-12 * np.abs(compiled.response).max()
    np.testing.assert_allclose(staged.response, compiled.response, 1e-11, scale)
    assert agrees_with_the_definition(model, *batch, staged, every=5)


def test_the_transformer_goes_the_general_way():
    x = torch.randint(5, (4, 6), generator=seed(1))
    model, batch = transformer().eval(), (x, x.roll(1, 1))
    response = scan(model, *batch, weights_per_layer=2)
    assert response.method == "general"
    assert "embedding" in response.layers
    assert agrees_with_the_definition(model, *batch, response, every=3)


def test_branches_and_tied_weights_go_the_general_way():
    tied = mlp((4, 4, 4))
    tied.fc2.weight = tied.fc1.weight
    for model, batch in ((Residual(), images(9, 9)), (tied, images(9, 4))):
        response = scan(model, *batch)
        assert response.method == "general"
        assert agrees_with_the_definition(model, *batch, response)


def test_a_model_that_vmap_can_not_batch_runs_copy_by_copy():
    class Asking(Residual):
        def forward(self, x):
            return super().forward(x) if self.a.weight.sum().item() else x

    assert agrees_with_the_definition(
        *(model := Asking(), *images(9, 9)), scan(model, *images(9, 9))
    )


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
    response = scan(model, *batch, layers=["fc2", "fc3"], weights_per_layer=30)
    into = response.of("fc2") & (response.index // 7 == 3)
    out_of = response.of("fc3") & (response.index % 6 == 3)
    assert into.sum() > 1
    assert out_of.sum() > 1
    assert (response.response[:, :, into | out_of] == 0).all()
    assert (response.response[:, :, ~into & ~out_of] != 0).any()


def test_equal_inputs_share_their_work_and_change_no_number():
    model, (x, y) = mlp(), images(25, 9)
    x = x.sign()  # every sample has each value many times
    response = scan(model, x, y, weights_per_layer={"fc1": 63})
    assert agrees_with_the_definition(model, x, y, response, every=7)


def test_odd_and_even_parts_make_up_the_response():
    response = scan(mlp(), *images(20, 9))
    plus, minus = response.response[:, 0], response.response[:, 1]
    np.testing.assert_allclose(response.even + response.odd, plus, atol=1e-15)
    np.testing.assert_allclose(response.even - response.odd, minus, atol=1e-15)
    assert np.array_equal(response.gradient(0.01), response.odd[0] / 0.01)
    assert np.array_equal(response.curvature(1.0, "fc2"), 2 * response.even[1, 6:12])
    assert np.array_equal(response.changes(-1.0, "fc1"), minus[1, :6])


def test_the_weights_depend_on_the_seed_and_not_on_the_deltas():
    model, batch = mlp(), images(5, 9)
    one, other = scan(model, *batch), scan(model, *batch, deltas=[3.0, 0.5, 0.1])
    assert np.array_equal(one.index, other.index)
    assert other.deltas.tolist() == [0.1, 0.5, 3.0]
    assert not np.array_equal(one.index, scan(model, *batch, generator=seed(1)).index)
    for layer in one.layers:
        assert len(set(one.index[one.of(layer)])) == 6


def test_all_weights_can_be_drawn_and_a_mapping_asks_each_layer_for_its_own():
    response = scan(mlp(), *images(5, 9), weights_per_layer={"fc4": 20, "fc1": 2})
    assert response.layers == ("fc4", "fc1")
    assert response.index[response.of("fc4")].tolist() == list(range(20))


def state_of(model):
    return {
        **{name: (t.clone(), t.data_ptr()) for name, t in model.state_dict().items()},
        "modes": [module.training for module in model.modules()],
        "gradients": [p.grad.clone() for p in model.parameters()],
        "trained": [p.requires_grad for p in model.parameters()],
    }


def same(one, other):
    tensors = [k for k in one if isinstance(one[k], tuple)]
    return (
        all(torch.equal(one[k][0], other[k][0]) for k in tensors)
        and all(one[k][1] == other[k][1] for k in tensors)
        and all(map(torch.equal, one["gradients"], other["gradients"]))
        and (one["modes"], one["trained"]) == (other["modes"], other["trained"])
    )


@pytest.mark.parametrize("method", ["chain", "general"])
def test_the_model_is_as_it_was_also_after_an_exception(method, monkeypatch):
    model, (x, y) = convnet(), images(8, 2, 8, 8)
    nn.functional.cross_entropy(model(x), y).backward()
    model.train()
    model.bn1.eval()
    model.fc1.bias.requires_grad_(False)
    before, threads = state_of(model), torch.get_num_threads()
    scan(model, x, y, method=method)
    assert same(before, state_of(model))

    def fail(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("netdyn_utils.perturbation.chain_scan.loss_rows", fail)
    monkeypatch.setattr("netdyn_utils.perturbation.general_scan.loss_change", fail)
    with pytest.raises(KeyboardInterrupt):
        scan(model, x, y, method=method)
    assert same(before, state_of(model))
    assert torch.get_num_threads() == threads


def test_dropout_in_training_mode_is_switched_off_and_comes_back():
    layers = nn.Linear(9, 5), nn.ReLU(), nn.Dropout(0.9), nn.Linear(5, 4)
    model, batch = nn.Sequential(*layers), images(10, 9)
    with pytest.warns(UserWarning, match=r"Dropout is random: it is measured in eval"):
        one = scan(model.train(), *batch)
    other = scan(model.eval(), *batch)
    assert np.array_equal(one.response, other.response)
    model.train()
    assert agrees_with_the_definition(model, *batch, one)
    assert model[2].training


def test_a_response_survives_a_file_and_prints_as_one_line():
    response = scan(mlp(), *images(20, 9))
    again = PerturbationResponse.from_arrays(response.to_arrays())
    assert again.layers == response.layers
    assert (again.loss, again.samples) == (response.loss, 20)
    assert np.array_equal(again.changes(1.0, "fc2"), response.changes(1.0, "fc2"))
    assert repr(again).startswith("PerturbationResponse(24 weights of 4 layers, δ from")
    assert "\n" not in repr(again)
    assert all(isinstance(a, np.ndarray) for a in response.to_arrays().values())


class Drifting(nn.Module):
    """Not the same twice, in any mode."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(9, 4)

    def forward(self, x):
        return nn.functional.dropout(self.fc(x))


def with_batchnorm():
    norm = nn.BatchNorm1d(9, track_running_stats=False)
    return nn.Sequential(norm, nn.Linear(9, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deltas": [0.0]}, "both signs.*positive.*got 0.0"),
        ({"deltas": [-0.1]}, "both signs.*positive.*got -0.1"),
        ({"deltas": [float("nan")]}, "positive.*got nan"),
        ({"deltas": []}, "deltas is empty"),
        ({"deltas": [0.1, 0.2, 0.1]}, "differ"),
        ({"weights_per_layer": 21}, "'fc4' has 20 weights, fewer than 21.*mapping"),
        ({"weights_per_layer": 0}, "whole number of at least 1"),
        ({"weights_per_layer": {"fc9": 1}}, "unknown layer 'fc9'.*did you mean"),
        ({"weights_per_layer": {"fc1": 1}, "layers": ["fc2"]}, "nothing of layer"),
        ({"layers": "fc1"}, "sequence of names"),
        ({"layers": []}, "one or more"),
        ({"layers": ["fc1", "fc1"]}, "different names"),
        ({"method": "quick"}, "unknown method 'quick'"),
        ({"memory": 0}, "memory must be"),
    ],
)
def test_unfit_arguments_are_refused_with_a_remedy(options, message):
    with pytest.raises(ValueError, match=message):
        scan(mlp(), *images(5, 9), **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x, y + 1), "0 to 3, got 1 to 4"),
        (lambda x, y: (x, y - 1), "0 to 3, got -1 to"),
        (lambda x, y: (x, y.float()), "int64, got torch.float32"),
        (lambda x, y: (x, y[:4]), "30 inputs and 4 targets"),
        (lambda x, y: (x[:0], y[:0]), "0 inputs and 0 targets"),
        (lambda x, y: (x, y[:, None]), "do not fit targets"),
        (lambda x, y: (x * float("nan"), y), "NaN or infinity"),
        (lambda x, y: (x * 1e38 * 10, y), "NaN or infinity"),
    ],
)
def test_an_unfit_batch_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        scan(mlp(), *change(*images(30, 9)))


def test_models_without_a_meaningful_change_are_refused():
    batch = images(5, 9)
    with pytest.raises(ValueError, match="two outputs for the same inputs"):
        scan(Drifting(), *batch)
    with pytest.raises(ValueError, match="depends on the others"):
        scan(with_batchnorm(), *batch)
    with pytest.raises(ValueError, match=r"Residual is no chain.*branches off"):
        scan(Residual(), *batch, method="chain")
    with pytest.raises(ValueError, match="Flatten has no weights"):
        scan(nn.Flatten(), *batch)
    with pytest.raises(ValueError, match=r"layer 'bn1' has no weights.*conv1, conv2"):
        scan(convnet(), *images(5, 2, 8, 8), layers=["bn1"])
    broken = mlp()
    with torch.no_grad():
        broken.fc1.bias[0] = float("inf")
    with pytest.raises(ValueError, match="the loss is"):
        scan(broken, *batch)
    with pytest.raises(ValueError, match=r"delta=0.2 was not scanned.*±0.01, ±1"):
        scan(mlp(), *batch).changes(0.2)


@pytest.mark.parametrize("method", ["chain", "general"])
def test_progress_adds_up_to_all_displacements(method, monkeypatch):
    bars = []

    class Bar:
        def __init__(self, total, **_options):
            self.total, self.done = total, 0.0
            bars.append(self)

        def update(self, count):
            self.done += count

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            pass

    monkeypatch.setattr("netdyn_utils.perturbation.scan.tqdm", Bar)
    scan(mlp(), *images(50, 9), method=method, memory=2**16)
    assert bars[0].total == 4 * 6 * 4  # layers, weights, signed deltas
    assert bars[0].done == pytest.approx(bars[0].total)


def test_weights_of_norms_and_biases_are_not_drawn():
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm((2, 3)), nn.Embedding(3, 2))
    drawn = draw_weights(model, 1, generator=seed())
    assert [one.name for one in drawn] == ["0.weight", "2.weight"]
