"""Mutual information in nats, its bias, its permutation test, and its conservation."""

from .conservation import (
    Conservation,
    ConservationTest,
    conservation,
    conservation_test,
)
from .mutual_information import (
    InformationNull,
    MutualInformation,
    PermutationTest,
    mutual_information,
    permutation_test,
    shuffled_null,
)
from .window import WindowInformation, window_information

__all__ = [
    "Conservation",
    "ConservationTest",
    "InformationNull",
    "MutualInformation",
    "PermutationTest",
    "WindowInformation",
    "conservation",
    "conservation_test",
    "mutual_information",
    "permutation_test",
    "shuffled_null",
    "window_information",
]
