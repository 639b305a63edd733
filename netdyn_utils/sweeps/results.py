"""What a sweep comes to: a table, a heat map, and a page that links every run."""

import csv
import io
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader

from ..store import unseal
from ..store import write_whole
from .plans import Sweep


@dataclass(frozen=True)
class Row:
    """One run of a sweep."""

    key: str
    status: str  # "ok", "failed", "timeout", "memory", or "missing"
    seconds: float | None
    parameters: dict
    recorded: dict = field(default_factory=dict)
    error: str = ""


def read_row(out: Path, key: str, given: dict) -> Row:
    """Return what there is of a run in the folder of its sweep."""
    try:
        told = unseal((out / key / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        failure = out / key / "failure.txt"
        if failure.exists():
            said = failure.read_text(encoding="utf-8")
            return Row(key, "failed", None, given, error=said)
        return Row(key, "missing", None, given)
    except (OSError, ValueError) as error:
        return Row(key, "damaged", None, given, error=f"run.json: {error}")
    try:
        fault = told["error"]
        said = f"cell {fault['cell']}: {fault['message']}" if fault else ""
        return Row(key, told["status"], told["seconds"], given, told["recorded"], said)
    except (KeyError, TypeError):
        return Row(
            key, "damaged", None, given, error="run.json is no manifest of a run"
        )


def write_results(sweep: Sweep, rows: Sequence[Row], out: Path) -> None:
    """Write ``results.csv`` and ``index.html``."""
    names = list(dict.fromkeys(name for row in rows for name in row.recorded))
    given = list(dict.fromkeys(name for row in rows for name in row.parameters))
    writer = csv.writer(file := io.StringIO(newline=""))
    taken = {"run", "status", "seconds", "error", *given}  # no two columns of one name
    heads = [f"{name} (recorded)" if name in taken else name for name in names]
    writer.writerow(["run", "status", "seconds", *given, *heads, "error"])
    for row in rows:
        values = [_cell(row.parameters.get(name)) for name in given]
        values += [_cell(row.recorded.get(name)) for name in names]
        writer.writerow([row.key, row.status, row.seconds, *values, row.error])
    table, page = file.getvalue(), _page(sweep, rows, names)
    write_whole(
        {out / "results.csv": table.encode(), out / "index.html": page.encode()}
    )


def _cell(value):
    return json.dumps(value) if isinstance(value, list) else value


def heat(
    rows: Sequence[Row], show: str, over: Sequence[str]
) -> dict[tuple, list[float]]:
    """Return the recorded numbers of each cell of a heat map.

    Parameters
    ----------
    rows : sequence of Row
    show : str
        Name of a recorded number.
    over : sequence of str
        One parameter or two; runs that differ in others share a cell.

    Examples
    --------
    >>> one, two = (Row("k", "ok", 1.0, {"lr": 0.1}, {"a": a}) for a in (1, 2))
    >>> heat([one, two], "a", ["lr"])
    {(0.1,): [1, 2]}
    """
    cells: dict[tuple, list[float]] = {}
    for row in rows:
        value = row.recorded.get(show)
        if isinstance(value, int | float):
            place = tuple(row.parameters[name] for name in over)
            cells.setdefault(place, []).append(value)
    return cells


def not_shown(sweep: Sweep, rows: Sequence[Row]) -> str:
    """Say in a sentence that no run recorded what the heat map is to show, if so."""
    recorded = list(dict.fromkeys(name for row in rows for name in row.recorded))
    if not sweep.show or not recorded or sweep.show in recorded:
        return ""
    names = ", ".join(recorded)
    return f"no heat map: `show` is {sweep.show!r}, and the runs recorded {names}"


@dataclass(frozen=True)
class HeatCell:
    """One place of a heat map."""

    mean: float
    spread: float | None  # standard deviation; None of a single run
    light: int  # percent, of the colour behind the number


def _grid(rows: Sequence[Row], show: str, over: Sequence[str]):
    """Return the heat map's rows, columns, and cells by place; None if it has none."""
    cells = heat(rows, show, over)
    if not cells or not 1 <= len(over) <= 2:
        return None
    means = {place: statistics.fmean(values) for place, values in cells.items()}
    low, high = min(means.values()), max(means.values())
    found = {}
    for (down, *right), values in cells.items():
        mean = means[(down, *right)]
        share = (mean - low) / (high - low) if high > low else 0.5
        spread = statistics.stdev(values) if len(values) > 1 else None
        place = (down, right[0] if right else "all")
        found[place] = HeatCell(mean, spread, round(92 - 50 * share))
    down, right = (sorted({p[i] for p in found}, key=_order) for i in range(2))
    return {"down": down, "right": right, "cells": found}


def _order(value):
    return (isinstance(value, str), value)


def _short(value) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def _page(sweep: Sweep, rows: Sequence[Row], names: list[str]) -> str:
    environment = Environment(
        loader=PackageLoader("netdyn_utils.sweeps", "."), autoescape=True
    )
    environment.filters["short"] = _short
    return environment.get_template("index.html.jinja").render(
        sweep=sweep,
        rows=rows,
        good=sum(row.status == "ok" for row in rows),
        shown=[name for name in names if name == sweep.show] or names[:4],
        heat=_grid(rows, sweep.show, sweep.over),
    )
