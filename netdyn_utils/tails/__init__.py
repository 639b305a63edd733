"""Likelihood fits of tails, of binned counts and of samples, and what to test them by.

alpha is always the exponent of the density, p(x) ∝ x^−alpha.
"""

from .alternatives import TailComparison, compare_tails
from .bootstrap import (
    bootstrap_alpha,
    effective_sample_size,
    subsample_counts,
    window_stability,
)
from .exponential_vs_power_law import (
    crossover_delta,
    exponential_mixture,
    power_law_or_exponential,
)
from .goodness_of_fit import goodness_of_fit
from .local_slope import hill_curve, local_slope, ols_exponent
from .power_law import TailFit, fit_power_law, fit_power_law_samples, xmin_curve
from .scale_mixture import compare_with_null, scale_mixture_null

__all__ = [
    "TailComparison",
    "TailFit",
    "bootstrap_alpha",
    "compare_tails",
    "compare_with_null",
    "crossover_delta",
    "effective_sample_size",
    "exponential_mixture",
    "fit_power_law",
    "fit_power_law_samples",
    "goodness_of_fit",
    "hill_curve",
    "local_slope",
    "ols_exponent",
    "power_law_or_exponential",
    "scale_mixture_null",
    "subsample_counts",
    "window_stability",
    "xmin_curve",
]
