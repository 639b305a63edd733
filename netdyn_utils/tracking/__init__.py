"""Observers of a live model: made before its first step, called after every one."""

from .activations import ActivationProbe, probe_batch
from .drift import DriftRecorder
from .intervals import IntervalTracker
from .update_window import UpdateWindow
from .updates import UpdateTracker

__all__ = ["ActivationProbe", "DriftRecorder", "IntervalTracker"]
__all__ += ["UpdateTracker", "UpdateWindow", "probe_batch"]
