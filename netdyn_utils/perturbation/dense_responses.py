"""The rest of a network above one displaced weight, when all of it is dense: compiled.

Sample by sample, so that everything a sample needs stays in the processor's nearest
memory: what the displaced unit's output changes by, one product per layer over the
units that change, one pass over the rectifiers, one over the loss. Weights into the
same unit whose inputs are equal, as background pixels are, move it equally: such a
sample is worked out once for all of them.
"""

import math
from dataclasses import dataclass

import numpy as np

from .._numba import njit
from .differences import LARGE, expm1_into, log_sum

LANES = 16  # what a product writes at once: it works in whole ones, into the padding
BLOCK = 32  # displacements of a sample carried together: their rows fit in 32 KB


@dataclass(frozen=True, eq=False)
class DenseTail:
    """What lies above a layer: its rectifier, then products with rectifiers between.

    Parameters
    ----------
    gains : array, (units,)
        Factor between a unit's sum and what its rectifier sees.
    kink : int or None
        The stage of the layer's own rectifier, if there is one before a product.
    fan_out : array, (units, width)
        What a change of a unit's output makes of the next sums.
    matrices : array, (layers, width + 1, width)
        Products between those sums and the logits, transposed, in frames of equal
        size: width is a multiple of LANES, and what a matrix leaves of its frame is
        zero, as is the last row.
    widths : array of int64, (layers + 1,)
        Of the sums, layer by layer, and of the logits.
    bends : tuple of int, (layers,)
        The stages of the rectifiers above.
    """

    gains: np.ndarray
    kink: int | None
    fan_out: np.ndarray
    matrices: np.ndarray
    widths: np.ndarray
    bends: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class DenseBatch:
    """What a batch of samples had computed before any weight was displaced.

    Parameters
    ----------
    inputs : array, (samples, inputs)
        Of the displaced layer.
    kinks : array, (samples, units)
        What the rectifiers of its units see; without rectifier infinite.
    sums : array, (samples, layers, width)
        What the rectifiers above see.
    logits, probabilities : array, (samples, classes)
    targets : array of int64, (samples,)
    """

    inputs: np.ndarray
    kinks: np.ndarray
    sums: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    targets: np.ndarray


def dense_responses(
    tail: DenseTail,
    batch: DenseBatch,
    *,
    units: np.ndarray,
    starts: np.ndarray,
    columns: np.ndarray,
    deltas: np.ndarray,
) -> np.ndarray:
    """Return the loss changes summed over the batch, (weights, deltas).

    Parameters
    ----------
    units, starts : array of int64, (groups,) and (groups + 1,)
        Weights ``starts[g]`` to ``starts[g + 1]`` lead into unit ``units[g]``.
    columns : array of int64, (weights,)
        The input each weight comes from.
    deltas : array, (deltas,)
        Signed.
    """
    response = np.zeros((len(columns), len(deltas)))
    _walk(
        *(tail.gains, tail.fan_out, tail.matrices, tail.widths),
        *(batch.inputs, batch.kinks, batch.sums),
        *(batch.logits, batch.probabilities, batch.targets),
        *(units, starts, columns, deltas, response),
    )
    return response


