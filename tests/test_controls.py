"""A control removes one property of the data and leaves the others."""

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


def test_spectral_noise_is_normal_with_mean_and_spectrum_of_the_images(data):
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


def test_control_follows_the_seed_of_the_run():
    def targets(seed):
        train = TrainConfig(seed=seed)
        config = ExperimentConfig(train=train, control="shuffled labels", digits=(0, 1))
        return load_data(config).train_targets

    assert torch.equal(targets(0), targets(0))
    assert not torch.equal(targets(0), targets(1))
    with pytest.raises(ValueError, match=r"did you mean 'shuffled labels'"):
        ExperimentConfig(control="shuffled label")
