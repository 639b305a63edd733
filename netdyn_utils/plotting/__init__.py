"""Records to axes: the only user of matplotlib.

A plot takes a record and an axes, draws on that axes only, and returns it. Nothing is
fitted, shown or saved here; labels are built from what the record holds.
"""

from contextlib import suppress

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import LogLocator, NullFormatter

from ..histogram import LogHistogram
from .answers import plot_answers as plot_answers
from .signing import GREY
from .signing import sign as sign

# One colour per network throughout the book; told apart by colour-blind readers too
# (after Okabe & Ito 2008).
COLOURS = {"mlp": "#0072B2", "convnet": "#D55E00", "transformer": "#009E73"}
TIME = LinearSegmentedColormap.from_list("time", ["#8FB8DE", "#2B5C8A", "#0B1F33"])
WIDTH, HEIGHT = 5.4, 3.5  # inches of a figure with one axes: words show on a phone


def use_style() -> None:
    """Set the look of every figure: white face in dark mode too, crisp in any size."""
    with suppress(ImportError):  # outside a notebook there is nothing to set
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        shell = get_ipython()
        # MPLBACKEND=Agg, set in many shells and jobs, would drop every figure.
        if hasattr(shell, "kernel") and plt.get_backend().lower() == "agg":
            shell.enable_matplotlib("inline")
        set_matplotlib_formats("svg")
    plt.rcParams.update(
        {
            "figure.figsize": (WIDTH, HEIGHT),
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#E5E7EB",
            "grid.linewidth": 0.6,
            "font.size": 10.5,
            "legend.frameon": False,
            "lines.linewidth": 1.6,
            "svg.hashsalt": "netdyn",  # the same figure, the same file
        }
    )


def plot_density(histogram: LogHistogram, ax: Axes | None = None, **style) -> Axes:
    """Draw the density of magnitudes on logarithmic axes, one point per bin.

    Parameters
    ----------
    histogram : LogHistogram
        Bins with no count are left out; exact zeros count in the total mass only.
    ax : Axes, optional
        A new one unless given.
    **style
        Passed on to `Axes.plot`: label, color …
    """
    ax = _axes(ax)
    held = histogram.counts > 0
    centres = np.sqrt(histogram.edges[1:] * histogram.edges[:-1])
    ax.set(xscale="log", yscale="log")  # first: no linear limits if nothing is held
    ax.plot(centres[held], histogram.density[held], **style)
    ax.set(xlabel="magnitude |Δw|", ylabel="density p(|Δw|)")
    _fewer_ticks(ax)
    return ax


def plot_windows(run, group: str = "all", ax: Axes | None = None) -> Axes:
    """Draw the density of every window of a run, light early, dark late."""
    ax = _axes(ax)
    stops = run.updates.stops
    for index, stop in enumerate(stops):
        begun = stops[index - 1] if index else 0
        edge = index in (0, len(stops) - 1)
        plot_density(
            run.updates.histogram(group, index),
            ax,
            color=TIME(index / max(len(stops) - 1, 1)),
            linewidth=1.6 if edge else 0.9,
            label=f"steps {begun:,} to {stop:,}" if edge else None,
        )
    ax.set_title(group if group != "all" else "all parameters", loc="left")
    ax.legend(loc="lower left")
    return ax


def plot_tail(histogram, fit, ax: Axes | None = None, **style) -> Axes:
    """Draw a density and the power law that was fitted to its tail, dashed.

    Parameters
    ----------
    histogram : LogHistogram, or anything with edges and counts
    fit : TailFit
        Drawn from its `xmin` to where its support ends, with the mass of the tail.
    ax : Axes, optional
    **style
        Of the density; the line takes its colour.
    """
    ax = _axes(ax)
    edges, counts = histogram.edges, histogram.counts
    held = counts > 0
    zeros = getattr(histogram, "zeros", 0)
    density = counts / (counts.sum() + zeros) / np.diff(edges)
    centres = np.sqrt(edges[1:] * edges[:-1])
    (line,) = ax.plot(centres[held], density[held], **style)
    tail = np.array([fit.xmin, min(fit.xmax, edges[-1])])
    mass = fit.n_tail / (counts.sum() + zeros)
    if fit.top == "truncated":
        mass /= 1 - (fit.xmax / fit.xmin) ** (1 - fit.alpha)
    law = mass * (fit.alpha - 1) / fit.xmin * (tail / fit.xmin) ** -fit.alpha
    label = f"α = {fit.alpha:.2f} above {fit.xmin:.2g}"
    ax.plot(tail, law, "--", color=line.get_color(), linewidth=1.2, label=label)
    ax.set(xscale="log", yscale="log")
    ax.set(xlabel="magnitude |Δw|", ylabel="density p(|Δw|)")
    _fewer_ticks(ax)
    return ax


