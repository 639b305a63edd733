"""The page "About this build": what every number of this site came from."""

from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from .colophon import seconds
from .records import ShownRecord, run_manifest, shown_records

_MADE_WITH = ("jupyter-book", "sphinx", "myst-nb", "papermill")
_VERDICTS = "07_claims"  # rests on every record of the study and shows none
_UNBROKEN = str.maketrans("T -", "\u00a0\u00a0\u2011")


def write_about(page: Path, runs: Iterable, profile: str, commit: str) -> None:
    """Add the facts of this build to a page that says what they mean.

    Parameters
    ----------
    page : Path
        Staged; left alone if it is not there. Beside it are the records of the study.
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
        _records(runs, _study(page.parent / "results")),
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
        ("processor of this build", "; ".join(sorted(processors)) or "?"),
    ]
    return "## This build\n\n" + _table(("what", "which"), told)


def _versions(run) -> dict:
    return run_manifest(run).get("versions", {})


def _notebooks(runs) -> str:
    rows = []
    for run in runs:
        told = run_manifest(run)
        given = ", ".join(f"`{k}={v!r}`" for k, v in run.parameters.items())
        threads, when = told.get("threads") or "?", _minute(told)
        name = f"[{run.name}](../notebooks/{run.name}.ipynb)"
        rows.append((name, _spent(run.seconds), when, threads, given or "as written"))
    head = ("notebook", "took", "run at (UTC)", "threads", "parameters given")
    return "## Notebooks\n\n" + _table(head, rows)


def _records(runs, study: list[dict]) -> str:
    users: dict[ShownRecord, list[str]] = {}
    for run in runs:
        for record in shown_records(run.output):
            users.setdefault(record, []).append(run.name)
    parts = ["## Records", "No notebook of this build shows a stored record."]
    if users:
        rows = [_record_row(record, names) for record, names in users.items()]
        head = ("record", "state", "from", "computed (UTC)", "took")
        parts[1] = _table((*head, "with torch", "shown in"), rows)
    if study and any(run.name == _VERDICTS for run in runs):
        parts.append(
            f"[The verdicts](../notebooks/{_VERDICTS}.ipynb) rest on the study, which "
            f"came with the book. Its records are {len(study)}."
        )
    told = [*study, *(record.manifest for record in users)]
    if made_on := sorted({str(p) for m in told if (p := m.get("processor"))}):
        parts.append(f"Processor of the records: {'; '.join(made_on)}.")
    return "\n\n".join(parts)


def _study(folder: Path) -> list[dict]:
    """Return the manifests of the records that came with the book."""
    paths = sorted(folder.glob("*.json"))
    told = (ShownRecord("", "", "", path).manifest for path in paths)
    return [manifest for manifest in told if manifest]


def _record_row(record: ShownRecord, names: list[str]) -> tuple[str, ...]:
    told = record.manifest
    return (
        f"{record.kind} `{record.key}`",
        f"**{record.state}**" if record.state == "stale" else record.state,
        "the book's results" if record.archived else "this build",
        _minute(told),
        _spent(told.get("seconds")),
        str(told.get("versions", {}).get("torch", "?")),
        ", ".join(names),
    )


def _minute(told: dict) -> str:
    """Return when something was made, in characters between which no line ends."""
    return str(told.get("created") or "?")[:16].translate(_UNBROKEN)


def _spent(spent: float | None) -> str:
    return "?" if spent is None else seconds(spent).translate(_UNBROKEN)


def _table(head, rows) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
