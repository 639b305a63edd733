"""What the networks are made of beside torch's own layers: seeded chance, positions."""

import math

import torch
from torch import Tensor, nn


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


def positions(length: int, width: int, device) -> Tensor:
    """Sines and cosines of geometric wavelengths (Vaswani et al. 2017), (T, C)."""
    time = torch.arange(length, device=device).unsqueeze(1)
    even = torch.arange(0, width, 2, device=device)
    angle = time * torch.exp(even * (-math.log(10_000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@torch.no_grad()
def initialise(model: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights anew as PyTorch does by default, but from `generator`.

    Dense and convolutional layers: uniform in ±1/√(fan in), weights and biases;
    embeddings: standard normal; normalisation layers keep their ones and zeros.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for parameter in module.parameters(recurse=False):
                parameter.uniform_(-bound, bound, generator=generator)
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(generator=generator)
