"""Images with one property removed, as controls for heavy tails."""

from dataclasses import replace

import torch
from torch import Tensor

from ..validation import check_choice
from .images import ImageData

CONTROLS = ("none", "shuffled labels", "spectral noise")


def with_control(
    data: ImageData, control: str, generator: torch.Generator
) -> ImageData:
    """Return images under one of CONTROLS.

    "shuffled labels": training labels in random order; the test set does not change.
    "spectral noise": every input is a sample of the normal distribution with mean and
    covariance of the training inputs; labels do not change.
    """
    check_choice(control, CONTROLS, "control")
    if control == "shuffled labels":
        order = torch.randperm(len(data.train_targets), generator=generator)
        return replace(data, train_targets=data.train_targets[order])
    if control == "spectral noise":
        draw = _normal_like(data.train_inputs, generator)
        train, test = draw(len(data.train_inputs)), draw(len(data.test_inputs))
        return replace(data, train_inputs=train, test_inputs=test)
    return data


def _normal_like(inputs: Tensor, generator: torch.Generator):
    """Return a sampler of normal inputs with the mean and covariance of `inputs`."""
    shape, rows = inputs.shape[1:], inputs.flatten(1).double()
    mean = rows.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(rows.T))
    root = vectors * values.clamp(min=0).sqrt()  # columns: rounding gives −1e-16

    def draw(count: int) -> Tensor:
        normal = torch.randn(count, len(mean), generator=generator, dtype=torch.float64)
        return (mean + normal @ root.T).float().unflatten(1, shape)

    return draw
