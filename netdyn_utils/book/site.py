"""The site: stage pages and executed notebooks, build them, swap the new site in.

Sphinx runs no notebook here. A file of the staging folder has the path that it has in the
repository, so that links hold in both.
"""

import csv
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import yaml

from ..recorded import MIME, read_recorded
from ..rerun import NotebookRun
from ..store.runs import RunStore

# As a record prints itself in a notebook: kind, first digits of its key, state.
_RECORD = re.compile(r"RunRecord\((\w+) ([0-9a-f]{12})(?:, (\w+))?")
_LARGEST = 5_000_000  # bytes of a record's arrays that a page still offers
_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_TOOLS = ("jupyter-book", "sphinx", "myst-nb", "papermill")


class SiteError(RuntimeError):
    """The site was not built; the last good one is still in place."""


@dataclass(frozen=True)
class ShownRecord:
    """A stored record that a notebook displays."""

    kind: str
    key: str  # first twelve digits
    state: str  # "stale" if its code has changed since
    path: Path | None = None  # manifest, if it is still there
    archived: bool = False  # whether it came with the book

    @property
    def manifest(self) -> dict:
        """Return the content of the manifest; nothing if it is gone or damaged."""
        return _read_json(self.path) if self.path else {}


def stage(runs: Iterable[NotebookRun], into: Path, *, root: Path, profile: str) -> None:
    """Copy the pages and the executed notebooks, all of them ok, to a fresh folder."""
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(root / "book", into / "book")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(root / name, into)
    (into / "notebooks").mkdir()
    runs, commit = list(runs), source_commit(root)
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    for run in runs:
        if run.status != "ok":
            raise SiteError(f"{run.name} has no page: its run ended as {run.status!r}")
        notebook = executed_page(root / "notebooks" / run.output.name, run.output)
        records = shown_records(run.output)
        files = copy_downloads(run, records, root, into / "downloads" / run.name)
        install = colab_install(config, f"notebooks/{run.name}")
        notebook["cells"].insert(1, headline(run, profile, commit, records))
        notebook["cells"].append(provenance(run, profile, commit, files, install))
        page = into / "notebooks" / run.output.name
        page.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
    _add_build_facts(into / "book" / "about.md", runs, profile, commit)


def executed_page(source: Path, executed: Path) -> dict:
    """Return a notebook as it is now, with the outputs of a run of the same code.

    Prose and captions may be newer than the run. Papermill's cell of given parameters
    stays where it is; what differs from run to run goes.
    """
    page, done = _read_json(source), _read_json(executed)
    if not (page and done):
        gone = executed if page else source
        raise SiteError(f"{gone} cannot be read any more: `make pair` makes it anew")
    ran = [cell for cell in done["cells"] if cell["cell_type"] == "code"]
    cells = []
    for cell in page["cells"]:
        cells.append(cell)
        if cell["cell_type"] == "code":
            result = ran.pop(0) if ran else {"source": None}
            if "".join(result["source"] or ()) != "".join(cell["source"]):
                raise SiteError(f"{executed} is a run of other code: run it anew")
            cell |= {key: result[key] for key in ("outputs", "execution_count")}
            if ran and "injected-parameters" in ran[0]["metadata"].get("tags", ()):
                cells.append(ran.pop(0))
    for cell in cells:
        kept = ("tags", "mystnb")
        cell["metadata"] = {
            k: v for k, v in cell["metadata"].items() if k in kept and v
        }
        for data in (output.get("data", {}) for output in cell.get("outputs", ())):
            data.pop(MIME, None)  # for programs; pages show the table
            if text := data.get("text/markdown"):  # a number and its error on one line
                data["text/markdown"] = "".join(text).replace(" ± ", "\u00a0±\u00a0")
    # Without a widget on the page its state would load the widget manager for nothing.
    views = any(_WIDGET_VIEW in json.dumps(cell.get("outputs", ())) for cell in cells)
    names = ("kernelspec", "language_info", *["widgets"] * views)
    about = {key: done["metadata"][key] for key in names if key in done["metadata"]}
    return {**done, "metadata": about, "cells": cells}


