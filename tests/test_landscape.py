"""A plane of the loss around the network, along directions with its filters' norms."""

import numpy as np
import pytest
import torch
from torch import nn

from netdyn_utils.networks import build_model
from netdyn_utils.perturbation.landscape import LossPlane, loss_plane, random_direction
from netdyn_utils.perturbation.scan import loss_under_displacement


def seed(number=0):
    return torch.Generator().manual_seed(number)


@pytest.fixture
def network():
    model = build_model("mlp", widths=(6, 8, 3), generator=seed())
    x = torch.randn(40, 6, generator=seed(1))
    return model, x, torch.randint(3, (40,), generator=seed(2))


def test_the_middle_of_a_plane_is_the_network_itself(network):
    loss = loss_under_displacement(*network, name="fc1.weight", index=0, delta=0.0)
    plane = loss_plane(*network, generator=seed(), steps=5, batch_size=7)
    assert plane.steps.tolist() == [-1, -0.5, 0, 0.5, 1]
    assert plane.losses[2, 2] == pytest.approx(loss, rel=1e-14)
    assert len(np.unique(plane.losses)) == 25
    again = LossPlane.from_arrays(plane.to_arrays())
    assert repr(again) == repr(plane)
    assert repr(plane).startswith("LossPlane(5 × 5 points within ±1, loss ")


def test_directions_have_the_norms_of_the_filters_and_no_biases():
    model = build_model("convnet", channels=(3, 4), hidden=5, generator=seed())
    direction = random_direction(model, seed(1))
    assert set(direction) == {f"{n}.weight" for n in ("conv1", "conv2", "fc1", "fc2")}
    for name, part in direction.items():
        own = model.get_parameter(name).detach().double()
        assert part.shape == own.shape
        torch.testing.assert_close(
            part.flatten(1).norm(dim=1), own.flatten(1).norm(dim=1)
        )


def test_rescaling_relu_layers_leaves_the_plane_as_it_is(network):
    model, *batch = network
    before = loss_plane(model, *batch, generator=seed(), steps=3).losses
    with torch.no_grad():
        for part in (model.fc1.weight, model.fc1.bias):
            part *= 64
        model.fc2.weight /= 64
    after = loss_plane(model, *batch, generator=seed(), steps=3).losses
    np.testing.assert_allclose(after, before, rtol=1e-10)


def test_a_softmax_layer_has_its_plane_in_closed_form():
    model, x = nn.Linear(3, 2, bias=False), torch.eye(3)
    plane = loss_plane(model, x, torch.tensor([0, 1, 0]), generator=seed(), steps=3)
    generator = seed()
    one, other = (random_direction(model, generator)["weight"] for _ in range(2))
    for (i, j), loss in np.ndenumerate(plane.losses):
        weight = model.weight + plane.steps[i] * one + plane.steps[j] * other
        gap = weight.detach().numpy() * [1, -1, 1]  # of the target over the other
        expected = np.log1p(np.exp(gap[1] - gap[0])).mean()
        assert loss == pytest.approx(expected, rel=1e-14)


def test_the_model_is_as_it_was(network):
    model, *batch = network
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    loss_plane(model, *batch, generator=seed(), steps=3)
    assert model.training
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [({"steps": 4}, "odd and 3 or more"), ({"reach": 0.0}, "reach must be a positive")],
)
def test_invalid_arguments_are_refused(network, options, message):
    with pytest.raises(ValueError, match=message):
        loss_plane(*network, generator=seed(), **options)
