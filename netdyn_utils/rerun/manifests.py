"""``run.json``: what a run was asked, with what it ran, and what came out."""

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from ..declarations import declared, resolve
from ..recorded import read_recorded
from ..store.provenance import seal, surroundings
from ..store.records import write_whole
from .outcomes import NotebookRun


def manifest(
    run: NotebookRun, source: Path, fingerprint: Mapping[str, str] | None = None
) -> dict[str, object]:
    """Return what is to be told of a run, as JSON holds it.

    Parameters
    ----------
    run : NotebookRun
    source : Path
        The notebook it is a run of.
    fingerprint : mapping, optional
        What it rested on, for `cached` to compare.
    """
    error, good = run.error, run.status == "ok"
    return {
        "notebook": run.name,
        "status": run.status,
        "seconds": round(run.seconds, 3),
        "parameters": resolve(declared(source), run.parameters),
        "given": run.parameters,
        "recorded": read_recorded(run.output) if good else {},
        "error": error and asdict(error),
        "output": run.output.name,
        "digest": hashlib.sha256(run.output.read_bytes()).hexdigest() if good else "",
        "fingerprint": dict(fingerprint or {}),
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


def commit(folder: Path) -> str | None:
    """Return the commit a folder stands at, with "+" if it has changes, or None."""
    command = ("git", "-C", str(folder), "describe", "--always", "--dirty=+")
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip()
