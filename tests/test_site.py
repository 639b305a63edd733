"""Pages are staged only from good runs, checked, swapped in whole, and look right."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from netdyn_utils import site
from netdyn_utils.book.execute import NotebookRun
from netdyn_utils.declarations import declared
from netdyn_utils.pairs import to_notebook
from netdyn_utils.site import building
from netdyn_utils.site.mending import mend
from netdyn_utils.site.redirects import lay_redirects

ROOT = Path(__file__).resolve().parents[1]
VENDORED = ROOT / "book" / "vendor" / "_static" / "vendor"
PAGE = "<html><body><article><h1>Title</h1>{}</article></body></html>"


TOPIC = """# %% [markdown]
# # T

# %% tags=["parameters"]
x: int = 1  # of é; in [1, inf)
kept = 'é'

# %%
x
"""

# Staging: what a run left behind, made fit for a page.


@pytest.fixture
def executed(tmp_path):
    """A run as papermill leaves it, of a book without git."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "index.md").write_text("# Title\n")
    (tmp_path / "notebooks").mkdir()
    source = tmp_path / "notebooks" / "01_topic.ipynb"
    notebook = to_notebook(TOPIC)
    source.write_text(json.dumps(notebook))
    injected = to_notebook("# %%\nx = 2\n")["cells"][0] | {"id": "injected"}
    injected["metadata"]["tags"] = ["injected-parameters"]
    notebook["cells"].insert(2, injected)
    notebook["metadata"]["papermill"] = {"input_path": "/home/someone"}
    for cell in notebook["cells"]:
        cell["metadata"] |= {"papermill": {"duration": 1}, "execution": {}}
    shown = {"output_type": "stream", "name": "stdout", "text": "2"}
    notebook["cells"][-1] |= {"outputs": [shown], "execution_count": 3}
    output = tmp_path / "executed" / "01_topic.ipynb"
    output.parent.mkdir()
    output.write_text(json.dumps(notebook))
    return NotebookRun(
        "01_topic", "ok", 1.25, output, {"x": 2, "mode": "true"}, threads=1
    )


def staged(run, root):
    site.stage([run], root / "stage", root=root, profile="quick")
    path = root / "stage" / "notebooks" / "01_topic.ipynb"
    return path.read_text(), nbformat.read(path, as_version=4)


def test_stage_leaves_no_trace_of_a_machine_and_shows_the_runs_parameters(
    executed, tmp_path
):
    text, notebook = staged(executed, tmp_path)
    nbformat.validate(notebook)
    assert "papermill" not in notebook.metadata
    assert "/home" not in text
    metadata = [set(cell.metadata) for cell in notebook.cells[:4]]
    assert metadata == [set(), set(), {"tags"}, set()]
    assert notebook.cells[2].metadata.tags == ["parameters"]
    assert notebook.cells[2].source == "x: int = 2  # of é; in [1, inf)\nkept = 'é'"
    assert notebook.cells[3].outputs[0].text == "2"
    assert (tmp_path / "stage" / "book" / "index.md").exists()


def test_stage_says_how_the_page_was_made(executed, tmp_path):
    _, notebook = staged(executed, tmp_path)
    last = notebook.cells[-1]
    assert last.cell_type == "markdown"
    for words in (
        "`quick`",
        "`x = 2`",
        "`mode = 'true'`",
        "1 s on 1 thread;",
        "outside of git",
    ):
        assert words in last.source
    assert site.rerun_command("01_topic", executed.parameters) in last.source
    assert "`quick`" in notebook.cells[1].source
    assert "1 s" in notebook.cells[1].source


def test_page_has_the_words_of_now_and_the_outputs_of_the_run(executed, tmp_path):
    source = tmp_path / "notebooks" / "01_topic.ipynb"
    newer = TOPIC.replace("# # T", "# # A better title")
    source.write_text(json.dumps(to_notebook(newer)))
    _, notebook = staged(executed, tmp_path)
    assert notebook.cells[0].source == "# A better title"
    assert notebook.cells[3].outputs[0].text == "2"
    source.write_text(json.dumps(to_notebook(newer + "\n# %%\ny = 1\n")))
    with pytest.raises(site.SiteError, match="run it anew"):
        staged(executed, tmp_path)


def test_a_notebook_that_is_gone_or_damaged_since_its_run_is_named(executed, tmp_path):
    source = tmp_path / "notebooks" / "01_topic.ipynb"
    source.write_text("{")
    with pytest.raises(site.SiteError, match=r"01_topic\.ipynb can no longer be read"):
        staged(executed, tmp_path)
    source.unlink()
    with pytest.raises(site.SiteError, match=r"can no longer be read \(FileNotFound"):
        staged(executed, tmp_path)


@pytest.mark.parametrize("status", ["failed", "timeout"])
def test_stage_refuses_half_a_run(executed, tmp_path, status):
    half = NotebookRun("01_topic", status, 1.0, executed.output)
    with pytest.raises(site.SiteError, match=status):
        site.stage([half], tmp_path / "stage", root=tmp_path, profile="quick")


