"""The networks have the authors' sizes, and compute what torch's own parts compute."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from netdyn_utils.networks import NETWORKS, SeededDropout, build_model

DEEP = (784, 50, 50, 50, 50, 10)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def build(name, seed=0, **options):
    return build_model(name, generator=seeded(seed), **options)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def example(name, samples=3, seed=1):
    if name == "transformer":
        return torch.randint(50, (samples, 12), generator=seeded(seed))
    shape = (1, 28, 28) if name == "mlp" else (3, 32, 32)
    return torch.rand(samples, *shape, generator=seeded(seed)) * 2 - 1


def same(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("mlp", 101_770), ("convnet", 2_122_378), ("transformer", 409_394)],
)
def test_a_network_has_as_many_parameters_as_the_authors_say(name, parameters):
    assert count(build(name)) == parameters


def test_the_five_layer_perceptron_has_the_authors_weights():
    model = build("mlp", widths=DEEP)
    weights = sum(layer.weight.numel() for layer in model.children())
    assert weights == 784 * 50 + 3 * 50 * 50 + 50 * 10 == 47_200
    assert count(model) == weights + 4 * 50 + 10


@pytest.mark.parametrize("name", NETWORKS)
def test_one_seed_gives_one_network_whatever_ran_before(name):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        one = build(name)
        torch.manual_seed(2)
        other = build(name)
    assert same(one, other)
    assert not same(one, build(name, seed=1))


@pytest.mark.parametrize("name", NETWORKS)
def test_building_and_running_leave_the_global_generator_alone(name):
    before = torch.get_rng_state()
    build(name).train()(example(name))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", NETWORKS)
def test_dense_and_convolutional_weights_fill_one_over_the_root_of_the_fan_in(name):
    for label, module in build(name).named_modules():
        if not isinstance(module, nn.Linear | nn.Conv2d) or "attention" in label:
            continue
        bound = 1 / math.sqrt(module.weight[0].numel())
        assert module.weight.abs().max() <= bound
        assert module.bias.abs().max() <= bound
        if module.weight.numel() > 5_000:
            assert module.weight.abs().max() > 0.99 * bound
            variance = bound**2 / 3  # of the uniform distribution
            assert module.weight.var().item() == pytest.approx(variance, rel=0.05)


def test_the_transformer_begins_as_torch_s_attention_and_embedding_do():
    model = build("transformer")
    for block in model.blocks:
        qkv = block.attention.qkv
        bound = math.sqrt(6 / (128 + 3 * 128))  # Glorot & Bengio 2010
        assert 0.99 * bound < qkv.weight.abs().max() <= bound
        assert qkv.bias.abs().max() == block.attention.out.bias.abs().max() == 0
    assert model.embedding.weight.std().item() == pytest.approx(1, abs=0.03)


def test_the_perceptron_is_the_sequence_of_its_layers():
    model, x = build("mlp", widths=DEEP), example("mlp")
    *hidden, last = model.children()
    parts = [part for layer in hidden for part in (layer, nn.ReLU())]
    oracle = nn.Sequential(nn.Flatten(), *parts, last)
    assert [(layer.out_features, layer.in_features) for layer in (*hidden, last)] == [
        (outputs, inputs) for inputs, outputs in pairwise(DEEP)
    ]
    assert torch.equal(model(x), oracle(x))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("batchnorm", [True, False])
def test_the_convnet_is_the_sequence_of_its_layers(training, batchnorm):
    model, x = build("convnet", batchnorm=batchnorm), example("convnet")
    conv1, bn1, conv2, bn2, fc1, fc2 = model.train(training).children()
    oracle = nn.Sequential(
        *(conv1, bn1, nn.ReLU(), nn.MaxPool2d(2)),
        *(conv2, bn2, nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), fc1, nn.ReLU(), fc2),
    ).train(training)
    assert isinstance(bn1, nn.BatchNorm2d) == batchnorm
    same_layout = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(model(x), oracle(same_layout))
    assert torch.allclose(model(x), oracle(x), atol=1e-5)


def torch_s_encoder(model):
    """Torch's own post-norm encoder with the weights of ours."""
    layer = nn.TransformerEncoderLayer(128, 4, 512, batch_first=True)
    oracle = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    for ours, theirs in zip(model.blocks, oracle.layers, strict=True):
        attention = theirs.self_attn
        attention.in_proj_weight = ours.attention.qkv.weight
        attention.in_proj_bias = ours.attention.qkv.bias
        attention.out_proj = ours.attention.out
        theirs.linear1, theirs.linear2 = ours.fc1, ours.fc2
        theirs.norm1, theirs.norm2 = ours.norm1, ours.norm2
    return oracle.eval()


