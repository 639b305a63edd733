"""What the figures of the verdicts show beyond the answers: courses and layers."""

import numpy as np

from ..tails import fit_power_law, power_law_or_exponential
from .facts import LARGER_HALF
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


def ratios_by_displacement(run, epoch: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return displacements, and for both signs which law is nearer, nats per weight.

    Above zero the power law, below zero the exponential, on the larger half of all
    layers' changes.
    """
    curve = run.curves[epoch]
    found = {
        name: np.array(
            [
                power_law_or_exponential(np.abs(row), share=LARGER_HALF).ratio
                for row in curve.response[:, sign]
            ]
        )
        for sign, name in enumerate(("+δ", "−δ"))
    }
    return curve.deltas, found


def turning_point(deltas: np.ndarray, ratios: np.ndarray) -> float:
    """Return the displacement from which on the ratio stays above zero; nan if none.

    >>> turning_point(np.array([0.01, 0.1, 1.0]), np.array([-1.0, -1.0, 1.0]))
    0.316...
    """
    below = np.flatnonzero(ratios <= 0)
    if below.size == 0:
        return float(deltas[0])
    last = below[-1]
    if last == len(deltas) - 1:
        return float("nan")
    low, high = ratios[last], ratios[last + 1]
    x = np.log(deltas[last : last + 2])
    return float(np.exp(x[0] - low * (x[1] - x[0]) / (high - low)))
