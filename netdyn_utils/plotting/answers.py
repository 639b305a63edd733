"""Answers of several runs to a question: every run a dot, the interval of the mean."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

WORDS = {"yes": "#0072B2", "no": "#D55E00", "open": "#6B7280"}
MARKS = {"yes": "o", "no": "s", "open": "D"}  # told apart without colours too


def plot_answers(answers: Sequence, ax: Axes, *, labels: bool = True) -> Axes:
    """Draw a row for each setting: runs, mean with its 95 % interval, and the bound.

    Parameters
    ----------
    answers : sequence of Answer
        With a common bound, first row on top.
    ax : Axes
    labels : bool
        Whether the settings stand at the axis.
    """
    bound, rows = answers[0].bound, range(len(answers))
    for place in {bound, -bound} if answers[0].yes == "within" else {bound}:
        ax.axvline(place, color="black", linewidth=0.9, linestyle="--")
    for row, answer in zip(rows, answers, strict=True):
        colour = WORDS[answer.word]
        ax.plot(answer.held, [row] * len(answer.held), ".", color=colour, alpha=0.35)
        ax.plot(answer.interval, [row] * 2, color=colour, linewidth=2.2)
        ax.plot(answer.mean, row, MARKS[answer.word], color=colour, markersize=6)
    settings = [answer.setting for answer in answers] if labels else []
    ax.set_yticks(rows if labels else [], settings)
    ax.set_ylim(len(answers) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 5, 10)))
    return ax
