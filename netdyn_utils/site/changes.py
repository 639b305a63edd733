"""When each page last changed, and which pages a branch changes: what git says."""

import re
from pathlib import Path

import yaml

from .faults import SiteError
from .git import git

# Pages that show more than their own file.
_SHOWN = {
    "book/index": ("book/_verdicts.md", "book/_static"),
    "book/references": ("book/references.bib",),
    "notebooks/07_claims": ("book/results", "netdyn_utils/paper"),
}
_PACKAGE = "netdyn_utils/"
_MODULE = re.compile(r"^\.\. automodule:: (\S+)", re.MULTILINE)
_TITLE = re.compile(r"^(?:# )?# (.+)$", re.MULTILINE)


def sources(root: Path) -> dict[str, tuple[str, ...]]:
    """Return what each page is made from, its own file first, in the book's order."""
    toc = (root / "_toc.yml").read_text(encoding="utf-8")
    found = {}
    for page in _files(yaml.safe_load(toc)):
        own = f"{page}.py" if (root / f"{page}.py").exists() else f"{page}.md"
        found[page] = (own, *_SHOWN.get(page, ()), *_described(root, own))
    return found


def last_changed(root: Path) -> dict[str, str]:
    """Return the day on which what a page is made from last changed, in commits.

    Empty outside of git, and in a clone without the history: there every file would
    seem to be of the same day.
    """
    if git(root, "rev-parse", "--is-shallow-repository") != "false":
        return {}
    days = {
        page: git(root, "log", "-1", "--format=%cs", "--", *paths)
        for page, paths in sources(root).items()
    }
    return {page: day for page, day in days.items() if day}


def changed_pages(root: Path, base: str) -> str:
    """Return markdown with the pages that the branch at hand changes.

    Parameters
    ----------
    root : Path
    base : str
        A commit: changes since the branch left it are listed.
    """
    if not git(root, "merge-base", "--end-of-options", base, "HEAD"):
        raise SiteError(f"git knows no commit {base!r} that this branch comes from")
    files = git(root, "diff", "--name-only", "-z", f"{base}...HEAD").split("\0")
    files = list(filter(None, files))
    lines = [
        f"- {_title(root / paths[0])} (`{paths[0]}`)"
        for page, paths in sources(root).items()
        if any(_within(file, paths) for file in files)
    ]
    said = ["## Pages whose source changed", "", *(lines or ["None."])]
    if number := sum(file.startswith(_PACKAGE) for file in files):
        what = "1 file" if number == 1 else f"{number} files"
        said += ["", f"The package changed in {what}: any figure may look otherwise."]
    return "\n".join(said)


def _files(toc) -> list[str]:
    """Return the pages of a table of contents, however deep."""
    if isinstance(toc, list):
        return [page for each in toc for page in _files(each)]
    if not isinstance(toc, dict):
        return []
    own = [toc[key] for key in ("root", "file") if key in toc]
    return own + [page for value in toc.values() for page in _files(value)]


def _described(root: Path, page: str) -> tuple[str, ...]:
    """Return the files or folders of the modules whose docstrings a page shows."""
    text = (root / page).read_text(encoding="utf-8") if (root / page).exists() else ""
    paths = [name.replace(".", "/") for name in _MODULE.findall(text)]
    return tuple(p if (root / p).is_dir() else f"{p}.py" for p in paths)


def _within(file: str, paths: tuple[str, ...]) -> bool:
    return any(file == path or file.startswith(f"{path}/") for path in paths)


def _title(source: Path) -> str:
    found = _TITLE.search(source.read_text(encoding="utf-8"))
    return found[1] if found else source.stem
