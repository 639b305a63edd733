"""A scan agrees with the definition on networks of every kind."""

from copy import deepcopy
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, weight_norm

from netdyn_utils.perturbation import perturbation_scan
from netdyn_utils.perturbation.scan import sample_weights

SAMPLES, EPS = 7, np.finfo(float).eps


def seed(number=0):
    return torch.Generator().manual_seed(number)


def normal(*shape):
    return torch.randn(SAMPLES, *shape, generator=seed(1))


def classes(*shape, count=3):
    return torch.randint(count, (SAMPLES, *shape), generator=seed(2))


class Net(nn.Module):
    """Some parts, and a function of them and the inputs."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs, **named):
        return self.function(self, *inputs, **named)


def batchnorm_and_dropout():
    norm = nn.BatchNorm1d(6)
    norm.running_mean, norm.running_var = torch.linspace(-1, 1, 6), torch.rand(6) + 0.5
    return nn.Sequential(
        nn.Linear(4, 6), norm, nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3)
    )


def attention():
    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(5)
        x = x + self.attention(x, x, x, attn_mask=mask, need_weights=False)[0]
        return self.head(x.mean(1))

    part = nn.MultiheadAttention(4, 2, batch_first=True)
    return Net(forward, attention=part, head=nn.Linear(4, 3))


def tied():
    def forward(self, x):
        return self.head(F.gelu(self.embedding(x)))

    net = Net(forward, embedding=nn.Embedding(3, 4), head=nn.Linear(4, 3))
    net.head.weight = net.embedding.weight
    return net


def lstm():
    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])

    part = nn.LSTM(4, 5, batch_first=True, bidirectional=True)
    return Net(forward, lstm=part, head=nn.Linear(10, 3))


def vision_tokens():
    def forward(self, x):
        return self.head((self.block(x + self.position) * self.token).mean(1))

    block = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.1, batch_first=True)
    parts = {"position": torch.randn(1, 5, 4), "token": torch.randn(1, 4)}
    parts = {name: nn.Parameter(value) for name, value in parts.items()}
    return Net(forward, block=block, head=nn.Linear(4, 3), **parts)


def branching():
    return Net(
        lambda self, x: self.a(x) if self.a.weight.sum().item() > 0 else self.b(x),
        **{name: nn.Linear(4, 3) for name in "ab"},
    )


def residual():
    def forward(self, x):
        return self.b(self.norm(x + F.gelu(self.a(x))))

    parts = {"a": nn.Linear(4, 4), "norm": nn.LayerNorm(4), "b": nn.Linear(4, 3)}
    return Net(forward, **parts)


def normed(wrap):
    return nn.Sequential(wrap(nn.Linear(4, 5)), nn.Tanh(), nn.Linear(5, 3))


def convolutions():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, groups=2, padding=1, padding_mode="circular"),
        *(
            nn.GroupNorm(2, 4),
            nn.SiLU(),
            nn.ConvTranspose2d(4, 2, 3, stride=2, groups=2),
        ),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 3)),
    )


def plain_convolutions():
    return nn.Sequential(
        *(nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(4, 3)),
    )


def linear(outputs=3):
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, outputs))


def two_inputs():
    def forward(self, left, right):
        return {"logits": self.a(left) + self.b(right), "other": left}

    return Net(forward, a=nn.Linear(4, 3), b=nn.Linear(2, 3))


def batch_statistics():
    return nn.Sequential(linear(), nn.BatchNorm1d(3, track_running_stats=False))


def of_logits(outputs, targets):
    return F.cross_entropy(outputs["logits"], targets)


def weighted(outputs, targets):
    return F.cross_entropy(outputs, targets, torch.tensor([1.0, 2.0, 5.0]).double())


X, Y, TOKENS = normal(4), classes(), classes(5)
IMAGES, VECTORS = normal(2, 6, 6), normal(5, 4)
PAIR = normal(4), normal(2)
NAMED = dict(zip(("left", "right"), PAIR, strict=True))
SUM = partial(F.cross_entropy, reduction="sum")
BINARY = F.binary_cross_entropy_with_logits
NETWORKS = {  # network, inputs, targets, loss unless it is the default
    "BatchNorm, dropout": (batchnorm_and_dropout, X, Y),
    "GELU, residual, LayerNorm": (residual, X, Y),
    "attention": (attention, VECTORS, Y),
    "encoder with bare parameters": (vision_tokens, VECTORS, Y),
    "tied embedding": (tied, TOKENS, TOKENS.roll(1, 1)),
    "LSTM": (lstm, VECTORS, Y),
    "convolution": (plain_convolutions, IMAGES, Y),
    "groups, stride, transposed": (convolutions, IMAGES, Y),
    "weight norm": (lambda: normed(parametrizations.weight_norm), X, Y),
    "orthogonal": (lambda: normed(parametrizations.orthogonal), X, Y),
    "weight norm by a hook": (lambda: normed(weight_norm), X, Y),
    "branch on the weights": (branching, X, Y),
    "bfloat16": (lambda: linear().bfloat16(), X.bfloat16(), Y),
    "tuple of inputs, dict of outputs": (two_inputs, PAIR, Y, of_logits),
    "named inputs": (two_inputs, NAMED, Y, of_logits),
    "regression": (linear, X, normal(3), F.mse_loss),
    "binary": (lambda: linear(1), X, classes(1, count=2).float(), BINARY),
    "segmentation": (
        lambda: nn.Conv2d(2, 3, 1),
        IMAGES,
        classes(6, 6),
        F.cross_entropy,
    ),
    "weighted classes": (linear, X, Y, weighted),
    "weighted classes, sorted": (linear, X, Y.sort().values, weighted),
    "sum": (linear, X, Y, SUM),
    "statistics of the batch": (batch_statistics, X, Y),
}


def built(make, number=0):
    with torch.random.fork_rng():
        torch.manual_seed(number)
        return make()


def plain_loss(model, x, y, loss=None, move=None):
    """Return the loss of a copy in float64, with one weight moved."""
    model = deepcopy(model).double().eval()

    def wide(value):
        return value.double() if value.is_floating_point() else value

    with torch.no_grad():
        if move:
            name, index, delta = move
            model.get_parameter(name).view(-1)[index] += delta
        if isinstance(x, dict):
            outputs = model(**{key: wide(value) for key, value in x.items()})
        else:
            outputs = model(*map(wide, x)) if isinstance(x, tuple) else model(wide(x))
        if loss is None:
            loss, outputs, y = F.cross_entropy, outputs.flatten(0, -2), y.flatten()
        return loss(outputs, wide(y)).item()


@pytest.mark.filterwarnings("ignore:.*weight_norm` is deprecated")
@pytest.mark.parametrize("memory", [2**28, 1], ids=["one batch", "small batches"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_scan_agrees_with_the_definition(kind, memory):
    make, x, y, *loss = NETWORKS[kind]
    model, given = built(make), {"loss": loss[0]} if loss else {}
    if memory == 1:
        given["method"] = "general"
    given |= {"deltas": (0.01, 1.0), "weights_per_layer": 4, "memory": memory}
    response = perturbation_scan(model, x, y, generator=seed(), **given)
    if kind == "weight norm by a hook":  # deepcopy takes its weight without gradients
        torch.no_grad()(model)(x)
    sampled = sample_weights(model, 4, generator=seed())
    every = {name for name, p in model.named_parameters() if p.ndim > 1}
    assert {one.name for one in sampled} == every
    assert response.excluded == ()
    names = [one.name for one in sampled for _ in one.index]
    base = plain_loss(model, x, y, *loss)
    assert response.loss == pytest.approx(base, rel=1e-13)
    assert response.response.any()
    for k, name in enumerate(names):
        for delta in (0.01, -0.01, 1.0, -1.0):
            move = name, int(response.index[k]), delta
            moved = plain_loss(model, x, y, *loss, move=move)
            tolerance = {"rel": 1e-10, "abs": 32 * EPS * max(base, moved)}
            assert response.changes(delta)[k] == pytest.approx(
                moved - base, **tolerance
            )