@pytest.mark.parametrize("causal", [True, False])
def test_the_transformer_is_torch_s_encoder_with_its_weights(causal):
    model = build("transformer", causal=causal).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # also where it begins as zero or one
            parameter.add_(torch.randn(parameter.shape, generator=seeded(2)) * 0.05)
        x = torch.randn(3, 20, 128, generator=seeded(1))
        mask = nn.Transformer.generate_square_subsequent_mask(20) if causal else None
        expected = torch_s_encoder(model)(x, mask=mask, is_causal=causal)
        assert torch.allclose(model.blocks(x), expected, atol=1e-5, rtol=0)


def test_positions_are_the_sines_and_cosines_of_vaswani():
    model = build("transformer", layers=0)  # then the readout is all that follows
    with torch.no_grad():
        model.readout.weight[:].zero_().fill_diagonal_(1)
        model.readout.bias.zero_()
        model.embedding.weight.zero_()
        shown = model(torch.zeros(1, 9, dtype=torch.int64))[0]
    for t, row in enumerate(shown.tolist()):
        for k, value in enumerate(row):
            angle = t / 10_000 ** (2 * (k // 2) / 128)
            expected = math.cos(angle) if k % 2 else math.sin(angle)
            assert value == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("causal", [True, False])
def test_future_tokens_cannot_change_past_logits_when_causal(causal):
    model = build("transformer", causal=causal).eval()
    past = example("transformer")
    future = past.clone()
    future[:, 7:] = (future[:, 7:] + 1) % 50
    with torch.no_grad():
        change = (model(past) - model(future)).abs().amax((0, 2))
    assert change[7:].min() > 1e-3
    assert change[:7].max() == 0 if causal else change[:7].min() > 1e-4


def test_dropout_keeps_the_mean_scales_what_is_left_and_rests_in_evaluation():
    dropout, x = SeededDropout(0.1, seeded()), torch.ones(100_000)
    dropped = dropout(x)
    assert set(dropped.unique().tolist()) == {0.0, (x / 0.9)[0].item()}
    spread = math.sqrt(0.1 / 0.9 / x.numel())  # of the mean, over the masks
    assert abs(dropped.mean().item() - 1) < 4 * spread
    assert not torch.equal(dropout(x), dropped)
    assert torch.equal(SeededDropout(0.1, seeded())(x), dropped)
    assert dropout.eval()(x) is x


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mpl", {}, "unknown network 'mpl'.*'convnet'.*did you mean 'mlp'"),
        ("mlp", {"width": 3}, "option of MLP 'width': choose 'widths'.*'widths'"),
        ("convnet", {"batch_norm": False}, "'channels', .*did you mean 'batchnorm'"),
        ("transformer", {"casual": False}, "'vocabulary', .*did you mean 'causal'"),
        ("mlp", {"widths": (784, 0, 10)}, "widths must be a whole number .* got 0"),
        ("mlp", {"widths": (784, 1.5, 10)}, "widths must be a whole number .* 1.5"),
    ],
)
def test_an_unknown_network_or_option_is_told_the_choices(name, options, message):
    with pytest.raises(ValueError, match=message):
        build(name, **options)
