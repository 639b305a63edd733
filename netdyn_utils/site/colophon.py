"""How a page was made, told on the page: at its head in a line, at its foot in full."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from .git import git
from .records import ShownRecord

# Not as markdown: Sphinx would take a link to a notebook for one to a page.
_LINK = '<a href="../downloads/{name}/{file}" download>{file}</a>'
_KINDS = {"notebook": "Notebook", "numbers": "Recorded numbers", "arrays": "Arrays"}


def headline(
    run, profile: str, commit: str = "", records: Sequence[ShownRecord] = ()
) -> dict:
    """Return the lines below the title.

    Parameters
    ----------
    run : NotebookRun
    profile, commit : str
    records : sequence of ShownRecord
        What the page shows. Of those that came with the book it says when they were
        computed, and how many are older than the code.
    """
    text = (
        f"*Profile `{profile}`, a run of {seconds(run.seconds)}. "
        '<a href="#how-this-page-was-made">How this page was made</a>: parameters, '
        "command, downloads.*"
    )
    archived = [record for record in records if record.archived]
    if archived:
        text = f"*{_rests_on(archived)}. The page is of {commit}.*\n\n{text}"
    return _cell("headline", text)


def _rests_on(records: Sequence[ShownRecord]) -> str:
    """Say what a page was made from, and when that was computed."""
    told = [record.manifest for record in records]
    number = f"{len(records)} stored record{'s' * (len(records) != 1)}"
    text = f"The runs on this page are read from {number}, and not trained anew"
    if days := sorted({day for m in told if (day := m.get("created", "")[:10])}):
        spent = seconds(sum(m.get("seconds", 0) for m in told))
        when = " to ".join(dict.fromkeys((days[0], days[-1])))
        text += f"; they were computed {when}, in {spent}"
    stale = sum(record.state == "stale" for record in records)
    if stale:
        text += f"; **{stale} of them older than the code that computes them**"
    return text


def colophon(
    run, profile: str, commit: str, install: str, laid: Mapping[str, list[Path]]
) -> dict:
    """Return the closing cell: how this page was made, and how to make it again.

    Parameters
    ----------
    run : NotebookRun
    profile, commit : str
    install : str
        What pip installs in Colab; nothing if Colab does not open this notebook.
    laid : mapping
        What a reader may take, see `lay_downloads`.
    """
    given = ", ".join(f"`{k} = {v!r}`" for k, v in run.parameters.items())
    rest = "; the others as they stand in the notebook" if given else ""
    lines = [
        "## How this page was made",
        "",
        f"- Profile `{profile}`, {commit}.",
        f"- Parameters: {given or 'those of the notebook'}{rest}.",
        f"- The run took {seconds(run.seconds)}{_on(run.threads)}.",
        *_offers(run.name, laid),
        "",
        "The same run, from the folder of the book:",
        "",
        "```bash",
        rerun_command(run.name, run.parameters),
        "```",
    ]
    if install:  # for a reader who leaves by the Colab button of this page
        first = "In Colab, run this in a cell of its own first:"
        lines += ["", first, "", "```python", f'%pip install -q "{install}"', "```"]
    return _cell("colophon", "\n".join(lines))


def _on(threads: int | None) -> str:
    if threads is None:
        return ""
    number = f"{threads} thread{'s' * (threads != 1)}"
    return f" on {number}; on another number the last digits may differ"


def _offers(name: str, laid: Mapping[str, list[Path]]) -> list[str]:
    return [
        f"- {_KINDS[kind]}: "
        + ", ".join(_LINK.format(name=name, file=path.name) for path in paths)
        + "."
        for kind, paths in laid.items()
        if paths
    ]


def _cell(name: str, source: str) -> dict:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def seconds(spent: float) -> str:
    """Return a time as people say it.

    >>> seconds(0.2), seconds(75), seconds(4000)
    ('1 s', '75 s', '67 min')
    """
    return f"{max(1, round(spent))} s" if spent < 300 else f"{round(spent / 60)} min"


def rerun_command(name: str, parameters: dict) -> str:
    """Return the papermill command that repeats a run, each value with its type.

    >>> print(rerun_command("02_updates", {"learning_rate": 0.1, "name": "true"}))
    papermill notebooks/02_updates.ipynb 02_updates.out.ipynb --cwd notebooks \\
      -p learning_rate 0.1 -r name true
    """
    words = []
    for key, value in parameters.items():
        if value is None or isinstance(value, bool | int | float):
            words += ["-p", key, repr(value)]
        elif isinstance(value, str):  # -p would read "true" or "7" as what they spell
            words += ["-r", key, value]
        else:
            flow = yaml.safe_dump({key: value}, default_flow_style=True, width=1e9)
            words += ["-y", flow.strip()]
    paths = f"notebooks/{name}.ipynb {name}.out.ipynb --cwd notebooks"
    return f"papermill {paths}" + (f" \\\n  {shlex.join(words)}" if words else "")


def source_commit(root: Path) -> str:
    """Say which commit the pages come from."""
    name = git(root, "describe", "--always", "--dirty=+")
    if not name:
        return "outside of git"
    changed = " with local changes" * name.endswith("+")
    return f"commit `{name.removesuffix('+')}`{changed}"
