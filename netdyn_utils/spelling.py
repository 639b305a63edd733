"""What a text spells, in a shell or in a file: a number, a truth, a list."""

import ast
import re
from contextlib import suppress

_WHOLE = re.compile(r"[+-]?\d+(_\d+)*")


def read_text(text: str, kind: str):
    """Return what a text spells in a type; the text itself if it spells nothing."""
    if kind == "bool":
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        if kind == "int":
            return int(text) if _WHOLE.fullmatch(text) else text
        return float(text)
    except ValueError:  # also a whole number of more digits than Python reads
        return text


def is_text(value: str) -> bool:
    """Say whether a text can stand in a file: no zero byte, nothing but UTF-8.

    >>> is_text("é"), is_text("a\\0b"), is_text("\\udcff")
    (True, False, False)
    """
    with suppress(UnicodeEncodeError):  # of a shell's bytes that spell nothing
        return b"\0" not in value.encode()
    return False


def split_list(text: str) -> list | str:
    """Return the items of ``[a, b]``, quoted or not; the text itself if it is none."""
    inside = re.fullmatch(r"\s*\[(.*)\]\s*", text, re.DOTALL)
    if inside is None or not inside[1].strip():
        return text if inside is None else []
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        items = ast.literal_eval(text.strip())
        if all(isinstance(item, str) for item in items):
            return items
    return re.split(r"\s*,\s*", inside[1].strip())
