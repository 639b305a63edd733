"""The numbers that a notebook ends with, readable by programs and by people.

``log_metrics(alpha=fit.alpha)`` as the last line of a cell shows a small table, and
stores the same numbers as JSON in the notebook.
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
        rows = [
            f"| {name} | {f'{x:.6g}' if isinstance(x, float) else x} |"
            for name, x in self.numbers.items()
        ]
        table = "\n".join(["| recorded | value |", "|---|---|", *rows])
        return {MIME: self.numbers, "text/markdown": table, "text/plain": repr(self)}


def log_metrics(numbers: Mapping[str, object] | None = None, /, **named) -> Metrics:
    """Return numbers or text by name, stored in the notebook if a cell ends in them.

    Scalars of numpy and torch are allowed; anything else is a TypeError.

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
    """Return the metrics of an executed notebook; ValueError if it is no notebook."""
    found = {}
    for cell in code_cells(notebook):
        for output in cell["outputs"]:
            found |= output.get("data", {}).get(MIME, {})
    return found


def code_cells(notebook: Path) -> list[dict]:
    """Return the code cells of a notebook file; ValueError if it is no notebook."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        found = [cell for cell in cells if cell["cell_type"] == "code"]
        for cell in found:
            cell["source"] = "".join(cell["source"])
            cell["outputs"] = [dict(output) for output in cell.get("outputs", ())]
            set(cell.setdefault("metadata", {}).setdefault("tags", []))
        return found
    except OSError as error:
        raise ValueError(f"{notebook} cannot be read: {error.strerror}") from error
    except Exception as error:  # no JSON, or any other JSON
        message = f"{notebook} is not a notebook: it has no list of cells in JSON"
        raise ValueError(message) from error


record, read_recorded = log_metrics, read_metrics  # former names
