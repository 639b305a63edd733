"""``run.json``: what a run was asked, with what it ran, and what came out."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from ..notebook_params import code_cells, read_parameters, validate
from ..recorded import read_recorded
from ..store import seal, surroundings
from ..store import write_whole
from .outcomes import NotebookRun


def manifest(
    run: NotebookRun, source: Path, fingerprint: Mapping[str, str] | None = None
) -> dict[str, object]:
    """Return what is to be told of a run, as JSON holds it.

    Parameters
    ----------
    run : NotebookRun
    source : Path
        The notebook it is a run of. It may have been edited or deleted since: what ran
        is read from the output.
    fingerprint : mapping, optional
        What it rested on, for `cached` to compare.
    """
    error, good = run.error, run.status == "ok"
    rests_on = dict(fingerprint or {})
    if good and rests_on:  # papermill read the code later than whoever planned the run
        rests_on["code"] = code_digest(run.output)
    return {
        "notebook": run.name,
        "status": run.status,
        "seconds": round(run.seconds, 3),
        "parameters": _taken(run),
        "given": run.parameters,
        "recorded": read_recorded(run.output) if good else {},
        "error": error and asdict(error),
        "output": run.output.name,
        "digest": hashlib.sha256(run.output.read_bytes()).hexdigest() if good else "",
        "fingerprint": rests_on,
        "commit": commit(source.parent),
        **surroundings(),
        "threads": run.threads,
    }


def manifest_path(output: Path) -> Path:
    """Return where the manifest of an executed notebook lies."""
    return output.parent / "run.json"


def write_manifest(
    run: NotebookRun, source: Path, fingerprint: Mapping[str, str] | None = None
) -> Path:
    """Write ``run.json`` beside the output, whole or not at all; return its path.

    It carries its own checksum, see `netdyn_utils.store.provenance.unseal`.
    """
    path = manifest_path(run.output)
    write_whole({path: seal(manifest(run, source, fingerprint)).encode()})
    return path


def code_digest(notebook: Path) -> str:
    """Return the digest of a notebook's code, without the values that a run put in.

    An executed notebook has that of the one it is a run of.
    """
    code = [
        "".join(cell["source"])
        for cell in code_cells(notebook)
        if "injected-parameters" not in cell["metadata"].get("tags", ())
    ]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]


def edited_since(run: NotebookRun, source: Path) -> str:
    """Say in a sentence that a notebook is not the one that ran; empty if it is."""
    try:
        ran = code_digest(run.output)
    except ValueError:  # it never began, which its error tells
        return ""
    try:
        same = code_digest(source) == ran
    except ValueError:
        return f"{source} is gone or damaged since this run began"
    return "" if same else f"{source} was edited while it ran: this is a run of before"


def _taken(run: NotebookRun) -> dict[str, object]:
    """Return the value of every parameter, or the given ones if no notebook ran."""
    try:
        return validate(read_parameters(run.output), run.parameters)
    except ValueError:
        return dict(run.parameters)


def commit(folder: Path) -> str | None:
    """Return the commit a folder stands at, with "+" if it has changes, or None."""
    command = ("git", "-C", str(folder), "describe", "--always", "--dirty=+")
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip()
