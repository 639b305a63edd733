"""Are the steps of single weights heavy, or are the sizes of weights unequal?

A pool of Gaussian steps whose sizes differ can have any tail. Two numbers look past
the sizes; neither sees everything, see the chapter on the verdicts.
"""

import numpy as np

from ..histogram import LogHistogram
from ..tails import compare_with_null, fit_power_law, scale_mixture_null

LARGEST = 0.001  # share of all updates that are its tail: the same in every run


def mixture_excess(updates: LogHistogram, rms: LogHistogram) -> float:
    """Return how many more large updates there are than unequal Gaussian steps give.

    In doublings, log₂ of a ratio: counts above the threshold of the largest thousandth,
    over those of Gaussian steps with each parameter's own variance. 0 says that uneven
    variances give as many; heavy steps of very uneven sizes come near it too.
    """
    sizes = np.append(np.sqrt(rms.edges[1:] * rms.edges[:-1]), 0.0)
    null = scale_mixture_null(
        sizes**2,
        updates.total,
        edges=updates.edges,
        weights=np.append(rms.counts, rms.zeros),
    )
    fit = fit_power_law(updates.edges, updates.counts, xmin=updates.threshold(LARGEST))
    found = compare_with_null(updates.edges, updates.counts, fit, null)
    return float(np.log2(found.excess))


def fourth_moment(updates: LogHistogram, rms: LogHistogram) -> float:
    """Return the fourth moment over that of unequal Gaussian steps.

    ⟨Δw⁴⟩ / 3⟨σ⁴⟩, with σ of each parameter: 1 for Gaussian steps of whatever sizes, 2
    for Laplace steps. Sizes that change inside the window raise it.
    """
    return _fourth(updates) / _fourth(rms) / 3


def step_facts(steps: np.ndarray) -> dict[str, float]:
    """Return what the steps of known weights, (weights, times), would give a run.

    >>> normal = np.random.default_rng(0).normal(size=(1_000, 200))
    >>> round(step_facts(normal)["fourth moment"], 1)
    1.0
    """
    updates = LogHistogram.of(np.abs(steps))
    rms = LogHistogram.of(np.sqrt((steps**2).mean(axis=1)))
    return {
        "doublings": mixture_excess(updates, rms),
        "fourth moment": fourth_moment(updates, rms),
    }


def _fourth(histogram: LogHistogram) -> float:
    low, high = histogram.edges[:-1], histogram.edges[1:]
    inside = (high**5 - low**5) / (5 * (high - low))  # level within a bin
    return float(histogram.counts @ inside / histogram.total)
