"""A pair says the same in both files; what counts is neither date nor output."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class

from netdyn_utils.pairing import out_of_sync, pair, to_notebook

ROOT = Path(__file__).resolve().parents[1]
TEXT = '# %% tags=["parameters"]\nsteps: int = 3\n\n# %% [markdown]\n# # A title\n'


@pytest.fixture
def folder(tmp_path):
    """A folder of one pair."""
    (tmp_path / "01_topic.py").write_text(TEXT)
    assert pair(tmp_path) == ([tmp_path / "01_topic.ipynb"], [])
    return tmp_path


def committed(path):
    """Return a file as git has it, for a working copy may hold outputs."""
    command = ["git", "show", f":{path.relative_to(ROOT)}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    return run.stdout.decode() if run.returncode == 0 else path.read_text("utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.py")))
def test_a_committed_notebook_is_made_from_its_text_byte_for_byte(path):
    made = to_notebook(committed(path))
    nbformat.validate(made)
    written = jupytext.writes(made, fmt="ipynb") + "\n"
    assert written == committed(path.with_suffix(".ipynb"))


def test_running_and_saving_in_jupyterlab_leaves_pairs_in_sync(tmp_path):
    shutil.copy(ROOT / "jupytext.toml", tmp_path)
    (folder := tmp_path / "notebooks").mkdir()
    for path in (ROOT / "notebooks").glob("*.py"):
        shutil.copy(path, folder)
    pair(folder)
    manager = build_sync_jupytext_contents_manager_class(LargeFileManager)()
    manager.root_dir = str(tmp_path)
    for path in folder.glob("*.ipynb"):
        before = path.with_suffix(".py").read_text("utf-8")
        model = manager.get(f"notebooks/{path.name}")
        model["content"]["metadata"]["language_info"]["version"] = "3.99"
        code = [c for c in model["content"]["cells"] if c["cell_type"] == "code"]
        code[0] |= {"execution_count": 1, "id": "another"}
        manager.save(model, f"notebooks/{path.name}")
        assert path.with_suffix(".py").read_text("utf-8") == before
    assert out_of_sync(folder) == []


def test_a_changed_text_remakes_the_notebook_but_an_edited_one_is_left(folder):
    text, notebook = folder / "01_topic.py", folder / "01_topic.ipynb"
    text.write_text(TEXT.replace("3", "4"))
    assert out_of_sync(folder) == [notebook]
    assert pair(folder) == ([notebook], [])
    edited = notebook.read_text().replace("steps: int = 4", "steps: int = 5")
    notebook.write_text(edited)
    assert out_of_sync(folder) == [notebook]
    assert pair(folder) == ([], [notebook])
    assert notebook.read_text() == edited
    shutil.copy(ROOT / "jupytext.toml", folder)
    command = [sys.executable, "-m", "jupytext", "--to", "py:percent", str(notebook)]
    subprocess.run(command, check=True, capture_output=True)
    assert out_of_sync(folder) == []


NO_SOURCE = '{"cells": [{"cell_type": "raw", "metadata": {}}], "metadata": {}, ' + (
    '"nbformat": 4, "nbformat_minor": 5}'
)


@pytest.mark.parametrize("damage", ["<<<<<<< ours", "[]", "", NO_SOURCE])
def test_an_unreadable_notebook_is_made_again_and_one_without_text_named(
    folder, damage
):
    (folder / "01_topic.ipynb").write_text(damage)
    (folder / "02_orphan.ipynb").write_text("{}")
    assert len(out_of_sync(folder)) == 2
    assert pair(folder) == ([folder / "01_topic.ipynb"], [folder / "02_orphan.ipynb"])


def test_a_pair_in_sync_gets_one_date_because_jupyterlab_refuses_newer_notebooks(
    folder,
):
    text, notebook = folder / "01_topic.py", folder / "01_topic.ipynb"
    os.utime(text, (1_000_000_000, 1_000_000_000))
    assert pair(folder) == ([], [])
    assert notebook.stat().st_mtime == text.stat().st_mtime
