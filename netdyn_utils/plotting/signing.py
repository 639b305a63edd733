"""Which record a figure is drawn from, written on it."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

GREY = "#6B7280"
SIZE = 1.1  # points to an inch of the figure's width: a page shows all equally wide
UNSTORED = "computed in this notebook"


def sign(drawn: Figure | Axes, *runs) -> None:
    """Write small at the lower right of a figure which records it is drawn from.

    Parameters
    ----------
    drawn : Figure or Axes
        Signed again, it has the last signature only.
    *runs : run or RunRecord
        Named are kind and first eight letters of the key of the first, and how many
        others there are. Without any, it says that nothing of it is stored.

    Examples
    --------
    >>> from types import SimpleNamespace as Record
    >>> figure = Figure()
    >>> sign(figure, Record(kind="updates", key="0123456789"), Record(kind="b", key=""))
    >>> figure.get_supxlabel()
    'updates 01234567 + 1'
    """
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    records = [getattr(run, "record", run) for run in runs]
    names = [*dict.fromkeys(f"{record.kind} {record.key[:8]}" for record in records)]
    text = names[0] if names else UNSTORED
    if len(names) > 1:
        text += f" + {len(names) - 1}"
    # As a label of the whole figure it has a place that the layout keeps free.
    size = SIZE * figure.get_figwidth()
    figure.supxlabel(text, x=0.995, ha="right", fontsize=size, color=GREY)
