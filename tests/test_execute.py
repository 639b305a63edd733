"""Runs report their errors, end with all they started, and repeat only if needed."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from small_book import TINY, alive, make_book, start, wait_for

from netdyn_utils.book import execute
from netdyn_utils.book.execute import NotebookRun, run_all, write_run_json
from netdyn_utils.cli import cli
from netdyn_utils.metrics import read_metrics
from netdyn_utils.notebook_params import Job
from netdyn_utils.pairing import pair

GOOD = """# %% tags=["parameters"]
steps: int = 3
name: str = "a"
rates = [0.1, 0.2]
path: str = ""  # of a file

# %%
import os, pathlib
from netdyn_utils.metrics import log_metrics
text = pathlib.Path(path).read_text() if path else ""
log_metrics(steps=steps, kind=type(name).__name__, name=name, rate=rates[0], text=text,
            threads=os.environ.get("OMP_NUM_THREADS", "none"))

# %%
import matplotlib.pyplot as plt
from netdyn_utils import plotting
plotting.use_style()
plt.plot(rates);
"""
FAILING = (
    "# %%\nkept = 1\nprint('kept')\n\n# %%\n# why\n1 / 0\n\n# %%\nprint('never')\n"
)
DEAD = "# %%\nx = 1\n\n# %%\nimport os\nos._exit(1)\n\n# %%\nx = 2\n"
STUBBORN = """# %%
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
pathlib.Path("part").write_text(f"{os.getpid()} {child.pid}")
pathlib.Path("part").rename("pids")
time.sleep(600)
"""
BOOK = {"01_good": GOOD, "02_failing": FAILING, "03_dead": DEAD}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A book of notebooks that go well or wrong, in a folder of a hard name."""
    root = make_book(
        tmp_path_factory.mktemp("a {b} 'ü' $x"), **BOOK, **{"04_stubborn": STUBBORN}
    )
    (root / "file.txt").write_text("hello")
    return root


@pytest.fixture(scope="module")
def ran(root):
    """All but the stubborn one, two at a time; runs by name, and the lines reported."""
    given = {"01_good": {"steps": 7, "name": "true", "rates": [1e-5]}}
    jobs, lines = [], []
    for number, name in enumerate(BOOK):
        source, folder = root / f"notebooks/{name}.ipynb", root / f"out/{number}"
        folder.mkdir(parents=True)
        if name != "03_dead":  # of which nothing is known
            (folder / "run.json").write_text(json.dumps({"seconds": number}))
        jobs.append(Job(source, folder / source.name, given.get(name, {})))
    with pytest.MonkeyPatch.context() as patch:
        for name in execute.THREADS:
            patch.delenv(name, raising=False)
        patch.setattr(execute.os, "cpu_count", lambda: 4)
        options = {"processes": 2, "limit": 300, "cwd": root}
        runs = run_all(jobs, report=lines.append, **options)
    return {run.name: run for run in runs}, lines


def test_parameters_keep_their_types_and_runs_share_the_cores(ran):
    run = ran[0]["01_good"]
    assert (run.status, run.message, run.threads) == ("ok", "", 2)
    expected = {"steps": 7, "kind": "str", "name": "true", "rate": 1e-5, "text": ""}
    assert read_metrics(run.output) == {**expected, "threads": "2"}


def test_the_longest_run_starts_first(ran):
    started = [line for line in ran[1] if line.endswith(": started")]
    assert started == [f"{n}: started" for n in ("03_dead", "02_failing", "01_good")]


def test_a_failing_run_names_its_cell_and_saves_the_partial_notebook(ran):
    run = ran[0]["02_failing"]
    assert (run.status, run.cell, run.source_line) == ("failed", 2, "# why")
    assert run.message == "ZeroDivisionError: division by zero"
    text = run.output.read_text()
    assert '"kept\\n"' in text
    assert '"never\\n"' not in text
    assert str(run.output) in str(run)
    dead = ran[0]["03_dead"]
    assert (dead.status, dead.cell) == ("failed", 2)
    assert "ernel" in dead.message


def run_command(*words):
    """Run ``netdyn_utils run`` here; return the run.json of its only result."""
    done = CliRunner().invoke(cli, ["run", *map(str, words)])
    assert done.exit_code == 0, done.output
    (path,) = Path(words[-1]).rglob("run.json")
    return json.loads(path.read_text())


