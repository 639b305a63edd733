"""Read the pages of a site and name their faults."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_HASH_NAME = re.compile(r"(^|/)[0-9a-f]{32,}(\.\w+)?$")
_GENERATED = ("search.html", "genindex.html", "py-modindex.html")
# A page weighs at most 2.8 MB. What scripts and styles ask for, fonts and MathJax, is
# not seen here; the bundle of the widgets, which only pages with one load, not counted.
MAX_BYTES = 1_950_000
_BUNDLE = re.compile(r"vendor/(widgets|requirejs)/")
_UNKNOWN_MIME = re.compile(r"unknown[ -]mime", re.IGNORECASE)


def check(site: Path) -> list[str]:
    """Return the faults of the pages of a site, one line each.

    A page has one first heading; shows no error of a notebook and no output that a
    browser cannot; every picture says in words what it shows; every link, picture,
    style and script of the site's own is there, and none comes from another host; all
    that a page shows is not too much for a phone.
    """
    pages = {path: _Page(path) for path in sorted(site.rglob("*.html"))}
    return [
        f"{path.relative_to(site)}: {fault}"
        for path, page in pages.items()
        if "_static" not in path.relative_to(site).parts
        for fault in [*page.faults(), *_broken(page, pages), *_heavy(page)]
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
        if self.redirects:
            return
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


def _heavy(page: _Page) -> Iterator[str]:
    """Yield the weight of a page, with all that its tags load, if it is too much."""
    parts = [urlsplit(each) for each in page.loads if not _BUNDLE.search(each)]
    own = {unquote(part.path) for part in parts if not part.scheme and part.path}
    files = (page.path.parent / name for name in own)
    weight = sum(f.stat().st_size for f in (page.path, *files) if f.is_file())
    if weight > MAX_BYTES:
        yield f"weighs {weight:,} bytes with its pictures, over {MAX_BYTES:,}"
