"""Notebook pairs: `NN_topic.py` is the source, `NN_topic.ipynb` is made from it.

Only the content of cells counts, so a notebook that was run and saved is in sync.
(jupytext's ``--sync`` trusts the dates of files, which git does not keep, and draws
cell ids at random.)
"""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import jupytext

_FILTERS = {  # the same as in jupytext.toml
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
        names = [n for n in ("mystnb", "tags") if cell.metadata.get(n)]
        cell.metadata = {name: cell.metadata[name] for name in names}
        metadata = json.dumps(cell.metadata, sort_keys=True)
        content = f"{cell.cell_type}\n{cell.source}\n{metadata}"
        digest = hashlib.sha256(content.encode()).hexdigest()[:10]
        seen[digest] += 1
        cell.id = f"{digest}-{seen[digest]}"
    notebook.metadata = _METADATA
    return notebook


def out_of_sync(folder: Path) -> list[Path]:
    """Return the notebooks that have no .py or differ from it."""
    return pair(folder, write=False)[1]


def pair(folder: Path, *, write: bool = True) -> tuple[list[Path], list[Path]]:
    """Make the notebooks from their .py; return those that changed, and those left.

    A notebook is left alone if it has no .py, or was edited and differs from it.
    """
    made, left = [], []
    files = [path for path in folder.iterdir() if path.suffix in (".py", ".ipynb")]
    for source in sorted({path.with_suffix(".py") for path in files}):
        path = source.with_suffix(".ipynb")
        wanted = to_notebook(source.read_text("utf-8")) if source.exists() else None
        found, edited = _read(path)
        if wanted is None or (found != wanted and (edited or not write)):
            left.append(path)
        elif write:
            text = jupytext.writes(wanted, fmt="ipynb") + "\n"
            if found is None or path.read_text("utf-8") != text:
                path.write_text(text, "utf-8")
                made.append(path)
            # JupyterLab refuses to open a pair whose notebook is newer than its .py.
            modified = source.stat().st_mtime_ns
            os.utime(path, ns=(modified, modified))
    return made, left


def _read(path: Path) -> tuple[dict | None, bool]:
    """Return a notebook's content, None if unreadable, and whether it was edited."""
    try:
        found = jupytext.read(path, fmt="ipynb")
        found.metadata = {"jupytext": _FILTERS}
        content = to_notebook(jupytext.writes(found, fmt="py:percent"))
    except Exception:  # a damaged file raises anything; it is made from its text again
        return None, False
    return content, [cell.get("id") for cell in found.cells] != [
        cell.id for cell in content.cells
    ]
