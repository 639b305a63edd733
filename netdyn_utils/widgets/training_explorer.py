"""A training in progress, in a notebook: go on, pause, and look at any layer of it."""

import asyncio
from collections.abc import Iterable
from html import escape

import ipywidgets
import numpy as np

from ..plotting import COLOURS, sign
from ..plotting.explored import draw_progress
from .live import WIDE, Live, table

BREATH = 0.02  # seconds that the kernel has for messages between two stretches


class TrainingExplorer(Live):
    """A loop that stands still until it is asked to go on; see `watch_training`."""

    def __init__(self, steps: Iterable, tracker, *, every: int, alt: str, colour: str):
        self._source, self._tracker, self._every = iter(steps), tracker, every
        self._losses, self._fault, self._task = [], "", None
        self._colour = colour
        self.train = ipywidgets.ToggleButton(description="Train", icon="play")
        self.layer = ipywidgets.Dropdown(
            options=("all", *tracker.groups), description="layer", style=WIDE
        )
        self.shown = ipywidgets.Dropdown(
            options=("the whole run", "the last window"),
            description="updates of",
            style=WIDE,
        )
        where = (
            "In a running notebook this training goes on at the press of a button, and "
            "the figure with it."
        )
        controls = [self.train, self.layer, self.shown]
        super().__init__(controls, self._view, alt=alt, where=where)
        self.train.observe(self._switch, "value")
        self.redraw_with(self.layer, self.shown)

    def advance(self, steps: int) -> "TrainingExplorer":
        """Take so many steps now, fewer if the training ends, and draw."""
        self._take(steps)
        self.redraw()
        return self

    def _take(self, steps: int) -> bool:
        """Take steps; say whether there are more to take."""
        try:
            for _ in range(steps):
                self._losses.append(next(self._source).loss)
                self._tracker.update()
        except StopIteration:
            return False
        except (ArithmeticError, ValueError, RuntimeError) as reason:
            self._fault = f"Training stopped: {reason}"  # no cell would show it
            return False
        return True

    def _switch(self, change) -> None:
        self.train.description = "Pause" if change.new else "Train"
        self.train.icon = "pause" if change.new else "play"
        if change.new and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._go_on())

    async def _go_on(self) -> None:
        """Train in stretches; between them the kernel hears the controls."""
        more = True
        while more and self.train.value:
            more = self._take(self._every)
            self.redraw()
            await asyncio.sleep(BREATH)
        if not more:
            self.train.value, self.train.disabled = False, True

    def _view(self):
        window = -1 if self.shown.value == "the last window" else None
        histogram = self._tracker.histogram(self.layer.value, window)
        told = [["step", f"{self._tracker.steps:,}"]]
        if self._losses:
            recent = np.mean(self._losses[-self._every :])
            told += [["loss, last steps", f"{recent:.3f} nats"]]
            told += [["median update", f"{histogram.median:.1e}"]]
            told += [["largest update", f"{histogram.max:.1e}"]]
        fault = f"<p>{escape(self._fault)}</p>" * bool(self._fault)
        figure = draw_progress(self._losses, histogram, self._colour)
        sign(figure)
        return figure, fault + table(told)


def watch_training(
    steps: Iterable,
    tracker,
    *,
    every: int = 50,
    alt: str,
    colour: str = COLOURS["mlp"],
) -> TrainingExplorer:
    """Return a training that goes on, pauses and is looked at by its controls.

    Parameters
    ----------
    steps : iterable of StepRecord
        The loop, as `train_steps` gives it; a step is taken when it is asked for.
    tracker : UpdateTracker
        Of the network that learns; made before the first step.
    every : int
        Steps between two drawings.
    alt : str
        What the figure shows, for those who cannot see it.
    colour : str

    Returns
    -------
    TrainingExplorer
        `advance(n)` takes n steps at once; ``train``, ``layer`` and ``shown`` are its
        controls.
    """
    return TrainingExplorer(steps, tracker, every=every, alt=alt, colour=colour)
