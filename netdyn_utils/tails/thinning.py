"""How many independent counts a histogram is worth, and a histogram of that size.

Updates of one network repeat each other: a large gradient lasts for steps and hits
many weights at once. A test that takes 1e9 such counts for 1e9 independent draws
rejects everything. Its p-value means something after two steps: estimate the
effective sample size from the scatter of windows, and thin the histogram to it.
"""

import numpy as np
from numpy.typing import ArrayLike

from ..checks import positive_int


def effective_sample_size(window_counts: ArrayLike) -> float:
    """Return the size of an independent sample that scatters as the windows do.

    Parameters
    ----------
    window_counts : array of whole numbers, (windows, bins)
        The histogram of each window, in order, on the same edges; three windows or
        more. For a tail pass its bins and one bin of all the rest.

    Returns
    -------
    float
        For all windows together, in counts; never more than there are.

    Notes
    -----
    The share p_k of bin k in window t scatters with variance p_k(1−p_k)/n_t if counts
    are independent, and deff times that if not (Kish's design effect, L. Kish, "Survey
    Sampling" (1965), section 8.2). Differences of successive windows estimate it free
    of slow drift (J. von Neumann, Ann. Math. Stat. 12 (1941) 367-395):

        deff = Σ_{t,k} (p_{t+1,k} − p_{t,k})² / Σ_{t,k} p_k(1−p_k)(1/n_t + 1/n_{t+1})

    and the effective size is Σ n_t/deff, with deff at least 1. Bins weigh by their
    variance. What it cannot see: dependence longer than a window, which differences
    cancel. Windows longer than any memory of the training make it right; with shorter
    ones it is too large. Few windows make it rough, by a factor √(2/windows) or more.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> independent = rng.multinomial(1000, [0.5, 0.3, 0.2], size=4000)
    >>> repeated = 10 * independent                       # each count ten times
    >>> bool(abs(effective_sample_size(repeated) / independent.sum() - 1) < 0.1)
    True
    """
    h = np.asarray(window_counts, float)
    if h.ndim != 2 or len(h) < 3:
        raise ValueError(f"expected (windows, bins) with three windows, got {h.shape}")
    if not np.isfinite(h).all() or (h < 0).any() or (h != np.floor(h)).any():
        raise ValueError("window counts must be whole numbers, zero or above")
    n = h.sum(1)
    if (n == 0).any():
        raise ValueError(f"window {int(n.argmin())} is empty: leave it out")
    share, pooled = h / n[:, None], h.sum(0) / h.sum()
    expected = (pooled * (1 - pooled)).sum() * (1 / n[1:] + 1 / n[:-1]).sum()
    if expected == 0:
        raise ValueError("all counts lie in one bin: there is no scatter to read")
    deff = (np.diff(share, axis=0) ** 2).sum() / expected
    return float(n.sum() / max(deff, 1.0))


def thin_counts(counts: ArrayLike, size: float, rng: np.random.Generator) -> np.ndarray:
    """Return a random sample of the counts, without replacement, of the given size.

    Parameters
    ----------
    counts : array of whole numbers, (bins,)
    size : float
        Counts to keep, such as an effective sample size; rounded down.
    rng : numpy.random.Generator

    Returns
    -------
    array, int64 (bins,)

    Examples
    --------
    >>> int(thin_counts([900, 90, 9], 99, np.random.default_rng(0)).sum())
    99
    """
    size = positive_int(int(size), "size")
    counts = np.asarray(counts)
    if counts.ndim != 1 or (counts < 0).any() or (counts != np.floor(counts)).any():
        raise ValueError("counts must be one axis of whole numbers, zero or above")
    counts, left = counts.astype(np.int64), int(counts.sum())
    if size > left:
        raise ValueError(f"size={size:,} exceeds the {left:,} counts there are")
    kept = np.zeros_like(counts)
    for i in np.flatnonzero(counts):
        kept[i] = _hypergeometric(int(counts[i]), left - int(counts[i]), size, rng)
        left, size = left - int(counts[i]), size - int(kept[i])
    return kept


def _hypergeometric(good, bad, size, rng):
    """Draw how many of `size` without replacement are good; numpy's ends at 1e9."""
    whole = good + bad
    if whole < 1_000_000_000:
        return rng.hypergeometric(good, bad, size)
    # A binomial where sample or class is below 1 % of the whole: the variance is off
    # by as much. Else the mean exceeds 1e5, and the normal limit is exact enough.
    if size < whole / 100:
        drawn = rng.binomial(size, good / whole)
    elif good < whole / 100:
        drawn = rng.binomial(good, size / whole)
    else:
        mean = size * (good / whole)
        variance = mean * (bad / whole) * (1 - size / whole)
        drawn = round(rng.normal(mean, np.sqrt(variance)))
    return min(max(drawn, size - bad, 0), good, size)
