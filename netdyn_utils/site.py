"""From executed notebooks to checked pages: stage, build, check.

Sphinx never runs a notebook here. Runs come from `rerun`; what lies in the staging
folder lies at the same path as in the repository, so that links hold in both. A new
site takes the old one's place only when it was built without a warning and every
check passed.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

_HASH_NAME = re.compile(r"(^|/)[0-9a-f]{32,}(\.\w+)?$")
_GENERATED = ("search.html", "genindex.html", "py-modindex.html")
_UNKNOWN_MIME = re.compile(r"unknown[ -]mime", re.IGNORECASE)
_WARNING = re.compile(r"WARNING|ERROR|CRITICAL|[Ee]xception")


class SiteError(RuntimeError):
    """The site was not built, or not as it should be."""


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
    commit = _commit(root)
    for run in runs:
        if run.status != "ok":
            raise SiteError(f"{run.name} is not a page: its run {run.status}")
        notebook = json.loads(run.output.read_text(encoding="utf-8"))
        _strip(notebook)
        notebook["cells"].append(_colophon(run, profile, commit))
        target = into / "notebooks" / run.output.name
        target.write_text(json.dumps(notebook, indent=1), encoding="utf-8")


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


def _colophon(run, profile: str, commit: str) -> dict:
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


def build(stage: Path, out: Path, *, root: Path) -> Path:
    """Build the site from the staging folder and return the path of its first page.

    Every warning is an error, and an error leaves the last good site in `out` as it
    was.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="building-", dir=out.parent))
    try:
        _sphinx(stage, work, root)
        html = work / "_build" / "html"
        if faults := check(html):
            raise SiteError("\n".join(["the pages have faults:", *faults]))
        if out.exists():
            out.rename(work / "last")
        html.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out / "index.html"


def _sphinx(stage: Path, work: Path, root: Path) -> None:
    """Run jupyter-book; raise with its warnings, and nothing else, if it fails."""
    command = [
        *(str(Path(sys.executable).parent / "jupyter-book"), "build", str(stage)),
        *("--config", str(root / "_config.yml"), "--toc", str(root / "_toc.yml")),
        *("--path-output", str(work), "-W", "-n", "--keep-going"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        lines = [*run.stdout.splitlines(), *run.stderr.splitlines()]
        said = [line for line in lines if _WARNING.search(line)] or lines[-20:]
        raise SiteError("\n".join(["jupyter-book failed:", *dict.fromkeys(said)]))


def check(site: Path) -> list[str]:
    """Return the faults of the pages of a site, one line each.

    A page has one first heading; shows no error of a notebook and no output that a
    browser cannot; every picture says in words what it shows; every link, picture,
    style and script of the site's own is there, and none comes from another host.
    """
    pages = {path: _Page(path) for path in sorted(site.rglob("*.html"))}
    return [
        f"{path.relative_to(site)}: {fault}"
        for path, page in pages.items()
        if "_static" not in path.relative_to(site).parts and not page.redirects
        for fault in [*page.faults(), *_broken(page, pages)]
    ]


class _Page(HTMLParser):
    """What one page holds: headings, ids, links, pictures, marks of failure."""

    def __init__(self, path: Path):
        super().__init__(convert_charrefs=True)
        self.path = path
        self.headings = 0  # of the article: the theme adds one of its own for printing
        self.article = False
        self.ids, self.links, self.loads = set(), [], []
        self.marks = []
        self.redirects = False
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        """Note one element."""
        a = {key: value or "" for key, value in attributes}
        self.ids |= {a[key] for key in ("id", "name") if key in a}
        self.article |= tag == "article"
        self.headings += tag == "h1" and self.article
        self.redirects |= tag == "meta" and a.get("http-equiv", "").lower() == "refresh"
        if tag == "a" and "href" in a:
            self.links.append(a["href"])
        if tag in ("script", "img", "iframe", "source") and "src" in a:
            self.loads.append(a["src"])
        if tag == "link" and a.get("rel") in ("stylesheet", "icon", "preload"):
            self.loads.append(a.get("href", ""))
        if tag == "img" and (not a.get("alt") or _HASH_NAME.search(a["alt"])):
            self.marks.append(f"picture without words: {a.get('src')}")
        classes = a.get("class", "").split()
        if "output" in classes and {"error", "traceback", "stderr"} & set(classes):
            self.marks.append("an output shows an error or a warning")

    def handle_endtag(self, tag):
        """Note the end of the article."""
        self.article &= tag != "article"

    def faults(self) -> Iterator[str]:
        """Yield what is wrong within the page."""
        yield from self.marks
        if self.headings != 1 and self.path.name not in _GENERATED:
            yield f"{self.headings} first headings"
        if _UNKNOWN_MIME.search(self.text):
            yield "an output that no browser shows"
        for address in self.loads:
            if urlsplit(address).netloc:
                yield f"loads from another host: {address}"


def _broken(page: _Page, pages: dict[Path, _Page]) -> Iterator[str]:
    """Yield the addresses on a page that lead nowhere within the site."""
    for address in dict.fromkeys([*page.links, *page.loads]):
        parts = urlsplit(address)
        if parts.scheme or parts.netloc or not address:
            continue
        target = page.path
        if parts.path:
            target = (page.path.parent / unquote(parts.path)).resolve()
        anchor = unquote(parts.fragment)
        if not target.is_file():
            yield f"leads nowhere: {address}"
        elif anchor and target in pages and anchor not in pages[target].ids:
            yield f"no such place on the page: {address}"
