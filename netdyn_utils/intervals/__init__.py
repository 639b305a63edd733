"""Waiting times between large updates: their definition, nulls, fits and bursts."""

from .bursts import burstiness
from .fits import compare_intervals, fit_discrete_power_law
from .nulls import interval_null, shuffle_times
from .waiting import IntervalCounts, exceedance_intervals

__all__ = [
    "IntervalCounts",
    "burstiness",
    "compare_intervals",
    "exceedance_intervals",
    "fit_discrete_power_law",
    "interval_null",
    "shuffle_times",
]
