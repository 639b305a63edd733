"""Plain links of a notebook to figures and to terms, made into those of the site.

A notebook stays readable wherever it is opened, so it writes `[this figure](#fig-loss)`
and `[tails](../book/symbols.md#tail)`. On the page the first becomes "Fig. 3", and the
second a link to the glossary.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from .faults import SiteError

_FIGURE = re.compile(r"\[[^\]]+\]\((?:\d\w+\.ipynb)?#(fig-[\w-]+)\)")
_TERM = re.compile(r"\[([^\]]+)\]\(\.\./book/symbols\.md#([\w-]+)\)")
_GLOSSARY = re.compile(r"^:::\{glossary\}\n(.*?)^:::", re.DOTALL | re.MULTILINE)


def glossary(page: Path) -> dict[str, str]:
    """Return the terms that a page explains, by the anchor that a link gives them."""
    if not page.exists():
        return {}
    found = _GLOSSARY.search(page.read_text(encoding="utf-8"))
    lines = found[1].splitlines() if found else ()
    terms = [line for line in lines if line and not line.startswith(" ")]
    return {anchor(term): term for term in terms}


def anchor(term: str) -> str:
    """Return how a link names a term.

    >>> anchor("Kolmogorov–Smirnov distance")
    'kolmogorov-smirnov-distance'
    """
    return re.sub(r"\W+", "-", term.lower())


def referred(text: str, terms: Mapping[str, str]) -> str:
    """Return markdown with the site's own references.

    >>> referred("In [this figure](#fig-a) is a [Tail](../book/symbols.md#tail).",
    ...          {"tail": "tail"})
    'In {numref}`Fig. %s <fig-a>` is a {term}`Tail <tail>`.'
    """

    def term(found: re.Match) -> str:
        words, name = found.groups()
        if name not in terms:
            raise SiteError(
                f"the glossary has no term for #{name}, which a notebook links as "
                f"{words!r}: enter it in book/symbols.md"
            )
        return f"{{term}}`{' '.join(words.split())} <{terms[name]}>`"

    text = _FIGURE.sub(r"{numref}`Fig. %s <\1>`", text)
    return _TERM.sub(term, text)
