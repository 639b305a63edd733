"""The site: stage pages and executed notebooks, build them, swap the new site in.

Sphinx runs no notebook. Staged files have the paths of the repository, for the links.
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

import click
import yaml

from ..metrics import MIME, read_metrics
from ..store import RunStore, git_commit
from .execute import NotebookRun

_RECORD = re.compile(r"RunRecord\(([\w.-]+), (stale)?")  # as a notebook shows it
_MAX_DOWNLOAD_BYTES = 5_000_000  # of a record's arrays
_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_TOOLS = ("jupyter-book", "sphinx", "myst-nb", "papermill")


class SiteError(click.ClickException):
    """The site was not built; the command line shows the message."""

    def __init__(self, message: str):
        kept = "The last good site, if there was one, is still in place."
        super().__init__(f"{message}\n{kept}")


@dataclass(frozen=True)
class ShownRecord:
    """A stored record that a notebook displays."""

    name: str  # of its files
    stale: bool  # whether its numbers are of another version of its kind
    path: Path | None  # manifest, if it is still there
    archived: bool  # whether it came with the book


def stage(runs: Iterable[NotebookRun], into: Path, *, root: Path, profile: str) -> None:
    """Copy the pages and the executed notebooks, all of them ok, to a fresh folder."""
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(root / "book", into / "book")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(root / name, into)
    (into / "notebooks").mkdir()
    config, commit = _read_yaml(root / "_config.yml"), git_commit(root)
    commit = f"commit `{commit}`" if commit else "outside of git"
    made = f"Profile `{profile}`, {commit}".replace("+`", "` with local changes")
    url, branch = map(config.get("repository", {}).get, ("url", "branch"))
    install = f"git+{url}@{branch}" if "github.com/" in (url or "") else ""
    excluded = config.get("sphinx", {}).get("config", {}).get("netdyn_not_in_colab", ())
    facts = {}
    rows = [("notebook", "took", "run at (UTC)", "parameters", "records"), ["---"] * 5]
    for run in runs:
        if run.status != "ok":
            raise SiteError(f"{run.name} has no page: its run ended as {run.status!r}")
        notebook = executed_page(root / "notebooks" / run.output.name, run.output)
        records = shown_records(run.output)
        files = copy_downloads(run, records, root, into / "downloads" / run.name)
        in_colab = f"notebooks/{run.name}" not in excluded
        top, end = provenance(run, made, records, files, install * in_colab)
        notebook["cells"].insert(1, _markdown("provenance-header", top))
        notebook["cells"].append(_markdown("provenance-footer", end))
        page = into / "notebooks" / run.output.name
        page.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
        manifest = _read_json(run.output.with_name("run.json"))
        facts |= {
            **manifest.get("versions", {}),
            "processor": manifest.get("processor"),
        }
        start = str(manifest.get("created", "?"))[:16].replace("T", "\u00a0")
        shown = ", ".join(f"`{record.name}`" for record in records)
        link = f"[{run.name}](../notebooks/{run.name}.ipynb)"
        rows.append((link, duration(run.seconds), start, _given(run), shown or "none"))
    facts |= {name: metadata.version(name) for name in _TOOLS}
    if (about := into / "book" / "about.md").exists():
        with about.open("a", encoding="utf-8") as page:
            page.write(f"\n## This build\n\n- {made}\n")
            page.writelines(f"- {name}: {value}\n" for name, value in facts.items())
            page.write("\n")
            page.writelines(f"| {' | '.join(row)} |\n" for row in rows)


def executed_page(source: Path, executed: Path) -> dict:
    """Return a notebook as it is now, with the outputs of a run of the same code.

    Prose and captions may be newer than the run. Papermill's cell of given parameters
    stays where it is; what differs from run to run goes.
    """
    page, run = _read_json(source), _read_json(executed)
    if not (page and run):
        gone = executed if page else source
        raise SiteError(f"{gone} cannot be read: `make pair` and `make book` make it")
    executed_cells = [cell for cell in run["cells"] if cell["cell_type"] == "code"]
    cells = []
    for cell in page["cells"]:
        cells.append(cell)
        if cell["cell_type"] == "code":
            result = executed_cells.pop(0) if executed_cells else {"source": ""}
            if "".join(result["source"]) != "".join(cell["source"]):
                raise SiteError(f"{executed} is a run of other code: `make book` again")
            cell |= {key: result[key] for key in ("outputs", "execution_count")}
            if "injected" in str(executed_cells and executed_cells[0]["metadata"]):
                cells.append(executed_cells.pop(0))
    for cell in cells:
        cell["metadata"].pop("papermill", None)
    outputs = [o.get("data", {}) for cell in cells for o in cell.get("outputs", ())]
    for data in outputs:
        data.pop(MIME, None)  # for programs; pages show the table
        if text := data.get("text/markdown"):  # a number and its error on one line
            data["text/markdown"] = "".join(text).replace(" ± ", "\u00a0±\u00a0")
    # Without a widget on the page its state would load the widget manager for nothing;
    # of an output that is HTML too, the page shows that.
    views = _WIDGET_VIEW in json.dumps([d.get("text/html", d) for d in outputs])
    names = ("kernelspec", "language_info", *["widgets"] * views)
    about = {key: run["metadata"][key] for key in names if key in run["metadata"]}
    return {**run, "metadata": about, "cells": cells}


def _markdown(identifier: str, text: str) -> dict:
    return {"cell_type": "markdown", "id": identifier, "metadata": {}, "source": text}


def shown_records(executed: Path) -> list[ShownRecord]:
    """Return the records that an executed notebook displays, in order, each once."""
    store = RunStore.default()
    text = re.sub(r"\\n|[\"\s]+", " ", executed.read_text(encoding="utf-8"))
    found = []
    for name, stale in dict.fromkeys(_RECORD.findall(text)):
        paths = (f / f"{name}.json" for f in (*store.archives, store.root))
        path = next((path for path in paths if path.exists()), None)
        archived = path is not None and path.parent in store.archives
        found.append(ShownRecord(name, bool(stale), path, archived))
    return found


def copy_downloads(
    run: NotebookRun, records: Sequence[ShownRecord], root: Path, into: Path
) -> list[Path]:
    """Copy what a reader may take of a notebook; return the copies."""
    into.mkdir(parents=True)
    source = root / "notebooks" / run.name
    files = [source.with_suffix(".ipynb"), source.with_suffix(".py")]
    for manifest in (record.path for record in records if record.path):
        files += [manifest, manifest.with_suffix(".npz")]
    copies = [
        Path(shutil.copy(path, into))
        for path in files
        if path.exists() and path.stat().st_size <= _MAX_DOWNLOAD_BYTES
    ]
    if numbers := read_metrics(run.output):
        copies.insert(2, into / f"{run.name}.csv")
        with copies[2].open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("name", "value"), *numbers.items()])
    return copies


def provenance(run, made: str, records, files, install: str) -> tuple[str, str]:
    """Return what a page says of its making, below its title and as its last section.

    `made` is the profile and the commit; `install` is for Colab, if it can run it.
    """
    took = duration(run.seconds)
    top = f":::{{note}}\n{run.note}\n:::\n\n" if run.note else ""
    if archived := [record for record in records if record.archived]:
        manifests = [_read_json(record.path) for record in archived]
        day = max(str(manifest.get("created"))[:10] for manifest in manifests)
        seconds = duration(sum(manifest.get("seconds", 0) for manifest in manifests))
        stale = sum(record.stale for record in archived)
        top += f"*This page shows {len(archived)} stored records, computed until {day} "
        top += f"in {seconds}; {stale} of them are of an older version.*\n\n"
    top += (
        f"*{made}, a run of {took}. [How this page was made](#how-this-page-was-made)"
    )
    top += ": parameters, command, downloads.*"
    names = (f"{path.name} </downloads/{run.name}/{path.name}>" for path in files)
    threads = f" on {run.threads} threads; others give other last digits"
    end = f"""\
