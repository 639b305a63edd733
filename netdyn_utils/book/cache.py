"""``run.json``: how a notebook ran, and whether that run is still valid.

A run is valid as long as what it depends on is unchanged: its code, its parameters, the
package, the data and the installed versions. Its prose is not among them.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import platformdirs

from ..metrics import read_metrics
from ..notebook_params import Job, code_cells, read_parameters, validate
from ..store import atomic_write, environment_info, git_commit
from .execute import RECORDS, NotebookRun

_OUTSIDE = re.compile(  # code of the package that no notebook runs
    r"(__main__|cli|notebook_params|pairing)\.py|book/"
)
_REASONS = {
    "code": "its code changed",
    "parameters": "its parameters changed",
    "package": "netdyn_utils changed",
    "data": "the data, the records or their place changed",
    "versions": "the installed versions changed",
}


def dependencies(jobs: Sequence[Job]) -> list[dict[str, str]]:
    """Return what each run depends on: a hash of each of the parts in `_REASONS`."""
    data = os.environ.get("NETDYN_DATA") or platformdirs.user_cache_path("netdyn/data")
    records = os.environ.get("NETDYN_RESULTS")
    files = sorted(Path(data).expanduser().glob("*.npz"))
    files += sorted(Path(records).expanduser().glob("*.json")) if records else []
    names = {re.match(r"[\w.-]+", r)[0] for r in metadata.requires("netdyn") or ()}
    installed = sorted((d.name, d.version) for d in metadata.distributions())
    shared = {
        "package": package_hash(),
        "data": _hash([_contents(files), *map(os.environ.get, RECORDS)]),
        "versions": _hash([sys.version, [one for one in installed if one[0] in names]]),
    }
    code = {source: code_hash(source) for source in {job.source for job in jobs}}
    return [
        {"code": code[j.source], "parameters": _hash(j.parameters), **shared}
        for j in jobs
    ]


def package_hash() -> str:
    """Return the hash of what a notebook may use of the package: code and samples."""
    package = Path(__file__).resolve().parents[1]
    files = [*package.rglob("*.py"), *package.rglob("*.npz")]
    outside = {f for f in files if _OUTSIDE.match(f.relative_to(package).as_posix())}
    return _hash(_contents(sorted({*files} - outside)))


def code_hash(notebook: Path) -> str:
    """Return the hash of a notebook's code, without the values that a run put in."""
    cells = [
        "".join(cell["source"])
        for cell in code_cells(notebook)
        if "injected-parameters" not in cell["metadata"].get("tags", ())
    ]
    return _hash(cells)


def load_if_current(job: Job, depends_on: dict) -> tuple[NotebookRun | None, str]:
    """Return the last run if it is still valid, or None and the reason."""
    path = job.output.with_name("run.json")
    if not path.exists():
        return None, "not run here before"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["status"] != "ok":
            return None, f"its last run {told['status']}"
        if told["sha256"] != _sha256(job.output):
            return None, "its last output was changed"
        old, new = told["depends_on"], depends_on
        changed = [why for part, why in _REASONS.items() if old[part] != new[part]]
        rest = (told["given"], None, told["threads"], told["note"])
        run = NotebookRun(job.name, "ok", told["seconds"], job.output, *rest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, f"its last run cannot be read ({type(error).__name__})"
    return (None, ", ".join(changed)) if changed else (run, "")


def write_run_json(run: NotebookRun, depends_on: dict | None = None) -> Path:
    """Write ``run.json``, whole or not at all, and return its path."""
    good, depends_on = run.status == "ok", dict(depends_on or {})
    if good and depends_on:  # the notebook may have been edited since the plan
        depends_on["code"] = code_hash(run.output)
    try:
        parameters = validate(read_parameters(run.output), run.parameters)
    except ValueError:  # no notebook ran
        parameters = run.parameters
    told = {
        **asdict(run),
        "seconds": round(run.seconds, 3),
        "output": run.output.name,
        "parameters": parameters,
        "given": run.parameters,
        "recorded": read_metrics(run.output) if good else {},
        "sha256": _sha256(run.output) if good else "",
        "depends_on": depends_on,
        "commit": git_commit(),
        **environment_info(),
    }
    path = run.output.with_name("run.json")
    atomic_write(path, (json.dumps(told, indent=1) + "\n").encode())
    return path


def _contents(files: Sequence[Path]) -> list[tuple[str, str]]:
    return [(path.name, _sha256(path)) for path in files]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _hash(value) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
