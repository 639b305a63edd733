"""What a figure of the verdicts shows beyond the answers: the course of exponents."""

import numpy as np

from ..tails import fit_power_law
from .steps import LARGEST


def alpha_by_window(run) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of windows and the exponent of each one's largest thousandth."""
    stops = np.asarray(run.updates.stops)
    alphas = []
    for window in range(len(stops)):
        held = run.updates.histogram(window=window)
        cut = held.threshold(LARGEST)
        alphas.append(fit_power_law(held.edges, held.counts, xmin=cut).alpha)
    return stops, np.array(alphas)
