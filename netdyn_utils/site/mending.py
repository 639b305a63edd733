"""Faults of the theme's own that no option reaches, mended in the pages it made."""

import re
from pathlib import Path

# Each with what it costs the reader. What is not found is not missed: a later theme may
# have mended it itself, and the tests look at the pages in a browser.
_MENDS = (
    # 1.5 MB of script that draws icons which a style sheet and its font draw already;
    # it also takes the widgets' buttons apart.
    (r'<script src="[^"]*/fontawesome/[^"]*/all\.min\.js[^"]*"></script>\s*', ""),
    # Fonts that are fetched whether or not a page has an icon of theirs.
    (r'<link rel="preload"[^>]*/fa-(?:brands|regular)-400\.woff2"[^>]*>\s*', ""),
    # Day or night is known before the page is drawn; the theme's own script asks for it
    # at the end, and until then both logos show.
    (
        r'dataset\.theme = localStorage\.getItem\("theme"\) \|\| "auto";',
        'dataset.theme = { light: "light", dark: "dark" }[document.documentElement'
        '.dataset.mode] || (matchMedia("(prefers-color-scheme: dark)").matches'
        ' ? "dark" : "light");',
    ),
    # Names that hide the words which stand there: a speaker of "Search Ctrl K" or
    # "Code of the figure" would not find the button.
    (r'(<button class="btn search-button-field[^>]*?) aria-label="[^"]*"', r"\1"),
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    # What opens the pages below another has a sign and no name.
    (
        r'(has-children"><a [^>]*>([^<]*)</a><details[^>]*>)<summary>',
        r'\1<summary aria-label="Pages below: \2">',
    ),
    # A list without items, as the references are none.
    (r'<div role="list" class="citation-list">', '<div class="citation-list">'),
    # Wide tables scroll, and must do so without a mouse too.
    (
        r'<table (?:border="1" class="dataframe"|class="dataframe" border="1")>',
        r'<table class="dataframe" tabindex="0">',
    ),
)

_TABLE = re.compile(r'<table class="dataframe"(.*?)</table>', re.DOTALL)
_LAST = re.compile(r"<td>([^<]*)</td>\s*</tr>")
_WORDS = 16  # letters in a cell from which it is words, and may break


def mend(site: Path) -> None:
    """Mend every page of a site that was just built."""
    for path in site.rglob("*.html"):
        text = mended = path.read_text(encoding="utf-8")
        for fault, remedy in _MENDS:
            mended = re.sub(fault, remedy, mended)
        mended = _TABLE.sub(_worded, mended)
        if mended != text:
            path.write_text(mended, encoding="utf-8")


def _worded(found: re.Match) -> str:
    """Mark a table whose last column holds words: that column may break its lines."""
    long = any(len(cell) > _WORDS for cell in _LAST.findall(found[1]))
    words = ' class="dataframe words"' if long else ' class="dataframe"'
    return f"<table{words}{found[1]}</table>"
