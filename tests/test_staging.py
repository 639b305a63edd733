"""What staging makes of a notebook's cells: folded code, references, sizes."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from netdyn_utils.site.docstrings import _keep_initials
from netdyn_utils.site.drawings import lighter
from netdyn_utils.site.faults import SiteError
from netdyn_utils.site.folding import fold
from netdyn_utils.site.pictures import size
from netdyn_utils.site.references import anchor, glossary, referred
from netdyn_utils.site.staging import _held

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cell(source, **metadata):
    return {"cell_type": "code", "source": source, "metadata": metadata}


# Code that is not taught is folded, with a word on what it is.

FIGURE = {"mystnb": {"figure": {"name": "fig-a"}}}


@pytest.mark.parametrize(
    ("source", "metadata", "word"),
    [
        ("import numpy as np\n\nplotting.use_style()", {}, "Imports"),
        ('Markdown(\n    f"{x}"\n)', {}, "sentence"),
        ("record(a=1)", {}, "record"),
        (
            "def loss_frame(k):\n    return k\n\n\ndef loss_caption(k):\n    ...",
            {},
            "frame",
        ),
        ("def loss_caption(k):\n    return str(k)", {}, "caption"),
        ("plotting.use_style()\nrng = np.random.default_rng(seed)", {}, "Set-up"),
        ("widgets.frame_slider(\n    draw,\n    values,\n)", FIGURE, "moves"),
        ("\n".join(["a = 1"] * 9), FIGURE, "the figure"),
        ("\n".join(["a = 1"] * 9), {"mystnb": {"image": {}}}, "the figure"),
        ("Markdown(paper.claims_table(claims))", {}, "the table"),
        ("pd.DataFrame(\n" + "    1,\n" * 9 + ").T", {}, "table"),
        ("pd.DataFrame(\n" + "    1,\n" * 9 + ").round(4)", {}, "table"),
    ],
)
def test_plumbing_is_folded_and_named(source, metadata, word):
    folded = cell(source, **metadata)
    fold(folded)
    assert folded["metadata"]["tags"] == ["hide-input"]
    looks = folded["metadata"]["mystnb"]
    assert word in looks["code_prompt_show"]
    assert looks.items() >= metadata.get("mystnb", {}).items()


@pytest.mark.parametrize(
    ("source", "metadata"),
    [
        ("fit = fit_power_law(edges, counts)\nfit.alpha", {}),
        ("axes = plotting.plot_windows(mlp)", FIGURE),
        ("null = shuffled(\n    x,\n    y,\n)\nMarkdown(f'{null}')", {}),
        ("pd.Series(sizes).to_frame()", {}),
        ("seed: int = 0  # of weights", {"tags": ["parameters"]}),
        ("", {}),
    ],
)
def test_what_is_taught_stands_open(source, metadata):
    shown = cell(source, **metadata)
    fold(shown)
    assert shown["metadata"] == metadata


def test_more_than_a_third_of_each_chapter_s_code_stands_open():
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [c for c in cells if c["cell_type"] == "code"]
        for each in code:
            fold(each)
        open_ = [c for c in code if "hide-input" not in c["metadata"].get("tags", ())]
        assert len(open_) > len(code) / 3, path.name


# Links to figures and terms.


def test_every_figure_is_referred_to_in_the_text_of_its_chapter():
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(c["source"]) for c in cells)
        for each in cells:
            name = each["metadata"].get("mystnb", {}).get("figure", {}).get("name")
            assert name is None or f"](#{name})" in text, (path.name, name)


def test_a_link_to_a_figure_becomes_its_number():
    text = "In [this\nfigure](#fig-a), and in [another](02_updates.ipynb#fig-b-c)."
    assert referred(text, {}) == (
        "In {numref}`Fig. %s <fig-a>`, and in {numref}`Fig. %s <fig-b-c>`."
    )


def test_links_to_terms_are_those_of_the_glossary():
    terms = glossary(ROOT / "book" / "symbols.md")
    assert terms["kolmogorov-smirnov-distance"] == "Kolmogorov–Smirnov distance"
    assert terms["p-value"] == "p-value"
    assert all(anchor(term) == name for name, term in terms.items())
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n\n".join(
            "".join(c["source"]) for c in cells if c["cell_type"] == "markdown"
        )
        staged = referred(text, terms)
        assert "symbols.md#" not in staged
        for name in re.findall(r"\{term\}`[^`]*<([^>]+)>`", staged):
            assert name in terms.values()


def test_an_unknown_term_is_named():
    with pytest.raises(SiteError, match=r"no term for #tial.*'tails'"):
        referred("[tails](../book/symbols.md#tial)", {"tail": "tail"})


def test_other_links_stay_as_they_are():
    text = "[a](../book/theory.md#x) [b](https://a.b/#fig) [c](03_tails.ipynb)"
    assert referred(text, {}) == text


def test_a_book_without_a_glossary_has_no_terms(tmp_path):
    assert glossary(tmp_path / "symbols.md") == {}
    (tmp_path / "symbols.md").write_text("# Symbols\n")
    assert glossary(tmp_path / "symbols.md") == {}


# Sentences and tables that a cell computes.


def test_a_number_and_its_error_stay_on_one_line():
    told = "1.2 ± 0.1 to 3 ± 1; ± 0.4 | -1e-05 to 0.2 | −1.0 to 2 | 3 to 10 seeds |"
    assert _held(told).replace("\u00a0", "_") == (
        "1.2_±_0.1 to 3_±_1; ± 0.4 | -1e-05_to_0.2 | −1.0_to_2 | 3 to 10 seeds |"
    )


# Pictures.


def test_a_lighter_drawing_keeps_every_letter(tmp_path):
    figure = Figure()
    ax = figure.add_subplot(title="$\\alpha_{ij}$ of Ωé", xlabel="plain")
    ax.plot([0, 1], "o-", label="bold")
    ax.legend(prop={"weight": "bold"})
    figure.savefig(tmp_path / "drawing.svg")
    before = (tmp_path / "drawing.svg").read_text()
    after = lighter(before)
    assert len(after) < len(before)
    assert ElementTree.fromstring(after) is not None
    for mark in ("href=", "<use", "<path"):
        assert after.count(mark) == before.count(mark) > 0
    names = re.findall(' id="(.*?)"', after)
    assert len(names) == len(set(names)) == len(re.findall(' id="(.*?)"', before))
    assert set(re.findall('href="#(.*?)"', after)) <= set(names)


@pytest.mark.parametrize(
    ("points", "pixels", "wide"),
    [((300, 225), (400, 300), False), ((604.8, 240), (806, 320), True)],
)
def test_a_picture_has_its_size_in_pixels(tmp_path, points, pixels, wide):
    width, height = points
    svg = f'<svg xmlns="x" width="{width}pt" height="{height}pt" viewBox="0 0 1 1">'
    (tmp_path / "a.svg").write_text(svg)
    page = tmp_path / "a.html"
    page.write_text('<img alt="A." src="a.svg"><img src="b.svg"><img src="c.png">')
    size(tmp_path)
    first, rest = page.read_text().split(">", 1)
    assert f'width="{pixels[0]}" height="{pixels[1]}"' in first
    assert ("data-wide" in first) == wide
    assert rest == '<img src="b.svg"><img src="c.png">'
    size(tmp_path)  # once more changes nothing
    assert page.read_text().count("width=") == 1


@pytest.mark.parametrize(
    ("formula", "lines"),
    [
        (r"\alpha \sim 1", 1),
        (r"p = \frac12", 2),
        (r"\int f \,\mathrm{d}x", 2),
        (r"\begin{cases} 1 \\ 2 \end{cases}", 2),
        (r"\begin{cases} \dfrac12 \\ 2 \end{cases}", 3),
    ],
)
def test_a_formula_says_how_tall_it_will_be(tmp_path, formula, lines):
    shown = '<div class="math notranslate"{}><span>(1)</span>\\[{}\\]</div>'
    page = tmp_path / "a.html"
    page.write_text(shown.format("", formula) + shown.format(' id="b"', "x"))
    size(tmp_path)
    assert re.findall(r'data-lines="(\d)"', page.read_text()) == [str(lines), "1"]
    once = page.read_text()
    size(tmp_path)
    assert page.read_text() == once


# Docstrings.


def test_initials_of_an_author_are_no_letters_of_a_list():
    lines = ["- A. Clauset, SIAM Review", "  - Q. H. Vuong", "- alpha", "A. B."]
    _keep_initials(None, None, None, None, None, lines)
    assert lines == [r"- A\. Clauset, SIAM Review", r"  - Q\. H. Vuong", *lines[2:]]
