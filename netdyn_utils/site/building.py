"""Build the site with every warning an error, and put it in place of the last one."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from .changes import last_changed
from .checking import check
from .faults import SiteError
from .heads import describe
from .mending import mend
from .origin import origin
from .pictures import size
from .redirects import redirect
from .staging import EXTRA

_WARNING = re.compile(r"WARNING|ERROR|CRITICAL|[Ee]xception")


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
        public = origin(root)
        describe(html, public.pages if public else "")
        mend(html)
        size(html)
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
    config = work / "_config.yml"
    config.write_text(_config(root, stage), encoding="utf-8")
    command = [
        *(str(Path(sys.executable).parent / "jupyter-book"), "build", str(stage)),
        *("--config", str(config), "--toc", str(root / "_toc.yml")),
        *("--path-output", str(work), "-W", "-n", "--keep-going"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        lines = [*run.stdout.splitlines(), *run.stderr.splitlines()]
        said = [line for line in lines if _WARNING.search(line)] or lines[-20:]
        raise SiteError("\n".join(["jupyter-book failed:", *dict.fromkeys(said)]))
    index = work / "_build" / "html" / "index.html"  # Jupyter Book's own has no icon
    index.write_text(redirect("book/index.html"), encoding="utf-8")


def _config(root: Path, stage: Path) -> str:
    """Return the book's configuration, with what is known only when it is built.

    These are the days on which its pages changed, the buttons that its origin allows,
    and the downloads of its pages.
    """
    told = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    sphinx = told.setdefault("sphinx", {})
    sphinx["recursive_update"] = True
    config = sphinx.setdefault("config", {})
    if days := last_changed(root):
        config["last_changed"] = days
    if (stage / EXTRA).is_dir():
        config["html_extra_path"] = [*config.get("html_extra_path", ()), EXTRA]
    if public := origin(root):
        for key, values in public.config().items():
            config[key] = {**config.get(key, {}), **values}
    return yaml.safe_dump(told, sort_keys=False)
