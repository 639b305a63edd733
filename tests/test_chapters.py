"""The chapters, run by plain papermill, show the numbers that the package computes."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from netdyn_utils.experiments.config import ExperimentConfig
from netdyn_utils.experiments.updates import run_updates
from netdyn_utils.store import RunStore

ROOT = Path(__file__).resolve().parents[1]
STEPS = yaml.safe_load((ROOT / "notebooks/params/test.yaml").read_text())["02_updates"]
NAMES = ("01_training", "02_updates")


@pytest.fixture(scope="module")
def chapters(tmp_path_factory):
    """Return the text of every output of each chapter in the test profile."""
    work = tmp_path_factory.mktemp("chapters")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETDYN_RUNS", str(work / "runs"))
        return {name: shown(papermill(name, work)) for name in NAMES}


def papermill(name, work):
    given = [word for key, value in STEPS.items() for word in ("-p", key, str(value))]
    paths = f"notebooks/{name}.ipynb", str(work / f"{name}.ipynb")
    command = [sys.executable, "-m", "papermill", *paths, *given, "--no-progress-bar"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return nbformat.read(work / f"{name}.ipynb", as_version=4)


def shown(notebook):
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    texts = [value for out in outputs for value in out.get("data", {}).values()]
    return "\n".join(text for text in texts if isinstance(text, str))


@pytest.fixture(scope="module")
def mlp(tmp_path_factory):
    """The MLP's run, computed once more, apart from the chapters."""
    store = RunStore(tmp_path_factory.mktemp("apart"))
    return run_updates(
        ExperimentConfig.from_paper("mlp", STEPS["mlp_steps"]), store=store
    )


def test_every_update_of_every_parameter_is_in_the_table(chapters, mlp):
    total = 101_770 * STEPS["mlp_steps"]
    assert mlp.updates.histogram().total == total
    assert f"{total:,}" in chapters["02_updates"]


def test_the_chapter_and_a_run_apart_from_it_find_the_same_largest_updates(
    chapters, mlp
):
    early, late = (mlp.updates.histogram(window=window) for window in (0, -1))
    sentence = (
        f"In the first window the largest update is **{early.largest:.3g}**, in the "
        f"last **{late.largest:.3g}**"
    )
    assert sentence in chapters["02_updates"]


def test_the_chapter_and_a_run_apart_from_it_find_the_same_share_of_zeros(
    chapters, mlp
):
    found = mlp.updates.histogram()
    assert f"mlp {found.zeros / found.total:.1%}" in chapters["02_updates"]
    assert 0.05 < found.zeros / found.total < 0.6


def test_the_chapter_and_a_run_apart_from_it_find_the_same_accuracy(chapters, mlp):
    assert f"{mlp.tests[-1, 2]:.1%}" in chapters["01_training"]
    assert mlp.tests[-1, 2] > 0.75


def test_the_parameter_counts_are_the_authors(chapters):
    for count in ("101770", "2122378", "409394"):
        assert count in chapters["01_training"]