def test_rerun_command_gives_papermill_the_same_values():
    from click.testing import CliRunner
    from papermill import cli

    given = {
        "n": 7,
        "rate": 1e-05,
        "flag": True,
        "none": None,
        "word": "true",
        "digits": "007",
        "space": "a 'b'",
        "list": [1, 0.5, "x"],
    }
    command = site.rerun_command("02_updates", given).replace("\\\n", "")
    import shlex

    received = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "execute_notebook", lambda **kw: received.update(kw))
        words = shlex.split(command)[1:]
        result = CliRunner().invoke(cli.papermill, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert received["parameters"] == given
    assert received["input_path"] == "notebooks/02_updates.ipynb"
    assert received["cwd"] == "notebooks"


# Building: the new site takes the place of the old one, or leaves it alone.


@pytest.fixture
def last_good(tmp_path):
    out = tmp_path / "_build" / "site"
    out.mkdir(parents=True)
    (out / "index.html").write_text("last good")
    return out


def pretend_sphinx(monkeypatch, body):
    def write(_stage, work, _root):
        html = work / "_build" / "html"
        html.mkdir(parents=True)
        (html / "index.html").write_text(PAGE.format(body))

    monkeypatch.setattr(building, "_sphinx", write)


def test_good_build_takes_the_place_of_the_last_one(tmp_path, last_good, monkeypatch):
    pretend_sphinx(monkeypatch, "new")
    index = site.build(tmp_path / "stage", last_good, root=tmp_path)
    assert "new" in index.read_text()
    assert list(last_good.parent.iterdir()) == [last_good]


def test_pages_with_faults_leave_the_last_good_site(tmp_path, last_good, monkeypatch):
    pretend_sphinx(monkeypatch, '<a href="gone.html">x</a>')
    with pytest.raises(site.SiteError, match="leads nowhere"):
        site.build(tmp_path / "stage", last_good, root=tmp_path)
    assert (last_good / "index.html").read_text() == "last good"
    assert list(last_good.parent.iterdir()) == [last_good]


def test_warning_of_sphinx_fails_the_build_and_is_shown(tmp_path, last_good):
    stage = tmp_path / "stage"
    (stage / "book").mkdir(parents=True)
    (stage / "book" / "index.md").write_text("# T\n\n{doc}`nowhere`\n")
    (tmp_path / "_config.yml").write_text("title: T\nonly_build_toc_files: true\n")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    with pytest.raises(site.SiteError, match=r"index\.md:3: WARNING: unknown document"):
        site.build(stage, last_good, root=tmp_path)
    assert (last_good / "index.html").read_text() == "last good"


def test_faults_of_the_theme_are_mended(tmp_path):
    script = '<script src="../_static/vendor/fontawesome/6.5.2/js/all.min.js?d=1">'
    own = '<script src="../_static/scripts/bootstrap.js?d=1"></script>'
    field = '<button class="btn search-button-field" title="Search"{}>Search</button>'
    name = ' aria-label="Search"'
    (tmp_path / "page.html").write_text(
        script + "</script>\n" + own + field.format(name)
    )
    mend(tmp_path)
    assert (tmp_path / "page.html").read_text() == own + field.format("")
    before = (tmp_path / "page.html").stat().st_mtime_ns
    mend(tmp_path)
    assert (tmp_path / "page.html").stat().st_mtime_ns == before


def test_only_a_last_column_of_words_may_break_its_lines(tmp_path):
    table = '<table border="1" class="dataframe"><tr><td>{}</td>\n</tr></table>'
    page = tmp_path / "page.html"
    page.write_text(table.format("0.123 ± 0.004") + table.format("log-normal, cutoff"))
    mend(tmp_path)
    once = page.read_text()
    assert re.findall('class="(.*?)"', once) == ["dataframe", "dataframe words"]
    mend(tmp_path)
    assert page.read_text() == once


# Redirects: an old name leads to the new one.


def test_an_old_name_leads_to_the_new_page(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "new.html").write_text(PAGE.format(""))
    lay_redirects(tmp_path, {"book/old": "book/new", "a/b/c": "book/new"})
    near, far = (tmp_path / f"{name}.html" for name in ("book/old", "a/b/c"))
    assert 'content="0; url=new.html"' in near.read_text()
    assert 'href="../../book/new.html"' in far.read_text()
    assert site.check(tmp_path) == []
    (tmp_path / "book" / "new.html").unlink()
    assert site.check(tmp_path) == [
        "a/b/c.html: leads nowhere: ../../book/new.html",
        "book/old.html: leads nowhere: new.html",
    ]


def test_a_redirect_that_leads_nowhere_or_hides_a_page_is_refused(tmp_path):
    (tmp_path / "here.html").write_text(PAGE.format(""))
    with pytest.raises(site.SiteError, match="old is to lead to gone, which is no"):
        lay_redirects(tmp_path, {"old": "gone"})
    with pytest.raises(site.SiteError, match="here is to lead to here, but is a page"):
        lay_redirects(tmp_path, {"here": "here"})


# Checking: each fault that a page may have, and none that it has not.


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<h1>Again</h1>", "2 first headings"),
        ('<div class="output error">E</div>', "shows an error"),
        ('<div class="output traceback">E</div>', "shows an error"),
        ('<div class="output stderr">E</div>', "shows an error or a warning"),
        ("<pre>Unknown mime type</pre>", "no browser shows"),
        ('<img src="a.png">', "without words"),
        ('<img src="a.png" alt="">', "without words"),
        (f'<img src="a.png" alt="../_images/{"0a" * 32}.png">', "without words"),
        ('<img src="b.png" alt="words">', "leads nowhere: b.png"),
        ('<a href="other.html#nowhere">x</a>', "no such place"),
        ('<a href="#nowhere">x</a>', "no such place"),
        ('<a href="gone/">x</a>', "leads nowhere"),
        ('<script src="https://cdn.example/x.js"></script>', "from another host"),
        ('<link rel="stylesheet" href="//cdn.example/x.css">', "from another host"),
    ],
)
def test_check_names_the_page_and_the_fault(tmp_path, body, fault):
    (tmp_path / "a.png").touch()
    (tmp_path / "other.html").write_text(PAGE.format(""))
    (tmp_path / "page.html").write_text(PAGE.format(body))
    faults = site.check(tmp_path)
    assert any(fault in line for line in faults), faults
    assert all(line.startswith("page.html: ") for line in faults)


