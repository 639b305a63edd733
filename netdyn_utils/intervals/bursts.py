"""How a sequence of intervals departs from chance: burstiness and memory.

References
----------
K.-I. Goh, A.-L. Barabási, "Burstiness and memory in complex systems", EPL 81 (2008)
48002, doi 10.1209/0295-5075/81/48002.
"""

from collections.abc import Sequence
from math import sqrt

from ..checks import positive, positive_int


def burstiness(mean: float, deviation: float, *, events: int | None = None) -> float:
    """Return B = (σ − μ)/(σ + μ): −1 regular, 0 random, towards 1 bursty.

    Parameters
    ----------
    mean, deviation : float
        μ and σ of the intervals, in steps.
    events : int, optional
        How many events one sequence had: corrects what its finite length does to B.
        Not for intervals pooled from many weights.

    Notes
    -----
    K.-I. Goh, A.-L. Barabási, EPL 81 (2008) 48002. With `events` = n and r = σ/μ,
    (√(n+1) r − √(n−1)) / ((√(n+1) − 2) r + √(n−1)): E.-K. Kim, H.-H. Jo, Phys. Rev. E
    94 (2016) 032311, for n events and n intervals, the ends of the window joined.
    Intervals are whole numbers, so random times with p exceedances per step have
    σ/μ = √(1 − p), and B is a little below 0.

    Examples
    --------
    >>> burstiness(10.0, 0.0), burstiness(10.0, 10.0), burstiness(10.0, 30.0)
    (-1.0, 0.0, 0.5)
    >>> burstiness(1.0, 9**0.5, events=10)                # all ten at one moment
    1.0
    """
    positive(mean, "mean interval")
    if events is None:
        return float((deviation - mean) / (deviation + mean))
    most, least = sqrt(positive_int(events, "events") + 1), sqrt(events - 1)
    ratio = deviation / mean
    return float((most * ratio - least) / ((most - 2) * ratio + least))


def memory(pairs: Sequence[float]) -> float:
    """Return the correlation of a and b from the sums of 1, a, b, a², b², ab.

    >>> memory((3, 6, 9, 14, 29, 20))                     # (1, 2), (2, 3), (3, 4)
    1.0
    """
    n, a, b, aa, bb, ab = pairs
    spread = (n * aa - a * a) * (n * bb - b * b)
    if n < 2 or spread <= 0:
        raise ValueError(
            f"{n} pair(s) of successive intervals, or all of them equal: there is no "
            "correlation, watch longer or lower the threshold"
        )
    return float((n * ab - a * b) / sqrt(spread))