def shown_records(executed: Path, store: RunStore | None = None) -> list[ShownRecord]:
    """Return the records that an executed notebook displays, in order, each once."""
    store = store or RunStore.default()
    text = re.sub(r"\\n|[\"\s]+", " ", executed.read_text(encoding="utf-8"))
    found = []
    for kind, key, state in dict.fromkeys(_RECORD.findall(text)):
        folders = (*store.archives, store.root)
        paths = (p for f in folders for p in sorted(f.glob(f"{kind}-{key}*.json")))
        path = next(paths, None)
        archived = path is not None and path.parent in store.archives
        found.append(ShownRecord(kind, key, state, path, archived))
    return found


def copy_downloads(
    run: NotebookRun, records: Sequence[ShownRecord], root: Path, into: Path
) -> dict[str, list[Path]]:
    """Copy what a reader may take of a notebook to a folder; return the files by kind."""
    into.mkdir(parents=True)
    source = root / "notebooks" / run.name
    files = {"Notebook": [], "Recorded numbers": [], "Records": []}
    for path in filter(Path.exists, map(source.with_suffix, (".ipynb", ".py"))):
        files["Notebook"].append(Path(shutil.copy(path, into)))
    if numbers := read_recorded(run.output):
        table = into / f"{run.name}.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("name", "value"), *numbers.items()])
        files["Recorded numbers"].append(table)
    for record in (record for record in records if record.path):
        for path in (record.path, record.path.with_suffix(".npz")):
            if path.exists() and path.stat().st_size <= _LARGEST:
                copy = into / f"{record.kind}-{record.key}{path.suffix}"
                files["Records"].append(Path(shutil.copy(path, copy)))
    return {kind: paths for kind, paths in files.items() if paths}


def headline(
    run: NotebookRun, profile: str, commit: str, records: Sequence[ShownRecord]
) -> dict:
    """Return the cell below the title: a note if there is one, profile, source, time."""
    lines = []
    if run.note:
        lines = [":::{note}", run.note, ":::", ""]
    if archived := [record.manifest for record in records if record.archived]:
        number = f"{len(archived)} stored record{'s' * (len(archived) != 1)}"
        days = sorted({m["created"][:10] for m in archived if m.get("created")})
        when = " to ".join(dict.fromkeys([*days[:1], *days[-1:]])) or "earlier"
        spent = duration(sum(m.get("seconds", 0) for m in archived))
        stale = sum(record.state == "stale" for record in records if record.archived)
        warning = f"; **{stale} of them with older code than this**" if stale else ""
        lines.append(
            f"*The runs on this page are read from {number}, not trained anew; they were "
            f"computed {when}, in {spent}{warning}. The page is of {commit}.*\n"
        )
    lines.append(
        f"*Profile `{profile}`, a run of {duration(run.seconds)}. [How this page was "
        "made](#how-this-page-was-made): parameters, command, downloads.*"
    )
    return _markdown_cell("headline", lines)


def provenance(
    run: NotebookRun,
    profile: str,
    commit: str,
    files: Mapping[str, Sequence[Path]],
    install: str = "",
) -> dict:
    """Return the closing cell: how this page was made, and how to make it again."""
    given = ", ".join(f"`{k} = {v!r}`" for k, v in run.parameters.items())
    rest = "; the others as in the notebook" if given else ""
    threads = (
        f" on {run.threads} thread{'s' * (run.threads != 1)}; " if run.threads else ""
    )
    lines = [
        "## How this page was made\n",
        f"- Profile `{profile}`, {commit}.",
        f"- Parameters: {given or 'those of the notebook'}{rest}.",
        f"- The run took {duration(run.seconds)}{threads}"
        + "on another number of threads the last digits may differ." * bool(threads),
    ]
    for kind, paths in files.items():
        links = (
            f"{{download}}`{p.name} </downloads/{run.name}/{p.name}>`" for p in paths
        )
        lines.append(f"- {kind}: {', '.join(links)}.")
    command = rerun_command(run.name, run.parameters)
    lines += [
        "\nThe same run, from the folder of the book:\n",
        f"```bash\n{command}\n```",
    ]
    if install:  # for a reader who leaves by the Colab button of this page
        lines += ["\nIn Colab, run this in a cell of its own first:\n"]
        lines += [f'```python\n%pip install -q "{install}"\n```']
    return _markdown_cell("provenance", lines)


