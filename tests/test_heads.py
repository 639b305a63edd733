"""A link to a page shows its title, its first sentences and the card."""

import re

import pytest
from PIL import Image

from netdyn_utils.plotting import COLOURS
from netdyn_utils.site.heads import CARD, describe
from netdyn_utils.site.origin import parse
from tests.test_pages import ROOT

PAGE = (
    "<html><head><title>Tails &#8212; netdyn</title></head><body><p>menu</p>"
    "<article><h1>Tails</h1><p><strong>Question.</strong> Is <em>it</em> &quot;so&quot;"
    "?</p></article></body></html>"
)


def metas(text):
    return dict(
        re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)">', text)
    )


@pytest.fixture
def site(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "page.html").write_text(PAGE)
    (tmp_path / "index.html").write_text("<html><p>no head</p></html>")
    return tmp_path


def test_head_tells_title_first_sentence_and_card(site):
    describe(site, "https://owner.github.io/name/")
    found = metas((site / "notebooks" / "page.html").read_text())
    assert found["og:title"] == "Tails — netdyn"
    assert found["description"] == "Is it &quot;so&quot;?"
    assert found["og:image"] == "https://owner.github.io/name/_static/card.png"
    assert (site / "index.html").read_text() == "<html><p>no head</p></html>"


def test_without_an_address_the_card_is_found_from_the_page(site):
    describe(site)
    text = (site / "notebooks" / "page.html").read_text()
    assert metas(text)["og:image"] == "../_static/card.png"
    describe(site)  # once is enough
    assert (site / "notebooks" / "page.html").read_text() == text


def test_long_words_end_at_a_word(site):
    path = site / "notebooks" / "page.html"
    path.write_text(PAGE.replace("Is <em>it</em>", "word " * 80))
    describe(site)
    told = metas(path.read_text())["description"]
    assert told.endswith("word …")
    assert len(told) < 210


def test_address_of_the_pages_is_that_of_the_host():
    assert (
        parse("git@github.com:Owner/name.git").pages == "https://owner.github.io/name/"
    )
    assert parse("https://codeberg.org/owner/name").pages == ""


def test_card_has_the_size_that_others_expect_and_is_small():
    card = ROOT / "book" / CARD
    with Image.open(card) as opened:
        assert opened.size == (1200, 630)
    assert card.stat().st_size < 200_000


def test_style_sheet_and_figures_use_one_colour_for_each_network():
    css = (ROOT / "book" / "_static" / "custom.css").read_text()
    named = dict(re.findall(r"--netdyn-(\w+): (#[0-9A-Fa-f]{6});", css))
    assert {name: named[name] for name in COLOURS} == COLOURS
