"""Activations on a fixed batch and updates of a window, against plain definitions."""

import numpy as np
import pytest
import torch
from torch import nn

from netdyn_utils.networks import build_model
from netdyn_utils.tracking.activations import ActivationProbe, LayerOutputs, probe_batch
from netdyn_utils.tracking.update_window import UpdateWindow
from netdyn_utils.training import TrainConfig, train_steps


def network(*widths):
    return build_model("mlp", widths=widths, generator=torch.Generator().manual_seed(0))


def batches(samples=8, inputs=6, classes=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield (
            torch.randn(samples, inputs, generator=generator),
            torch.randint(classes, (samples,), generator=generator),
        )


def test_probe_gives_means_over_samples_of_each_class_after_relu():
    model = network(6, 5, 3)
    inputs, labels = next(batches(40))
    probe = ActivationProbe(model, inputs, labels)
    probe.update()
    taken = probe.take()

    hidden = torch.relu(model.fc1(inputs))
    for layer, active in (("fc1", hidden), ("fc2", model.fc2(hidden))):
        by_hand = [active[labels == k].mean(0).tolist() for k in range(3)]
        np.testing.assert_allclose(taken[layer][0], by_hand, rtol=1e-5)


def test_probe_has_one_row_for_each_step_since_it_was_last_taken():
    model = network(6, 5, 3)
    probe = ActivationProbe(model, *next(batches()))
    seen = []
    for record in train_steps(model, batches(), TrainConfig(steps=7)):
        probe.update()
        if record.step in (3, 7):
            seen.append(probe.take()["fc1"])
    assert [len(rows) for rows in seen] == [3, 4]
    assert not np.array_equal(seen[0][0], seen[0][1])
    with pytest.raises(ValueError, match="nothing was recorded"):
        probe.take()


def test_watching_a_run_does_not_change_it():
    finals = []
    for watch in (False, True):
        model = nn.Sequential(
            nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(inplace=True), nn.Linear(5, 3)
        )
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(
                    torch.linspace(-1, 1, parameter.numel()).view_as(parameter)
                )
        probe, window = ActivationProbe(model, *next(batches())), UpdateWindow(model, 9)
        for _ in train_steps(model, batches(), TrainConfig(steps=9)):
            if watch:
                probe.update()
                window.update()
        finals.append(
            {**dict(model.state_dict()), "mode": torch.tensor(model.training)}
        )
    for name, value in finals[0].items():
        assert torch.equal(value, finals[1][name]), name


def test_outputs_are_those_before_an_in_place_relu():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))
    with torch.no_grad():
        model[0].weight.copy_(-torch.eye(2))
        model[0].bias.zero_()
    assert LayerOutputs(model)(torch.eye(2))["0"].tolist() == [[-1, 0], [0, -1]]


def test_places_of_an_image_are_averaged():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(2 * 4, 3))
    images = torch.randn(5, 1, 2, 2)
    probe = ActivationProbe(model, images, torch.zeros(5, dtype=torch.int64))
    probe.update()
    expected = torch.relu(model[0](images)).mean((0, 2, 3)).detach()
    np.testing.assert_allclose(probe.take()["0"][0, 0], expected, rtol=1e-5)


def test_probe_batch_has_as_many_of_each_class():
    labels = torch.tensor([2, 2, 0, 1, 0, 1, 2, 0])
    inputs, chosen = probe_batch(torch.arange(8), labels, 2)
    assert chosen.tolist() == [0, 0, 1, 1, 2, 2]
    assert labels[inputs].tolist() == chosen.tolist()
    with pytest.raises(ValueError, match="class 1 has 2 samples, 3 were asked for"):
        probe_batch(torch.arange(8), labels, 3)


def test_labels_must_fit_the_inputs():
    with pytest.raises(ValueError, match="one class label for each sample"):
        ActivationProbe(network(6, 3), torch.zeros(4, 6), torch.zeros(3))
    with pytest.raises(ValueError, match="unknown layer 'fc9'"):
        LayerOutputs(network(6, 3), ["fc9"])


def test_window_is_the_difference_of_weights_around_each_step():
    model = network(6, 5, 3)
    window, copies = UpdateWindow(model, 4), []
    before = [model.fc1.weight.detach().clone(), model.fc2.weight.detach().clone()]
    for _ in train_steps(model, batches(), TrainConfig(steps=4)):
        window.update()
        after = [model.fc1.weight.detach().clone(), model.fc2.weight.detach().clone()]
        copies.append([a - b for a, b in zip(after, before, strict=True)])
        before = after
    updates = window.take()
    assert updates.shape == (4, 6 * 5 + 5 * 3)
    assert window.layers == {"fc1": (5, 6), "fc2": (3, 5)}
    for k, (layer, part) in enumerate(window.split(updates).items()):
        by_hand = torch.stack([step[k] for step in copies]).numpy()
        assert np.array_equal(part, by_hand), layer
        assert np.shares_memory(part, updates)


def test_window_says_when_it_is_full_and_begins_anew():
    model = network(6, 3)
    window = UpdateWindow(model, 2)
    window.update()
    window.update()
    with pytest.raises(ValueError, match="window of 2 steps is full"):
        window.update()
    assert len(window.take()) == 2
    window.update()
    assert len(window.take()) == 1


def test_model_without_weights_is_refused():
    with pytest.raises(ValueError, match="LayerNorm has no weights"):
        UpdateWindow(nn.LayerNorm(3), 2)
