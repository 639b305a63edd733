"""Notebook pairs: `NN_topic.py` is the source, `NN_topic.ipynb` is made from it.

The notebook is a function of the text alone: no outputs, no timestamps, one kernel
name, and cell ids that are a hash of the cell. Jupytext's own way draws ids at random
and compares dates of files, which git does not keep.
"""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path

_METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}
_KEPT = ("tags", "mystnb")  # cell metadata; the same as in jupytext.toml


def to_notebook(text: str) -> dict:
    """Return the notebook of a py:percent text, as the content of its JSON file.

    >>> notebook = to_notebook("# %%\\n1 + 1\\n\\n# %%\\n1 + 1\\n")
    >>> [cell["id"] for cell in notebook["cells"]]
    ['51acba95df-1', '51acba95df-2']
    """
    import jupytext

    cells, seen = [], Counter()
    for cell in jupytext.reads(text, fmt="py:percent").cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode())
        short = digest.hexdigest()[:10]
        seen[short] += 1
        made = {
            "cell_type": cell.cell_type,
            "id": f"{short}-{seen[short]}",
            "metadata": {k: cell.metadata[k] for k in _KEPT if k in cell.metadata},
            "source": cell.source.splitlines(keepends=True),
        }
        if cell.cell_type == "code":
            made |= {"execution_count": None, "outputs": []}
        cells.append(made)
    return {"cells": cells, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}


def pair(folder: Path, *, check: bool = False) -> list[Path]:
    """Make every notebook of a folder from its text; return those that differed.

    Parameters
    ----------
    folder : Path
        Where ``NN_topic.py`` and ``NN_topic.ipynb`` lie side by side.
    check : bool
        Only compare, and write nothing. A notebook without a text counts as
        different too, for nothing can make it again.
    """
    differing = []
    for source in sorted(folder.glob("*.py")):
        target = source.with_suffix(".ipynb")
        made = to_notebook(source.read_text(encoding="utf-8"))
        if _load(target) != made:
            differing.append(target)
            if not check:
                _write(made, target, source)
    orphans = (n for n in folder.glob("*.ipynb") if not n.with_suffix(".py").exists())
    return differing + sorted(orphans) * check


def edited(folder: Path) -> list[Path]:
    """Return the notebooks whose cells say something else than their texts.

    Outputs and ids do not count: who has run a notebook in JupyterLab has edited
    nothing.
    """
    return [
        path
        for path in pair(folder, check=True)
        if not path.with_suffix(".py").exists()
        or _cells(_load(path))
        != _cells(to_notebook(path.with_suffix(".py").read_text(encoding="utf-8")))
    ]


def _cells(notebook: dict | None) -> list | None:
    """Return what the cells of a notebook say; None for what is no notebook."""
    try:
        return [
            (
                cell["cell_type"],
                "".join(cell["source"]),
                {k: cell["metadata"][k] for k in _KEPT if cell["metadata"].get(k)},
            )
            for cell in notebook["cells"]
        ]
    except (TypeError, KeyError):
        return None


def _load(path: Path) -> dict | None:
    """Return the content of a notebook; None if there is none, or none readable."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _write(notebook: dict, target: Path, source: Path) -> None:
    """Write a notebook as Jupyter does, and as old as its text."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
    target.write_text(text + "\n", encoding="utf-8")
    # JupyterLab refuses to open a pair whose notebook is younger than its text.
    modified = source.stat().st_mtime_ns
    os.utime(target, ns=(modified, modified))
