"""A Sphinx extension: where a page once was, one that leads to its new place.

`redirects` of the configuration names both, without ending: ``book/old: book/new``.
"""

import os
from collections.abc import Mapping
from html import escape
from pathlib import Path

from .faults import SiteError

# The script keeps the place within the page, which a bare refresh would lose. Without
# an icon of its own a browser asks for one that is not there.
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Moved</title>
<link rel="icon" href="data:,">
<link rel="canonical" href="{target}">
<script>location.replace("{target}" + location.hash)</script>
<meta http-equiv="refresh" content="0; url={target}">
<p>This page is now <a href="{target}">{target}</a>.</p>
</html>
"""


def setup(app) -> dict:
    """Connect to Sphinx."""
    app.add_config_value("redirects", {}, "html", types=(dict,))
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True}


def _finish(app, exception) -> None:
    if exception is None:
        lay_redirects(Path(app.outdir), app.config.redirects)


def lay_redirects(site: Path, moved: Mapping[str, str]) -> None:
    """Write a page for every old name that leads to the new one.

    Raises
    ------
    SiteError
        If there is no such page, or still one at the old place.
    """
    for old, new in moved.items():
        here, there = (site / f"{name}.html" for name in (old, new))
        if not there.is_file():
            raise SiteError(f"redirects: {old} is to lead to {new}, which is no page")
        if here.exists():
            raise SiteError(f"redirects: {old} is to lead to {new}, but is a page")
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_text(redirect(os.path.relpath(there, here.parent)), encoding="utf-8")


def redirect(target: str) -> str:
    """Return a page that leads to a relative address."""
    return _PAGE.format(target=escape(target))
