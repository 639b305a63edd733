"""Many states of one figure as small pictures of one size, with the same axes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from .signing import sign

DOTS = 960  # pixels across: a page shows it at 700 at most, a fine screen at more
PALETTE = 32  # colours; more make the files larger and look the same


@dataclass(frozen=True)
class Frame:
    """One picture: WebP, and its size in pixels of the page."""

    webp: bytes
    width: int
    height: int


def draw_frames(
    draw: Callable[..., Axes | Figure], arguments: Sequence[tuple], runs: Sequence = ()
) -> list[Frame]:
    """Draw a figure once for each set of arguments; leave none of them open.

    All frames have the limits that hold what any of them shows, and their axes in the
    same place, so that nothing but the curves moves from one to the next. A limit that
    `draw` sets to the same value in all of them stays.

    Parameters
    ----------
    draw : callable
        Makes a figure of its own, and returns it or one of its axes.
    arguments : sequence of tuple
        Of each call.
    runs : sequence of run or RunRecord, optional
        What the figure is drawn from: each frame is signed with it.

    Returns
    -------
    list of Frame
    """
    before, figures = plt.get_fignums(), []
    try:
        with plt.rc_context({"figure.max_open_warning": 0}):
            for each in arguments:
                drawn = draw(*each)
                figures.append(drawn if isinstance(drawn, Figure) else drawn.figure)
                if runs:
                    sign(figures[-1], *runs)
        _same_limits(figures)
        _same_places(figures)
        return [_picture(figure) for figure in figures]
    finally:
        for number in set(plt.get_fignums()) - set(before):
            plt.close(number)


def _same_limits(figures: Sequence[Figure]) -> None:
    for several in zip(*(figure.axes for figure in figures), strict=True):
        for name in "xy":
            held = [getattr(ax, f"get_{name}lim")() for ax in several]
            falls = held[0][0] > held[0][1]
            ends = min(map(min, held)), max(map(max, held))
            for ax in several:
                getattr(ax, f"set_{name}lim")(*(ends[::-1] if falls else ends))


def _same_places(figures: Sequence[Figure]) -> None:
    """Lay out the first figure, and put axes and words of the others where its are."""
    first, *others = figures
    first.draw_without_rendering()
    places = [ax.get_position(original=False) for ax in first.axes]
    for figure in others:
        figure.set_layout_engine("none")  # it takes longer than to draw
        for ax, place in zip(figure.axes, places, strict=True):
            ax.set_position(place)
        for text, other in zip(figure.texts, first.texts, strict=True):
            text.set_position(other.get_position())


def _picture(figure: Figure) -> Frame:
    file, small = BytesIO(), BytesIO()
    figure.savefig(file, format="png", dpi=DOTS / figure.get_figwidth())
    image = Image.open(file).convert("RGB")
    few = image.quantize(PALETTE, method=Image.Quantize.MAXCOVERAGE, dither=0)
    # Without loss, and two thirds of the size of a PNG of the same colours.
    few.convert("RGB").save(small, "WEBP", lossless=True, quality=50)
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Frame(small.getvalue(), width, height)
