"""A feed-forward network as a chain of stages, and how a *difference* runs through it.

One displaced weight changes one unit, or one channel. What that does further up is not
found by running the network twice and subtracting: the change itself is carried from
stage to stage. Linear stages act on it without their bias, a rectifier lets through
what crosses its kink (`differences`), and where nothing is left of a change, that
sample is not looked at again.

Axis 0 is samples (of a base) or rows (of a change: one sample under one displacement);
axis 1 is units or channels. A change that fills only some of them comes with `part`,
the slice of axis 1 that it fills.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .differences import rectified_change, rectify_rows

ALL = slice(None)


class Stage:
    """One step of a chain: what it computes, and what it makes of a change."""

    mixes = False  # whether one unit going in changes all units coming out

    def forward(self, x: Tensor) -> Tensor:
        """Return the output for input `x`, (samples, units, ...)."""

    def change(self, change: Tensor, part: slice, x: Tensor, rows: Tensor | None):
        """Return the output's change and the part of axis 1 that it fills.

        `change` (rows, units of part, ...) may be written to. Row r belongs to sample
        ``rows[r]`` of `x`, the input as it was; without `rows` all samples follow each
        other, again and again.
        """


@dataclass(frozen=True, eq=False)
class Dense(Stage):
    """x ↦ x Wᵀ + b with W of shape (outputs, inputs)."""

    weight: Tensor
    bias: Tensor | None
    name: str  # of the weight in the model
    mixes = True

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)

    def change(self, change, part, _x, _rows):
        return change @ self.weight[:, part].T, ALL

    def moved(self, x: Tensor, columns: Tensor) -> Tensor:
        """Return ∂(output)/∂(weight) of a unit's own weights, (weights, samples, 1)."""
        return x.T[columns].unsqueeze(2)


@dataclass(frozen=True, eq=False)
class Convolution(Stage):
    """Cross-correlation of images with kernels (outputs, inputs, height, width)."""

    weight: Tensor
    bias: Tensor | None
    name: str
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    mixes = True

    def _run(self, x, weight, bias):
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation)

    def forward(self, x):
        return self._run(x, self.weight, self.bias)

    def change(self, change, part, _x, _rows):
        return self._run(change, self.weight[:, part], None), ALL

    def moved(self, x: Tensor, columns: Tensor) -> Tensor:
        """Return ∂(output)/∂(weight) of a channel's own, (weights, samples, 1, …)."""
        single = torch.zeros_like(self.weight[0]).flatten()
        maps = []
        for column in columns.tolist():
            single.zero_()[column] = 1
            kernel = single.view_as(self.weight[0])
            channel = column // kernel[0].numel()
            seen, kernel = x[:, channel, None], kernel[None, channel, None]
            maps.append(self._run(seen, kernel, None))
        return torch.stack(maps)


@dataclass(frozen=True, eq=False)
class Scaling(Stage):
    """BatchNorm in evaluation mode: every channel times a factor, plus a constant."""

    scale: Tensor
    shift: Tensor

    def forward(self, x):
        return x * _along(self.scale, x) + _along(self.shift, x)

    def change(self, change, part, _x, _rows):
        return change.mul_(_along(self.scale[part], change)), part


class Rectifier(Stage):
    """x ↦ max(x, 0)."""

    def forward(self, x):
        return x.relu()

    def change(self, change, part, x, rows):
        if rows is not None and part == ALL:
            return rectify_rows(change, x, rows), part
        blocks, base = _beside(change, x[:, part], rows)
        return rectified_change(blocks, base).view_as(change), part


@dataclass(frozen=True, eq=False)
class MaxPool(Stage):
    """The largest value of each window."""

    run: Callable[[Tensor], Tensor]

    def forward(self, x):
        return self.run(x)

    def change(self, change, part, x, rows):
        blocks, base = _beside(change, x[:, part], rows)
        before = self.run(base)
        after = self.run((blocks + base).flatten(0, -change.ndim))
        return _beside(after, before, rows)[0].sub_(before).view_as(after), part


@dataclass(frozen=True, eq=False)
class Channelwise(Stage):
    """Anything linear, without a constant, that keeps channels apart."""

    run: Callable[[Tensor], Tensor]

    def forward(self, x):
        return self.run(x)

    def change(self, change, part, _x, _rows):
        return self.run(change), part


class Flatten(Stage):
    """Channels of maps as one axis of features: a channel becomes a span of them."""

    def forward(self, x):
        return x.flatten(1)

    def change(self, change, part, _x, _rows):
        size = change[0, 0].numel()
        span = part if part == ALL else slice(part.start * size, part.stop * size)
        return change.flatten(1), span


@dataclass(frozen=True, eq=False)
class Chain:
    """Stages from the inputs to the logits, in float64.

    Examples
    --------
    >>> weight = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    >>> chain = Chain((Dense(weight, None, "weight"), Rectifier()))
    >>> bases = chain.bases(torch.tensor([[3.0, 1.0], [1.0, 3.0]], dtype=torch.float64))
    >>> bases[-1].tolist()
    [[2.0], [0.0]]
    >>> moved = torch.tensor([[[-5.0], [1.0]]], dtype=torch.float64)
    >>> [t.tolist() for t in chain.carry(0, 0, moved, bases)]
    [[[-2.0]], [0]]
    """

    stages: Sequence[Stage]

    def bases(self, x: Tensor) -> list[Tensor]:
        """Return the input of every stage, and last of all the logits."""
        found = [x]
        for stage in self.stages:
            found.append(stage.forward(found[-1]))
        return found

    def carry(
        self, start: int, unit: int, change: Tensor, bases: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Carry changes of one unit of a stage's output up to the logits.

        Parameters
        ----------
        start : int
            The stage whose output changes.
        unit : int
            The unit or channel that does.
        change : Tensor, (displacements, samples, 1, ...)
            Of that unit. Written to.
        bases : list of Tensor
            What `bases` gave for the samples.

        Returns
        -------
        change : Tensor, (rows, classes)
            Of the logits, where there is one.
        kept : Tensor of int64, (rows,)
            displacement · samples + sample of each row, ascending.
        """
        samples, part = change.shape[1], slice(unit, unit + 1)
        change, rows = change.flatten(0, 1), None
        for stage, base in zip(
            self.stages[start + 1 :], bases[start + 1 : -1], strict=True
        ):
            if stage.mixes and rows is None:
                change, kept = _nonzero(change)
                rows = kept % samples
            change, part = stage.change(change, part, base, rows)
        if rows is None:
            change, kept = _nonzero(change)
        if part != ALL:
            logits = change.new_zeros(len(change), bases[-1].shape[1])
            logits[:, part] = change
            change = logits
        return change, kept


def _nonzero(change: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows that hold a change, and their numbers."""
    flat = change.flatten(1)
    some = flat.squeeze(1) if flat.shape[1] == 1 else flat.any(1)
    kept = some.nonzero().squeeze(1)
    return change[kept], kept


def _beside(change: Tensor, x: Tensor, rows: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return a change and what it adds to, in shapes that go together."""
    if rows is None:
        return change.view(-1, *x.shape), x
    return change, x[rows]


def _along(values: Tensor, x: Tensor) -> Tensor:
    """Return one value a channel in the shape that goes with `x`."""
    return values.view(-1, *[1] * (x.ndim - 2))
