"""Which parameters count, in which order, and the vector of all."""

import pytest
import torch
from torch import nn

from netdyn_utils.flat_parameters import FlatParameters


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(5, 2))


def test_the_vector_has_the_parameters_in_their_order():
    model = network()
    expected = torch.cat([p.detach().flatten() for p in model.parameters()])
    flat = FlatParameters(model)
    assert torch.equal(flat.to_vector(), expected)
    model[2].weight.data = torch.arange(10.0).view(5, 2).t()  # transposed in memory
    start = flat.slices[-2].start
    expected = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
    assert flat.to_vector()[start : start + 10].tolist() == expected


def test_models_without_real_parameters_of_one_kind_are_refused():
    mixed = FlatParameters(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double()))
    assert mixed.to_vector().dtype == torch.float64
    with pytest.raises(ValueError, match="run a batch through the model first"):
        FlatParameters(nn.LazyLinear(2))
    with pytest.raises(ValueError, match="only real floating-point"):
        FlatParameters(nn.Linear(2, 2, dtype=torch.complex64))
    with pytest.raises(ValueError, match="no trainable parameters"):
        FlatParameters(nn.Linear(2, 2).requires_grad_(False))
