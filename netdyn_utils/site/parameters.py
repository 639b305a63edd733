"""The parameters of a run where its notebook declares them, not the defaults."""

import ast


def show_parameters(notebook: dict) -> None:
    """Put the values of a run into the cell that declares its parameters.

    Papermill gives them in a cell of their own below, and who reads the first one alone
    takes the defaults for what the page was made with. That second cell goes; the words
    beside each parameter stay.
    """
    cells = notebook["cells"]
    tagged = {tag: c for c in cells for tag in c["metadata"].get("tags", ())}
    declared, injected = map(tagged.get, ("parameters", "injected-parameters"))
    if not (declared and injected):
        return
    given = {name: told for name, _, told in _assigned(injected)}
    lines = "".join(declared["source"]).split("\n")
    for name, value, _ in _assigned(declared):  # each on a line of its own
        if name in given:
            line = lines[value.lineno - 1].encode()  # ast counts bytes
            before, after = line[: value.col_offset], line[value.end_col_offset :]
            lines[value.lineno - 1] = (before + given[name].encode() + after).decode()
    declared["source"] = "\n".join(lines)
    cells.remove(injected)


def _assigned(cell: dict) -> list[tuple[str, ast.expr, str]]:
    """Return of each assignment the name, the value, and the text of the value."""
    source = "".join(cell["source"])
    return [
        (
            ast.unparse(node.target if hasattr(node, "target") else node.targets[0]),
            node.value,
            ast.get_source_segment(source, node.value),
        )
        for node in ast.parse(source).body
    ]
