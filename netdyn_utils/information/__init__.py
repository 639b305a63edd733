"""Mutual information in nats, its bias, its permutation test, and its conservation."""

from .conservation import ConservationTest, conservation, conservation_test
from .mutual_information import (
    MutualInformation,
    PermutationTest,
    mutual_information,
    permutation_test,
    shuffled_null,
)
from .window import WindowInformation, window_information