_compiled = njit(fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


@_compiled
def _walk(
    gains,
    fan_out,
    matrices,
    widths,
    inputs,
    kinks,
    sums,
    logits,
    probabilities,
    targets,
    units,
    starts,
    columns,
    deltas,
    response,
):
    most, size = np.diff(starts).max(), fan_out.shape[1] + 1
    values, twins = np.empty(most), np.empty(most, np.int64)
    losses = np.empty((most, len(deltas)))
    here, there = np.zeros((BLOCK, size)), np.zeros((BLOCK, size))
    powers = np.empty(BLOCK * logits.shape[1])
    relative = np.empty_like(powers)
    owner, active = np.empty((BLOCK, 2), np.int64), np.empty(size + 8, np.int64)
    above = (matrices, widths, sums, logits, probabilities, targets)
    spare = (here, there, relative, powers, active)
    for s in range(len(inputs)):
        for g in range(len(units)):
            unit, begin, count = units[g], starts[g], starts[g + 1] - starts[g]
            low, floor = min(kinks[s, unit], 0.0), -max(kinks[s, unit], 0.0)
            filled = 0
            for w in range(count):
                value = inputs[s, columns[begin + w]] * gains[unit]
                twin = 0
                while twin < w and values[twin] != value:
                    twin += 1
                values[w], twins[w] = value, twin
                if twin < w:
                    continue
                for d in range(len(deltas)):
                    losses[w, d] = 0.0
                    moved = max(value * deltas[d] + low, floor)
                    if moved == 0.0:
                        continue
                    for j in range(widths[0]):
                        here[filled, j] = moved * fan_out[unit, j]
                    owner[filled, 0], owner[filled, 1] = w, d
                    filled += 1
                    if filled == BLOCK:
                        _finish(filled, s, owner, losses, above, spare)
                        filled = 0
            _finish(filled, s, owner, losses, above, spare)
            for w in range(count):
                for d in range(len(deltas)):
                    response[begin + w, d] += losses[twins[w], d]


@_compiled
def _finish(filled, s, owner, losses, above, spare):
    """Carry the rows on to the logits, and write what the loss changes by."""
    matrices, widths, sums, logits, probabilities, targets = above
    here, there, relative, powers, active = spare
    for layer in range(len(widths) - 1):
        inner, outer = widths[layer], widths[layer + 1]
        _rectify(here, filled, sums, s, layer, inner)
        _multiply(here, filled, matrices, layer, inner, outer, there, active)
        here, there = there, here
    classes, own = logits.shape[1], targets[s]
    for r in range(filled):
        for c in range(classes):
            relative[r * classes + c] = here[r, c] - here[r, own]
    expm1_into(powers, relative, filled * classes)
    for r in range(filled):
        total, largest = 0.0, 0.0
        for c in range(classes):
            total += probabilities[s, c] * powers[r * classes + c]
            largest = max(largest, abs(relative[r * classes + c]))
        w, d = owner[r, 0], owner[r, 1]
        if total > -0.5 and largest <= LARGE:
            losses[w, d] = math.log1p(total)
        else:
            after = log_sum(logits[s] + here[r, :classes])
            losses[w, d] = after - log_sum(logits[s]) - here[r, own]


@_compiled
def _rectify(rows, filled, sums, s, layer, width):
    """Replace changes of sums by those of the rectified sums."""
    for r in range(filled):
        for j in range(width):
            z = sums[s, layer, j]
            low = z if z < 0.0 else 0.0
            moved, floor = rows[r, j] + low, low - z
            rows[r, j] = moved if moved > floor else floor


@_compiled
def _multiply(rows, filled, matrices, layer, inner, outer, result, active):
    """Write rows times a matrix, over the units that change, eight at a time."""
    nothing = matrices.shape[1] - 1  # the row of zeros, and a column of zeros
    outer = (outer + LANES - 1) // LANES * LANES
    for r in range(filled):
        count = 0
        for k in range(inner):
            active[count] = k
            count += rows[r, k] != 0.0
        active[count : count + 7] = nothing
        for j in range(outer):
            result[r, j] = 0.0
        for q in range(0, count, 8):
            k0, k1 = np.uint64(active[q]), np.uint64(active[q + 1])
            k2, k3 = np.uint64(active[q + 2]), np.uint64(active[q + 3])
            k4, k5 = np.uint64(active[q + 4]), np.uint64(active[q + 5])
            k6, k7 = np.uint64(active[q + 6]), np.uint64(active[q + 7])
            c0, c1, c2, c3 = rows[r, k0], rows[r, k1], rows[r, k2], rows[r, k3]
            c4, c5, c6, c7 = rows[r, k4], rows[r, k5], rows[r, k6], rows[r, k7]
            for j in range(outer):
                result[r, j] += (
                    c0 * matrices[layer, k0, j]
                    + c1 * matrices[layer, k1, j]
                    + c2 * matrices[layer, k2, j]
                    + c3 * matrices[layer, k3, j]
                ) + (
                    c4 * matrices[layer, k4, j]
                    + c5 * matrices[layer, k5, j]
                    + c6 * matrices[layer, k6, j]
                    + c7 * matrices[layer, k7, j]
                )
