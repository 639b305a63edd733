"""Sphinx extension of this book: plain links of notebooks, alt text, header buttons."""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

_FIGURE = re.compile(r"\[[^\]]+\]\((?:\d\w+\.ipynb)?#(fig-[\w-]+)\)")
_TERM = re.compile(r"\[([^\]]+)\]\(\.\./book/symbols\.md#([\w-]+)\)")
_GLOSSARY = re.compile(r"^:::\{glossary\}\n(.*?)^:::", re.DOTALL | re.MULTILINE)
_LOGGER = logging.getLogger(__name__)


def setup(app) -> dict:
    """Connect to Sphinx."""
    app.add_config_value("netdyn_not_in_colab", [], "html")
    app.connect("source-read", resolve_notebook)
    app.connect("doctree-resolved", require_alt_text)
    app.connect("html-page-context", fit_buttons, priority=502)  # after the theme's
    # Loaded by sphinx_external_toc, without a word on parallel reading; it is off here.
    app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def glossary_terms(page: str) -> dict[str, str]:
    """Return the terms of a glossary page by their anchor: `p-value`, `heavy-tail`."""
    lines = "".join(_GLOSSARY.findall(page)).splitlines()
    terms = [line for line in lines if line and not line.startswith(" ")]
    return {re.sub(r"\W+", "-", term.lower()): term for term in terms}


def resolve_links(text: str, terms: dict[str, str]) -> str:
    """Return markdown with Sphinx's references to figures and terms for plain links."""

    def term(link: re.Match) -> str:
        words, anchor = link.groups()
        if anchor not in terms:
            return link[0]  # Sphinx warns of it
        shown = " ".join(words.replace("`", "").split())  # a role holds no code
        return f"{{term}}`{shown} <{terms[anchor]}>`"

    return _TERM.sub(term, _FIGURE.sub(r"{numref}`Fig. %s <\1>`", text))


def resolve_notebook(app, page: str, source: list[str]) -> None:
    """Resolve the plain links of a notebook, which Jupyter and Colab can read too."""
    if page.startswith("notebooks/"):
        symbols = Path(app.srcdir, "book", "symbols.md")
        terms = glossary_terms(symbols.read_text("utf-8") if symbols.exists() else "")
        notebook = json.loads(source[0])
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = resolve_links("".join(cell["source"]), terms)
        source[0] = json.dumps(notebook)


def require_alt_text(_app, doctree, page: str) -> None:
    """Warn of a picture without alt text, which fails the build."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip():
            _LOGGER.warning("picture without alt text on %s", page, location=image)


def fit_buttons(app, page: str, _template, context: dict, _doctree) -> None:
    """Edit a notebook in its text; no Colab button where Colab lacks the files."""
    for group in context.get("header_buttons", ()):
        for button in group.get("buttons", [group]):
            if button.get("label") == "source-edit-button":
                button["url"] = button["url"].replace(".ipynb", ".py")
        if page in app.config.netdyn_not_in_colab and "buttons" in group:
            group["buttons"] = [b for b in group["buttons"] if b["text"] != "Colab"]
