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

from .histogram import LogHistogram

# One colour per network throughout the book; told apart by colour-blind readers too
# (after Okabe & Ito 2008).
COLOURS = {"mlp": "#0072B2", "convnet": "#D55E00", "transformer": "#009E73"}
TIME = LinearSegmentedColormap.from_list("time", ["#8FB8DE", "#2B5C8A", "#0B1F33"])
GREY = "#6B7280"
WIDTH, HEIGHT = 6.4, 3.9  # inches of a figure with one axes


def use_style() -> None:
    """Set the look of every figure: white face in dark mode too, crisp in any size."""
    with suppress(ImportError):  # outside a notebook there is nothing to set
        from matplotlib_inline.backend_inline import set_matplotlib_formats

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
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(numticks=7))
        axis.set_minor_formatter(NullFormatter())
