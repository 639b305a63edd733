"""MNIST, CIFAR-10 and character text, as batches in memory."""

from .batches import CharText, InMemoryBatches
from .images import load_images

__all__ = ["CharText", "InMemoryBatches", "load_images"]
