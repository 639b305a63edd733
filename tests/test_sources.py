"""A record goes stale when any code changes that its numbers rest on, and only then."""

import pytest

from netdyn_utils.experiments import information, intervals, perturbation, updates
from netdyn_utils.experiments.trajectory import TOLD
from netdyn_utils.store import sources

COMPUTES = {
    "updates": updates._train_and_count,
    "intervals": intervals._run_again,
    "perturbation": perturbation._train_and_displace,
    "information": information._train_and_inform,
}
BEHIND = {  # the deepest module that each kind of run leans on
    "updates": "layers",
    "intervals": "intervals.bursts",
    "perturbation": "perturbation.rank_one",
    "information": "information.mutual_information",
}
BESIDE = ("plotting", "checks", "store.runs", "experiments.settings", "tails.scan")


def code(kind, monkeypatch, changed=None):
    """Return the code behind a kind of run, as if a module had one statement more."""
    read = sources._text
    with monkeypatch.context() as patch:
        if changed:
            name = f"netdyn_utils.{changed}"
            more = {name: "\nADDED = 1\n"}
            patch.setattr(sources, "_text", lambda m: read(m) + more.get(m, ""))
        return sources.code_behind(COMPUTES[kind], told=TOLD)


@pytest.mark.parametrize("kind", COMPUTES)
@pytest.mark.parametrize("where", ["training", "models", "data.image_files"])
def test_a_change_far_below_counts(kind, where, monkeypatch):
    before = code(kind, monkeypatch)
    assert code(kind, monkeypatch, where) != before
    assert code(kind, monkeypatch, BEHIND[kind]) != before


@pytest.mark.parametrize("kind", COMPUTES)
def test_a_change_of_what_computes_nothing_does_not_count(kind, monkeypatch):
    before = code(kind, monkeypatch)
    for where in BESIDE:
        assert code(kind, monkeypatch, where) == before, where
    assert code(kind, monkeypatch, f"experiments.{kind}") == before


def test_of_its_own_module_the_constants_that_are_used_count_and_the_reader_does_not():
    found = sources.code_behind(perturbation._train_and_displace, told=TOLD)
    assert "PLANE_SAMPLES = 2_000" in found
    assert "def _at_most" in found
    assert "class PerturbationRun" not in found
