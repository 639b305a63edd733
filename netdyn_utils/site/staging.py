"""Copy pages and executed notebooks to where the site is built from."""

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from ..recorded import MIME
from .about import write_about
from .colophon import colophon, headline, source_commit
from .drawings import lighter
from .faults import SiteError
from .folding import fold
from .origin import origin
from .parameters import show_parameters
from .records import lay_downloads, shown_records
from .references import glossary, referred
from .widget_states import keep_shown

EXTRA = "extra"  # laid over the site as it stands
_ERROR = re.compile(r"(?<=[\d.]) ± (?=\d)")
_RANGE = re.compile(r"(?<=\| )([-−]?\d[^ |]*) to ([-−]?\d[^ |]*)(?= \|)")


def stage(runs: Iterable, into: Path, *, root: Path, profile: str) -> None:
    """Copy the book's pages and the executed notebooks to a fresh folder.

    Parameters
    ----------
    runs : iterable of NotebookRun
        All of them ``ok``: a page never shows half a run.
    into : Path
        The staging folder; emptied first.
    root : Path
        The repository.
    profile : str
        Named on the pages.
    """
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(root / "book", into / "book")
    (into / "notebooks").mkdir()
    commit, public = source_commit(root), origin(root)
    install = public.install if public and public.colab else ""
    runs, terms = list(runs), glossary(root / "book" / "symbols.md")
    for run in runs:
        if run.status != "ok":
            raise SiteError(f"{run.name} is not a page: its run {run.status}")
        source = root / "notebooks" / run.output.name
        notebook = _with_outputs(*map(_read, (source, run.output)))
        show_parameters(notebook)
        _strip(notebook)
        keep_shown(notebook)
        _suit(notebook, terms)
        laid = lay_downloads(run, root, into / EXTRA / "downloads" / run.name)
        shown = shown_records(run.output)
        notebook["cells"].insert(1, headline(run, profile, commit, shown))
        notebook["cells"].append(colophon(run, profile, commit, install, laid))
        target = into / "notebooks" / run.output.name
        target.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
    write_about(into / "book" / "about.md", runs, profile, commit)


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:  # it was there when the book began
        kind = type(error).__name__
        told = f"{path} can no longer be read ({kind}): `make pair`"
        raise SiteError(told) from error


def _with_outputs(source: dict, executed: dict) -> dict:
    """Return a notebook as it stands, with the outputs of a run of its code.

    Its prose may be newer than the run: words and captions are the notebook's own, what
    a cell gave is the run's.
    """
    ran = [cell for cell in executed["cells"] if cell["cell_type"] == "code"]
    cells = []
    for cell in source["cells"]:
        cells.append(cell)
        if cell["cell_type"] != "code":
            continue
        done = ran.pop(0) if ran else {"source": None}
        if "".join(done["source"] or ()) != "".join(cell["source"]):
            raise SiteError(
                "a run is not one of the notebook as it stands: run it anew"
            )
        cell |= {key: done[key] for key in ("outputs", "execution_count")}
        if ran and "injected-parameters" in ran[0]["metadata"].get("tags", ()):
            cells.append(ran.pop(0))
    return {**executed, "cells": cells}


def _suit(notebook: dict, terms: dict[str, str]) -> None:
    """Make of a notebook's cells those of a page: its references, its folded code."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            fold(cell)
        elif cell["cell_type"] == "markdown":
            cell["source"] = referred("".join(cell["source"]), terms)


def _strip(notebook: dict) -> None:
    """Remove what differs from run to run."""
    kept = ("kernelspec", "language_info", "widgets")
    metadata = notebook["metadata"]
    notebook["metadata"] = {key: metadata[key] for key in kept if key in metadata}
    for cell in notebook["cells"]:
        for key in ("papermill", "execution", "ExecuteTime"):
            cell["metadata"].pop(key, None)
        if not cell["metadata"].get("tags"):
            cell["metadata"].pop("tags", None)
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            data.pop(MIME, None)  # for programs; pages show the table
            if told := data.get("text/markdown"):
                data["text/markdown"] = _held("".join(told))
            if drawing := data.get("image/svg+xml"):
                data["image/svg+xml"] = lighter("".join(drawing))


def _held(told: str) -> str:
    """Hold on one line what is read as one: a number with its error, a cell's range."""
    return _RANGE.sub("\\1\u00a0to\u00a0\\2", _ERROR.sub("\u00a0±\u00a0", told))
