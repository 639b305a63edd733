"""A figure with a slider that works wherever the page is, with no kernel behind it.

All states of the figure are drawn beforehand. The slider picks one of them in the
browser: what links the two is part of the page.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from html import escape

import ipywidgets

from ..checks import shown as told
from ..plotting.frames import Frame, draw_frames

INTERVAL = 700  # milliseconds of a frame while it plays
_FIT = "max-width: 100%; height: auto"
_WIDE = 640  # pixels from which a phone scrolls instead of shrinking
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
        What the figure is drawn from, named on every frame; see `plotting.sign`.

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
    _check(labels, choices, alt=alt, description=description, choice=choice)
    shown = range(len(labels))[shown]
    states = [[(value, *each) for value in values] for each in _each(choices)]
    each = [state for row in states for state in row]
    frames = iter(draw_frames(draw, each, runs))
    pages = [
        [
            _page(next(frames), alt, (text, *state[1:]), caption and caption(*state))
            for text, state in zip(labels, row, strict=True)
        ]
        for row in states
    ]
    stacks = [
        ipywidgets.Stack([ipywidgets.HTML(page) for page in row], selected_index=shown)
        for row in pages
    ]
    controls = _time(labels, description, shown, stacks)
    whole = stacks[0]
    if choices:
        whole = ipywidgets.Stack(stacks, selected_index=0)
        menu = ipywidgets.Dropdown(options=list(choices), description=choice, index=0)
        ipywidgets.jslink((menu, "index"), (whole, "selected_index"))
        controls = [menu, *controls]
    row = ipywidgets.HBox(controls, layout={"flex_flow": "row wrap"})
    moving = FrameSlider([row, whole])
    moving.plain = pages[0][shown]
    return moving.add_class("netdyn-frames")


def spread(values: Sequence, at_most: int = 12) -> list:
    """Return so many of the values, evenly spaced, the first and the last among them.

    Every frame weighs on the page.

    >>> spread(range(100), 4)
    [0, 33, 66, 99]
    >>> spread("ab", 4)
    ['a', 'b']
    """
    last, parts = len(values) - 1, at_most - 1
    if last <= parts:
        return list(values)
    return [values[round(k * last / parts)] for k in range(at_most)]


def _each(choices: Sequence[str]) -> list[tuple]:
    """Return what is drawn beside the value: nothing, or one of the choices."""
    return [(one,) for one in choices] or [()]


def _time(labels, description, shown, stacks) -> list[ipywidgets.Widget]:
    """Return a slider and its play button, linked to the frames; nothing for one."""
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
        min=0,
        max=len(labels) - 1,
        interval=INTERVAL,
        show_repeat=False,
        layout={"width": "5rem"},
    )
    ipywidgets.jslink((play, "value"), (slider, "index"))
    for stack in stacks:
        ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
    return [play, slider]


def _page(frame: Frame, alt: str, state: tuple[str, ...], caption: str | None) -> str:
    """Return one frame as HTML, with its words."""
    words = ". ".join(
        [alt.rstrip("."), ", ".join(state), *([caption] if caption else [])]
    )
    return framed(frame, words, caption)


def framed(frame: Frame, alt: str, caption: str | None = None) -> str:
    """Return one picture as HTML, with its words and a line below."""
    below = f"<p>{escape(caption)}</p>" if caption else ""
    wide = 'data-wide="" ' if frame.width > _WIDE else ""
    return (
        f'<div class="netdyn-frame"><img {wide}alt="{escape(alt)}" '
        f'width="{frame.width}" height="{frame.height}" style="{_FIT}" '
        f'src="data:image/webp;base64,{b64encode(frame.webp).decode()}">{below}</div>'
    )


def _check(labels, choices, **names: str) -> None:
    if not labels:
        raise ValueError("no values came: a slider needs one or more to show")
    for what, given in (("label", labels), ("choice", list(choices))):
        if twice := {each for each in given if given.count(each) > 1}:
            raise ValueError(
                f"two values have the {what} {told(min(twice))}: give each its own"
            )
    if not choices:
        names.pop("choice")
    for name, text in names.items():
        if not text.strip():
            raise ValueError(
                f"{name} is empty: say in words what it is, for those who cannot see it"
            )
