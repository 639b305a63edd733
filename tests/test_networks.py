"""The networks have the authors' sizes, and compute what torch's own parts compute."""

import math

import pytest
import torch
from torch import nn

from netdyn_utils.networks import NETWORKS, SeededDropout, build_model


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def build(name, seed=0, **options):
    return build_model(name, generator=seeded(seed), **options)


def example(name, samples=3, seed=1):
    if name == "transformer":
        return torch.randint(50, (samples, 12), generator=seeded(seed))
    shape = (1, 28, 28) if name == "mlp" else (3, 32, 32)
    return torch.rand(samples, *shape, generator=seeded(seed)) * 2 - 1


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("mlp", 101_770), ("convnet", 2_122_378), ("transformer", 409_394)],
)
def test_networks_have_the_authors_number_of_parameters(name, parameters):
    assert sum(p.numel() for p in build(name).parameters()) == parameters


@pytest.mark.parametrize("name", NETWORKS)
def test_one_seed_gives_one_network_and_leaves_the_global_generator(name):
    one = build(name)
    with torch.random.fork_rng():
        state = torch.manual_seed(2).get_state()
        other = build(name)
        other.train()(example(name))
        assert torch.equal(torch.get_rng_state(), state)
    weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in (one, other)]
    assert torch.equal(*weights)
    assert not torch.equal(weights[0][:9], next(build(name, 1).parameters())[0][:9])


@pytest.mark.parametrize("name", NETWORKS)
def test_initial_weights_are_uniform_within_one_over_the_root_of_the_fan_in(name):
    for label, module in build(name).named_modules():
        if not isinstance(module, nn.Linear | nn.Conv2d) or "attention" in label:
            continue
        bound = 1 / math.sqrt(module.weight[0].numel())
        assert max(p.abs().max() for p in module.parameters()) <= bound
        if module.weight.numel() > 5_000:
            assert module.weight.abs().max() > 0.99 * bound
            variance = bound**2 / 3  # of the uniform distribution
            assert module.weight.var().item() == pytest.approx(variance, rel=0.05)


def test_initial_attention_and_embedding_are_distributed_as_in_torch():
    model = build("transformer")
    for block in model.blocks:
        qkv = block.attention.qkv
        bound = math.sqrt(6 / (128 + 3 * 128))  # Glorot & Bengio 2010
        assert 0.99 * bound < qkv.weight.abs().max() <= bound
        assert qkv.bias.abs().max() == block.attention.out.bias.abs().max() == 0
    assert model.embedding.weight.std().item() == pytest.approx(1, abs=0.03)


def test_the_mlp_is_the_sequence_of_its_layers():
    model, x = build("mlp", widths=(784, 50, 30, 10)), example("mlp")
    fc1, fc2, fc3 = model.children()
    oracle = nn.Sequential(nn.Flatten(), fc1, nn.ReLU(), fc2, nn.ReLU(), fc3)
    assert [layer.out_features for layer in model.children()] == [50, 30, 10]
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


def torch_encoder(model):
    """Return torch's own post-norm encoder with the weights of ours."""
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
def test_the_transformer_equals_the_encoder_of_torch(causal):
    model = build("transformer", causal=causal).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # also where it begins as zero or one
            parameter.add_(torch.randn(parameter.shape, generator=seeded(2)) * 0.05)
        x = torch.randn(3, 20, 128, generator=seeded(1))
        mask = nn.Transformer.generate_square_subsequent_mask(20) if causal else None
        expected = torch_encoder(model)(x, mask=mask, is_causal=causal)
        assert torch.allclose(model.blocks(x), expected, atol=1e-5, rtol=0)


def test_positions_are_the_sines_and_cosines_of_vaswani():
    t, k = torch.arange(9.0)[:, None], torch.arange(128)
    angle = t / 10_000 ** (2 * (k // 2) / 128)
    expected = torch.where(k % 2 == 1, angle.cos(), angle.sin())
    model = build("transformer", layers=0, vocabulary=128)
    with torch.no_grad():
        model.readout.weight.zero_().fill_diagonal_(1)
        model.readout.bias.zero_()
        model.embedding.weight.zero_()
        outputs = model(torch.zeros(1, 9, dtype=torch.int64))[0]
    assert torch.allclose(outputs, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("causal", [True, False])
def test_future_tokens_change_past_logits_only_without_mask(causal):
    model, past = build("transformer", causal=causal).eval(), example("transformer")
    future = past.where(torch.arange(12) < 7, (past + 1) % 50)
    change = (model(past) - model(future)).abs().amax((0, 2))
    assert change[7:].min() > 1e-3
    assert change[:7].max() == 0 if causal else change[:7].min() > 1e-4


def test_dropout_keeps_the_mean_repeats_from_its_seed_and_does_nothing_in_eval():
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
        ("transformer", {"casual": False}, "'vocabulary', .*did you mean 'causal'"),
        ("mlp", {"widths": (784, 1.5, 10)}, "widths must be a whole number .* 1.5"),
        ("mlp", {"widths": (784,)}, "widths need input and output"),
        ("transformer", {"heads": 3}, "a multiple of heads"),
        ("transformer", {"dropout": 1}, "dropout must lie in"),
    ],
)
def test_unknown_networks_and_wrong_options_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        build(name, **options)
