"""From a configuration to a stored record, computed once."""

from .information import run_information
from .intervals import run_intervals
from .perturbation import run_perturbation
from .settings import FIVE_LAYERS, UpdatesConfig
from .updates import run_updates

__all__ = [
    "FIVE_LAYERS",
    "UpdatesConfig",
    "run_information",
    "run_intervals",
    "run_perturbation",
    "run_updates",
]
