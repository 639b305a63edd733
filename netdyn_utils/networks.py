"""The three networks of the study, in the authors' sizes, and their frozen configs.

Each network reads top to bottom; every weight is drawn from the generator that is
handed in, so one seed gives one network, whatever ran before. Torch's layers also draw
from the global generator when made: `fork_rng` hands its state back.
Sizes: Zhang & Tang, PNAS 122(51) e2523012122 (2025), and the code published with it.
"""

import math
from dataclasses import dataclass

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
            raise ValueError(
                f"widths must name input and output at least, got {self.widths!r}"
            )


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
                f"width must be even and a multiple of heads, got {self.width} for "
                f"{self.heads} heads"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout!r}")


class SeededDropout(nn.Module):
    """Dropout whose masks come from a generator, so that a run can be replayed."""

    def __init__(self, rate: float, generator: torch.Generator):
        super().__init__()
        self.rate = rate
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        if self.generator.device != x.device:  # a generator draws on its own device
            seed = self.generator.initial_seed()
            self.generator = torch.Generator(x.device).manual_seed(seed)
        keep = torch.empty_like(x).bernoulli_(1 - self.rate, generator=self.generator)
        return x * keep / (1 - self.rate)


def sinusoidal_encoding(length: int, width: int, device) -> Tensor:
    """Sines and cosines of geometric wavelengths (Vaswani et al. 2017), (T, C)."""
    time = torch.arange(length, device=device).unsqueeze(1)
    even = torch.arange(0, width, 2, device=device)
    angle = time * torch.exp(even * (-math.log(10_000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@torch.no_grad()
def init_like_torch(model: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights anew as PyTorch does by default, but from `generator`."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for parameter in module.parameters(recurse=False):
                parameter.uniform_(-bound, bound, generator=generator)
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(generator=generator)


class MLP(nn.Module):
    """Linear layers with ReLU between them: 784-128-10 has 101,770 parameters.

    Examples
    --------
    >>> network = MLP(MLPConfig(), torch.Generator().manual_seed(0))
    >>> sum(p.numel() for p in network.parameters())
    101770
    """

    @torch.random.fork_rng(devices=())
    def __init__(self, config: MLPConfig, generator: torch.Generator):
        super().__init__()
        self.config = config
        pairs = zip(config.widths, config.widths[1:], strict=False)
        for number, (inputs, outputs) in enumerate(pairs, start=1):
            self.add_module(f"fc{number}", nn.Linear(inputs, outputs))
        init_like_torch(self, generator)

    def forward(self, x: Tensor) -> Tensor:  # (samples, ...) -> (samples, classes)
        x = x.flatten(1)
        *hidden, last = self.children()
        for layer in hidden:
            x = layer(x).relu()
        return last(x)


class ConvNet(nn.Module):
    """conv-BN-ReLU-pool twice, then 4096-512-10: the CIFAR-10 network.

    Examples
    --------
    >>> network = ConvNet(ConvNetConfig(), torch.Generator().manual_seed(0))
    >>> sum(p.numel() for p in network.parameters())
    2122378
    """

    @torch.random.fork_rng(devices=())
    def __init__(self, config: ConvNetConfig, generator: torch.Generator):
        super().__init__()
        self.config = config
        (colours, side), (first, second) = config.image, config.channels
        norm = nn.BatchNorm2d if config.batchnorm else nn.Identity
        self.conv1 = nn.Conv2d(colours, first, 3, padding=1)
        self.bn1 = norm(first)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1)
        self.bn2 = norm(second)
        self.fc1 = nn.Linear(second * (side // 4) ** 2, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.classes)
        init_like_torch(self, generator)

    def forward(self, x: Tensor) -> Tensor:  # (samples, channels, height, width)
        # Colours side by side in memory: a quarter less time on a CPU.
        x = x.contiguous(memory_format=torch.channels_last)
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
    """Attention, then two dense layers; each added to its input and normalised."""

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
    """Embedding, sinusoidal positions, two blocks, one linear readout.

    Examples
    --------
    >>> network = CharTransformer(
    ...     CharTransformerConfig(), torch.Generator().manual_seed(0)
    ... )
    >>> sum(p.numel() for p in network.parameters())
    409394
    """

    @torch.random.fork_rng(devices=())
    def __init__(self, config: CharTransformerConfig, generator: torch.Generator):
        super().__init__()
        self.config = config
        dropout = SeededDropout(config.dropout, generator)
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.Sequential(
            *(Block(config, dropout) for _ in range(config.layers))
        )
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
    """Build a network by name, with any field of its config changed.

    Parameters
    ----------
    name : "mlp", "convnet" or "transformer"
    generator : torch.Generator
        Source of the initial weights and of dropout; on the CPU.
    **options
        Fields of the network's config: ``widths``, ``batchnorm``, ``causal`` …

    Raises
    ------
    ValueError
        If the network or an option is unknown; the message lists the choices.

    Examples
    --------
    >>> deep = build_model(
    ...     "mlp", widths=(784, 50, 50, 50, 50, 10), generator=torch.Generator()
    ... )
    >>> [name for name, _ in deep.named_children()]
    ['fc1', 'fc2', 'fc3', 'fc4', 'fc5']
    """
    network, config = NETWORKS[check_choice(name, NETWORKS, "network")]
    for option in options:
        check_choice(
            option, config.__dataclass_fields__, f"option of {network.__name__}"
        )
    return network(config(**options), generator)