def rerun_command(name: str, parameters: Mapping[str, object]) -> str:
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


def colab_install(config: dict, page: str) -> str:
    """Return what pip installs for a page in Colab; "" where Colab cannot run it."""
    repository = config.get("repository", {})
    excluded = config.get("sphinx", {}).get("config", {}).get("netdyn_not_in_colab", ())
    if "github.com/" not in (repository.get("url") or "") or page in excluded:
        return ""
    return f"git+{repository['url']}@{repository['branch']}"


def source_commit(root: Path) -> str:
    """Say which commit the pages come from."""
    command = ("git", "-C", str(root), "describe", "--always", "--dirty=+")
    run = None
    if (root / ".git").exists():  # not an unpacked copy inside another repository
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run is None or run.returncode:
        return "outside of git"
    name = run.stdout.strip()
    return f"commit `{name.removesuffix('+')}`" + " with local changes" * (
        name[-1] == "+"
    )


def duration(seconds: float) -> str:
    """Return a time as people say it.

    >>> duration(0.2), duration(75), duration(4000)
    ('1 s', '75 s', '67 min')
    """
    return f"{max(1, round(seconds))} s" if seconds < 300 else f"{seconds / 60:.0f} min"


def _markdown_cell(name: str, lines: Sequence[str]) -> dict:
    source = "\n".join(lines)
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


# The page "About this build".


def _add_build_facts(page: Path, runs: Sequence[NotebookRun], profile, commit) -> None:
    """Add tables of versions, runs and records to the page that explains them."""
    if not page.exists():
        return
    manifests = {run.name: _read_json(run.output.parent / "run.json") for run in runs}
    versions = next((v for m in manifests.values() if (v := m.get("versions"))), {})
    versions = versions | {name: metadata.version(name) for name in _TOOLS}
    processors = {str(p) for m in manifests.values() if (p := m.get("processor"))}
    facts = [("profile", f"`{profile}`"), ("commit", commit), *versions.items()]
    facts.append(("processor of this build", "; ".join(sorted(processors)) or "?"))
    notebooks = [
        (
            f"[{run.name}](../notebooks/{run.name}.ipynb)",
            duration(run.seconds),
            _minute(manifests[run.name]),
            run.threads or "?",
            ", ".join(f"`{k}={v!r}`" for k, v in run.parameters.items())
            or "as written",
        )
        for run in runs
    ]
    shown: dict[ShownRecord, list[str]] = {}
    for run in runs:
        for record in shown_records(run.output):
            shown.setdefault(record, []).append(run.name)
    records = [
        (
            f"{record.kind} `{record.key}`",
            "the book's results" if record.archived else "this build",
            f"**{record.state}**" if record.state == "stale" else record.state,
            _minute(manifest := record.manifest),
            duration(manifest["seconds"]) if manifest else "?",
            manifest.get("versions", {}).get("torch", "?"),
            ", ".join(names),
        )
        for record, names in shown.items()
    ]
    study = [
        _read_json(path) for path in sorted((page.parent / "results").glob("*.json"))
    ]
    made_on = {str(m["processor"]) for m in study if m.get("processor")}
    parts = [
        page.read_text(encoding="utf-8").rstrip(),
        "## This build\n\n" + _table(("what", "which"), facts),
        "## Notebooks\n\n"
        + _table(("notebook", "took", "run at (UTC)", "threads", "given"), notebooks),
        "## Records",
        _table(
            ("record", "from", "state", "computed (UTC)", "took", "torch", "shown in"),
            records,
        )
        if records
        else "No notebook of this build shows a stored record.",
    ]
    if study:
        parts.append(
            f"The book's own results are {len(study)} records, computed on "
            f"{'; '.join(sorted(made_on)) or 'an unknown processor'}."
        )
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _minute(manifest: Mapping) -> str:
    """Return when something was made, in one line."""
    return str(manifest.get("created") or "?")[:16].replace("T", "\u00a0")


