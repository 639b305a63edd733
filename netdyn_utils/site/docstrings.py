"""A Sphinx extension: docstrings that docutils would take for something else."""

import re

_TYPE = ":type: "  # what napoleon writes below an attribute
_INITIAL = re.compile(r"^(\s*- [A-Z])\. ")  # an author, not the letter of a list


def setup(app) -> dict:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", _keep_initials)
    app.connect("autodoc-process-docstring", _keep_words)  # after napoleon's
    return {"parallel_read_safe": True}


def _keep_initials(_app, _what, _name, _obj, _options, lines: list[str]) -> None:
    """Keep "- A. Clauset" from becoming a list within a list."""
    lines[:] = [_INITIAL.sub(r"\1\\. ", line) for line in lines]


def _keep_words(_app, what, _name, _obj, _options, lines: list[str]) -> None:
    """Put the words before a colon, which are no type, back into a property's sentence.

    >>> lines = ["positive and finite.", "", ":type: How many values the bins hold"]
    >>> _keep_words(None, "property", "", None, None, lines)
    >>> lines[0]
    'How many values the bins hold: positive and finite.'
    """
    types = [line for line in lines if line.startswith(_TYPE)]
    if what == "property" and types:
        lines.remove(types[-1])
        lines[0] = f"{types[-1].removeprefix(_TYPE)}: {lines[0]}"
