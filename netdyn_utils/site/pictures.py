"""Give pictures and formulas of a page their room, so that nothing jumps."""

import re
from functools import cache
from pathlib import Path

WIDE = 640  # pixels from which a picture scrolls on a phone
_IMAGE = re.compile(r'<img (?![^>]*\bwidth=)([^>]*\bsrc="([^"]+\.svg)"[^>]*)>')
_SIZE = re.compile(r'<svg\b[^>]*?\bwidth="([\d.]+)pt" height="([\d.]+)pt"', re.DOTALL)
_FORMULA = re.compile(r'<div class="math [^"]*"(?=[^>]*>(.*?)</div>)', re.DOTALL)
_TALL = re.compile(r"\\(?:[dt]?frac|i*int|sum|prod|begin)(?![a-zA-Z])")
_TALLER = re.compile(r"\\begin\{.*\\dfrac", re.DOTALL)
_SHARE = 96 / 72  # points to pixels of a page


def size(site: Path) -> None:
    """Write width and height into the picture tags of every page.

    A wide one says so too: side by side, two panels are too small to read on a phone.
    A formula on a line of its own says how many lines of text it will be tall.
    """
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")

        def sized(found: re.Match, folder: Path = path.parent) -> str:
            picture = (folder / found[2]).resolve()
            if not (measured := _measured(picture)):
                return found[0]
            width, height = measured
            kind = ' data-wide=""' if width > WIDE else ""
            return f'<img width="{width}" height="{height}"{kind} {found[1]}>'

        new = _FORMULA.sub(_lined, _IMAGE.sub(sized, text))
        if new != text:
            path.write_text(new, encoding="utf-8")


def _lined(found: re.Match) -> str:
    lines = 1 + bool(_TALL.search(found[1])) + bool(_TALLER.search(found[1]))
    told = f'data-lines="{lines}" tabindex="0"'  # it scrolls, without a mouse too
    return f"<div {told} {found[0].removeprefix('<div ')}"


@cache
def _measured(picture: Path) -> tuple[int, int] | None:
    """Return width and height of a drawing in pixels, if it says them in points."""
    if not picture.is_file():
        return None
    with picture.open(encoding="utf-8") as file:
        found = _SIZE.search(file.read(2_000))
    return found and tuple(round(float(part) * _SHARE) for part in found.groups())
