"""The loss under many single displaced weights, along a chain of stages.

Only what one weight can change is computed again, as a difference (`chains`). Where all
that lies above is dense and small, compiled code does it sample by sample
(`dense_responses`); else stages of torch do, many rows at a time.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .chains import ALL, Chain, Channelwise, Dense, Flatten, Rectifier, Scaling
from .dense_responses import LANES, DenseBatch, DenseTail, dense_responses
from .differences import loss_rows
from .weight_draws import Drawn

# Matrices larger than this leave the processor's cache, where a product over many rows
# at a time, as torch does it, is faster than one row after another.
SMALL = 2**19
ROWS = 2**24  # bytes of rows that stages of torch work on at a time
BATCH = 4_096  # samples at a time, at most


def scan_chain(
    chain: Chain,
    inputs: Tensor,
    targets: Tensor,
    *,
    drawn: Sequence[Drawn],
    deltas: Tensor,
    memory: int,
    advance: Callable[[float], object],
) -> tuple[float, Tensor]:
    """Return the loss, and how it changes under each displacement.

    Parameters
    ----------
    chain : Chain
    inputs, targets : Tensor, (samples, ...) and (samples,)
    drawn : sequence of Drawn
    deltas : Tensor of float64, (deltas,)
        Signed.
    memory : int
        Bound in bytes on working arrays.
    advance : callable
        Told after each batch how many displacements that amounts to.

    Returns
    -------
    loss : float
    response : Tensor of float64, (deltas, weights)
    """
    on_cpu = inputs.device.type == "cpu"
    workers = torch.get_num_threads() if on_cpu else 1
    starts = {stage.name: i for i, stage in enumerate(chain.stages) if stage.mixes}
    sizes = [base.numel() * 8 for base in chain.bases(inputs[:1].double())]
    width = 3 * max(sizes[min(starts[layer.name] for layer in drawn) + 1 :])
    share = memory // workers // 2
    rows = max(1, min(share, ROWS) // width)
    step = min(share // (2 * sum(sizes)), len(inputs) // (2 * workers), BATCH)
    parts = []
    for layer in drawn:
        start = starts[layer.name]
        tail = dense_tail(chain, start) if on_cpu else None
        if tail is None:
            step = min(step, rows // len(deltas))
            parts.append(_Staged(chain, start, layer, deltas, rows))
        else:
            parts.append(_Compiled(chain, start, layer, deltas, tail))
    step = max(1, step)

    def run(batch):
        x, y = batch
        bases = chain.bases(x.double())
        ends = bases[-1], bases[-1].softmax(1), y
        return (
            F.cross_entropy(bases[-1], y, reduction="sum").item(),
            torch.cat([part.respond(bases, ends) for part in parts], 1),
            len(x) / len(inputs),
        )

    loss, response = 0.0, 0.0
    with _side_by_side(workers) as pool:
        batches = zip(inputs.split(step), targets.split(step), strict=True)
        for one_loss, one_response, done in pool.map(torch.no_grad()(run), batches):
            loss, response = loss + one_loss, response + one_response
            advance(done * one_response.numel())
    return loss / len(inputs), response / len(inputs)


def dense_tail(chain: Chain, start: int) -> DenseTail | None:
    """Return what lies above a dense stage as compiled code takes it, if it is small.

    Stages between two rectifiers are linear, so one matrix does what they do.
    """
    stages, kinds = chain.stages[start + 1 :], (Dense, Rectifier, Scaling, Channelwise)
    first = chain.stages[start]
    if not all(isinstance(s, (*kinds, Flatten)) for s in (first, *stages)):
        return None
    if not isinstance(first, Dense):
        return None
    bends = [i for i, stage in enumerate(stages) if isinstance(stage, Rectifier)]
    pieces = [
        stages[i + 1 : j]
        for i, j in zip([-1, *bends], [*bends, len(stages)], strict=True)
    ]
    bends = [start + 1 + i for i in bends]
    unit = first.weight[:, :1].new_ones(1, len(first.weight))
    if bends and not any(stage.mixes for stage in pieces[0]):
        gains, kink = _push(unit, pieces.pop(0))[0], bends.pop(0)
    else:
        gains, kink = unit[0], None
    matrices = []
    width = len(first.weight)
    for piece in pieces:
        matrices.append(_push(torch.eye(width, dtype=torch.float64), piece))
        width = matrices[-1].shape[1]
    if sum(8 * matrix.numel() for matrix in matrices[1:]) > SMALL:
        return None
    widths = np.array([matrix.shape[1] for matrix in matrices])
    size = -(-widths.max() // LANES) * LANES
    frames = np.zeros((len(widths) - 1, size + 1, size))
    for frame, matrix in zip(frames, matrices[1:], strict=True):
        frame[: matrix.shape[0], : matrix.shape[1]] = matrix.numpy()
    fan_out = np.zeros((len(matrices[0]), size))
    fan_out[:, : widths[0]] = matrices[0].numpy()
    return DenseTail(gains.numpy(), kink, fan_out, frames, widths, tuple(bends))


@dataclass(frozen=True, eq=False)
class _Compiled:
    """A layer below nothing but a small dense rest."""

    chain: Chain
    start: int
    layer: Drawn
    deltas: Tensor
    tail: DenseTail

    def respond(self, bases, ends) -> Tensor:
        """Return the loss changes summed over a batch, (deltas, weights)."""
        tail, logits = self.tail, ends[0]
        sums = np.zeros((len(logits), len(tail.bends), tail.fan_out.shape[1]))
        for k, place in enumerate(tail.bends):
            sums[:, k, : bases[place].shape[1]] = bases[place].numpy()
        kinks = np.full((len(logits), len(tail.gains)), np.inf)
        batch = DenseBatch(
            bases[self.start].contiguous().numpy(),
            kinks if tail.kink is None else bases[tail.kink].numpy(),
            sums,
            *(end.numpy() for end in ends),
        )
        units, starts = np.unique(self.layer.unit.numpy(), return_index=True)
        response = dense_responses(
            tail,
            batch,
            units=units,
            starts=np.append(starts, len(self.layer.index)),
            columns=self.layer.column.numpy(),
            deltas=self.deltas.numpy(),
        )
        return torch.from_numpy(response.T.copy())


@dataclass(frozen=True, eq=False)
class _Staged:
    """Any layer of a chain: one unit after another, through stages of torch."""

    chain: Chain
    start: int
    layer: Drawn
    deltas: Tensor
    rows: int  # at a time

    def respond(self, bases, ends) -> Tensor:
        """Return the loss changes summed over a batch, (deltas, weights)."""
        count, samples = len(self.deltas), len(bases[0])
        response = bases[-1].new_zeros(count, len(self.layer.index))
        pieces = max(1, self.rows // (count * samples))
        stage = self.chain.stages[self.start]
        for unit in self.layer.unit.unique().tolist():
            places = (self.layer.unit == unit).nonzero().squeeze(1)
            for place in places.split(pieces):
                moved = stage.moved(bases[self.start], self.layer.column[place])
                change = torch.tensordot(self.deltas[:, None], moved[None], 1)
                change = change.flatten(0, 1)
                change, kept = self.chain.carry(self.start, unit, change, bases)
                losses = loss_rows(change, *ends, kept % samples)
                sums = losses.new_zeros(count * len(place))
                sums.index_add_(0, kept // samples, losses)
                response[:, place] = sums.view(count, -1)
        return response


def _push(rows: Tensor, stages) -> Tensor:
    """Return what linear stages make of changes."""
    for stage in stages:
        rows, _ = stage.change(rows, ALL, None, None)
    return rows


@contextmanager
def _side_by_side(workers: int):
    """Hand out a pool whose workers have one thread of torch's each.

    Two workers on batches of their own wait for nothing; two threads inside each small
    product wait for each other at its end.
    """
    before = torch.get_num_threads()
    alone = {"initializer": torch.set_num_threads, "initargs": (1,)}
    try:
        with ThreadPoolExecutor(workers, **alone) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)
