"""What a link to a page shows elsewhere: its title, its first sentences, a picture.

Sphinx has no option for it without a package more; the pages are read as they are.
"""

import html
import os
import re
from pathlib import Path

CARD = "_static/card.png"
_LONGEST = 200  # characters of a description
_PARAGRAPH = re.compile(r"<article\b.*?<p>(.*?)</p>", re.DOTALL)
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


def describe(site: Path, address: str = "") -> None:
    """Write title, description and picture into the head of every page.

    Parameters
    ----------
    site : Path
    address : str
        Where the site will be, with a slash at its end. Without it the picture's
        address is relative, which is all that can be known.
    """
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        title = _TITLE.search(text)
        if "</head>" not in text or not title or 'property="og:title"' in text:
            continue
        place = address or f"{os.path.relpath(site, path.parent)}/".removeprefix("./")
        words = _words(text)
        tags = [
            ("property", "og:type", "article"),
            ("property", "og:title", html.unescape(" ".join(title[1].split()))),
            ("property", "og:image", place + CARD),
            ("name", "twitter:card", "summary_large_image"),
        ]
        if words:
            tags.append(("name", "description", words))
            tags.append(("property", "og:description", words))
        head = "".join(
            f'<meta {kind}="{name}" content="{html.escape(value)}">\n'
            for kind, name, value in tags
        )
        path.write_text(text.replace("</head>", f"{head}</head>", 1), encoding="utf-8")


def _words(text: str) -> str:
    """Return the first sentences of a page, as plain words."""
    found = _PARAGRAPH.search(text)
    if not found:
        return ""
    plain = html.unescape(re.sub(r"<[^>]+>", "", found[1]))
    plain = " ".join(plain.split()).removeprefix("Question. ")
    if len(plain) <= _LONGEST:
        return plain
    return plain[:_LONGEST].rpartition(" ")[0] + " …"
