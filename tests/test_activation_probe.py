"""Activations on a fixed batch and updates of a window, against plain definitions."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from netdyn_utils.tracking.activations import ActivationProbe, LayerOutputs, probe_batch
from netdyn_utils.tracking.update_window import UpdateWindow
from netdyn_utils.training import TrainConfig, train_steps


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        relu = nn.ReLU(inplace=True)
        return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), relu, nn.Linear(5, 3))


def batches(samples=8):
    generator = torch.Generator().manual_seed(1)
    while True:
        labels = torch.randint(3, (samples,), generator=generator)
        yield torch.randn(samples, 6, generator=generator), labels


def test_probe_gives_means_over_samples_of_each_class_after_relu():
    model, (inputs, labels) = network(), next(batches(40))
    probe = ActivationProbe(model, inputs, labels)
    probe.update()
    means = probe.pop()
    assert tuple(means) == probe.layers == ("0", "1", "3")
    model.eval()
    for layer, stop in (("0", 1), ("1", 2), ("3", 4)):
        active = model[:stop](inputs)
        active = active if layer == "3" else active.relu()
        by_hand = [active[labels == k].mean(0).tolist() for k in range(3)]
        np.testing.assert_allclose(means[layer][0], by_hand, rtol=1e-5)


def test_pop_returns_the_steps_since_the_last_pop():
    model = network()
    probe, window = ActivationProbe(model, *next(batches())), UpdateWindow(model, 4)
    for steps in (3, 4):
        for _ in train_steps(model, batches(), TrainConfig(steps=steps)):
            probe.update()
            window.update()
        rows = probe.pop()["0"]
        assert len(window.pop()) == len(rows) == steps
        assert not np.array_equal(rows[0], rows[1])
    with pytest.raises(ValueError, match="nothing was recorded"):
        probe.pop()
    for _ in range(4):
        window.update()
    with pytest.raises(ValueError, match="window of 4 steps is full"):
        window.update()


def test_probes_leave_training_bit_for_bit_as_it_was():
    finals = []
    for watch in (False, True):
        model = network()
        probe, window = ActivationProbe(model, *next(batches())), UpdateWindow(model, 9)
        for _ in train_steps(model, batches(), TrainConfig(steps=9)):
            if watch:
                probe.update()
                window.update()
        assert model.training
        finals.append(model.state_dict().values())
    assert all(map(torch.equal, *finals))


def test_outputs_are_those_before_an_in_place_relu():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))
    with torch.no_grad():
        model[0].weight.copy_(-torch.eye(2))
        model[0].bias.zero_()
    assert LayerOutputs(model)(torch.eye(2))["0"].tolist() == [[-1, 0], [0, -1]]


def test_places_of_an_image_are_averaged():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(2 * 4, 3))
    images = torch.randn(5, 1, 2, 2)
    probe = ActivationProbe(model, images, torch.zeros(5), activation=torch.relu)
    probe.update()
    expected = torch.relu(model[0](images)).mean((0, 2, 3)).detach()
    np.testing.assert_allclose(probe.pop()["0"][0, 0], expected, rtol=1e-5)


def test_a_layer_called_model_is_not_taken_for_the_whole():
    layers = OrderedDict(model=nn.Linear(2, 3), last=nn.Linear(3, 1))
    outputs = LayerOutputs(nn.Sequential(layers))(torch.zeros(4, 2))
    assert [tuple(each.shape) for each in outputs.values()] == [(4, 3), (4, 1)]


def test_probe_batch_has_as_many_samples_of_each_class():
    labels = torch.tensor([2, 2, 0, 1, 0, 1, 2, 0])
    inputs, chosen = probe_batch(torch.arange(8), labels, 2)
    assert inputs.tolist() == [2, 4, 3, 5, 0, 1]
    assert labels[inputs].tolist() == chosen.tolist()
    with pytest.raises(ValueError, match="class 1 has 2 samples: lower per_class=3"):
        probe_batch(torch.arange(8), labels, 3)


def test_window_is_the_difference_of_weights_around_each_step():
    model = network()
    window, rows = UpdateWindow(model, 4), []
    weights = model[0].weight, model[3].weight
    before = [w.detach().clone() for w in weights]
    for _ in train_steps(model, batches(), TrainConfig(steps=4)):
        window.update()
        after = [w.detach().clone() for w in weights]
        rows.append([a - b for a, b in zip(after, before, strict=True)])
        before = after
    updates = window.pop()
    assert updates.shape == (4, 6 * 5 + 5 * 3)
    assert window.layers == {"0": (5, 6), "3": (3, 5)}
    for k, (layer, part) in enumerate(window.split(updates).items()):
        assert np.array_equal(part, torch.stack([row[k] for row in rows])), layer
        assert np.shares_memory(part, updates)


def test_inputs_without_labels_and_models_without_weights_are_refused():
    with pytest.raises(ValueError, match="one class label for each sample"):
        ActivationProbe(network(), torch.zeros(4, 6), torch.zeros(3))
    with pytest.raises(ValueError, match="LayerNorm has no trainable parameter of two"):
        UpdateWindow(nn.LayerNorm(3), 2)
