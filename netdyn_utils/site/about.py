"""The page "About this build": what every number of this site came from."""

from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from .colophon import seconds
from .records import ShownRecord, run_manifest, shown_records

_MADE_WITH = ("jupyter-book", "sphinx", "myst-nb", "papermill")


def write_about(page: Path, runs: Iterable, profile: str, commit: str) -> None:
    """Add the facts of this build to a page that says what they mean.

    Parameters
    ----------
    page : Path
        Staged; left alone if it is not there.
    runs : iterable of NotebookRun
    profile, commit : str
    """
    if not page.exists():
        return
    runs = list(runs)
    parts = [
        page.read_text(encoding="utf-8").rstrip(),
        _build(runs, profile, commit),
        _notebooks(runs),
        _records(runs),
    ]
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _build(runs, profile: str, commit: str) -> str:
    versions = dict(next((v for r in runs if (v := _versions(r))), {}))
    for name in _MADE_WITH:
        versions[name] = metadata.version(name)
    processors = {str(p) for r in runs if (p := run_manifest(r).get("processor"))}
    told = [
        ("profile", f"`{profile}`"),
        ("pages from", commit),
        *((name, version) for name, version in versions.items()),
        ("processor", "; ".join(sorted(processors)) or "?"),
    ]
    return "## This build\n\n" + _table(("what", "which"), told)


def _versions(run) -> dict:
    return run_manifest(run).get("versions", {})


def _notebooks(runs) -> str:
    rows = []
    for run in runs:
        told = run_manifest(run)
        given = ", ".join(f"`{k}={v!r}`" for k, v in run.parameters.items())
        threads, when = (told.get(key) or "?" for key in ("threads", "created"))
        name = f"[{run.name}](../notebooks/{run.name}.ipynb)"
        rows.append((name, seconds(run.seconds), when, threads, given or "as written"))
    head = ("notebook", "run time", "run at", "threads", "parameters given")
    return "## Notebooks\n\n" + _table(head, rows)


def _records(runs) -> str:
    users: dict[ShownRecord, list[str]] = {}
    for run in runs:
        for record in shown_records(run.output):
            users.setdefault(record, []).append(run.name)
    if not users:
        return "## Records\n\nNo notebook of this build shows a stored record."
    rows = [_record_row(record, names) for record, names in users.items()]
    head = ("record", "state", "from", "computed", "in", "with torch", "shown in")
    return "## Records\n\n" + _table(head, rows)


def _record_row(record: ShownRecord, names: list[str]) -> tuple[str, ...]:
    told = record.manifest
    spent = told.get("seconds")
    return (
        f"{record.kind} `{record.key}`",
        f"**{record.state}**" if record.state == "stale" else record.state,
        "the book's results" if record.archived else "this build",
        str(told.get("created", "?")),
        "?" if spent is None else seconds(spent),
        str(told.get("versions", {}).get("torch", "?")),
        ", ".join(names),
    )


def _table(head, rows) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
