"""The numbers a notebook ends with, readable by programs and by people.

``log_metrics(alpha=fit.alpha)`` as the last line of a cell shows a small table on the
page and keeps the same numbers in the notebook as JSON. Whoever runs the notebook, with
plain papermill or with this package, finds them there.
"""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path

MIME = "application/vnd.netdyn.recorded+json"


@dataclass(frozen=True)
class Metrics:
    """Numbers and text by name; a number that is not finite is None."""

    numbers: dict[str, float | int | str | None]

    def _repr_mimebundle_(self, **_):
        values = {
            name: f"{value:.6g}" if isinstance(value, float) else value
            for name, value in self.numbers.items()
        }
        rows = [f"| {name} | {value} |" for name, value in values.items()]
        table = "\n".join(["| recorded | value |", "|---|---|", *rows])
        return {MIME: self.numbers, "text/markdown": table, "text/plain": repr(self)}


def log_metrics(numbers: Mapping[str, object] | None = None, /, **named) -> Metrics:
    """Return numbers to be kept with the notebook, shown if a cell ends in them.

    Parameters
    ----------
    numbers, named
        Numbers, or text, by name; numpy's and torch's scalars too.

    Raises
    ------
    TypeError
        For anything that is neither a number nor text.

    Examples
    --------
    >>> log_metrics({"alpha_mlp": 4.25}, steps=300).numbers
    {'alpha_mlp': 4.25, 'steps': 300}
    """
    given = {**(numbers or {}), **named}
    return Metrics({name: _to_json(name, value) for name, value in given.items()})


def _to_json(name, value):
    with suppress(ValueError, RuntimeError):  # an array or a tensor of many
        value = value.item() if hasattr(value, "item") else value
    if isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    raise TypeError(f"{name} is neither a number nor text: {value!r}")


def read_metrics(notebook: Path) -> dict[str, float | int | str | None]:
    """Return the metrics of an executed notebook; ValueError if it is no notebook.

    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "none.ipynb"
    >>> _ = path.write_text('{"cells": []}')
    >>> read_metrics(path)
    {}
    """
    found = {}
    try:
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", ()):
                found |= output.get("data", {}).get(MIME, {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        kind = type(error).__name__
        raise ValueError(f"{notebook} is not a notebook ({kind}: {error})") from error
    return found


record, read_recorded = log_metrics, read_metrics  # former names
