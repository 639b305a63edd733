"""What a control takes away is gone; what it leaves is there."""

import pytest
import torch

from netdyn_utils.data import load_images
from netdyn_utils.data.controls import with_control
from netdyn_utils.experiments.config import ExperimentConfig, load_data
from netdyn_utils.training import TrainConfig


@pytest.fixture(scope="module")
def data():
    return load_images("mnist")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_shuffled_labels_keep_their_numbers_and_lose_their_images(data):
    mixed = with_control(data, "shuffled labels", seeded())
    assert torch.equal(mixed.train_targets.bincount(), data.train_targets.bincount())
    agree = (mixed.train_targets == data.train_targets).double().mean()
    assert agree == pytest.approx(0.1, abs=0.02)  # ten classes of about equal size
    assert mixed.train_inputs is data.train_inputs
    assert mixed.test_targets is data.test_targets


def test_spectral_noise_has_mean_and_spectrum_of_the_images_and_is_normal(data):
    noise = with_control(data, "spectral noise", seeded()).train_inputs
    assert noise.shape == data.train_inputs.shape
    one, other = (x.flatten(1).double() for x in (noise, data.train_inputs))
    assert (one.mean(0) - other.mean(0)).abs().max() < 0.05  # 5 σ/√n of a pixel
    spectra = [torch.linalg.eigvalsh(torch.cov(x.T)).flip(0)[:50] for x in (one, other)]
    assert (spectra[0] / spectra[1] - 1).abs().max() < 0.1
    standard = (one - one.mean(0)) @ torch.linalg.eigh(torch.cov(one.T))[1][:, -5:]
    kurtosis = ((standard / standard.std(0)) ** 4).mean(0)
    assert (kurtosis - 3).abs().max() < 0.25  # 5 √(24/n)
    assert with_control(data, "none", seeded()) is data


def test_control_is_part_of_the_question_and_drawn_from_its_seed():
    changes = {"control": "shuffled labels", "digits": (0, 1)}
    configs = [
        ExperimentConfig(train=TrainConfig(seed=s), **changes) for s in (0, 0, 1)
    ]
    targets = [load_data(config).train_targets for config in configs]
    assert torch.equal(targets[0], targets[1])
    assert not torch.equal(targets[0], targets[2])
    with pytest.raises(ValueError, match=r"did you mean 'shuffled labels'"):
        ExperimentConfig(control="shuffled label")
    with pytest.raises(ValueError, match="no control"):
        ExperimentConfig(network="transformer", control="spectral noise")
