"""Figures that a running kernel redraws: the tail of a run, a training in progress.

A static page, without a kernel, shows the figure as it was when the notebook ran.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from html import escape

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..histogram import LogHistogram
from ..plotting import (
    COLOURS,
    GREY,
    plot_binned,
    plot_density,
    plot_local_slope,
    plot_tail,
    stamp_source,
)
from ..tails import compare_tails, fit_power_law, local_slope
from .static_slider import draw_frames, frame_html

ALTERNATIVES = {  # and how each is drawn, all in grey
    "exponential": "-.",
    "log-normal": ":",
    "stretched exponential": (0, (5, 1)),
    "power law with cutoff": (0, (1, 1)),
}
LOSS_POINTS = 200  # of a loss curve at most
NO_KERNEL = "In a running notebook this figure has controls, which redraw it."
PAUSE_SECONDS = 0.02  # that the kernel has for messages while it trains
_WHOLE_LABEL = {"description_width": "initial"}


class LiveFigure(ipywidgets.VBox):
    """Controls, and below them the figure and readout in HTML that `draw` returns."""

    def __init__(
        self,
        controls: Sequence[ipywidgets.Widget],
        draw: Callable[[], tuple[Figure, str]],
        alt: str,
    ):
        row = ipywidgets.HBox(list(controls), layout={"flex_flow": "row wrap"})
        self.picture, self.readout = ipywidgets.HTML(), ipywidgets.HTML()
        self._draw, self._alt = draw, alt
        super().__init__([row, self.picture, self.readout])
        self.add_class("netdyn-live")

    def redraw(self, *_) -> None:
        """Draw the figure for the controls as they are."""

        def draw():
            figure, self.readout.value = self._draw()
            return figure

        (frame,) = draw_frames(draw, [()])
        self.picture.value = frame_html(frame, self._alt)

    def redraw_on(self, *controls: ipywidgets.Widget) -> None:
        """Draw now, and whenever one of these changes."""
        for control in controls:
            control.observe(self.redraw, "value")
        self.redraw()

    def _repr_mimebundle_(self, **kwargs):
        """Return the widget, and for a page without a kernel the figure as it is."""
        page = f"{self.picture.value}{self.readout.value}<p><em>{NO_KERNEL}</em></p>"
        bundle = super()._repr_mimebundle_(**kwargs)
        return {**bundle, "text/html": f'<div class="netdyn-still">{page}</div>'}


def explore_tail(run, *, alt: str, colour: str = COLOURS["mlp"]) -> LiveFigure:
    """Return controls for the tail of a stored run, and the figure they redraw."""
    updates = run.updates
    marks = (0, *updates.stops)
    pooled = updates.histogram()
    edges = pooled.edges[pooled.edges >= pooled.median / 10]
    layer = _dropdown("layer", ("all", *updates.groups))
    steps = _range_slider("steps", [(f"{m:,}", k) for k, m in enumerate(marks)])
    fitted = _range_slider("fit from, to", [(f"{e:.2e}", e) for e in edges.tolist()])
    best = ipywidgets.Button(description="Least KS distance", layout={"width": "auto"})
    names = [*ALTERNATIVES]
    alternatives = ipywidgets.SelectMultiple(
        options=names, value=names[:2], rows=4, description="alternatives"
    )

    def selected() -> LogHistogram:
        first, last = steps.value
        first = min(first, len(marks) - 2)  # both handles on one mark: one window
        return updates.histogram(layer.value, slice(first, max(last, first + 1)))

    def seek(*_):
        histogram, high = selected(), fitted.value[1]
        try:
            xmin = fit_power_law(histogram.edges, histogram.counts).xmin
        except ValueError:
            return  # too few counts: the readout says so already
        nearest = float(edges[np.argmin(np.abs(np.log(edges / xmin)))])
        fitted.value = nearest, max(high, nearest)

    def draw():
        limits = fitted.value
        figure, readout = draw_tail(selected(), *limits, alternatives.value, colour)
        stamp_source(figure, run)
        return figure, readout

    controls = layer, steps, fitted, best, alternatives
    live = LiveFigure(controls, draw, alt)
    live.layer, live.steps, live.range, live.best, live.alternatives = controls
    seek()
    best.on_click(seek)
    live.redraw_on(layer, steps, fitted, alternatives)
    return live


def _dropdown(description: str, options: Sequence[str]) -> ipywidgets.Dropdown:
    return ipywidgets.Dropdown(
        options=options, description=description, style=_WHOLE_LABEL
    )


def _range_slider(description: str, options) -> ipywidgets.SelectionRangeSlider:
    return ipywidgets.SelectionRangeSlider(
        options=options,
        index=(0, len(options) - 1),
        description=description,
        continuous_update=False,
        style=_WHOLE_LABEL,
        layout={"flex": "1 1 26rem", "width": "auto"},
    )


def draw_tail(
    histogram: LogHistogram, low: float, high: float, names: Sequence[str], colour: str
) -> tuple[Figure, str]:
    """Draw density, local slope and power law between two edges; return the fit too."""
    edges, counts, bound = histogram.edges, histogram.counts, {}
    if len(edges) and high < edges[-1]:
        bound = {"upper": "truncated", "xmax": high}
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6))
    try:
        fit = fit_power_law(edges, counts, xmin=low, **bound)
        comparison = compare_tails(edges, counts, fit)
    except ValueError as reason:  # of the reader's choice
        readout = f"<p>No fit: {escape(str(reason))}</p>"
        plot_density(histogram, left, color=colour)
    else:
        chosen = [comparison[name] for name in names]
        rows = [[a.name, a.loglik_ratio, a.p, a.preferred] for a in chosen]
        table = pd.DataFrame(rows, columns=["alternative", "R (nats)", "p", "favoured"])
        readout = f"<p>{escape(str(fit))}</p>"
        if rows:
            readout += table.to_html(index=False, float_format="{:.2g}".format)
        plot_tail(histogram, fit, left, color=colour)
        lowest = left.get_ylim()[0]  # some alternatives fall very far
        for one in chosen:
            look = {"linewidth": 1.2, "color": GREY, "label": one.name}
            look["linestyle"] = ALTERNATIVES[one.name]
            expected = one.expected / histogram.total
            plot_binned(left, comparison.edges, expected, **look)
        left.set_ylim(bottom=lowest)
        ends = fit.xmin, min(fit.xmax, edges[-1])
        right.plot(ends, [fit.alpha] * 2, "--", color=colour)
        left.legend(fontsize=8, loc="lower left")
    plot_local_slope(local_slope(edges, counts), right, color=colour)
    smallest = histogram.median / 1e3  # below it is the grain of the number format
    for ax in (left, right):
        ax.set_xlim(left=smallest)
    left.set_ylim(top=10 * histogram.density[edges[:-1] >= smallest].max())
    right.set(ylim=(-1, 9))
    return figure, readout


class TrainingExplorer(LiveFigure):
    """A training loop, as `train_steps` gives it, that goes on and pauses by controls.

    It draws after `every` steps what the UpdateTracker of its network has counted.
    """

    def __init__(
        self, steps: Iterable, tracker, *, alt: str, every=50, colour=COLOURS["mlp"]
    ):
        self._source, self._tracker, self._every = iter(steps), tracker, every
        self._losses, self._error, self._task = [], "", None
        self._colour = colour
        self.train = ipywidgets.ToggleButton(description="Train", icon="play")
        self.layer = _dropdown("layer", ("all", *tracker.groups))
        self.window = _dropdown("updates of", ("the whole run", "the last window"))
        super().__init__([self.train, self.layer, self.window], self._view, alt)
        self.train.observe(self._switch, "value")
        self.redraw_on(self.layer, self.window)

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
            self._error = f"<p>Training stopped: {escape(str(reason))}</p>"
            return False  # the figure shows it: no cell would
        return True

    def _switch(self, change) -> None:
        self.train.description = "Pause" if change.new else "Train"
        self.train.icon = "pause" if change.new else "play"
        if change.new and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._go_on())

    async def _go_on(self) -> None:
        """Train in stretches; between them the kernel answers the controls."""
        more = True
        while more and self.train.value:
            more = self._take(self._every)
            self.redraw()
            await asyncio.sleep(PAUSE_SECONDS)
        if not more:
            self.train.value, self.train.disabled = False, True

    def _view(self) -> tuple[Figure, str]:
        window = -1 if self.window.value == "the last window" else None
        histogram = self._tracker.histogram(self.layer.value, window)
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4))
        readout = {"step": f"{self._tracker.steps:,}"}
        if self._losses:
            parts = np.array_split(self._losses, min(LOSS_POINTS, len(self._losses)))
            ends = np.cumsum([len(part) for part in parts])
            left.semilogy(ends, [part.mean() for part in parts], color=self._colour)
            recent = np.mean(self._losses[-self._every :])
            readout["loss, last steps"] = f"{recent:.3f} nats"
            readout["median update"] = f"{histogram.median:.1e}"
            readout["largest update"] = f"{histogram.max:.1e}"
        left.set(xlabel="step", ylabel="training loss (nats)")
        plot_density(histogram, right, color=self._colour)
        stamp_source(figure)
        table = pd.Series(readout).to_frame().to_html(header=False)
        return figure, self._error + table


training_explorer = TrainingExplorer
