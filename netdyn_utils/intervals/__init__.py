"""Waiting times between large updates: definition, null model, fits and burstiness."""

from .counts import IntervalCounts, burstiness, exceedance_intervals
from .fits import compare_intervals, fit_discrete_power_law
from .null_model import interval_null, shuffle_times

__all__ = [
    "IntervalCounts",
    "burstiness",
    "compare_intervals",
    "exceedance_intervals",
    "fit_discrete_power_law",
    "interval_null",
    "shuffle_times",
]
