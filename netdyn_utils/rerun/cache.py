"""Which notebooks need not run again, and why the others do.

A run stands for as long as all it rests on is as it was: its code, its parameters, the
package, the data, the versions. Prose is not among them: the page takes it from the
notebook as it is now.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from ..profiles import Job
from ..store.provenance import source_digest, unseal
from .manifests import code_digest, manifest_path
from .outcomes import NotebookRun

# What these rooms do comes before or after a notebook, never within it.
_OUTSIDE = (
    "__main__",
    "commands",
    "pairs",
    "profiles",
    "declarations",
    "domains",
    "spelling",
    "rerun",
    "book",
)
_SETTINGS = ("NETDYN_RESULTS", "NETDYN_COMPUTE", "NETDYN_DATA")
_WORDS = {
    "code": "its code changed",
    "parameters": "its parameters changed",
    "package": "netdyn_utils changed",
    "data": "the data, the records or their place changed",
    "versions": "the installed versions changed",
}


def fingerprints(jobs: Sequence[Job], root: Path) -> list[dict[str, str]]:
    """Return what each run rests on, as digests by part, in the order of `jobs`."""
    shared = {
        "package": package_digest(),
        "data": _digest([_data_files(root), _records(), *map(_set, _SETTINGS)]),
        "versions": _digest(_versions()),
    }
    code = {source: code_digest(source) for source in {job.source for job in jobs}}
    return [
        {"code": code[j.source], "parameters": _digest(j.parameters), **shared}
        for j in jobs
    ]


def cached(job: Job, fingerprint: dict[str, str]) -> tuple[NotebookRun | None, str]:
    """Return the run that is there and stands, or why there is none.

    Parameters
    ----------
    job : Job
    fingerprint : dict
        What the run would rest on now, see `fingerprints`.
    """
    path = manifest_path(job.output)
    if not path.exists():
        return None, "not run here before"
    try:
        told = unseal(path.read_text(encoding="utf-8"))
        if told["status"] != "ok":
            return None, f"its last run {told['status']}"
        if told["digest"] != hashlib.sha256(job.output.read_bytes()).hexdigest():
            return None, "its last output was changed"
        before = told["fingerprint"]
        changed = [
            word for part, word in _WORDS.items() if before[part] != fingerprint[part]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, f"its last run cannot be read ({type(error).__name__})"
    if changed:
        return None, ", ".join(changed)
    run = NotebookRun(
        *(job.name, "ok", told["seconds"], job.output, job.parameters),
        threads=told.get("threads"),
    )
    return run, ""


def package_digest() -> str:
    """Return the digest of all of the package that a notebook may run."""
    package = Path(__file__).resolve().parents[1]
    texts = {
        path.relative_to(package).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(package.rglob("*.py"))
    }
    inside = {
        name: text
        for name, text in texts.items()
        if re.split(r"[/.]", name)[0] not in _OUTSIDE
    }
    return _digest([*inside, source_digest(*inside.values())])


def _data_files(root: Path) -> list:
    folders = [Path(os.environ.get("NETDYN_DATA") or root / "data").expanduser()]
    folders.append(Path(__file__).resolve().parents[1] / "data" / "samples")
    files = sorted(path for folder in folders for path in folder.glob("*.npz"))
    return [(p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files]


def _records() -> list:
    """Return the records that came with the book, by what their manifests say."""
    folder = _set("NETDYN_RESULTS")
    paths = sorted(Path(folder).expanduser().glob("*-*.json")) if folder else []
    return [(path.name, path.read_text(encoding="utf-8")) for path in paths]


def _set(name: str) -> str | None:
    return os.environ.get(name)


def _versions() -> list[str]:
    needed = [re.match(r"[\w.-]+", r)[0] for r in metadata.requires("netdyn") or ()]
    found = []
    for name in sorted(set(needed)):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:  # of an extra that is not installed
            continue
    return [sys.version, *found]


def _digest(value) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
