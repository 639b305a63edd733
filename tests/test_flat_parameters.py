"""One rule for which parameters count, and a vector that is them."""

import pytest
import torch
from torch import nn

from netdyn_utils.flat_parameters import FlatParameters


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(5, 2))


def test_the_vector_is_the_parameters_in_their_order():
    model = network()
    expected = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert torch.equal(FlatParameters(model).vector(), expected)


def test_assigning_the_vector_gives_back_the_same_bits():
    model, other = network(), network()
    FlatParameters(other).assign(FlatParameters(model).vector())
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)


def test_binding_keeps_values_gradients_and_the_optimizer_at_work():
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    model(torch.ones(1, 3)).sum().backward()
    flat = FlatParameters(model)
    before = flat.vector()
    assert flat.block() is None
    flat.bind()
    assert torch.equal(flat.block(), before)
    optimizer.step()
    assert torch.equal(flat.block(), flat.vector())
    assert not torch.equal(flat.block(), before)


def test_the_block_is_live_also_for_another_reader():
    model = network()
    FlatParameters(model).bind()
    other = FlatParameters(model)
    with torch.no_grad():
        model[2].bias.fill_(7)
    assert torch.equal(other.block()[-2:], torch.full((2,), 7.0))
    assert other.read(other.vector()).data_ptr() == model[0].weight.data_ptr()


def test_a_moved_parameter_ends_the_block_and_is_still_read():
    model = network()
    flat = FlatParameters(model).bind()
    model[1].weight.data = torch.full((4,), 3.0)
    assert flat.block() is None
    assert torch.equal(flat.read(flat.vector()), flat.vector())


def test_parameters_that_do_not_fit_one_block_are_not_bound():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
    with pytest.raises(ValueError, match="several dtypes"):
        FlatParameters(model).bind()
    assert FlatParameters(model).vector().dtype == torch.float64


def test_transposed_parameters_are_read_in_their_own_order():
    model = nn.Linear(3, 2, bias=False)
    model.weight.data = torch.arange(6.0).view(3, 2).t()
    assert FlatParameters(model).vector().tolist() == [0, 2, 4, 1, 3, 5]


def test_a_vector_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match=r"shape \(3,\), the parameters need \(8,\)"):
        FlatParameters(nn.Linear(3, 2)).assign(torch.zeros(3))


def test_a_lazy_layer_is_asked_for_a_batch_first():
    model = nn.LazyLinear(2)
    with pytest.raises(ValueError, match="run a batch through the model first"):
        FlatParameters(model)


def test_complex_parameters_are_refused():
    model = nn.Module()
    model.w = nn.Parameter(torch.zeros(2, dtype=torch.complex64))
    with pytest.raises(ValueError, match="only real floating-point"):
        FlatParameters(model)