def test_a_page_that_is_too_heavy_for_a_phone_is_named(tmp_path):
    images = '<img src="a.png" alt="words">' * 2 + '<img src="b.png" alt="words">'
    (tmp_path / "page.html").write_text(PAGE.format(images))
    (tmp_path / "a.png").write_bytes(bytes(1_000_000))  # twice on the page, loaded once
    (tmp_path / "b.png").write_bytes(bytes(900_000))
    assert site.check(tmp_path) == []
    (tmp_path / "b.png").write_bytes(bytes(950_000))
    assert any("weighs 1,950,1" in fault for fault in site.check(tmp_path))


def test_check_is_silent_on_a_good_page(tmp_path):
    (tmp_path / "sub dir").mkdir()
    (tmp_path / "sub dir" / "a.png").touch()
    (tmp_path / "other.html").write_text(PAGE.format('<p id="place">x</p>'))
    good = (
        '<img src="sub%20dir/a.png" alt="a falling line">'
        '<a href="other.html#place">x</a><a href="#here" id="here">y</a>'
        '<a href="https://doi.org/10.1073/pnas.2523012122">z</a>'
        '<a href="mailto:a@b">m</a><a href="">t</a>'
    )
    (tmp_path / "page.html").write_text(PAGE.format(good))
    redirect = '<meta http-equiv="Refresh" content="0; url=page.html" />'
    (tmp_path / "index.html").write_text(redirect)
    assert site.check(tmp_path) == []


def test_vendored_files_are_what_was_fetched():
    places = [*VENDORED.glob("*/SHA256SUMS"), *ROOT.glob("tests/vendor/*/SHA256SUMS")]
    assert len(places) == 4
    for sums in places:
        lines = [line.split() for line in sums.read_text().splitlines()]
        listed = {name: digest for digest, name in lines}
        here = {
            path.relative_to(sums.parent).as_posix(): path
            for path in sums.parent.rglob("*")
            if path.is_file() and path.name not in ("SHA256SUMS", "README.md")
        }
        assert listed.keys() == here.keys()
        for name, path in here.items():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name]
        assert "LICENSE" in here


def test_pages_and_table_of_contents_agree():
    listed = set(re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text()))
    found = [
        path.relative_to(ROOT).with_suffix("").as_posix()
        for pattern in ("book/[!_]*.md", "book/api/*.md", "notebooks/*.ipynb")
        for path in ROOT.glob(pattern)
    ]
    assert sorted(listed) == sorted(found)


def test_papermill_as_typed_runs_a_chapter(tmp_path):
    name = "02_updates"
    blocks = yaml.safe_load((ROOT / "notebooks/params/test.yaml").read_text())
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(blocks[name]))
    assert "learning_rate" in {
        p.name for p in declared(ROOT / f"notebooks/{name}.ipynb")
    }
    command = (
        *(sys.executable, "-m", "papermill", f"notebooks/{name}.ipynb"),
        *(str(tmp_path / "out.ipynb"), "-f", str(tmp_path / "test.yaml")),
        *("-p", "learning_rate", "0.05", "--no-progress-bar"),
    )
    environment = {**os.environ, "NETDYN_RUNS": str(tmp_path / "runs")}
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "unknown parameter" not in run.stderr
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    injected = next(c for c in cells if "injected-parameters" in c.metadata.tags)
    assert "learning_rate = 0.05" in injected.source
