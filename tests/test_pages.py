"""The prose pages and the chapters keep to the form that the reader is promised."""

import itertools
import json
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "book").glob("[a-z]*.md"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHAPTERS = [path for path in NOTEBOOKS if path.stem[:2] <= "07"]
FIGURE = re.compile(r"plt\.subplots|= plotting\.plot_\w+\(")


def cells(path, kind):
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def prose(path):
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return "\n\n".join("".join(cell["source"]) for cell in cells(path, "markdown"))


def headings(text):
    text = re.sub(r"^(`{3,}|:{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [len(mark) for mark in re.findall(r"^(#+) ", text, flags=re.MULTILINE)]


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


@named([*PAGES, *NOTEBOOKS])
def test_a_page_has_one_first_heading_and_skips_no_level(path):
    levels = headings(prose(path))
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@named(NOTEBOOKS)
def test_code_cells_are_short(path):
    lines = [
        sum(map(bool, map(str.strip, "".join(cell["source"]).splitlines())))
        for cell in cells(path, "code")
    ]
    assert max(lines) <= 25
    assert statistics.median(lines) <= 8


@named(NOTEBOOKS)
def test_every_figure_has_words_and_a_caption_or_a_condition(path):
    for cell in cells(path, "code"):
        source = "".join(cell["source"])
        told = cell["metadata"].get("mystnb", {})
        if FIGURE.search(source) and "def " not in source:
            assert len(told["image"]["alt"].split()) >= 8, source[:80]
            if "if published_dir" not in source:  # drawn only where arrays are given
                assert told["figure"]["caption"].endswith("."), source[:80]
                assert told["figure"]["name"].startswith("fig-"), source[:80]


UNSIGNED = {"fig-data": "images", "fig-sweep": "a table of many runs"}


@named(NOTEBOOKS)
def test_every_figure_names_the_record_it_is_drawn_from(path):
    for cell in cells(path, "code"):
        source = "".join(cell["source"])
        name = cell["metadata"].get("mystnb", {}).get("figure", {}).get("name")
        if name and name not in UNSIGNED:
            # The explorers sign what they draw.
            signs = r"plotting\.sign\(|^    runs=|widgets\.(explore_tail|watch_train)"
            signed = re.search(signs, source, re.MULTILINE)
            assert signed, f"{name}: plotting.sign(figure, run)"


def test_names_of_figures_are_used_once():
    names = [
        cell["metadata"]["mystnb"]["figure"]["name"]
        for path in NOTEBOOKS
        for cell in cells(path, "code")
        if "figure" in cell["metadata"].get("mystnb", {})
    ]
    assert len(names) == len(set(names)) > 20


@named(CHAPTERS)
def test_a_chapter_has_the_rhythm(path):
    text = prose(path)
    assert "**Question.**" in text
    assert "$$" in text
    ends = ("What would refute it", "Limits", "Exercises", "Summary")
    places = [text.index(f"## {name}\n") for name in ends]
    assert places == sorted(places)


@named(NOTEBOOKS)
def test_notebooks_hold_no_sphinx_roles(path):
    """They would stand raw in Jupyter and in Colab."""
    assert not re.search(r"\{[a-z:]+\}`", prose(path))
    assert not re.search(r"^(:::|```)\{", prose(path), re.MULTILINE)


def test_chapters_refer_to_equations_by_their_numbers_and_their_sections():
    theory = prose(ROOT / "book" / "theory.md")
    places, section = [], ""  # the section of each numbered equation, in order
    for line in theory.splitlines():
        if line.startswith("## "):
            section = re.sub(r"[^a-z -]", "", line[3:].lower()).replace(" ", "-")
        elif re.fullmatch(r"\$\$ \(eq-[a-z]+\)", line):
            places.append(section)
    link = re.compile(r"\[equation (\d+)\]\(\.\./book/theory\.md#([a-z-]+)\)")
    found = [pair for path in NOTEBOOKS for pair in link.findall(prose(path))]
    assert len(found) >= 5
    for number, section in found:
        assert places[int(number) - 1] == section, number


def test_glossary_is_in_alphabetical_order_and_each_term_is_said_once():
    glossary = prose(ROOT / "book" / "symbols.md").split(":::{glossary}")[1]
    terms = re.findall(r"^(\w[^\n]*)\n  \S", glossary, re.MULTILINE)
    keys = [term.casefold() for term in terms]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys) > 40


def test_every_symbol_has_a_name_a_unit_and_a_chapter():
    table = prose(ROOT / "book" / "symbols.md").split("## Glossary")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| $")]
    assert len(rows) > 20
    for symbol, words, name, unit, where in rows:
        assert all(map(str.strip, (symbol, words, name, unit)))
        assert re.search(r"\.\./notebooks/\d\d_\w+\.ipynb|\{doc\}", where), symbol


def test_what_is_cited_is_in_the_bibliography():
    entries = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    keys = set(re.findall(r"^@\w+\{([^,]+),", entries, re.MULTILINE))
    for page in PAGES:
        for group in re.findall(r"\{cite:\w+\}`([^`]+)`", prose(page)):
            assert set(group.split(",")) <= keys, page.name