def plot_cuts(fits, chosen, ax: Axes | None = None, **style) -> Axes:
    """Draw exponent and KS distance of many fits to one tail against their lower cut.

    Parameters
    ----------
    fits : sequence of TailFit
        By rising `xmin`.
    chosen : TailFit
        The one that is marked.
    ax : Axes, optional
        The exponent's, on the left; the KS distance has the right one, in grey.
    **style
        Of the exponent: color …
    """
    ax = _axes(ax)
    other = ax.twinx()
    xmin = [fit.xmin for fit in fits]
    bars = {"yerr": [fit.sigma for fit in fits], "marker": "o", "markersize": 3}
    (line, *_) = ax.errorbar(xmin, [fit.alpha for fit in fits], **bars, **style)
    other.plot(xmin, [fit.ks for fit in fits], "s--", color=GREY, markersize=3)
    ax.plot(chosen.xmin, chosen.alpha, "o", color=line.get_color(), markersize=9)
    other.plot(chosen.xmin, chosen.ks, "s", color=GREY, markersize=8)
    ax.set(xscale="log", xlabel="lower cut xmin", ylabel="exponent α")
    other.set(ylabel="KS distance (dashed)", ylim=(0, None))
    other.grid(visible=False)
    return ax


def plot_local_slope(slope, ax: Axes | None = None, **style) -> Axes:
    """Draw −d ln p / d ln x with one standard error on each side."""
    ax = _axes(ax)
    (line,) = ax.plot(slope.x, slope.slope, **style)
    low, high = slope.slope - slope.sigma, slope.slope + slope.sigma
    ax.fill_between(slope.x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    ax.set(xscale="log", xlabel="magnitude |Δw|", ylabel="local slope −d ln p / d ln x")
    return ax


def plot_stability(stability, stops, ax: Axes | None = None, **style) -> Axes:
    """Draw alpha of each window with its interval, at the window's last step."""
    ax = _axes(ax)
    alphas = [fit.alpha for fit in stability.fits]
    reach = [
        (max(a - i.low, 0), max(i.high - a, 0))
        for a, i in zip(alphas, stability.intervals, strict=True)
    ]
    look = {"fmt": "o", "markersize": 4, "linewidth": 1.2, **style}
    ax.errorbar(stops, alphas, np.transpose(reach), **look)
    ax.set(xlabel="step", ylabel="exponent α")
    return ax


def plot_intervals(counts, null=None, ax: Axes | None = None, **style) -> Axes:
    """Draw the density of intervals in logarithmic bins; shuffled times in grey."""
    ax = _axes(ax)
    binned = counts.binned()
    widths, centres = (
        np.diff(binned.edges),
        np.sqrt(binned.edges[1:] * binned.edges[:-1]),
    )
    held = binned.counts > 0
    density = binned.counts / binned.counts.sum() / widths
    ax.plot(centres[held], density[held], **style)
    if null is not None:
        total = np.concatenate([[0], np.cumsum(null.expected)])
        places = np.clip((binned.edges - 0.5).astype(int), 0, len(null.expected))
        expected = np.diff(total[places]) / null.expected.sum() / widths
        shown = expected > 0
        look = {"color": GREY, "linestyle": "--", "label": "shuffled times"}
        ax.plot(centres[shown], expected[shown], **look)
    ax.set(xscale="log", yscale="log", xlabel="interval Δt (steps)")
    ax.set(ylabel="probability per step", ylim=(density[held].min() / 3, None))
    return ax


def plot_survival(values, ax: Axes | None = None, **style) -> Axes:
    """Draw the share of values at or above each, on a logarithmic vertical axis.

    Parameters
    ----------
    values : array, (samples,)
        Not negative. Of many values only some are drawn: all of the largest ones.
    ax : Axes, optional
    **style
        Passed on to `Axes.plot`.
    """
    ax = _axes(ax)
    falling = np.sort(np.ravel(values))[::-1]
    ranks = np.unique(np.geomspace(1, len(falling), 300).astype(int))
    ax.plot(falling[ranks - 1], ranks / len(falling), **style)
    ax.set(yscale="log", ylabel="share at or above")
    return ax


def plot_loss(run, ax: Axes | None = None, **style) -> Axes:
    """Draw the training loss, averaged over the steps between two points."""
    ax = _axes(ax)
    ax.plot(*run.loss, **style)
    ax.set(yscale="log", xlabel="step", ylabel="training loss (nats)")
    return ax


def plot_accuracy(run, ax: Axes | None = None, **style) -> Axes:
    """Draw the share of right answers on the test data."""
    ax = _axes(ax)
    steps, _, accuracy = run.tests.T
    ax.plot(steps, accuracy, **{"marker": "o", "markersize": 3, **style})
    ax.set(ylim=(0, 1), xlabel="step", ylabel="test accuracy")
    return ax


def plot_images(images, labels, axes) -> None:
    """Draw images, shape (samples, channels, height, width) in [−1, 1], one an axes."""
    for ax, image, label in zip(np.ravel(axes), images, labels, strict=True):
        pixels = np.moveaxis((np.asarray(image) + 1) / 2, 0, -1)
        ax.imshow(pixels.squeeze(), cmap="gray_r", vmin=0, vmax=1)
        ax.set_title(str(label), fontsize=9)
        ax.set_axis_off()


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots()[1] if ax is None else ax


def _fewer_ticks(ax: Axes) -> None:
    place, figure = ax.get_position(), ax.get_figure(root=True)
    across = place.width * figure.get_figwidth()  # inches; a label needs half of one
    for axis, most in ((ax.xaxis, max(3, int(1.6 * across))), (ax.yaxis, 7)):
        axis.set_major_locator(LogLocator(numticks=min(most, 7)))
        axis.set_minor_formatter(NullFormatter())
