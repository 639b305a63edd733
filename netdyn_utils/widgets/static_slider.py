"""A figure with a slider that works on a static page, with no kernel behind it.

All frames of the figure are drawn beforehand; the slider picks one in the browser.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ..plotting import stamp_source

FRAME_MILLISECONDS = 700  # of a frame while it plays
FRAME_PIXELS = 960  # across: a page shows it at 700 at most, a fine screen at more
PALETTE = 32  # colours; more make the files larger and look the same
MIN_SCROLL_WIDTH = 640  # pixels from which a phone scrolls instead of shrinking
_VIEW = "application/vnd.jupyter.widget-view+json"


class StaticSlider(ipywidgets.VBox):
    """Controls above the frames that they pick; see `static_slider`."""

    plain = ""  # HTML of the frame for a page without scripts

    def _repr_mimebundle_(self, **kwargs):
        """Return the widget, and HTML of it with the plain figure for a page."""
        bundle = super()._repr_mimebundle_(**kwargs)
        view = json.dumps(bundle[_VIEW])
        page = f'<script type="{_VIEW}">{view}</script>{self.plain}'
        return {**bundle, "text/html": f'<div class="netdyn-moving">{page}</div>'}


def static_slider(
    draw: Callable,
    values: Sequence,
    *,
    description: str,
    alt: str,
    label: Callable[..., str] = str,
    caption: Callable[..., str] | None = None,
    choices: Sequence[str] = (),
    choice: str = "",
    shown: int = -1,
    runs: Sequence = (),
) -> StaticSlider:
    """Draw a figure for every value, and return it with a slider that moves it.

    The slider moves on a static page, without a kernel or a network, as in a running
    notebook. On paper and in a browser without scripts one frame is a plain picture.

    Parameters
    ----------
    draw : callable
        ``draw(value)``, or ``draw(value, choice)`` with `choices`, makes a figure and
        returns it or one of its axes. All frames get the same limits and layout.
    description, alt : str
        What the slider sets, with its unit; and the alternative text, to which each
        frame adds its own label and caption.
    label, caption : callable, optional
        The text of a value beside the slider, and of the arguments of `draw` below.
    choices, choice : sequence of str and str, optional
        Items and name of a menu beside the slider; every value is drawn for each item.
    shown : int
        Index of the first value to show, also on paper.
    runs : sequence of run or RunRecord, optional
        What the figure is drawn from; see `plotting.stamp_source`.

    Examples
    --------
    >>> moving = static_slider(
    ...     lambda power: plt.figure().gca().plot([0, 1, 2**power])[0].axes,
    ...     range(1, 4),
    ...     description="power",
    ...     alt="A line that rises.",
    ... )
    >>> controls, frames = moving.children
    >>> controls.children[1].options, frames.selected_index
    (('1', '2', '3'), 2)
    """
    labels, beside = [label(value) for value in values], list(choices)
    if not labels or any(len({*texts}) < len(texts) for texts in (labels, beside)):
        raise ValueError(
            f"expected one value or more and no two alike, got {labels}, {beside}"
        )
    if not (alt.strip() and description.strip() and (choice.strip() or not beside)):
        raise ValueError("alt, description or choice is empty: say in words what it is")

    shown = range(len(labels))[shown]
    states = [(v, *one) for one in ([(c,) for c in beside] or [()]) for v in values]
    pages = []
    for k, frame in enumerate(draw_frames(draw, states, runs)):
        state, line = states[k], caption(*states[k]) if caption else ""
        words = alt.rstrip("."), ", ".join((labels[k % len(labels)], *state[1:])), line
        page = frame_html(frame, ". ".join(filter(None, words)), line)
        pages.append(ipywidgets.HTML(page))
    stacks = [
        ipywidgets.Stack(pages[k : k + len(labels)], selected_index=shown)
        for k in range(0, len(pages), len(labels))
    ]

    controls = _play_and_slider(labels, description, shown, stacks)
    whole = stacks[0]
    if beside:
        whole = ipywidgets.Stack(stacks, selected_index=0)
        menu = ipywidgets.Dropdown(options=beside, description=choice, index=0)
        ipywidgets.jslink((menu, "index"), (whole, "selected_index"))
        controls = [menu, *controls]
    row = ipywidgets.HBox(controls, layout={"flex_flow": "row wrap"})
    moving = StaticSlider([row, whole])
    moving.plain = stacks[0].children[shown].value
    return moving.add_class("netdyn-frames")


frame_slider = static_slider  # former name


def evenly_spaced(values: Sequence, at_most: int = 12) -> list:
    """Return at most so many of the values, evenly spaced, with the first and the last.

    >>> evenly_spaced(range(100), 4), evenly_spaced("ab", 4)
    ([0, 33, 66, 99], ['a', 'b'])
    """
    last, parts = len(values) - 1, at_most - 1
    if last <= parts:
        return list(values)
    return [values[round(k * last / parts)] for k in range(at_most)]


def _play_and_slider(labels, description, shown, stacks) -> list[ipywidgets.Widget]:
    """Return a play button and a slider, linked to the frames; nothing for one."""
    if len(labels) == 1:
        return []
    slider = ipywidgets.SelectionSlider(
        options=labels, index=shown, description=description
    )
    slider.style.description_width = "initial"
    slider.layout.flex, slider.layout.width = "1 1 16rem", "auto"
    limits = {"value": shown, "max": len(labels) - 1, "interval": FRAME_MILLISECONDS}
    play = ipywidgets.Play(**limits, show_repeat=False, layout={"width": "5rem"})
    ipywidgets.jslink((play, "value"), (slider, "index"))
    for stack in stacks:
        ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
    return [play, slider]


@dataclass(frozen=True)
class Frame:
    """One picture: WebP, and its size in pixels of the page."""

    webp: bytes
    width: int
    height: int


def frame_html(frame: Frame, alt: str, caption: str = "") -> str:
    """Return one picture as HTML, with its alternative text and a line below."""
    below = f"<p>{escape(caption)}</p>" if caption else ""
    wide = 'data-wide="" ' if frame.width > MIN_SCROLL_WIDTH else ""
    return (
        f'<div class="netdyn-frame"><img {wide}alt="{escape(alt)}" '
        f'width="{frame.width}" height="{frame.height}" '
        'style="max-width: 100%; height: auto" '
        f'src="data:image/webp;base64,{b64encode(frame.webp).decode()}">{below}</div>'
    )


def draw_frames(
    draw: Callable[..., Axes | Figure], arguments: Sequence[tuple], runs: Sequence = ()
) -> list[Frame]:
    """Draw a figure for each set of arguments; all get the same limits and layout."""
    before, figures = plt.get_fignums(), []
    try:
        with plt.rc_context({"figure.max_open_warning": 0}):
            for each in arguments:
                drawn = draw(*each)
                figures.append(drawn if isinstance(drawn, Figure) else drawn.figure)
                if runs:
                    stamp_source(figures[-1], *runs)
        _share_limits(figures)
        _share_layout(figures)
        return [_picture(figure) for figure in figures]
    finally:
        for number in set(plt.get_fignums()) - set(before):
            plt.close(number)


def _share_limits(figures: Sequence[Figure]) -> None:
    """Give all frames the limits that hold what any of them shows."""
    for several in zip(*(figure.axes for figure in figures), strict=True):
        for name in "xy":
            limits = [getattr(ax, f"get_{name}lim")() for ax in several]
            falls = limits[0][0] > limits[0][1]
            ends = min(map(min, limits)), max(map(max, limits))
            for ax in several:
                getattr(ax, f"set_{name}lim")(*(ends[::-1] if falls else ends))


def _share_layout(figures: Sequence[Figure]) -> None:
    """Lay out the first figure, and put the axes and texts of all where its are."""
    first = figures[0]
    first.draw_without_rendering()
    for figure in figures:
        figure.set_layout_engine("none")  # it takes longer than to draw
        for ax, other in zip(figure.axes, first.axes, strict=True):
            ax.set_position(other.get_position(original=False))
        for text, other in zip(figure.texts, first.texts, strict=True):
            text.set_position(other.get_position())


def _picture(figure: Figure) -> Frame:
    """Return the figure as a small opaque WebP."""
    small = BytesIO()
    figure.dpi = FRAME_PIXELS / figure.get_figwidth()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # once: `savefig` would draw twice, to lay out what is laid out
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    few = image.quantize(PALETTE, method=Image.Quantize.MAXCOVERAGE, dither=0)
    # Without loss, and two thirds of the size of a PNG of the same colours.
    few.convert("RGB").save(small, "WEBP", lossless=True, quality=50)
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Frame(small.getvalue(), width, height)
