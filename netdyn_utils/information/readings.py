"""The information of a window, read in two ways and by two estimators.

A window of steps can give its information all at once, from the pairs of all its steps;
or step by step, as the mean over steps of what the pairs of one step tell. The first
sees how updates and activations go up and down together in time, the second only how
they differ between units. The published numbers have the size of the second.
"""

from collections.abc import Sequence

import numpy as np

from .units import window_information

READINGS = ("steps", "window")
ESTIMATORS = {"linear": None, "rank": "miller-madow"}  # and the correction of each
STRIDE = 20  # every twentieth step is read, where steps are read one by one


def read_window(
    layers: Sequence[tuple[np.ndarray, np.ndarray]], *, seed: int, permutations: int
) -> dict[tuple[str, str], np.ndarray]:
    """Return a window's information and null, by every reading and estimator.

    Parameters
    ----------
    layers : sequence of (magnitudes, activations)
        (steps, units, fan_in) and (steps, units), as for `window_information`.
    seed : int
        Of the permutations, which are the same at every step.
    permutations : int

    Returns
    -------
    dict of (reading, estimator) to array, (1 + layers, 3)
        For all layers pooled and then for each: nats, mean of the null, its standard
        deviation. nan for a layer that says nothing, see Notes.

    Notes
    -----
    Of a layer whose updates or activations are all the same, as those of silent units
    at a single step, nothing can be said: it is left out, of the pooled pairs too.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> activations = rng.random((20, 10))
    >>> magnitudes = activations[..., None] * rng.random((20, 10, 30))
    >>> found = read_window([(magnitudes, activations)], seed=0, permutations=3)
    >>> found["steps", "rank"].shape
    (2, 3)
    """
    steps = range(len(layers[0][0]))
    single = [
        [(part[t : t + 1], active[t : t + 1]) for part, active in layers]
        for t in steps[STRIDE - 1 :: STRIDE] or steps[:1]
    ]
    found = {}
    for reading, groups in (("steps", single), ("window", [layers])):
        for estimator, correction in ESTIMATORS.items():
            options = {"estimator": estimator, "correction": correction}
            options["permutations"] = permutations
            each = np.array([_nats(group, seed, options) for group in groups])
            known = np.isfinite(each)
            total = np.where(known, each, 0).sum(axis=0)
            mean = np.divide(
                total, known.sum(0), out=np.full_like(total, np.nan), where=known.any(0)
            )
            nats, null = mean[:, 0], mean[:, 1:]
            spread = null.std(axis=1, ddof=1 if permutations > 1 else 0)
            rows = np.stack([nats, null.mean(axis=1), spread], axis=1)
            found[reading, estimator] = rows
    return found


def _nats(layers, seed: int, options) -> np.ndarray:
    """Return (pooled and layers) × (estimate, null …); nan for a layer at rest."""
    alive = [
        i
        for i, pair in enumerate(layers)
        if all(part.min() < part.max() for part in pair)
    ]
    rows = np.full((1 + len(layers), 1 + options["permutations"]), np.nan)
    if alive:
        # The same seed at every step: the same units are exchanged all the time.
        found = window_information(
            [layers[i] for i in alive], rng=np.random.default_rng(seed), **options
        )
        places = [0, *(1 + i for i in alive)]
        for place, null in zip(places, (found.pooled, *found.layers), strict=True):
            rows[place] = [null.nats, *null.null]
    return rows
