"""The chapters show the numbers that the package computes."""

import pytest
import yaml
from chapters import ROOT

from netdyn_utils.experiments import ExperimentConfig, run_updates
from netdyn_utils.store import RunStore

STEPS = yaml.safe_load((ROOT / "notebooks/params/test.yaml").read_text())["02_updates"]


@pytest.fixture(scope="module")
def mlp(tmp_path_factory):
    """The MLP's run, computed once more, apart from the chapters."""
    config = ExperimentConfig.from_paper("mlp", STEPS["mlp_steps"])
    return run_updates(config, store=RunStore(tmp_path_factory.mktemp("apart")))


def test_every_update_of_every_parameter_is_in_the_table(chapters, mlp):
    total = 101_770 * STEPS["mlp_steps"]
    assert mlp.updates.histogram().total == total
    assert f"{total:,}" in chapters.shown("02_updates")


def test_the_chapters_and_a_run_apart_from_them_find_the_same(chapters, mlp):
    early, late = (mlp.updates.histogram(window=window) for window in (0, -1))
    found = mlp.updates.histogram()
    for sentence in (
        f"In the first window the largest update is **{early.max:.3g}**, in the "
        f"last **{late.max:.3g}**",
        f"{found.zeros / found.total:.1%}",
    ):
        assert sentence in chapters.shown("02_updates")
    assert f"{mlp.tests[-1, 2]:.1%}" in chapters.shown("01_training")
    assert 0.05 < found.zeros / found.total < 0.6
    assert mlp.tests[-1, 2] > 0.75


def test_the_parameter_counts_are_the_authors(chapters):
    for count in ("101770", "2122378", "409394"):
        assert count in chapters.shown("01_training")
