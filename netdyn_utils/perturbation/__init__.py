"""The loss when weights are displaced: one by one, exactly, or along directions."""

from .landscape import loss_line, loss_plane, random_direction
from .response import PerturbationResponse
from .scan import loss_under_displacement, perturbation_scan

__all__ = [
    "PerturbationResponse",
    "loss_line",
    "loss_plane",
    "loss_under_displacement",
    "perturbation_scan",
    "random_direction",
]
