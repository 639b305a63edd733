"""Draw the figure of the front page, and the card that a link to the book shows.

    NETDYN_RESULTS=book/results NETDYN_COMPUTE=never python tools/make_front.py

reads the runs of the study with their first seed and writes three files to
book/_static: front-density.svg, front-slope.svg, and card.png (1200 × 630).
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from netdyn_utils import plotting
from netdyn_utils.experiments import ExperimentConfig, run_updates
from netdyn_utils.tails import local_slope, scale_mixture_null

STATIC = Path(__file__).parents[1] / "book" / "_static"
STEPS = {"mlp": 30_000, "convnet": 10_000, "transformer": 1_000}
INK = "#23313d"


def runs() -> dict:
    """Return the run of each network at the authors' size."""
    found = {}
    for name, steps in STEPS.items():
        source = {} if name == "transformer" else {"source": "full"}
        found[name] = run_updates(ExperimentConfig.from_paper(name, steps, **source))
    return found


def gaussian_steps(run):
    """Return the middle of each bin and the density of the null in the last window."""
    histogram, rms = (part.histogram(window=-1) for part in (run.updates, run.rms))
    sizes = np.append(np.sqrt(rms.edges[1:] * rms.edges[:-1]), 0.0)
    weights = np.append(rms.counts, rms.zeros)
    null = scale_mixture_null(
        sizes**2, histogram.total, edges=histogram.edges, weights=weights
    )
    density = null.expected / null.n / np.diff(null.edges)
    return np.sqrt(null.edges[1:] * null.edges[:-1]), density


def draw_densities(found, ax) -> None:
    """Draw what was counted, and what Gaussian steps of unequal size would give."""
    for name, run in found.items():
        colour = plotting.COLOURS[name]
        plotting.plot_density(
            run.updates.histogram(window=-1), ax, color=colour, label=name
        )
        ax.plot(*gaussian_steps(run), "--", color=colour, linewidth=1)
    ax.plot([], [], "--", color=plotting.GREY, linewidth=1, label="Gaussian steps")
    ax.set(xlim=(1e-7, 0.3), ylim=(1e-6, 1e7))


def draw_slopes(found, ax) -> None:
    """Draw the exponent that each density has at each place."""
    for name, run in found.items():
        histogram = run.updates.histogram(window=-1)
        slope = local_slope(histogram.edges, histogram.counts)
        plotting.plot_local_slope(slope, ax, color=plotting.COLOURS[name], label=name)
    ax.axhline(3, color=plotting.GREY, linestyle=":", linewidth=1)
    ax.text(1.3e-7, 3.15, "a power law, α = 3", color=plotting.GREY, fontsize=9)
    ax.set(xlim=(1e-7, 0.3), ylim=(-0.5, 9))


def front(found) -> None:
    """Write both halves of the figure of the front page: a phone stacks them."""
    for name, draw in (("density", draw_densities), ("slope", draw_slopes)):
        figure, ax = plt.subplots(figsize=(4.6, 3.9))
        draw(found, ax)
        ax.legend(fontsize=9, loc="lower left" if name == "density" else "upper left")
        figure.savefig(STATIC / f"front-{name}.svg", metadata={"Date": None})


def card(found) -> None:
    """Write the social card: the question and one curve for each network."""
    figure = plt.figure(figsize=(12, 6.3), layout="none", facecolor="white")
    figure.text(0.06, 0.8, "Are the updates of", fontsize=30, color=INK)
    figure.text(0.06, 0.7, "learning networks", fontsize=30, color=INK)
    figure.text(0.06, 0.6, "heavy-tailed?", fontsize=30, color=INK)
    figure.text(0.06, 0.12, "netdyn", fontsize=22, color="#1f6477", weight="bold")
    words = "a book of notebooks:\nread, run, rerun"
    figure.text(0.06, 0.36, words, fontsize=17, color=plotting.GREY, linespacing=1.5)
    ax = figure.add_axes((0.5, 0.14, 0.45, 0.74))
    draw_densities(found, ax)
    ax.tick_params(labelsize=13)
    ax.xaxis.label.set_size(15)
    ax.yaxis.label.set_size(15)
    for line in ax.lines:
        line.set_linewidth(2 * line.get_linewidth())
    ax.legend(fontsize=14, loc="lower left")
    figure.savefig(STATIC / "card.png", dpi=100, metadata={"Software": None})


if __name__ == "__main__":
    plotting.use_style()
    plt.rcParams["svg.fonttype"] = "path"
    shown = runs()
    front(shown)
    card(shown)
    for name, run in shown.items():
        sys.stdout.write(f"{name}: {run.record!r}\n")