def test_plain_papermill_and_run_give_the_same(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    plain, names = tmp_path / "plain.ipynb", ("-p", "path", "file.txt", "-p", "steps")
    command = [sys.executable, "-m", "papermill", "notebooks/01_good.ipynb", plain]
    subprocess.run([*command, *names, "5"], check=True, capture_output=True)
    assert '"image/svg+xml"' in plain.read_text()
    given = ("-p", "path=file.txt", "-p", "steps=5", "--out", tmp_path / "1")
    run = run_command("good", *given)
    assert run["recorded"] == read_metrics(plain)
    assert (run["recorded"]["text"], run["recorded"]["steps"]) == ("hello", 5)
    # An executed notebook carries the values of its run: the new ones replace them all.
    run = run_command(plain, "-p", "name=b", "--out", tmp_path / "2")
    assert run["recorded"]["name"] == run["parameters"]["name"] == "b"
    assert run["recorded"]["steps"] == run["parameters"]["steps"]


def pids(root):
    path = root / "pids"
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def test_a_timeout_ends_a_run_with_all_its_processes(root, tmp_path, monkeypatch):
    source = root / "notebooks/04_stubborn.ipynb"

    def monotonic():  # ten minutes pass as soon as the cell is at work
        return time.monotonic() + 600 * bool(pids(tmp_path))

    clock = SimpleNamespace(monotonic=monotonic, sleep=time.sleep)
    monkeypatch.setattr(execute, "time", clock)
    job = Job(source, tmp_path / "out" / source.name)
    (run,) = run_all([job], limit=500, cwd=tmp_path)
    assert (run.status, run.cell) == ("timeout", 1)
    assert run.message.startswith("stopped after 6")
    wait_for(lambda: not alive(pids(tmp_path)), 10)


def test_a_run_beyond_its_memory_limit_is_ended(root, tmp_path):
    source = root / "notebooks/04_stubborn.ipynb"
    (run,) = run_all([Job(source, tmp_path / source.name)], memory=1e6, cwd=tmp_path)
    assert run.status == "memory"
    assert "of memory, more than its limit of 1 MB" in run.message


def test_a_killed_runner_leaves_no_process(root, tmp_path):
    process = start(root, "run", "stubborn", "--out", tmp_path)
    started = wait_for(lambda: pids(root))
    process.kill()
    process.communicate()
    wait_for(lambda: not alive(started), 30)
    assert not list(tmp_path.rglob("run.json"))


@pytest.fixture
def valid(tmp_path):
    """A run that is valid, as if it had been executed, and how to ask for it."""
    root = make_book(tmp_path, **{"01_tiny": TINY})
    source = root / "notebooks/01_tiny.ipynb"
    job = Job(source, root / "out" / source.name, {"steps": 4})
    job.output.parent.mkdir()
    job.output.write_bytes(source.read_bytes())
    run = NotebookRun("01_tiny", "ok", 1.0, job.output, job.parameters, note="said")
    write_run_json(run, execute.dependencies([job])[0])

    def ask(job=job):
        return execute.load_if_current(job, execute.dependencies([job])[0])

    assert ask() == (run, "")
    return root, job, ask


def rewrite(root, text):
    (root / "notebooks/01_tiny.py").write_text(text)
    pair(root / "notebooks")


def test_a_change_of_anything_but_prose_is_a_reason_to_run(valid, monkeypatch):
    root, job, ask = valid
    rewrite(root, TINY + "\n# %% [markdown]\n# More words.\n")
    assert ask()[1] == ""
    rewrite(root, TINY.replace("steps**2", "steps**3"))
    assert ask()[1] == "changed: code"
    rewrite(root, TINY)
    assert ask(dataclasses.replace(job, parameters={}))[1] == "changed: parameters"
    (root / "mnist.npz").write_bytes(b"x")
    monkeypatch.setenv("NETDYN_DATA", str(root))
    monkeypatch.setattr(execute, "package_hash", lambda: "another")
    assert ask()[1] == "changed: netdyn_utils, data or records"


def test_a_corrupt_run_json_is_a_reason_to_run(valid):
    _, job, ask = valid
    path = job.output.with_name("run.json")
    text = path.read_text()
    path.write_text(text.replace('"sha256": "', '"sha256": "0'))
    assert ask()[1] == "its last output was changed"
    path.write_text(text.replace('"depends_on": {', '"depends_on": ['))
    assert ask()[1] == "its last run cannot be read (JSONDecodeError)"
