"""Sweep files are checked, sweeps survive killed workers, results make a table."""

import json
import os
import signal

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from distributed import LocalCluster
from small_book import TINY, make_book, wait_for

from netdyn_utils.book import sweep as sweeps
from netdyn_utils.book.sweep import SweepError, read_sweep, run_sweep
from netdyn_utils.cli import cli


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A book of one tiny notebook, in a folder of braces, blanks and accents."""
    return make_book(tmp_path_factory.mktemp("a {b} ö"), **{"01_tiny": TINY})


def write(root, **plan):
    path = root / "plan.yaml"
    path.write_text(yaml.safe_dump({"notebook": "tiny", **plan}, sort_keys=False))
    return path


def read(root, **plan):
    return read_sweep(root, write(root, **plan))


def test_a_grid_is_every_combination_and_a_list_of_runs_wins_over_the_profile(root):
    grid = {"steps": [1, "2"], "rate": ["1e-3", 1]}
    sweep = read(root, parameters={"word": "w"}, grid=grid)
    assert list(sweep.sets.values()) == [
        {"word": "w", "steps": steps, "rate": rate}
        for steps in (1, 2)
        for rate in (0.001, 1.0)
    ]
    profile = {"01_tiny": {"steps": 7, "rate": 0.5}}
    (root / "notebooks/params/paper.yaml").write_text(yaml.safe_dump(profile))
    sweep = read(root, profile="paper", runs=[{"steps": 1}, {"word": "b"}])
    assert list(sweep.sets.values()) == [
        {"steps": 1, "rate": 0.5},
        {"steps": 7, "rate": 0.5, "word": "b"},
    ]


@pytest.mark.parametrize(
    ("plan", "sentences"),
    [
        ({}, ["needs `grid` or `runs`, and has neither"]),
        ({"gird": {}, "runs": [{}]}, ["`gird`: Extra inputs are not permitted"]),
        ({"notebook": "tinny", "runs": [{}]}, ["unknown notebook 'tinny'"]),
        ({"grid": {"stepz": [1], "rate": [2]}}, ["'stepz'", "number in (0, 1], got 2"]),
        ({"grid": {"steps": 1}}, ["`grid.steps`: Input should be a valid list"]),
        ({"grid": {"steps": [1, "1"]}}, ["is there twice"]),
        ({"runs": [{}], "heatmap": {"value": "a"}}, ["`heatmap.rows`: Field required"]),
    ],
)
def test_a_wrong_sweep_file_is_refused_with_all_its_errors(
    root, plan, sentences, monkeypatch
):
    monkeypatch.chdir(root)
    done = CliRunner().invoke(cli, ["sweep", str(write(root, **plan))])
    assert done.exit_code == 2
    assert all(sentence in done.output for sentence in sentences), done.output
    assert not (root / "runs").exists()


@pytest.fixture(scope="module")
def address():
    """The scheduler of a cluster of two workers on this machine."""
    options = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1"}
    with LocalCluster(dashboard_address="127.0.0.1:0", **options) as cluster:
        yield cluster


def test_a_sweep_survives_a_killed_worker_and_resumes(root, address, monkeypatch):
    monkeypatch.chdir(root)
    monkeypatch.setenv("NETDYN_RUNS", str(root / "store"))
    (root / "file.txt").write_text("hello")  # its path counts from here
    plan = {"grid": {"steps": [2, 13], "rate": [0.5]}}
    plan["parameters"] = {"mode": "slow", "path": "file.txt"}
    plan["heatmap"] = {"value": "square", "rows": "steps", "columns": "rate"}
    sweep, out, lines = read(root, **plan), root / "runs" / "plan", []
    killed = []

    def report(line):  # the first worker dies as soon as its papermill is at work
        lines.append(line)
        if "dashboard" in line:
            wait_for(lambda: list(out.glob("*/01_tiny.log")))
            killed.append(next(iter(address.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)

    options = {"root": root, "scheduler": address.scheduler_address}
    table = run_sweep(sweep, out, report=report, **options)
    good, bad = sweep.sets
    assert killed
    assert table.status.to_dict() == {good: "ok", bad: "failed"}
    assert table.error[bad] == "cell 3: ZeroDivisionError: division by zero"
    assert (table.square[good], table.text[good]) == (4, "hello")
    written = pd.read_csv(out / "results.csv", index_col="run")
    assert written.rate.to_list() == [0.5, 0.5]
    assert written["rate (recorded)"].to_dict()[good] == 0.5
    page = (out / "index.html").read_text()
    assert f'href="{good}/01_tiny.html"' in page
    assert (out / good / "01_tiny.html").exists()
    assert "Mean of square" in page

    with pytest.raises(SweepError, match="--resume keeps the valid ones"):
        run_sweep(sweep, out, **options)
    (out / bad / "run.json").write_text("{")
    assert sweeps.read_row(out / bad)[0]["status"] == "corrupt"
    before = (out / good / "01_tiny.ipynb").stat().st_mtime_ns
    table = run_sweep(sweep, out, report=lines.append, resume=True, **options)
    assert f"{bad}: to run, its last run cannot be read (JSONDecodeError)" in lines
    assert "1 to run, 1 done before" in lines
    assert (out / good / "01_tiny.ipynb").stat().st_mtime_ns == before
    assert table.status.to_dict() == {good: "ok", bad: "failed"}


def test_recorded_text_is_escaped_in_the_page(root, tmp_path):
    sweep = read(root, grid={"word": ["<b>x</b>", "y"]})
    one, two = sweep.sets
    for key, message in ((one, ""), (two, "<script>")):
        (tmp_path / key).mkdir()
        run = {"status": "ok", "seconds": 1.5, "cell": 2, "message": message}
        run["recorded"] = {"a": 4}
        (tmp_path / key / "run.json").write_text(json.dumps(run))
    sweeps.write_results(sweep, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "<b>" not in page
    assert "<script>" not in page
    assert "&lt;b&gt;x" in page


def test_a_scheduler_that_does_not_answer_is_named(root, monkeypatch):
    monkeypatch.chdir(root)
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    words = ["sweep", str(write(root, runs=[{}])), "--scheduler", "no address"]
    done = CliRunner().invoke(cli, [*words, "--out", str(root / "none")])
    assert done.exit_code == 1
    assert "no Dask scheduler answers at no address" in done.output
