"""How a difference passes a kink and a loss, without cancellation.

A displaced weight changes what a network computes by little. The difference of two
nearly equal numbers keeps few digits of that; a difference that is carried on as such
keeps them all. Two steps need care: the rectifier, whose kink may lie in between, and
the cross-entropy, whose logarithm and exponentials are taken of what is small.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .._numba import njit

# Above it the exponential of a difference is not worth telling from one of the sum, and
# a probability that underflows could come back: the plain form is taken.
LARGE = 100.0
# Taylor coefficients 1/13! … 1/2! of exp(r) − 1 − r: with abs(r) ≤ ln(2)/2 the rest is
# below the rounding.
_SERIES = tuple(1.0 / math.factorial(k) for k in range(13, 1, -1))
# ln 2 in two parts, the first with few bits so that its multiples are exact.
_LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10


def rectified_change(change: Tensor, base: Tensor) -> Tensor:
    """Return relu(base + change) − relu(base), to the last digit.

    Parameters
    ----------
    change, base : Tensor of float64, the same shape

    Notes
    -----
    max(Δ + min(z, 0), −max(z, 0)): above the kink and below it no two large numbers
    are subtracted.

    Examples
    --------
    >>> base = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64)
    >>> change = torch.tensor([1e-20, -3.0, 0.5, 3.0], dtype=torch.float64)
    >>> rectified_change(change, base).tolist()
    [1e-20, -1.0, 0.0, 2.0]
    """
    low = base.clamp(max=0)
    return torch.maximum(change + low, low - base)


def loss_change(change: Tensor, logits: Tensor, targets: Tensor) -> Tensor:
    """Return by how much −ln p(target) grows if `logits` change by `change`.

    Parameters
    ----------
    change, logits : Tensor of float64, (rows, classes)
    targets : Tensor of int64, (rows,)

    Returns
    -------
    Tensor of float64, (rows,), in nats

    Notes
    -----
    ln(1 + Σ_c p_c (exp(Δ_c − Δ_y) − 1)) with p the softmax of `logits` and y the
    target. Where the sum nears −1, or an exponent is above 100, the digits are not
    lost in the difference, and the two losses are subtracted.

    Examples
    --------
    >>> logits = torch.zeros(1, 2, dtype=torch.float64)
    >>> change = torch.tensor([[0.0, 1e-20]], dtype=torch.float64)
    >>> loss_change(change, logits, torch.tensor([0])).item()
    5e-21
    """
    relative = change - change.gather(1, targets[:, None])
    total = (logits.softmax(1) * relative.clamp(-LARGE, LARGE).expm1()).sum(1)
    plain = (total < -0.5) | (relative.abs() > LARGE).any(1)
    small = torch.where(plain, 0.0, total).log1p()
    losses = [
        F.cross_entropy(outputs, targets, reduction="none")
        for outputs in (logits + change, logits)
    ]
    return torch.where(plain, losses[0] - losses[1], small)


def rectify_rows(change: Tensor, base: Tensor, rows: Tensor) -> Tensor:
    """Do what `rectified_change` does, row r against ``base[rows[r]]``, in place.

    On a CPU in one pass over arrays that lie in order; anywhere else by the definition.
    """
    if _in_order(change, base) and change.shape[1:] == base.shape[1:]:
        flat = (change.flatten(1), base.flatten(1), rows)
        _rectify_compiled(*(array.numpy() for array in flat))
        return change
    return change.copy_(rectified_change(change, base[rows]))


def loss_rows(
    change: Tensor,
    logits: Tensor,
    probabilities: Tensor,
    targets: Tensor,
    rows: Tensor,
) -> Tensor:
    """Return `loss_change` of row r at ``logits[rows[r]]``, (rows,).

    `probabilities` is the softmax of `logits`.
    """
    if not _in_order(change, logits):
        return loss_change(change, logits[rows], targets[rows])
    arrays = change, logits, probabilities, targets, rows
    result = torch.empty(len(rows), dtype=torch.float64)
    _loss_compiled(*(array.numpy() for array in arrays), result.numpy())
    return result


def _in_order(*tensors: Tensor) -> bool:
    """Tell whether compiled code may walk through the tensors' memory."""
    return all(t.device.type == "cpu" and t.is_contiguous() for t in tensors)


@njit(fastmath={"contract"})
def _rectify_compiled(change, base, rows):
    for r in range(len(rows)):
        s = rows[r]
        for j in range(change.shape[1]):
            z = base[s, j]
            low = z if z < 0.0 else 0.0
            moved, floor = change[r, j] + low, low - z
            change[r, j] = moved if moved > floor else floor


@njit(fastmath={"contract"})
def expm1_into(result, values, count):
    """Write exp(v) − 1 of `count` values, cut at ±LARGE, as sums for vector units."""
    for i in range(count):
        v = values[i]
        v = LARGE if v > LARGE else v
        v = -LARGE if v < -LARGE else v
        octaves = math.floor(v * (1 / math.log(2)) + 0.5)
        r = (v - octaves * _LN2[0]) - octaves * _LN2[1]
        # Horner's scheme in full: a loop here would keep the outer one off the vectors.
        series = _SERIES[0]
        series = series * r + _SERIES[1]
        series = series * r + _SERIES[2]
        series = series * r + _SERIES[3]
        series = series * r + _SERIES[4]
        series = series * r + _SERIES[5]
        series = series * r + _SERIES[6]
        series = series * r + _SERIES[7]
        series = series * r + _SERIES[8]
        series = series * r + _SERIES[9]
        series = series * r + _SERIES[10]
        series = series * r + _SERIES[11]
        series = series * r * r + r
        power = np.int64((np.int64(octaves) + 1023) << 52).view(np.float64)
        result[i] = power * series + (power - 1.0)


@njit(fastmath={"contract"})
def _loss_compiled(change, logits, probabilities, targets, rows, result):
    relative = np.empty_like(change)
    for r in range(len(rows)):
        own = change[r, targets[rows[r]]]
        for c in range(change.shape[1]):
            relative[r, c] = change[r, c] - own
    powers = np.empty_like(change)
    expm1_into(powers.reshape(-1), relative.reshape(-1), relative.size)
    for r in range(len(rows)):
        s, total, largest = rows[r], 0.0, 0.0
        for c in range(change.shape[1]):
            total += probabilities[s, c] * powers[r, c]
            largest = max(largest, abs(relative[r, c]))
        if total > -0.5 and largest <= LARGE:
            result[r] = math.log1p(total)
        else:
            own = targets[s]
            result[r] = log_sum(logits[s] + change[r]) - log_sum(logits[s])
            result[r] -= change[r, own]


@njit()
def log_sum(values):
    """Return ln Σ exp(v)."""
    top = values.max()
    return top + math.log(np.exp(values - top).sum())
