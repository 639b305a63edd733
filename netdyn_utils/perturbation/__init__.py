"""The loss when weights are displaced: one by one, exactly, or along directions."""

from .landscape import loss_plane
from .response import PerturbationResponse
from .scan import loss_under_displacement, perturbation_scan

__all__ = [
    "PerturbationResponse",
    "loss_plane",
    "loss_under_displacement",
    "perturbation_scan",
]
