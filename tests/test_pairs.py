"""A notebook is a function of its text: same text, same bytes."""

import json
import os

import nbformat
import pytest

from netdyn_utils.pairs import edited, pair, to_notebook

TEXT = """# %% [markdown]
# # A title

# %% tags=["parameters"]
steps: int = 3  # how many

# %% mystnb={"image": {"alt": "A line"}} name="dropped"
# %matplotlib inline
steps

# %%
steps
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "01_topic.py").write_text(TEXT)
    return tmp_path


def test_notebook_is_valid_and_has_no_trace_of_a_run_or_a_machine():
    notebook = to_notebook(TEXT)
    nbformat.validate(nbformat.from_dict(notebook))
    code = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in code)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook["metadata"]["language_info"] == {"name": "python"}


def test_cell_metadata_keeps_tags_and_pictures_words_and_nothing_else():
    metadata = [cell["metadata"] for cell in to_notebook(TEXT)["cells"]]
    assert metadata == [
        {},
        {"tags": ["parameters"]},
        {"mystnb": {"image": {"alt": "A line"}}},
        {},
    ]


def test_ids_survive_a_new_cell_and_tell_equal_cells_apart():
    before = [cell["id"] for cell in to_notebook(TEXT)["cells"]]
    longer = to_notebook("# %%\nnew = 1\n\n" + TEXT + "\n# %%\nsteps\n")
    after = [cell["id"] for cell in longer["cells"]]
    assert after[1:-1] == before
    assert after[-1] == before[-1].replace("-1", "-2")


def test_pair_writes_once_and_is_then_silent(folder):
    made = folder / "01_topic.ipynb"
    assert pair(folder) == [made]
    first = made.read_bytes()
    assert pair(folder) == []
    assert made.read_bytes() == first
    assert json.loads(first) == to_notebook(TEXT)


def test_pair_is_as_old_as_its_text_for_jupyterlab_refuses_younger(folder):
    text, made = folder / "01_topic.py", folder / "01_topic.ipynb"
    os.utime(text, (1_000_000_000, 1_000_000_000))
    pair(folder)
    assert made.stat().st_mtime == text.stat().st_mtime


@pytest.mark.parametrize(
    "spoil",
    [
        lambda n: n.pop("cells"),
        lambda n: n["cells"][1].update(source=["steps: int = 4"]),
        lambda n: n["cells"][1].update(execution_count=1),
        lambda n: n["cells"][1]["metadata"].update(papermill={}),
        lambda n: n["metadata"]["kernelspec"].update(name="my-own-env"),
    ],
)
def test_check_sees_what_differs_and_writes_nothing(folder, spoil):
    pair(folder)
    made = folder / "01_topic.ipynb"
    notebook = json.loads(made.read_text())
    spoil(notebook)
    made.write_text(json.dumps(notebook))
    spoiled = made.read_bytes()
    assert pair(folder, check=True) == [made]
    assert made.read_bytes() == spoiled


def test_a_notebook_that_was_only_run_is_not_edited(folder):
    pair(folder)
    made = folder / "01_topic.ipynb"
    notebook = json.loads(made.read_text())
    notebook["metadata"]["language_info"]["version"] = "3.11.7"
    for cell in notebook["cells"]:
        cell["metadata"] |= {"tags": cell["metadata"].get("tags", []), "trusted": True}
        cell["source"] = "".join(cell["source"])
    notebook["cells"][1] |= {"execution_count": 1, "id": "other"}
    made.write_text(json.dumps(notebook))
    assert edited(folder) == []
    assert pair(folder, check=True) == [made]

    notebook["cells"][1]["source"] += "0"
    made.write_text(json.dumps(notebook))
    assert edited(folder) == [made]


def test_what_is_missing_damaged_or_without_a_text_counts_as_edited(folder):
    made, orphan = folder / "01_topic.ipynb", folder / "02_gone.ipynb"
    assert edited(folder) == [made]
    made.write_text("[]")
    orphan.write_text("{}")
    assert edited(folder) == [made, orphan]


def test_check_sees_missing_damaged_and_orphaned_notebooks(folder):
    made = folder / "01_topic.ipynb"
    assert pair(folder, check=True) == [made]
    made.write_text("{")
    orphan = folder / "02_gone.ipynb"
    orphan.write_text("{}")
    assert pair(folder, check=True) == [made, orphan]
    assert pair(folder) == [made]


def test_jupytext_itself_agrees_and_would_not_add_a_header():
    import jupytext

    notebook = jupytext.reads(json.dumps(to_notebook(TEXT)), fmt="ipynb")
    notebook.metadata["jupytext"] = {
        "notebook_metadata_filter": "-all",
        "cell_metadata_filter": "tags,mystnb,-all",
    }
    again = jupytext.writes(notebook, fmt="py:percent")
    assert again == TEXT.replace(' name="dropped"', "")
