"""Observers of a live model: updates, intervals, drift, activations.

Each is made before the first step and told after every one.
"""

from .drift import DriftRecorder
from .intervals import IntervalTracker
from .probe import ActivationProbe, probe_batch
from .update_windows import UpdateWindow
from .updates import UpdateTracker

__all__ = [
    "ActivationProbe",
    "DriftRecorder",
    "IntervalTracker",
    "UpdateTracker",
    "UpdateWindow",
    "probe_batch",
]
