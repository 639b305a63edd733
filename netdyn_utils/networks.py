"""The three networks of the study, in the sizes of Zhang & Tang (PNAS 2025).

All initial weights come from the generator that is passed in. Torch's layers also use
the global generator: `fork_rng` restores its state.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .validation import check_choice, check_positive_int


@dataclass(frozen=True, kw_only=True)
class MLPConfig:
    """A multilayer perceptron on flattened images."""

    widths: tuple[int, ...] = (784, 128, 10)  # units per layer, input to output

    def __post_init__(self):
        for width in self.widths:
            check_positive_int(width, "each of the MLP's widths")
        if len(self.widths) < 2:
            raise ValueError(f"widths need input and output, got {self.widths!r}")


@dataclass(frozen=True, kw_only=True)
class ConvNetConfig:
    """Two blocks of convolution and pooling, then two fully connected layers."""

    channels: tuple[int, int] = (32, 64)
    hidden: int = 512
    classes: int = 10
    image: tuple[int, int] = (3, 32)  # input channels, side in pixels
    batchnorm: bool = True


@dataclass(frozen=True, kw_only=True)
class CharTransformerConfig:
    """A transformer that predicts the next character."""

    vocabulary: int = 50  # the text uses 26 of them
    width: int = 128
    heads: int = 4
    layers: int = 2
    hidden: int = 512  # of the feed-forward part
    dropout: float = 0.1
    causal: bool = True  # the published script has no mask: False reproduces it

    def __post_init__(self):
        if self.width % check_positive_int(self.heads, "heads") or self.width % 2:
            raise ValueError(
                f"width must be even and a multiple of heads ({self.heads}), "
                f"got {self.width}"
            )


class SeededDropout(nn.Module):
    """Dropout whose masks come from a generator, so that a run can be repeated."""

    def __init__(self, rate: float, generator: torch.Generator):
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {rate!r}")
        self.rate, self.generator = rate, generator

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        if self.generator.device != x.device:  # a generator draws on its own device
            seed = self.generator.initial_seed()
            self.generator = torch.Generator(x.device).manual_seed(seed)
        keep = torch.empty_like(x).bernoulli_(1 - self.rate, generator=self.generator)
        return x * keep / (1 - self.rate)


def sinusoidal_encoding(length: int, width: int, device) -> Tensor:
    """Return sines and cosines of geometric wavelengths, (T, C); Vaswani 2017."""
    time = torch.arange(length, device=device).unsqueeze(1)
    even = torch.arange(0, width, 2, device=device)
    angle = time * torch.exp(even * (-math.log(10_000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@torch.no_grad()
def init_like_torch(model: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights from `generator`, in PyTorch's default distributions."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for parameter in module.parameters(recurse=False):
                parameter.uniform_(-bound, bound, generator=generator)
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(generator=generator)


class MLP(nn.Module):
    """Linear layers with ReLU between them: 784-128-10 has 101,770 parameters.

    >>> MLP(MLPConfig(widths=(2, 3, 1)), torch.Generator())(torch.zeros(5, 2)).shape
    torch.Size([5, 1])
    """

    @torch.random.fork_rng(devices=())
    def __init__(self, config: MLPConfig, generator: torch.Generator):
        super().__init__()
        self.config = config
        for number, sizes in enumerate(pairwise(config.widths), start=1):
            self.add_module(f"fc{number}", nn.Linear(*sizes))
        init_like_torch(self, generator)

    def forward(self, x: Tensor) -> Tensor:  # (samples, ...) -> (samples, classes)
        *hidden, last = self.children()
        x = x.flatten(1)
        for layer in hidden:
            x = layer(x).relu()
        return last(x)


class ConvNet(nn.Module):
    """conv-BN-ReLU-pool twice, then 4096-512-10: 2,122,378 parameters for CIFAR-10.

    >>> ConvNet(ConvNetConfig(), torch.Generator())(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 10])
    """

    @torch.random.fork_rng(devices=())
    def __init__(self, config: ConvNetConfig, generator: torch.Generator):
        super().__init__()
        self.config = config
        (channels, side), (first, second) = config.image, config.channels
        norm = nn.BatchNorm2d if config.batchnorm else nn.Identity
        self.conv1 = nn.Conv2d(channels, first, 3, padding=1)
        self.bn1 = norm(first)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1)
        self.bn2 = norm(second)
        self.fc1 = nn.Linear(second * (side // 4) ** 2, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.classes)
        init_like_torch(self, generator)

    def forward(self, x: Tensor) -> Tensor:  # (samples, channels, height, width)
        x = x.contiguous(memory_format=torch.channels_last)  # 25 % faster on a CPU
        x = F.max_pool2d(self.bn1(self.conv1(x)).relu(), 2)
        x = F.max_pool2d(self.bn2(self.conv2(x)).relu(), 2)
        x = self.fc1(x.flatten(1)).relu()
        return self.fc2(x)  # (samples, classes)


class SelfAttention(nn.Module):
    """Scaled dot-product attention over the characters of a sequence."""

    def __init__(self, config: CharTransformerConfig, dropout: SeededDropout):
        super().__init__()
        self.heads, self.causal = config.heads, config.causal
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:  # (B, T, C) batch, time, channels
        B, T, C = x.shape
        parts = self.qkv(x).view(B, T, 3, self.heads, C // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # each (B, heads, T, C / heads)
        scores = q @ k.transpose(-2, -1) / math.sqrt(C // self.heads)
        if self.causal:
            future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(future, -math.inf)
        mixed = self.dropout(scores.softmax(-1)) @ v
        return self.out(mixed.transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    """Attention, then two dense layers; each with skip connection and LayerNorm."""

    def __init__(self, config: CharTransformerConfig, dropout: SeededDropout):
        super().__init__()
        self.attention = SelfAttention(config, dropout)
        self.norm1 = nn.LayerNorm(config.width)
        self.fc1 = nn.Linear(config.width, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.width)
        self.norm2 = nn.LayerNorm(config.width)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:  # (B, T, C)
        x = self.norm1(x + self.dropout(self.attention(x)))
        hidden = self.dropout(self.fc1(x).relu())
        return self.norm2(x + self.dropout(self.fc2(hidden)))


class CharTransformer(nn.Module):
    """Embedding, sinusoidal positions, two blocks, readout: 409,394 parameters.

    >>> model = CharTransformer(CharTransformerConfig(), torch.Generator())
    >>> model(torch.zeros(5, 7, dtype=torch.int64)).shape     # (B, T, vocabulary)
    torch.Size([5, 7, 50])
    """

    @torch.random.fork_rng(devices=())
    def __init__(self, config: CharTransformerConfig, generator: torch.Generator):
        super().__init__()
        self.config = config
        dropout = SeededDropout(config.dropout, generator)
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        blocks = (Block(config, dropout) for _ in range(config.layers))
        self.blocks = nn.Sequential(*blocks)
        self.readout = nn.Linear(config.width, config.vocabulary)
        init_like_torch(self, generator)
        for block in self.blocks:  # as torch.nn.MultiheadAttention begins
            nn.init.xavier_uniform_(block.attention.qkv.weight, generator=generator)
            nn.init.zeros_(block.attention.qkv.bias)
            nn.init.zeros_(block.attention.out.bias)

    def forward(self, characters: Tensor) -> Tensor:  # (B, T) -> (B, T, vocabulary)
        x = self.embedding(characters) * math.sqrt(self.config.width)
        x = x + sinusoidal_encoding(x.shape[1], self.config.width, x.device)
        return self.readout(self.blocks(x))


NETWORKS = {
    "mlp": (MLP, MLPConfig),
    "convnet": (ConvNet, ConvNetConfig),
    "transformer": (CharTransformer, CharTransformerConfig),
}


def build_model(name: str, *, generator: torch.Generator, **options) -> nn.Module:
    """Build "mlp", "convnet" or "transformer".

    `generator`, on the CPU, gives the initial weights and the masks of dropout;
    `options` are fields of its config, such as ``widths``, ``batchnorm`` or ``causal``.

    >>> model = build_model("mlp", widths=(784, 50, 10), generator=torch.Generator())
    >>> [name for name, _ in model.named_children()]
    ['fc1', 'fc2']
    """
    network, config = NETWORKS[check_choice(name, NETWORKS, "network")]
    known, what = config.__dataclass_fields__, f"option of {network.__name__}"
    for option in options:
        check_choice(option, known, what)
    return network(config(**options), generator)
