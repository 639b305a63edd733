"""The tail of a stored run, in a notebook: which weights, which steps, which fit."""

from dataclasses import dataclass
from html import escape

import ipywidgets
import numpy as np

from ..histogram import LogHistogram
from ..plotting import COLOURS, sign
from ..plotting.explored import draw_tail
from ..tails import TailComparison, TailFit, compare_tails, fit_power_law
from .live import WIDE, Live, table

RIVALS = (
    "exponential",
    "log-normal",
    "stretched exponential",
    "power law with cutoff",
)


@dataclass(frozen=True)
class TailView:
    """What is seen of one choice: a histogram, and its fit or why there is none."""

    histogram: LogHistogram
    fit: TailFit | None
    comparison: TailComparison | None
    fault: str = ""


def view_tail(histogram: LogHistogram, low: float, high: float) -> TailView:
    """Fit a power law between two edges, and hold it against its rivals.

    Parameters
    ----------
    histogram : LogHistogram
    low, high : float
        Edges of its bins. A `high` at or beyond the last one leaves the top unbounded;
        below it the support is truncated there.

    Examples
    --------
    >>> sample = LogHistogram.from_values(np.arange(1, 1000) ** -0.5)   # alpha = 3
    >>> round(view_tail(sample, sample.edges[0], sample.edges[-1]).fit.alpha)
    3
    >>> view_tail(sample, 2.0, 4.0).fault
    'xmin=2 is not a bin edge, and inside a bin nothing is known: choose 1 or 1.125'
    """
    edges, counts = histogram.edges, histogram.counts
    ends = {"xmin": low}
    if len(edges) and high < edges[-1]:
        ends |= {"top": "truncated", "xmax": high}
    try:
        fit = fit_power_law(edges, counts, **ends)
        return TailView(histogram, fit, compare_tails(edges, counts, fit))
    except ValueError as reason:  # of the reader's choice: told below the figure
        return TailView(histogram, None, None, str(reason))


def tell_tail(view: TailView, rivals: tuple[str, ...]) -> str:
    """Return the fit in one line and its rivals as a table, in HTML."""
    if view.fit is None:
        return f"<p>No fit: {escape(view.fault)}</p>"
    told = f"<p>{escape(str(view.fit))}</p>"
    rows = [
        [name, f"{rival.ratio:.3g}", f"{rival.p:.2g}", rival.favoured]
        for name, rival in ((name, view.comparison[name]) for name in rivals)
    ]
    return told + table(rows, head=("rival", "R (nats)", "p", "favoured")) * bool(rows)


def explore_tail(run, *, alt: str, colour: str = COLOURS["mlp"]) -> Live:
    """Return controls for the tail of a stored run: layer, steps, range, rivals.

    Parameters
    ----------
    run : UpdatesRun
    alt : str
        What the figure shows, for those who cannot see it.
    colour : str

    Returns
    -------
    Live
        With ``layer``, ``steps``, ``range``, ``best`` and ``rivals``, its controls.
    """
    updates = run.updates
    marks = (0, *updates.stops)
    pooled = updates.histogram()
    edges = pooled.edges[pooled.edges >= pooled.median / 10]
    layer = ipywidgets.Dropdown(
        options=("all", *updates.groups), description="layer", style=WIDE
    )
    steps = ipywidgets.SelectionRangeSlider(
        options=[(f"{mark:,}", index) for index, mark in enumerate(marks)],
        index=(0, len(marks) - 1),
        **_slider("steps"),
    )
    reach = ipywidgets.SelectionRangeSlider(
        options=[(f"{edge:.2e}", edge) for edge in edges.tolist()],
        index=(0, len(edges) - 1),
        **_slider("fit from, to"),
    )
    best = ipywidgets.Button(description="Cut of least KS distance")
    best.layout.width = "auto"
    rivals = ipywidgets.SelectMultiple(
        options=RIVALS, value=RIVALS[:2], rows=4, description="rivals", style=WIDE
    )

    def counted() -> LogHistogram:
        first, last = steps.value
        first = min(first, len(marks) - 2)  # both handles on one mark: one window
        return updates.histogram(layer.value, slice(first, max(last, first + 1)))

    def seek(*_):
        histogram, high = counted(), reach.value[1]
        try:
            fit = fit_power_law(histogram.edges, histogram.counts)
        except ValueError:
            return  # too few counts: the readout says so already
        nearest = int(np.argmin(np.abs(np.log(edges / fit.xmin))))
        reach.value = float(edges[nearest]), max(high, float(edges[nearest]))

    def draw():
        view, names = view_tail(counted(), *reach.value), rivals.value
        figure = draw_tail(view.histogram, view.fit, view.comparison, names, colour)
        sign(figure, run)
        return figure, tell_tail(view, names)

    where = (
        "In a running notebook this figure has controls: the layer, the steps, the "
        "range of the fit, and the rivals that are drawn."
    )
    live = Live([layer, steps, reach, best, rivals], draw, alt=alt, where=where)
    live.layer, live.steps, live.range = layer, steps, reach
    live.best, live.rivals = best, rivals
    seek()
    best.on_click(seek)
    live.redraw_with(layer, steps, reach, rivals)
    return live


def _slider(description: str) -> dict:
    return {
        "description": description,
        "continuous_update": False,
        "style": WIDE,
        "layout": {"flex": "1 1 26rem", "width": "auto"},
    }
