"""One executed notebook as one page, for reading outside the book."""

import shutil
from pathlib import Path

from ..store import write_whole


def write_page(output: Path, mathjax: str = "") -> Path:
    """Write an executed notebook as HTML beside it and return the path of the page.

    Parameters
    ----------
    output : Path
        The executed notebook.
    mathjax : str
        Address of MathJax's script as seen from the page, see `lay_mathjax`; without
        one, formulas are shown as they were typed.
    """
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        mathjax_url=mathjax,
        require_js_url="",
        jquery_url="",
    )
    text, _ = exporter.from_filename(str(output))
    page = output.with_suffix(".html")
    write_whole({page: text.encode()})
    return page


def lay_mathjax(root: Path, folder: Path) -> str:
    """Lay the book's MathJax into a folder of pages, once; return its address there.

    Parameters
    ----------
    root : Path
        The folder of the book. Without its MathJax the address is empty.
    """
    vendored = next((root / "book" / "vendor").rglob("mathjax"), None)
    if vendored is None:
        return ""
    if not (folder / "mathjax").exists():
        shutil.copytree(vendored, folder / "mathjax")
    return "mathjax/tex-mml-chtml.js"
