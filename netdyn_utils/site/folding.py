"""Which code a page folds away: what is not taught, but stands there to be run."""

import ast

SHORT = 8  # lines of a figure's or a table's code that is shown as it stands


def fold(cell: dict) -> None:
    """Fold the code of a cell, with a word on what it is, if it teaches nothing.

    A reader of the page opens it by a click; in the notebook all code is open.
    """
    metadata = cell["metadata"]
    if metadata.get("tags") or not (what := _untaught(cell)):
        return
    looks = {**metadata.get("mystnb", {}), "code_prompt_show": what}
    metadata |= {"tags": ["hide-input"], "mystnb": looks}


def _untaught(cell: dict) -> str:
    """Name the code that is no part of what the chapter teaches; "" if it is."""
    source = "".join(cell["source"])
    body = ast.parse(source).body
    if not body:
        return ""
    last, long = body[-1], len(source.split("\n")) > SHORT
    if isinstance(body[0], ast.Import | ast.ImportFrom):
        return "Imports"
    called = _called(last)
    if any(_called(node) == "plotting.use_style" for node in body):
        return "Set-up"
    if _draws_frames(body):
        return "Code of the caption" if _only_tells(body) else "Code of one frame"
    if called == "widgets.frame_slider":
        return "Code of the figure that moves"
    if called == "record":
        return "Code of the record"
    if called == "Markdown" and _makes_table(last):
        return "Code of the table"
    if called == "Markdown" and 2 * _lines(last) > len(source.split("\n")):
        return "Code of the sentence"
    if long and cell["metadata"].get("mystnb", {}).keys() & {"figure", "image"}:
        return "Code of the figure"
    if long and called == "pd.DataFrame":
        return "Code of the table"
    return ""


def _lines(node: ast.stmt) -> int:
    return node.end_lineno - node.lineno + 1


def _called(node: ast.stmt) -> str:
    """Return the name of what a last expression calls: "Markdown", "pd.DataFrame"."""
    value = node.value if isinstance(node, ast.Expr) else None
    while isinstance(value, ast.Attribute):  # pd.DataFrame(...).T
        value = value.value
    if not isinstance(value, ast.Call):
        return ""
    if isinstance(value.func, ast.Attribute) and isinstance(value.func.value, ast.Call):
        value = value.func.value  # pd.DataFrame(...).round(4)
    return ast.unparse(value.func)


def _makes_table(node: ast.stmt) -> bool:
    """Say whether what is shown is the table that a function makes: `claims_table`."""
    calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
    return any(ast.unparse(call.func).endswith("_table") for call in calls)


def _only_tells(body: list[ast.stmt]) -> bool:
    return all(node.name.endswith("_caption") for node in body)


def _draws_frames(body: list[ast.stmt]) -> bool:
    """Say whether a cell only defines what `frame_slider` draws and tells."""
    names = [getattr(node, "name", "") for node in body]
    return bool(names) and all(n.endswith(("_frame", "_caption")) for n in names)
