"""A sweep's file says one thing, or is refused before anything starts."""

import csv

import pytest
import yaml
from small_book import TINY, make_book

from netdyn_utils.__main__ import main
from netdyn_utils.sweeps import read_sweep
from netdyn_utils.sweeps.results import Row, not_shown, write_results


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A book of one tiny notebook."""
    monkeypatch.chdir(tmp_path)
    return make_book(tmp_path, **{"01_tiny": TINY})


def read(root, **plan):
    path = root / "plan.yaml"
    path.write_text(yaml.safe_dump({"notebook": "tiny", **plan}, sort_keys=False))
    return read_sweep(root, path)


def test_a_grid_is_every_combination_in_order(root):
    sweep = read(
        root,
        parameters={"word": "w"},
        grid={"steps": [1, "2"], "rate": ["1e-3", 1]},
        show="square",
        over=["rate", "steps"],
    )
    assert sweep.runs == tuple(
        {"word": "w", "steps": steps, "rate": rate}
        for steps in (1, 2)
        for rate in (0.001, 1.0)
    )
    assert (sweep.name, sweep.varied) == ("plan", ("steps", "rate"))
    assert (sweep.show, sweep.over) == ("square", ("rate", "steps"))
    assert len(set(sweep.keys)) == 4


def test_a_list_is_taken_as_it_stands_over_the_profile(root):
    profile = {"01_tiny": {"steps": 7, "rate": 0.5}}
    (root / "notebooks/params/paper.yaml").write_text(yaml.safe_dump(profile))
    sweep = read(root, profile="paper", list=[{"steps": 1}, {"word": "b"}, {}])
    assert sweep.runs == (
        {"steps": 1, "rate": 0.5},
        {"steps": 7, "rate": 0.5, "word": "b"},
        {"steps": 7, "rate": 0.5},
    )
    assert sweep.varied == ("steps", "word")


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        ({}, "needs `notebook`, and either `grid` or `list`"),
        ({"grid": {"steps": [1]}, "list": [{}]}, "either `grid` or `list`"),
        ({"gird": {}}, "unknown entry in plan.yaml 'gird'.*did you mean 'grid'"),
        ({"notebook": "tinny", "list": [{}]}, "unknown notebook 'tinny'"),
        ({"notebook": ["tiny"], "list": [{}]}, "unknown notebook"),
        ({"profile": "quik", "list": [{}]}, "unknown profile 'quik'"),
        ({"grid": {"steps": [1, 0], "rate": [2]}}, r"rate must .*\nsteps must"),
        ({"grid": {"stepz": [1]}}, "unknown parameter 'stepz': .*'steps'"),
        ({"grid": {"steps": [1, "1"]}}, "is there twice"),
        ({"grid": {"steps": 1}}, r"'steps' in `grid` must be a list \[a, b\]"),
        ({"grid": {"steps": []}}, r"'steps' in `grid` must be a list \[a, b\]"),
        ({"grid": {}}, "`grid` names no parameter to vary"),
        ({"grid": {"steps": [1]}, "over": ["steps"] * 2}, "`over` names 'steps' twice"),
        ({"grid": [1]}, "grid must be `name: value` lines"),
        ({"list": {}}, "`list` must be a list"),
        ({"list": [1]}, "list, entry 1 must be"),
        ({"list": [{}, {}]}, "is there twice"),
        ({"parameters": [1], "list": [{}]}, "parameters must be"),
        (
            {"parameters": {"steps": 1}, "grid": {"steps": [2]}},
            "'steps' is in `parameters`, the same in every run, and varies",
        ),
        (
            {"grid": {"steps": list(range(1, 1000)), "word": ["a"] * 1000}},
            "a grid of 999,000 runs; at most 100,000",
        ),
        ({"grid": {"steps": [1]}, "over": "rate"}, "`over` names 'rate', which does"),
        ({"grid": {"steps": [1]}, "over": 5}, "`over` must be one or two names"),
        ({"grid": {"steps": [1]}, "over": [[1]]}, "`over` must be one or two names"),
        ({"grid": {"steps": [1]}, "over": ["steps"] * 3}, "`over` must be one or two"),
        ({"grid": {"steps": [1]}, "show": ["a"]}, "`show` must be a name"),
    ],
)
def test_a_plan_that_says_nothing_clear_is_refused(root, plan, sentence, capsys):
    with pytest.raises(ValueError, match=sentence):
        read(root, **plan)
    assert main(["sweep", "plan.yaml"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (root / "runs").exists()


def test_a_list_too_is_no_longer_than_anyone_can_mean(root, monkeypatch):
    monkeypatch.setattr("netdyn_utils.sweeps.plans.MOST", 2)
    with pytest.raises(ValueError, match="a list of 3 runs; at most 2"):
        read(root, list=[{}] * 3)


def test_a_plan_that_is_not_there_is_a_sentence(root, capsys):
    assert main(["sweep", "none.yaml"]) == 2
    assert "none.yaml cannot be read: No such file" in capsys.readouterr().err
    assert main(["sweep", str(root)]) == 2
    assert "Is a directory" in capsys.readouterr().err


def test_a_heat_map_of_what_no_run_recorded_is_missed_aloud(root):
    sweep = read(root, grid={"steps": [1, 2]}, show="sqare", over="steps")
    rows = [Row("k", "ok", 1.0, given, {"square": 4, "x": 1}) for given in sweep.runs]
    assert not_shown(sweep, rows) == (
        "no heat map: `show` is 'sqare', and the runs recorded square, x"
    )
    assert not_shown(sweep, []) == ""  # nothing ran: that is told already
    assert not_shown(read(root, list=[{}], show="square"), rows) == ""
    assert not_shown(read(root, list=[{}]), rows) == ""


def test_table_and_page_show_what_was_recorded_and_nothing_else_runs(root, tmp_path):
    sweep = read(root, grid={"word": ["<b>x</b>", "y"]}, show="square", over="word")
    one, two = sweep.runs
    rows = [
        Row("k1", "ok", 1.5, one, {"square": 4, "other": None}),
        Row("k2", "failed", None, two, error="<script>alert(1)</script>"),
    ]
    write_results(sweep, rows, tmp_path)
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert table[0] == {
        **{"run": "k1", "status": "ok", "seconds": "1.5", "word": "<b>x</b>"},
        **{"square": "4", "other": "", "error": ""},
    }
    assert (table[1]["status"], table[1]["square"]) == ("failed", "")
    page = (tmp_path / "index.html").read_text("utf-8")
    assert 'href="k1/01_tiny.html"' in page
    assert "k2/" not in page
    assert "<script>" not in page
    assert "<b>" not in page
    assert "1 of 2 runs are done" in page
