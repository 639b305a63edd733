"""Plots of records.

A plot takes a record and an axes, draws on that axes only, and returns it. Nothing is
fitted, shown or saved here.
"""

from collections.abc import Sequence
from contextlib import suppress

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from .histogram import LogHistogram
from .tails import xmin_curve

# One colour per network, distinct to colour-blind readers too (after Okabe & Ito 2008).
COLOURS = {"mlp": "#0072B2", "convnet": "#D55E00", "transformer": "#009E73"}
GREY = "#6B7280"
TIME = LinearSegmentedColormap.from_list("time", ["#8FB8DE", "#2B5C8A", "#0B1F33"])
WIDTH = 5.4  # inches of a figure with one axes: words show on a phone
DECISIONS = {
    "yes": ("#0072B2", "o"),
    "no": ("#D55E00", "s"),
    "inconclusive": (GREY, "D"),
}


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
    plt.rc("figure", figsize=(WIDTH, 3.5), facecolor="white")
    plt.rc("figure.constrained_layout", use=True)
    plt.rc("savefig", facecolor="white")
    plt.rc("axes", grid=True)
    plt.rc("axes.spines", top=False, right=False)
    plt.rc("grid", color="#E5E7EB", linewidth=0.6)
    plt.rc("font", size=10.5)
    plt.rc("legend", frameon=False)
    plt.rc("lines", linewidth=1.6)
    plt.rc("svg", hashsalt="netdyn")  # the same figure, the same file


def plot_density(histogram: LogHistogram, ax: Axes | None = None, **style) -> Axes:
    """Draw the density of magnitudes on logarithmic axes, one point per bin.

    Empty bins are left out; exact zeros count in the total mass only. Anything with
    edges and counts is a histogram, and `style` goes to `Axes.plot`.
    """
    ax = _axes(ax)
    total = histogram.counts.sum() + getattr(histogram, "zeros", 0)
    ax.set(xscale="log", yscale="log")  # first: no linear limits if all bins are empty
    plot_binned(ax, histogram.edges, histogram.counts / max(total, 1), **style)
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
    """Draw a density and, dashed, the fitted power law with the mass of the tail."""
    ax = plot_density(histogram, ax, **style)
    tail = np.array([fit.xmin, min(fit.xmax, histogram.edges[-1])])
    mass = fit.n_tail / (histogram.counts.sum() + getattr(histogram, "zeros", 0))
    if fit.upper == "truncated":
        mass /= 1 - (fit.xmax / fit.xmin) ** (1 - fit.alpha)
    law = mass * (fit.alpha - 1) / fit.xmin * (tail / fit.xmin) ** -fit.alpha
    label = f"α = {fit.alpha:.2f} above {fit.xmin:.2g}"
    ax.plot(tail, law, "--", color=ax.lines[-1].get_color(), linewidth=1.2, label=label)
    return ax


def plot_xmin_curve(curve, chosen=None, ax: Axes | None = None, **style) -> Axes:
    """Draw exponent with its error and, in grey, KS distance against the threshold.

    The curve is that of `xmin_curve`; a fit that was chosen is marked.
    """
    ax = _axes(ax)
    other = ax.twinx()
    (line,) = ax.plot(curve.xmin, curve.alpha, **style)
    low, high = curve.alpha - curve.sigma, curve.alpha + curve.sigma
    look = {"color": line.get_color(), "alpha": 0.2, "linewidth": 0}
    ax.fill_between(curve.xmin, low, high, **look)
    other.plot(curve.xmin, curve.ks, "--", color=GREY)
    if chosen is not None:
        ax.plot(chosen.xmin, chosen.alpha, "o", color=line.get_color(), markersize=9)
        other.plot(chosen.xmin, chosen.ks, "s", color=GREY, markersize=8)
    ax.set(xscale="log", xlabel="threshold xmin", ylabel="exponent α")
    other.set(ylabel="KS distance (dashed)", ylim=(0, None))
    other.grid(visible=False)
    return ax


def save_report(report, path) -> None:
    """Draw the data of a `FitReport` with their fit, and the curve of its threshold."""
    size = 2 * WIDTH, 3.5
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    (x, counts), fit = report.data, report.fit
    if fit.kind != "binned":
        x, place = np.unique(x, return_inverse=True)
        counts = np.bincount(place, counts)
    above = np.cumsum(counts[::-1])[::-1] / counts.sum()
    places = np.unique(np.geomspace(1, len(above), 500).astype(int))
    left.plot(x[: len(above)][-places], above[-places], ".", markersize=4)
    tail = np.geomspace(fit.xmin, min(fit.xmax, x.max()), 200)
    if fit.kind == "discrete":
        tail = np.unique(np.ceil(tail))
    law = fit.survival(tail) * fit.n_tail / fit.n
    label = f"α = {fit.alpha:.2f} above {fit.xmin:.3g}"
    left.plot(tail[law > 0], law[law > 0], "--", label=label)
    left.set(xscale="log", yscale="log", xlabel="x", ylabel="fraction at or above x")
    left.legend()
    plot_xmin_curve(xmin_curve(fit), fit, right)
    figure.savefig(path, dpi=150)


