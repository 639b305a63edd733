"""Figures of what a reader explores with controls: a tail, and a training."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..tails import local_slope
from . import GREY, plot_density, plot_local_slope, plot_tail

STRETCHES = 200  # points of a loss curve at most
LINES = ("-.", ":", (0, (5, 1)), (0, (1, 1)))  # of rivals, all in grey


def plot_rivals(
    comparison, names: Sequence[str], total: int, ax: Axes | None = None
) -> Axes:
    """Draw the densities that rivals give to the tail they were fitted to.

    Parameters
    ----------
    comparison : TailComparison
    names : sequence of str
        Of the rivals.
    total : int
        Of the histogram, its zeros too: what a density is a share of.
    ax : Axes, optional
        Keeps its lower limit: some rivals fall very far.
    """
    ax = plt.subplots()[1] if ax is None else ax
    widths = np.diff(comparison.edges)
    centres = np.sqrt(comparison.edges[1:] * comparison.edges[:-1])
    lowest = ax.get_ylim()[0]
    for name, line in zip(names, LINES, strict=False):
        density = comparison[name].expected / total / widths
        shown = density > 0
        look = {"linestyle": line, "color": GREY, "linewidth": 1.2, "label": name}
        ax.plot(centres[shown], density[shown], **look)
    ax.set(xscale="log", yscale="log")
    ax.set_ylim(bottom=lowest)
    return ax


def draw_tail(histogram, fit, comparison, names: Sequence[str], colour: str) -> Figure:
    """Draw density, fit and rivals, and the local slope beside the exponent.

    Parameters
    ----------
    histogram : LogHistogram
    fit : TailFit or None
        None where there is no fit to draw.
    comparison : TailComparison or None
    names : sequence of str
        Of the rivals to draw.
    colour : str
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6))
    if fit is None:
        plot_density(histogram, left, color=colour)
    else:
        plot_tail(histogram, fit, left, color=colour)
        plot_rivals(comparison, names, histogram.total, left)
        ends = fit.xmin, min(fit.xmax, histogram.edges[-1])
        right.plot(ends, [fit.alpha] * 2, "--", color=colour)
        left.legend(fontsize=8, loc="lower left")
    slope = local_slope(histogram.edges, histogram.counts)
    plot_local_slope(slope, right, color=colour)
    smallest = histogram.median / 1e3  # below it is the grain of the number format
    for ax in (left, right):
        ax.set_xlim(left=smallest)
    shown = histogram.density[histogram.edges[:-1] >= smallest]
    left.set_ylim(top=10 * shown.max())
    right.set(ylim=(-1, 9))
    return figure


def draw_progress(losses: Sequence[float], histogram, colour: str) -> Figure:
    """Draw the loss of the steps so far, and the density of the updates."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4))
    if len(losses):
        parts = np.array_split(losses, min(STRETCHES, len(losses)))
        ends = np.cumsum([len(part) for part in parts])
        left.plot(ends, [part.mean() for part in parts], color=colour)
        left.set_yscale("log")
    left.set(xlabel="step", ylabel="training loss (nats)")
    plot_density(histogram, right, color=colour)
    return figure
