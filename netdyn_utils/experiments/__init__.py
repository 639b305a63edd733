"""Experiments: from a configuration to a stored record, computed once."""

from .config import FIVE_LAYERS, ExperimentConfig, UpdatesConfig
from .information import run_information
from .intervals import run_intervals
from .perturbation import run_perturbation
from .updates import run_updates

__all__ = [
    "FIVE_LAYERS",
    "ExperimentConfig",
    "UpdatesConfig",
    "run_information",
    "run_intervals",
    "run_perturbation",
    "run_updates",
]
