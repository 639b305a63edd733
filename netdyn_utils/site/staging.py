"""Copy pages and executed notebooks to where the site is built from."""

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import yaml

from ..recorded import MIME
from .drawings import lighter
from .faults import SiteError
from .origin import origin


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
    commit, public = _commit(root), origin(root)
    install = public.install if public and public.colab else ""
    for run in runs:
        if run.status != "ok":
            raise SiteError(f"{run.name} is not a page: its run {run.status}")
        source = root / "notebooks" / run.output.name
        both = (json.loads(path.read_text("utf-8")) for path in (source, run.output))
        notebook = _with_outputs(*both)
        _strip(notebook)
        notebook["cells"].append(_colophon(run, profile, commit, install))
        target = into / "notebooks" / run.output.name
        target.write_text(json.dumps(notebook, indent=1), encoding="utf-8")


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


def _strip(notebook: dict) -> None:
    """Remove what differs from run to run, and fold the injected parameters."""
    kept = ("kernelspec", "language_info", "widgets")
    metadata = notebook["metadata"]
    notebook["metadata"] = {key: metadata[key] for key in kept if key in metadata}
    for cell in notebook["cells"]:
        for key in ("papermill", "execution", "ExecuteTime"):
            cell["metadata"].pop(key, None)
        tags = cell["metadata"].get("tags", [])
        if "injected-parameters" in tags:
            words = {"code_prompt_show": "The parameters of this run"}
            cell["metadata"] |= {"tags": [*tags, "hide-input"], "mystnb": words}
        elif not tags:
            cell["metadata"].pop("tags", None)
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            data.pop(MIME, None)  # for programs; pages show the table
            if drawing := data.get("image/svg+xml"):
                data["image/svg+xml"] = lighter("".join(drawing))


def _colophon(run, profile: str, commit: str, install: str) -> dict:
    """Return the closing cell: how this page was made, and how to make it again."""
    given = ", ".join(f"`{k} = {v!r}`" for k, v in run.parameters.items())
    lines = [
        "## How this page was made",
        "",
        f"- Profile `{profile}`, {commit}.",
        f"- Parameters: {given or 'those of the notebook'}.",
        f"- The run took {max(1, round(run.seconds))} s.",
        "",
        "The same run, from the folder of the book:",
        "",
        "```bash",
        rerun_command(run.name, run.parameters),
        "```",
    ]
    if install:  # for a reader who leaves by the Colab button of this page
        first = "In Colab, run this in a cell of its own first:"
        lines += ["", first, "", "```python", f'%pip install -q "{install}"', "```"]
    source = "\n".join(lines)
    return {"cell_type": "markdown", "id": "colophon", "metadata": {}, "source": source}


def rerun_command(name: str, parameters: dict) -> str:
    """Return the papermill command that repeats a run, each value with its type.

    >>> print(rerun_command("02_updates", {"learning_rate": 0.1, "name": "true"}))
    papermill notebooks/02_updates.ipynb 02_updates.out.ipynb --cwd notebooks \\
      -p learning_rate 0.1 -r name true
    """
    words = []
    for key, value in parameters.items():
        if value is None or isinstance(value, bool | int | float):
            words += ["-p", key, repr(value)]
        elif isinstance(value, str):  # -p would read "true" or "7" as what they spell
            words += ["-r", key, value]
        else:
            flow = yaml.safe_dump({key: value}, default_flow_style=True, width=1e9)
            words += ["-y", flow.strip()]
    paths = f"notebooks/{name}.ipynb {name}.out.ipynb --cwd notebooks"
    return f"papermill {paths}" + (f" \\\n  {shlex.join(words)}" if words else "")


def _commit(root: Path) -> str:
    """Say which commit the pages come from."""
    command = ("git", "-C", str(root), "describe", "--always", "--dirty=+")
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "outside of git"
    name = run.stdout.strip()
    changed = " with local changes" * name.endswith("+")
    return f"commit `{name.removesuffix('+')}`{changed}"
