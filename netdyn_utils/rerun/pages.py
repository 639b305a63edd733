"""One executed notebook as one page, for reading outside the book."""

import shutil
from pathlib import Path


def write_page(output: Path, root: Path) -> Path:
    """Write an executed notebook as HTML beside it and return the path of the page.

    Parameters
    ----------
    output : Path
        The executed notebook.
    root : Path
        The folder of the book; its MathJax is laid beside the page, so that formulas
        are set without a network.
    """
    from nbconvert import HTMLExporter

    mathjax = next((root / "book" / "vendor").rglob("mathjax"), None)
    if mathjax is not None:
        shutil.copytree(mathjax, output.parent / "mathjax", dirs_exist_ok=True)
    exporter = HTMLExporter(
        mathjax_url="mathjax/tex-mml-chtml.js" if mathjax else "",
        require_js_url="",
        jquery_url="",
    )
    text, _ = exporter.from_filename(str(output))
    page = output.with_suffix(".html")
    page.write_text(text, encoding="utf-8")
    return page
