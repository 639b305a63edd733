"""Pages come from good runs only; a failed build leaves the last good site."""

import hashlib
import importlib
import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
import yaml
from click.testing import CliRunner

from netdyn_utils.book import site
from netdyn_utils.book.execute import NotebookRun
from netdyn_utils.pairing import to_notebook

ROOT = Path(__file__).resolve().parents[1]
EXTENSION = ROOT / "book" / "_ext" / "netdyn_docs.py"
VENDORED = ROOT / "book" / "vendor" / "_static" / "vendor"
TOPIC = '# %% [markdown]\n# # T\n\n# %% tags=["parameters"]\nx: int = 1\n\n# %%\nx\n'
CONFIG = """\
title: T
only_build_toc_files: true
html: {use_multitoc_numbering: false, use_edit_page_button: true}
repository: {url: "", branch: main}
launch_buttons: {binderhub_url: "https://mybinder.org"}
latex: {use_jupyterbook_latex: false}
sphinx: {config: {extensions: [myst_nb, sphinx_external_toc, netdyn_docs]}}
"""


@pytest.fixture
def run(tmp_path):
    """A book of one page and one run, as papermill leaves it."""
    for name in ("book/_ext", "notebooks", "executed"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(EXTENSION, tmp_path / "book" / "_ext")
    (tmp_path / "book" / "index.md").write_text("# Title\n")
    (tmp_path / "_config.yml").write_text(CONFIG)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    notebook = to_notebook(TOPIC)
    (tmp_path / "notebooks" / "01_topic.ipynb").write_text(json.dumps(notebook))
    (injected,) = to_notebook("# %%\nx = 2\n")["cells"]
    injected |= {"id": "a", "metadata": {"tags": ["injected-parameters"]}}
    notebook["cells"].insert(2, injected)
    notebook["metadata"]["papermill"] = {"input_path": "/home/someone"}
    shown = {"output_type": "stream", "name": "stdout", "text": "2"}
    notebook["cells"][-1] |= {"outputs": [shown], "execution_count": 3}
    notebook["cells"][-1]["metadata"]["papermill"] = {"start": "/home"}
    output = tmp_path / "executed" / "01_topic.ipynb"
    output.write_text(json.dumps(notebook))
    return NotebookRun("01_topic", "ok", 1.25, output, {"x": 2, "mode": "true"})


def staged(run, root):
    site.stage([run], root / "stage", root=root, profile="quick")
    return nbformat.read(root / "stage" / "notebooks" / "01_topic.ipynb", as_version=4)


def test_page_has_the_run_its_parameters_and_its_command_and_no_path(run, tmp_path):
    page = staged(replace(run, note="The record is missing."), tmp_path)
    nbformat.validate(page)
    _, top, declared, injected, result, foot = page.cells
    assert (declared.source, injected.source) == ("x: int = 1", "x = 2")
    assert result.outputs[0].text == "2"
    assert "/home" not in json.dumps(page)
    assert top.source.index("The record is missing.") < top.source.index("`quick`")
    command = site.rerun_command("01_topic", run.parameters)
    for words in ("`quick`", "`x = 2`", "outside of git", command):
        assert words in foot.source
    for path in re.findall(r"\{download\}`[^`]* </([^>]*)>`", foot.source):
        assert (tmp_path / "stage" / path).is_file()


def test_page_needs_a_good_run_of_the_code_as_it_is(run, tmp_path):
    with pytest.raises(site.SiteError, match="timeout"):
        staged(replace(run, status="timeout"), tmp_path)
    source = tmp_path / "notebooks" / "01_topic.ipynb"
    source.write_text(json.dumps(to_notebook(TOPIC.replace("# # T", "# # Newer"))))
    assert staged(run, tmp_path).cells[0].source == "# Newer"  # prose may be newer
    source.write_text(json.dumps(to_notebook(TOPIC + "\n# %%\ny = 1\n")))
    with pytest.raises(site.SiteError, match="`make book` again"):
        staged(run, tmp_path)


def test_rerun_command_gives_papermill_the_same_values(monkeypatch):
    from papermill import cli

    given = {"n": 7, "rate": 1e-05, "flag": True, "none": None, "word": "true"}
    given |= {"digits": "007", "space": "a 'b'", "list": [1, 0.5, "x"]}
    words = shlex.split(site.rerun_command("02", given).replace("\\\n", ""))[1:]
    got = {}
    monkeypatch.setattr(cli, "execute_notebook", lambda **options: got.update(options))
    CliRunner().invoke(cli.papermill, words, catch_exceptions=False)
    assert got["parameters"] == given
    assert got["input_path"] == "notebooks/02.ipynb"


def test_a_failed_build_leaves_the_last_good_site(run, tmp_path):
    out, stage, built = tmp_path / "_build" / "site", tmp_path / "stage", None
    for page, error in (
        ("Good.", None),
        ("Good.", None),  # unchanged: not built again
        ("{doc}`nowhere`", r"index\.md:3: WARNING: unknown document"),
        ("![](a.png)", "picture without alt text on book/index"),
    ):
        (tmp_path / "book" / "index.md").write_text(f"# Title\n\n{page}\n")
        (tmp_path / "book" / "a.png").write_bytes(b"")
        staged(run, tmp_path)
        if error:
            with pytest.raises(site.SiteError, match=error):
                site.build(stage, out, root=tmp_path)
        else:
            site.build(stage, out, root=tmp_path)
        index = out / "book" / "index.html"
        built = built or index.stat().st_mtime_ns
        assert index.stat().st_mtime_ns == built
        assert {p.name for p in out.parent.iterdir()} == {"site", "site.sha256"}
    # The source is not public: no button leads to it.
    assert not re.search(r'href="[^"]*(git|colab|binder|edit)', index.read_text())


def test_plain_links_become_references_and_an_unknown_term_stays(monkeypatch):
    monkeypatch.syspath_prepend(EXTENSION.parent)
    docs = importlib.import_module("netdyn_docs")
    terms = docs.glossary_terms((ROOT / "book" / "symbols.md").read_text())
    text = "[that\none](02_updates.ipynb#fig-a), [p](../book/symbols.md#{}), [b](#c)"
    assert docs.resolve_links(text.format("kolmogorov-smirnov-distance"), terms) == (
        "{numref}`Fig. %s <fig-a>`, {term}`p <Kolmogorov–Smirnov distance>`, [b](#c)"
    )
    unknown = "[p](../book/symbols.md#tial)"
    assert docs.resolve_links(unknown, terms) == unknown  # and Sphinx warns
    code = text.replace("[p]", "[`KS`]").format("kolmogorov-smirnov-distance")
    assert "{term}`KS <Kolmogorov–Smirnov distance>`" in docs.resolve_links(code, terms)


def test_vendored_files_are_what_was_fetched_with_every_font_they_ask_for():
    for sums in VENDORED.glob("*/SHA256SUMS"):
        for line in sums.read_text().splitlines():
            digest, name = line.split()
            content = (sums.parent / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest, name
    bundle = (VENDORED / "widgets" / "embed-amd.js").read_text(encoding="utf-8")
    fonts = set(re.findall(r"[0-9a-f]{20}\.woff2", bundle))
    assert fonts == {path.name for path in (VENDORED / "widgets").glob("*.woff2")}


def test_pages_and_table_of_contents_agree():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = {toc["root"], *re.findall(r"'file': '([^']+)'", str(toc))}
    places = ("book/[!_]*.md", "book/api/*.md", "notebooks/*.ipynb")
    found = [path.relative_to(ROOT) for place in places for path in ROOT.glob(place)]
    assert listed == {path.with_suffix("").as_posix() for path in found}
