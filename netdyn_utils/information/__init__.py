"""Mutual information in nats, with its bias and its null beside it."""

from .conserved import Conservation, conservation
from .estimates import MutualInformation, mutual_information
from .joint import joint_counts, tiled_counts
from .nulls import InformationNull, shuffled_null
from .units import WindowInformation, window_information

__all__ = [
    "Conservation",
    "InformationNull",
    "MutualInformation",
    "WindowInformation",
    "conservation",
    "joint_counts",
    "mutual_information",
    "shuffled_null",
    "tiled_counts",
    "window_information",
]
