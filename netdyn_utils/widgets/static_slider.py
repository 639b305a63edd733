"""A figure with a slider that works wherever the page is, with no kernel behind it.

All states of the figure are drawn beforehand. The slider picks one of them in the
browser: what links the two is part of the page.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO

import ipywidgets
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ..plotting import stamp_source

FRAME_MILLISECONDS = 700  # of a frame while it plays
FRAME_PIXELS = 960  # across: a page shows it at 700 at most, a fine screen at more
PALETTE = 32  # colours; more make the files larger and look the same
MIN_SCROLL_WIDTH = 640  # pixels from which a phone scrolls instead of shrinking
_VIEW = "application/vnd.jupyter.widget-view+json"


class FrameSlider(ipywidgets.VBox):
    """Controls above the frames that they pick; see `frame_slider`."""

    plain = ""  # HTML of the frame that stands where no script runs

    def _repr_mimebundle_(self, **kwargs):
        """Return the widget, and a page's HTML of it with the plain figure beside."""
        bundle = super()._repr_mimebundle_(**kwargs)
        view = json.dumps(bundle[_VIEW])
        script = f'<script type="{_VIEW}">{view}</script>'
        page = f'<div class="netdyn-moving">{script}{self.plain}</div>'
        return {**bundle, "text/html": page}


def frame_slider(
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
) -> FrameSlider:
    """Draw a figure for every value, and return it with a slider that moves it.

    One call gives three things. On a static page the frames are linked to the slider in
    the browser, and move with no kernel and no network. In a running notebook the same
    slider is live. And one frame stands on the page as a plain picture: on paper, in a
    browser without scripts, and until the scripts have come. Caption and number are
    those of the cell's header, as for any figure.

    Parameters
    ----------
    draw : callable
        ``draw(value)``, or ``draw(value, choice)`` with `choices`, makes a figure and
        returns it or one of its axes. All frames get the same limits and layout.
    values : sequence
        One frame each, in the order of the slider.
    description : str
        What the slider sets, with its unit: "steps".
    alt : str
        What the figure shows, for those who cannot see it. Each frame adds its own
        label and caption to it.
    label : callable, optional
        From a value to its text beside the slider.
    caption : callable, optional
        From what `draw` takes to a line below the frame, with the numbers that move.
    choices : sequence of str, optional
        Of a menu beside the slider, such as layers; every value is drawn for each.
    choice : str
        What the menu sets.
    shown : int
        Index of the value that is shown first, and on paper; with the first choice.
    runs : sequence of run or RunRecord, optional
        What the figure is drawn from, on every frame; see `plotting.stamp_source`.

    Returns
    -------
    FrameSlider
        A widget; as the last expression of a cell the notebook shows it.

    Raises
    ------
    ValueError
        If there is no value, if two have one label, or if the alternative text or the
        name of a control is missing.

    Examples
    --------
    >>> from netdyn_utils.histogram import LogHistogram
    >>> from netdyn_utils.plotting import plot_density
    >>> sample = {n: LogHistogram.from_values(range(1, n)) for n in (10, 100, 1_000)}
    >>> moving = frame_slider(
    ...     lambda n: plot_density(sample[n]),
    ...     list(sample),
    ...     description="largest number",
    ...     alt="Density of the whole numbers up to a limit.",
    ...     caption=lambda n: f"{sample[n].total} numbers",
    ... )
    >>> controls, frames = moving.children
    >>> controls.children[1].options, frames.selected_index
    (('10', '100', '1000'), 2)
    """
    labels = [label(value) for value in values]
    for what, texts in (("values", labels), ("choices", list(choices))):
        if len({*texts}) < len(texts) or (what == "values" and not texts):
            raise ValueError(f"the {what} are {texts}: give one or more, all distinct")
    names = {"alt": alt, "description": description, "choice": choice or not choices}
    if empty := [name for name, text in names.items() if not str(text).strip()]:
        raise ValueError(f"{empty[0]} is empty: say in words what it is")

    shown = range(len(labels))[shown]
    beside = [(one,) for one in choices] or [()]  # what is drawn beside the value
    rows = [[(value, *each) for value in values] for each in beside]
    frames = iter(draw_frames(draw, [state for row in rows for state in row], runs))
    stacks = []
    for row in rows:
        pages = []
        for text, state in zip(labels, row, strict=True):
            line = caption(*state) if caption else ""
            words = [alt.rstrip("."), ", ".join((text, *state[1:])), line]
            pages.append(frame_html(next(frames), ". ".join(filter(None, words)), line))
        stack = ipywidgets.Stack([*map(ipywidgets.HTML, pages)], selected_index=shown)
        stacks.append(stack)

    controls = _slider_and_play(labels, description, shown, stacks)
    whole = stacks[0]
    if choices:
        whole = ipywidgets.Stack(stacks, selected_index=0)
        menu = ipywidgets.Dropdown(options=list(choices), description=choice, index=0)
        ipywidgets.jslink((menu, "index"), (whole, "selected_index"))
        controls = [menu, *controls]
    row = ipywidgets.HBox(controls, layout={"flex_flow": "row wrap"})
    moving = FrameSlider([row, whole])
    moving.plain = stacks[0].children[shown].value
    return moving.add_class("netdyn-frames")


def evenly_spaced(values: Sequence, at_most: int = 12) -> list:
    """Return so many of the values, evenly spaced, the first and the last among them.

    >>> evenly_spaced(range(100), 4), evenly_spaced("ab", 4)
    ([0, 33, 66, 99], ['a', 'b'])
    """
    last, parts = len(values) - 1, at_most - 1
    if last <= parts:
        return list(values)
    return [values[round(k * last / parts)] for k in range(at_most)]


def _slider_and_play(labels, description, shown, stacks) -> list[ipywidgets.Widget]:
    """Return a play button and a slider, linked to the frames; nothing for one."""
    if len(labels) == 1:
        return []
    slider = ipywidgets.SelectionSlider(
        options=labels,
        index=shown,
        description=description,
        style={"description_width": "initial"},
        layout={"flex": "1 1 16rem", "width": "auto"},
    )
    play = ipywidgets.Play(
        value=shown,
        max=len(labels) - 1,
        interval=FRAME_MILLISECONDS,
        show_repeat=False,
        layout={"width": "5rem"},
    )
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
    """Lay out the first figure, and put axes and texts of the others where its are."""
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
    """Return the figure as a small opaque WebP."""
    file, small = BytesIO(), BytesIO()
    figure.savefig(file, format="png", dpi=FRAME_PIXELS / figure.get_figwidth())
    image = Image.open(file).convert("RGB")
    few = image.quantize(PALETTE, method=Image.Quantize.MAXCOVERAGE, dither=0)
    # Without loss, and two thirds of the size of a PNG of the same colours.
    few.convert("RGB").save(small, "WEBP", lossless=True, quality=50)
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Frame(small.getvalue(), width, height)
