"""A Sphinx extension: docstrings that docutils would take for something else."""

import re

_INITIAL = re.compile(r"^(\s*- [A-Z])\. ")  # an author, not the letter of a list


def setup(app) -> dict:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", _keep_initials)
    return {"parallel_read_safe": True}


def _keep_initials(_app, _what, _name, _obj, _options, lines: list[str]) -> None:
    """Keep "- A. Clauset" from becoming a list within a list."""
    lines[:] = [_INITIAL.sub(r"\1\\. ", line) for line in lines]
