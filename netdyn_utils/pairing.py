"""Notebook pairs: `NN_topic.py` is the source, `NN_topic.ipynb` is made from it.

What counts is what the cells say: jupytext's own ``--sync`` trusts the dates of files,
which git does not keep, and draws new cell ids at random. Outputs, ids and the kernel's
description do not count, so a notebook that was run and saved in JupyterLab is in sync.
"""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import jupytext

_KEPT = ("mystnb", "tags")  # of a cell's metadata; the same as in jupytext.toml
_FILTERS = {
    "cell_metadata_filter": "tags,mystnb,-all",
    "notebook_metadata_filter": "-all",
}
_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python"}
_METADATA = {
    "jupytext": _FILTERS,
    "kernelspec": {**_KERNEL, "name": "python3"},
    "language_info": {"name": "python"},
}


def to_notebook(text: str) -> dict:
    """Return the notebook of a py:percent text: no outputs; ids are hashes of cells."""
    notebook, seen = jupytext.reads(text, fmt="py:percent"), Counter()
    for cell in notebook.cells:
        kept = {key: cell.metadata[key] for key in _KEPT if cell.metadata.get(key)}
        parts = [cell.cell_type, cell.source, json.dumps(kept, sort_keys=True)]
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:10]
        seen[digest] += 1
        cell.metadata, cell.id = kept, f"{digest}-{seen[digest]}"
    notebook.metadata = _METADATA
    return notebook


def out_of_sync(folder: Path) -> list[Path]:
    """Return the notebooks that miss their .py, or say something else than it."""
    found = {path.with_suffix("") for path in folder.glob("*.py")}
    found |= {path.with_suffix("") for path in folder.glob("*.ipynb")}
    pairs = [(p.with_suffix(".py"), p.with_suffix(".ipynb")) for p in sorted(found)]
    return [
        notebook
        for source, notebook in pairs
        if not source.exists()
        or _read(notebook)[0] != to_notebook(source.read_text("utf-8"))
    ]


def pair(folder: Path) -> tuple[list[Path], list[Path]]:
    """Make the notebooks from their .py; return those that changed, and those left.

    A notebook is left alone if it was edited and says what its .py does not. One that
    cannot be read, as after a merge, is made anew.
    """
    made, left = [], []
    for source in sorted(folder.glob("*.py")):
        path, wanted = (
            source.with_suffix(".ipynb"),
            to_notebook(source.read_text("utf-8")),
        )
        said, edited = _read(path)
        if edited and said != wanted:
            left.append(path)
            continue
        text = jupytext.writes(wanted, fmt="ipynb") + "\n"
        if said is None or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            made.append(path)
        # JupyterLab refuses to open a pair whose notebook is newer than its .py.
        modified = source.stat().st_mtime_ns
        os.utime(path, ns=(modified, modified))
    return made, left


def _read(path: Path) -> tuple[dict | None, bool]:
    """Return what a notebook says, and whether it was edited; None if unreadable."""
    try:
        found = jupytext.read(path, fmt="ipynb")
    except Exception:  # whatever nbformat makes of a damaged file
        return None, False
    ids = [cell.get("id") for cell in found.cells]
    found.metadata = {"jupytext": _FILTERS}
    said = to_notebook(jupytext.writes(found, fmt="py:percent"))
    return said, ids != [cell.id for cell in said.cells]