def plot_local_slope(slope, ax: Axes | None = None, **style) -> Axes:
    """Draw −d ln p / d ln x with a band of one standard error on each side."""
    ax = _axes(ax)
    (line,) = ax.plot(slope.x, slope.slope, **style)
    low, high = slope.slope - slope.sigma, slope.slope + slope.sigma
    ax.fill_between(slope.x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    ax.set(xscale="log", xlabel="magnitude |Δw|", ylabel="local slope −d ln p / d ln x")
    return ax


def plot_stability(stability, stops, ax: Axes | None = None, **style) -> Axes:
    """Draw alpha of each window with its interval, at the window's last step."""
    ax = _axes(ax)
    alphas = np.array([fit.alpha for fit in stability.fits])
    ends = np.array([(i.low, i.high) for i in stability.intervals]).T
    reach = np.maximum((ends - alphas) * [[-1], [1]], 0)
    look = {"fmt": "o", "markersize": 4, "linewidth": 1.2, **style}
    ax.errorbar(stops, alphas, reach, **look)
    ax.set(xlabel="step", ylabel="exponent α")
    return ax


def plot_intervals(counts, null=None, ax: Axes | None = None, **style) -> Axes:
    """Draw the density of intervals in logarithmic bins; shuffled times in grey."""
    ax = _axes(ax)
    edges, binned = counts.binned()
    density = plot_binned(ax, edges, binned / binned.sum(), **style)
    if null is not None:
        total = np.concatenate([[0], np.cumsum(null.expected)])
        places = np.clip((edges - 0.5).astype(int), 0, len(null.expected))
        expected = np.diff(total[places]) / null.expected.sum()
        plot_binned(ax, edges, expected, "--", color=GREY, label="shuffled times")
    ax.set(xscale="log", yscale="log", xlabel="interval Δt (steps)")
    ax.set(ylabel="probability per step", ylim=(density.min() / 3, None))
    return ax


def plot_survival(values, ax: Axes | None = None, **style) -> Axes:
    """Draw the fraction of values at or above each; of many, some 300 with the top."""
    ax = _axes(ax)
    falling = np.sort(np.ravel(values))[::-1]
    ranks = np.unique(np.geomspace(1, len(falling), 300).astype(int))
    ax.plot(falling[ranks - 1], ranks / len(falling), **style)
    ax.set(yscale="log", ylabel="fraction at or above")
    return ax


def plot_loss(run, ax: Axes | None = None, **style) -> Axes:
    """Draw the training loss, averaged over the steps between two points."""
    ax = _axes(ax)
    ax.plot(*run.loss, **style)
    ax.set(yscale="log", xlabel="step", ylabel="training loss (nats)")
    return ax


def plot_accuracy(run, ax: Axes | None = None, **style) -> Axes:
    """Draw the fraction of right answers on the test data."""
    ax = _axes(ax)
    steps, _, accuracy = run.tests.T
    ax.plot(steps, accuracy, **{"marker": "o", "markersize": 3, **style})
    ax.set(ylim=(0, 1), xlabel="step", ylabel="test accuracy")
    return ax


def plot_forest(answers: Sequence, ax: Axes, *, labels: bool = True) -> Axes:
    """Draw a row for each setting: runs, mean with its 95 % interval, and the bound."""
    bound, rows = answers[0].bound, range(len(answers))
    for place in {bound, -bound} if answers[0].alternative == "within" else {bound}:
        ax.axvline(place, color="black", linewidth=0.9, linestyle="--")
    for row, answer in zip(rows, answers, strict=True):
        colour, marker = DECISIONS[answer.decision]  # distinct without colours too
        rows_of_runs = [row] * len(answer.values)
        ax.plot(answer.values, rows_of_runs, ".", color=colour, alpha=0.35)
        ax.plot(answer.interval, [row] * 2, color=colour, linewidth=2.2)
        ax.plot(answer.mean, row, marker, color=colour, markersize=6)
    settings = [answer.setting for answer in answers]
    ax.set_yticks(*((rows, settings) if labels else ([],)))
    ax.set_ylim(len(answers) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 5, 10)))
    return ax


def plot_images(images, labels, axes) -> None:
    """Draw images, shape (samples, channels, height, width) in [−1, 1], one an axes."""
    for ax, image, label in zip(np.ravel(axes), images, labels, strict=True):
        pixels = np.moveaxis((np.asarray(image) + 1) / 2, 0, -1)
        ax.imshow(pixels.squeeze(), cmap="gray_r", vmin=0, vmax=1)
        ax.set_title(str(label), fontsize=9)
        ax.set_axis_off()


def stamp_source(drawn: Figure | Axes, *runs) -> None:
    """Write below a figure the first of its records and how many others there are.

    >>> from types import SimpleNamespace as Record
    >>> figure = Figure()
    >>> runs = Record(kind="updates", key="0123456789"), Record(kind="b", key="")
    >>> stamp_source(figure, *runs)
    >>> figure.get_supxlabel()
    'updates 01234567 + 1'
    """
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    records = [getattr(run, "record", run) for run in runs]
    names = [*dict.fromkeys(f"{record.kind} {record.key[:8]}" for record in records)]
    text = names[0] if names else "computed in this notebook"
    text += f" + {len(names) - 1}" if len(names) > 1 else ""
    # The layout keeps room for such a label. A page shows all figures equally wide.
    size = 1.1 * figure.get_figwidth()
    figure.supxlabel(text, x=0.995, ha="right", fontsize=size, color=GREY)


sign, plot_answers = stamp_source, plot_forest  # former names


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots()[1] if ax is None else ax


def plot_binned(ax: Axes, edges, fractions, *line, **style) -> np.ndarray:
    """Draw and return the density in the bins that are not empty."""
    some = fractions > 0
    centres, density = np.sqrt(edges[1:] * edges[:-1]), fractions / np.diff(edges)
    ax.plot(centres[some], density[some], *line, **style)
    return density[some]


def _fewer_ticks(ax: Axes) -> None:
    place, figure = ax.get_position(), ax.get_figure(root=True)
    across = place.width * figure.get_figwidth()  # inches; a label needs half of one
    for axis, most in ((ax.xaxis, max(3, int(1.6 * across))), (ax.yaxis, 7)):
        axis.set_major_locator(LogLocator(numticks=min(most, 7)))
        axis.set_minor_formatter(NullFormatter())
