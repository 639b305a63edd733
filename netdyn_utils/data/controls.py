"""Images with one thing taken away, to see what the tail needs.

Shuffled labels leave images that no label belongs to. Spectral noise leaves inputs of
the same mean and covariance in which nothing can be seen.
"""

from dataclasses import replace

import torch
from torch import Tensor

from ..validation import check_choice
from .images import ImageData

CONTROLS = ("none", "shuffled labels", "spectral noise")


def with_control(
    data: ImageData, control: str, generator: torch.Generator
) -> ImageData:
    """Return images under a control.

    Parameters
    ----------
    data : ImageData
    control : {"none", "shuffled labels", "spectral noise"}
        "shuffled labels": training labels in random order; the test set as it is.
        "spectral noise": every input drawn from the normal distribution with the mean
        and the covariance of the training inputs; labels as they are.
    generator : torch.Generator

    Examples
    --------
    >>> from netdyn_utils.data import load_images
    >>> data = load_images("mnist", digits=(0, 1))
    >>> mixed = with_control(data, "shuffled labels", torch.Generator())
    >>> bool((mixed.train_targets == data.train_targets).all())
    False
    >>> mixed.train_targets.sum() == data.train_targets.sum()
    tensor(True)
    """
    check_choice(control, CONTROLS, "control")
    if control == "shuffled labels":
        order = torch.randperm(len(data.train_targets), generator=generator)
        return replace(data, train_targets=data.train_targets[order])
    if control == "spectral noise":
        draw = _normal_like(data.train_inputs, generator)
        return replace(
            data,
            train_inputs=draw(len(data.train_inputs)),
            test_inputs=draw(len(data.test_inputs)),
        )
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