## How this page was made

- {made}.
- Parameters: {_given(run)}.
- The run took {took}{threads if run.threads else ""}.
- Downloads: {", ".join(f"{{download}}`{name}`" for name in names)}.

The same run, from the folder of the book:

```bash
{rerun_command(run.name, run.parameters)}
```
"""
    if install:  # for a reader who leaves by the Colab button of this page
        end += "\nIn Colab, run this in a cell of its own first:\n\n"
        end += f'```python\n%pip install -q "{install}"\n```\n'
    return top, end


def _given(run: NotebookRun) -> str:
    given = ", ".join(f"`{k} = {v!r}`" for k, v in run.parameters.items())
    return given or "as in the notebook"


def rerun_command(name: str, parameters: Mapping[str, object]) -> str:
    """Return the papermill command that repeats a run; YAML keeps the types.

    >>> print(rerun_command("02_updates", {"learning_rate": 0.1, "digits": [3, 8]}))
    papermill notebooks/02_updates.ipynb 02_updates.out.ipynb \\
      -y '{learning_rate: 0.1, digits: [3, 8]}'
    """
    flow = {"default_flow_style": True, "width": 1e9, "sort_keys": False}
    values = shlex.quote(yaml.safe_dump(dict(parameters), **flow).strip())
    command = f"papermill notebooks/{name}.ipynb {name}.out.ipynb"
    return f"{command} \\\n  -y {values}" if parameters else command


def duration(seconds: float) -> str:
    """Return a time as people say it.

    >>> duration(0.2), duration(75), duration(4000)
    ('1 s', '75 s', '67 min')
    """
    return f"{max(1, round(seconds))} s" if seconds < 300 else f"{seconds / 60:.0f} min"


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _read_yaml(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def build(stage: Path, out: Path, *, root: Path) -> Path:
    """Build the staged site and return its first page; any warning is an error.

    Nothing is built if nothing has changed since the last build, and a failed build
    leaves the last good site in `out`. The environment's NETDYN_SPHINX names the
    interpreter of another Sphinx: `make book SPHINX=next`.
    """
    python = os.environ.get("NETDYN_SPHINX", "")
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
        _run((*command, *strict, stage, work / "html"))
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
    config = _read_yaml(stage / "_config.yml")
    url = config.get("repository", {}).get("url")
    if not url:
        config["launch_buttons"] = {}
        config["html"] |= {
            "use_edit_page_button": False,
            "use_repository_button": False,
        }
    elif "github.com/" not in url:
        config["launch_buttons"].pop("colab_url", None)
    (stage / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    _run((Path(sys.executable).with_name("jupyter-book"), "config", "sphinx", stage))
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


def _run(command: Sequence) -> None:
    """Run a command; raise its stderr if it fails."""
    command = list(map(str, command))
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SiteError(f"{shlex.join(command)} failed:\n{run.stderr or run.stdout}")


def _digest(stage: Path, root: Path, python: str) -> str:
    """Return the digest of all that the site is made from."""
    versions = sorted((d.name, d.version) for d in metadata.distributions())
    digest = hashlib.sha256(repr((python, sys.version, versions)).encode())
    for folder, pattern in ((stage, "*"), (root / "netdyn_utils", "*.py")):
        for path in filter(Path.is_file, sorted(folder.rglob(pattern))):
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
