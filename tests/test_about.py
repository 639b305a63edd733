"""A page says what it rests on and offers it; "About this build" says so of all."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from netdyn_utils import site
from netdyn_utils.book.cache import write_run_json
from netdyn_utils.book.execute import NotebookRun
from netdyn_utils.pairs import to_notebook
from netdyn_utils.recorded import MIME
from netdyn_utils.site.about import write_about
from netdyn_utils.site.records import lay_downloads, shown_records
from netdyn_utils.store.runs import RunStore

TEXT = """# %% [markdown]
# # T

# %% tags=["parameters"]
x: int = 1

# %%
[record]
"""


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with one record, which the environment names."""
    monkeypatch.setenv("NETDYN_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("NETDYN_RESULTS", raising=False)
    return RunStore.default()


@pytest.fixture
def record(store):
    return store.get("updates", {"n": 1}, "d", "s", lambda: {"a": np.arange(3)})


@pytest.fixture
def run(tmp_path, record):
    """A run of a notebook that shows the record and one number, with its manifest."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "index.md").write_text("# T\n")
    (tmp_path / "book" / "about.md").write_text("# About\n\nWords.\n")
    (tmp_path / "notebooks").mkdir()
    notebook = to_notebook(TEXT)
    source = tmp_path / "notebooks" / "01_topic.ipynb"
    source.write_text(json.dumps(notebook))
    source.with_suffix(".py").write_text(TEXT)
    data = {"text/plain": [f"[{record!r},\n", f" {record!r}]"], MIME: {"alpha": 2.5}}
    shown = {"output_type": "display_data", "data": data, "metadata": {}}
    for cell in notebook["cells"]:
        cell["metadata"] |= {"papermill": {}}
    notebook["cells"][-1] |= {"outputs": [shown], "execution_count": 2}
    output = tmp_path / "executed" / "01_topic" / "01_topic.ipynb"
    output.parent.mkdir(parents=True)
    output.write_text(json.dumps(notebook))
    run = NotebookRun("01_topic", "ok", 2.0, output, {"x": 3}, threads=1)
    write_run_json(run)
    return run


def test_a_record_shown_twice_is_found_once_with_its_files(run, record):
    (found,) = shown_records(run.output)
    assert (found.kind, found.key) == ("updates", record.key[:12])
    assert (found.state, found.path) == ("fresh", record.path)
    assert found.manifest["config"] == {"n": 1}


def test_a_record_that_is_gone_is_still_named(run, record):
    record.path.unlink()
    (found,) = shown_records(run.output)
    assert (found.path, found.manifest) == (None, {})


def test_downloads_hold_the_notebook_its_text_its_numbers_and_its_arrays(
    run, record, tmp_path
):
    laid = lay_downloads(run, tmp_path, tmp_path / "down")
    assert [p.name for p in laid["notebook"]] == ["01_topic.ipynb", "01_topic.py"]
    assert "outputs" not in json.loads(laid["notebook"][0].read_text())["cells"][0]
    with laid["numbers"][0].open(newline="") as file:
        assert list(csv.reader(file)) == [["name", "value"], ["alpha", "2.5"]]
    with np.load(laid["arrays"][0]) as arrays:
        assert arrays["a"].tolist() == [0, 1, 2]
    assert laid["arrays"][0].name == f"updates-{record.key[:12]}.npz"


def test_the_foot_of_the_page_links_to_every_download(run, tmp_path):
    stage = tmp_path / "stage"
    site.stage([run], stage, root=tmp_path, profile="quick")
    page = json.loads((stage / "notebooks" / "01_topic.ipynb").read_text())
    foot = page["cells"][-1]["source"]
    laid = list((stage / "extra" / "downloads" / "01_topic").iterdir())
    assert len(laid) == 4
    for path in laid:
        assert f'"../downloads/01_topic/{path.name}" download' in foot


def test_about_names_versions_runs_records_and_what_is_stale(run, record, tmp_path):
    stale = run.output.read_text().replace(", fresh,", ", stale,")
    run.output.write_text(stale)
    page = tmp_path / "book" / "about.md"
    write_about(page, [run], "paper", "commit `abc`")
    text = page.read_text()
    assert text.startswith("# About\n\nWords.\n")
    for words in (
        "| profile | `paper` |",
        "commit `abc`",
        f"| torch | {record.manifest['versions']['torch']} |",
        "[01_topic](../notebooks/01_topic.ipynb) | 2\u00a0s |",
        "`x=3`",
        f"| updates `{record.key[:12]}` | **stale** | this build | {minute(record)} |",
        f"Processor of the records: {record.manifest['processor']}.",
    ):
        assert words in text
    assert "The verdicts" not in text


def minute(record):
    """As a table has it: no line ends between day and time, or within one of them."""
    day, time = record.manifest["created"].split("T")
    return f"{day.replace('-', chr(0x2011))}\u00a0{time[:5]}"


def test_about_counts_the_records_of_the_study(run, record, tmp_path):
    results = tmp_path / "book" / "results"
    results.mkdir()
    shutil.copy(record.path, results)
    (results / "damaged.json").write_text("{}")
    run.output.write_text(json.dumps({"cells": []}))
    page = tmp_path / "book" / "about.md"
    write_about(page, [replace(run, name="07_claims")], "paper", "commit `abc`")
    told = page.read_text()
    assert "[The verdicts](../notebooks/07_claims.ipynb) rest on the study" in told
    assert "Its records are 1." in told  # the damaged one is none


def test_about_says_so_if_no_record_is_shown(run, tmp_path):
    run.output.write_text(json.dumps({"cells": []}))
    page = tmp_path / "book" / "about.md"
    write_about(page, [run], "quick", "outside of git")
    assert "No notebook of this build shows a stored record." in page.read_text()


def head(run, root, profile="paper"):
    site.stage([run], root / "stage", root=root, profile=profile)
    page = json.loads((root / "stage" / "notebooks" / "01_topic.ipynb").read_text())
    return "".join(page["cells"][1]["source"])


def test_a_page_from_the_records_of_the_book_says_so_at_its_top(
    run, record, tmp_path, monkeypatch
):
    monkeypatch.setenv("NETDYN_RESULTS", str(record.path.parent))
    text = head(run, tmp_path)
    day = record.manifest["created"][:10]
    assert "read from 1 stored record, and not trained anew" in text
    assert f"they were computed {day}, in 1 s" in text
    assert "outside of git" in text  # where others have their commit
    assert "older than the code" not in text
    run.output.write_text(run.output.read_text().replace(", fresh,", ", stale,"))
    assert "**1 of them older than the code that computes them**" in head(run, tmp_path)


def test_a_page_of_runs_of_its_own_speaks_of_no_records(run, tmp_path):
    assert "stored record" not in head(run, tmp_path, "quick")
