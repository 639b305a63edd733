"""Likelihood fits of tails, of binned counts and of samples, their tests and rivals.

alpha is always the exponent of the density, p(x) ∝ x^−alpha.
"""

from .goodness import goodness_of_fit
from .nulls import compare_with_null, scale_mixture_null
from .power_law import TailFit, fit_power_law, fit_power_law_samples
from .rivals import compare_tails
from .ruggedness import crossover, exponential_mixture, power_law_or_exponential
from .slopes import hill_curve, local_slope, ols_exponent
from .thinning import effective_sample_size, thin_counts
from .trends import bootstrap_alpha, stability

__all__ = [
    "TailFit",
    "bootstrap_alpha",
    "compare_tails",
    "compare_with_null",
    "crossover",
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
    "stability",
    "thin_counts",
]
