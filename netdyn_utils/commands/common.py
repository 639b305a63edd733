"""What the commands share: the folder of the book, arguments, refusals."""

import argparse
import ast
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_SIZES = {"M": 1e6, "G": 1e9}


class Refused(Exception):
    """What was asked for does not exist; the message says what does."""


def find_root() -> Path:
    """Return the folder of the book: here or above."""
    try:
        here = Path.cwd()
    except OSError as error:
        raise Refused("no book here: this folder is gone") from error
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").exists() and (folder / "notebooks").is_dir():
            return folder
    raise Refused(f"no book in {here} or above it: go to the folder with _toc.yml")


def use_records(root: Path, profile: str | None, *, compute: bool = True) -> None:
    """Let the paper profile read the records in ``book/results``.

    Parameters
    ----------
    root : Path
    profile : str or None
        Of others nothing is set.
    compute : bool
        Whether a run that has no record may be computed. Where ``NETDYN_RESULTS`` or
        ``NETDYN_COMPUTE`` is set, it stays.
    """
    if profile == "paper":
        os.environ.setdefault("NETDYN_RESULTS", str(root / "book" / "results"))
        if not compute:
            os.environ.setdefault("NETDYN_COMPUTE", "never")


def checked(check: Callable, what: str) -> Callable:
    """Return a reader of one argument whose own sentence argparse shows."""

    def read(text: str):
        value = text
        with suppress(ValueError, SyntaxError):
            value = ast.literal_eval(text)
        try:
            return check(value, what)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def duration(text: str) -> float:
    """Return seconds.

    >>> duration("90"), duration("20m"), duration("1.5h")
    (90.0, 1200.0, 5400.0)
    """
    return _amount(text, _UNITS, "90, 90s, 20m or 1.5h")


def size(text: str) -> float:
    """Return bytes.

    >>> size("4G")
    4000000000.0
    """
    return _amount(text, _SIZES, "500M or 4G")


def _amount(text: str, units: dict[str, float], examples: str) -> float:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([a-zA-Z]?)", text.strip())
    if found is None or found[2] not in units or not float(found[1]):
        raise argparse.ArgumentTypeError(f"expected {examples}, got {text!r}")
    return float(found[1]) * units[found[2]]