def _table(head: Sequence[str], rows: Iterable[Sequence]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


# Building.


def build(stage: Path, out: Path, *, root: Path, python: str = "") -> Path:
    """Build the staged site and return its first page; any warning is an error.

    Nothing is built if nothing has changed since the last build, and a failed build
    leaves the last good site in `out`. `python` (else the environment's NETDYN_SPHINX)
    names the interpreter of another Sphinx: `make book SPHINX=next`.
    """
    python = python or os.environ.get("NETDYN_SPHINX", "")
    index, stamp = out / "index.html", out.parent / f"{out.name}.sha256"
    digest = _digest(stage, root, python)
    if index.exists() and stamp.exists() and stamp.read_text() == digest:
        return index
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="building-", dir=out.parent))
    try:
        _configure(stage, root, jupyter_book=not python)
        command = (python or sys.executable, "-m", "sphinx", "-b", "html", "-j", "auto")
        strict = ("-q", "-W", "-n", "--keep-going", "-d", work / "doctrees")
        _run((*command, *strict, stage, work / "html"), stage)
        stamp.unlink(missing_ok=True)
        if out.exists():
            out.rename(work / "last")
        (work / "html").rename(out)
        stamp.write_text(digest)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return index


def _configure(stage: Path, root: Path, *, jupyter_book: bool) -> None:
    """Write conf.py from _config.yml, without buttons that would lead nowhere."""
    path = stage / "_config.yml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    url = config.get("repository", {}).get("url")
    if not url:
        config["launch_buttons"] = {}
        for button in ("use_edit_page_button", "use_repository_button"):
            config["html"][button] = False
    elif "github.com/" not in url:
        config["launch_buttons"].pop("colab_url", None)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    _run(
        (Path(sys.executable).with_name("jupyter-book"), "config", "sphinx", stage),
        stage,
    )
    lines = [
        "import sys",
        # A validator of jsonschema, which nothing here needs, takes 3 s to import.
        'sys.modules["rfc3987_syntax"] = None',
        f"sys.path[:0] = {[str(stage / 'book' / '_ext'), str(root)]!r}",
        "ogp_site_url = html_baseurl",
    ]
    if not jupyter_book:  # Sphinx and its theme as they are now, see CONTRIBUTING.md
        lines += ['extensions.remove("jupyter_book")', "templates_path = []"]
    with (stage / "conf.py").open("a", encoding="utf-8") as conf:
        conf.write("\n".join(lines) + "\n")


def _run(command: Sequence, folder: Path) -> None:
    """Run a command; raise what it says on stderr if it fails."""
    command = list(map(str, command))
    run = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise SiteError(f"{shlex.join(command)} failed:\n{run.stderr or run.stdout}")


def _digest(stage: Path, root: Path, python: str) -> str:
    """Return the digest of all that the site is made from."""
    versions = [f"{d.metadata['Name']} {d.version}" for d in metadata.distributions()]
    digest = hashlib.sha256(repr((python, sys.version, sorted(versions))).encode())
    ours = ("conf.py", "_config.yml")  # which `_configure` writes
    for folder, pattern in ((stage, "*"), (root / "netdyn_utils", "*.py")):
        for path in sorted(folder.rglob(pattern)):
            if path.is_file() and path.name not in ours:
                digest.update(f"{path.relative_to(folder)}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
