"""Pages and chapters keep the form that the reader is promised."""

import itertools
import json
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = sorted((ROOT / "book").glob("[a-z]*.md"))
FIGURE = re.compile(r"plt\.subplots|= plotting\.plot_\w+\(")


def cells(path, kind):
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def prose(path):
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return "\n\n".join("".join(cell["source"]) for cell in cells(path, "markdown"))


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=lambda path: path.stem)
def test_page_has_one_title_and_skips_no_level(path):
    text = re.sub(r"^(`{3,}|:{3,}).*?^\1$", "", prose(path), flags=re.M | re.S)
    levels = [len(mark) for mark in re.findall(r"^(#+) ", text, flags=re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_chapter_has_short_cells_told_figures_and_plain_markdown(path):
    code = cells(path, "code")
    lines = [sum(bool(line.strip()) for line in cell["source"]) for cell in code]
    assert max(lines) <= 25
    assert statistics.median(lines) <= 8
    # A Sphinx role or directive would be shown as it is in Jupyter and in Colab.
    assert not re.search(r"\{[a-z:]+\}`|^(:::|```)\{", prose(path), re.MULTILINE)
    for cell in code:
        source, shown = "".join(cell["source"]), cell["metadata"].get("mystnb", {})
        name = shown.get("figure", {}).get("name")
        if name:
            assert shown["figure"]["caption"].endswith("."), name
            assert f"](#{name})" in prose(path) + source, f"no text refers to {name}"
        if FIGURE.search(source) and "def " not in source:
            assert len(shown["image"]["alt"].split()) >= 8, source[:80]
