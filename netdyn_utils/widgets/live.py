"""A figure that a running kernel draws anew whenever one of its controls changes.

A static page has no kernel. There the figure stands as it was drawn when the notebook
ran, with one sentence that says where its controls are.
"""

from collections.abc import Callable, Sequence
from html import escape

import ipywidgets

from ..plotting.frames import draw_frames
from .frames import framed

WIDE = {"description_width": "initial"}


class Live(ipywidgets.VBox):
    """Controls, a figure, and what is read off it; drawn anew by the kernel.

    Parameters
    ----------
    controls : sequence of Widget
        Above the figure.
    draw : callable
        Makes the figure and its readout, in HTML, of what the controls say now.
    alt : str
        What the figure shows, for those who cannot see it.
    where : str
        What a page without a kernel says of the controls.
    """

    def __init__(
        self,
        controls: Sequence[ipywidgets.Widget],
        draw: Callable[[], tuple],
        *,
        alt: str,
        where: str,
    ):
        row = ipywidgets.HBox(list(controls), layout={"flex_flow": "row wrap"})
        self.picture, self.readout = ipywidgets.HTML(), ipywidgets.HTML()
        self._draw, self._alt, self._where = draw, alt, where
        super().__init__([row, self.picture, self.readout])
        self.add_class("netdyn-live")

    def redraw(self, *_) -> None:
        """Draw what the controls say now."""
        said = []

        def draw():
            figure, words = self._draw()
            said.append(words)
            return figure

        (frame,) = draw_frames(draw, [()])
        self.picture.value = framed(frame, self._alt)
        self.readout.value = said[0]

    def redraw_with(self, *controls: ipywidgets.Widget) -> None:
        """Draw whenever one of these gets another value, and once now."""
        for control in controls:
            control.observe(self.redraw, "value")
        self.redraw()

    def _repr_mimebundle_(self, **kwargs):
        """Return the widget, and for a page without a kernel the figure as it is."""
        where = f"<p><em>{escape(self._where)}</em></p>"
        page = f'<div class="netdyn-still">{self.picture.value}'
        page += f"{self.readout.value}{where}</div>"
        return {**super()._repr_mimebundle_(**kwargs), "text/html": page}


def table(rows: Sequence[Sequence[str]], *, head: Sequence[str] = ()) -> str:
    """Return rows as a table in HTML, the first cell of each as its name.

    >>> table([["a", "1"]]).partition("<tbody>")[2]
    '<tr><th>a</th><td>1</td></tr></tbody></table>'
    """
    body = "".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in rows
    )
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    top = f"<thead><tr>{top}</tr></thead>" if top else ""
    look = 'class="dataframe" border="1"'  # as pandas writes its own
    return f"<table {look}>{top}<tbody>{body}</tbody></table>"
