"""A run says how it went; parameters nobody declared never start a kernel."""

import contextlib
import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios

import nbformat
import pytest
import yaml
from small_book import REPOSITORY, environment, make_book, start, told, wait_for

from netdyn_utils.notebook_params import Job, plan_jobs, read_yaml
from netdyn_utils.pairing import pair
from netdyn_utils.recorded import read_recorded
from netdyn_utils.rerun import (
    THREADS,
    Lines,
    cached,
    fingerprints,
    run_all,
    run_notebook,
    write_manifest,
)
from netdyn_utils.store.provenance import unseal

GOOD = """# %% tags=["parameters"]
steps: int = 3
name: str = "a"
rates = [0.1, 0.2]

# %%
print(type(steps).__name__, steps, type(name).__name__, name, rates)

# %%
import os
print(os.getcwd())
print(*(f"{n[:3]}={os.environ.get(n)}" for n in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")))
"""
FAILING = """# %% [markdown]
# # Fails

# %%
kept = 1
print("kept", kept)

# %%
divisor = 0
1 / divisor

# %%
print("never")
"""
WAITING = """# %% tags=["parameters"]
steps: int = 3  # of nothing; in [1, inf)

# %%
import pathlib, time
pathlib.Path("begun").touch()
while not pathlib.Path("go").exists():
    time.sleep(0.05)

# %%
from netdyn_utils.recorded import record
record(steps=steps)
"""


@pytest.fixture
def root(tmp_path):
    """A book of two chapters."""
    folder = tmp_path / "notebooks"
    (folder / "params").mkdir(parents=True)
    (folder / "01_good.py").write_text(GOOD)
    (folder / "02_failing.py").write_text(FAILING)
    pair(folder)
    toc = {
        "root": "book/index",
        "parts": [
            {"chapters": [{"file": "notebooks/01_good"}]},
            {"chapters": [{"file": "book/x"}, {"file": "notebooks/02_failing"}]},
        ],
    }
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc))
    write_profile(tmp_path, "quick", {"01_good": {"steps": 5}})
    write_profile(tmp_path, "test", {})
    return tmp_path


def write_profile(root, name, blocks):
    path = root / "notebooks" / "params" / f"{name}.yaml"
    path.write_text(yaml.safe_dump(blocks))


def printed(run):
    cells = nbformat.read(run.output, as_version=4).cells
    outputs = [o for c in cells for o in c.get("outputs", ()) if "text" in o]
    return "".join(o.text for o in outputs)


def test_plan_follows_the_table_of_contents(root, tmp_path):
    jobs = plan_jobs(root, "quick", tmp_path / "out")
    assert [job.name for job in jobs] == ["01_good", "02_failing"]
    assert [job.parameters for job in jobs] == [{"steps": 5}, {}]
    assert jobs[0].output == tmp_path / "out" / "01_good" / "01_good.ipynb"


@pytest.mark.parametrize(
    ("blocks", "profile", "sentence"),
    [
        ({}, "quik", "unknown profile 'quik': .*did you mean 'quick'"),
        ({"01_good": {"stepz": 5}}, "quick", "01_good: .*'stepz': .*mean 'steps'"),
        ({"01_god": {}}, "quick", "unknown notebook .* '01_god'.*mean '01_good'"),
        ({"01_good": [1]}, "quick", "'01_good' must be a block of parameters"),
        (
            {"02_failing": {"x": 1}},
            "quick",
            "02_failing: .*'x': there is none",
        ),
        ({"01_good": {"steps": "x"}}, "quick", "01_good: steps must be a whole number"),
    ],
)
def test_plan_refuses_what_nobody_declared(root, tmp_path, blocks, profile, sentence):
    write_profile(root, "quick", blocks)
    with pytest.raises(ValueError, match=sentence):
        plan_jobs(root, profile, tmp_path / "out")


def test_a_damaged_table_of_contents_is_named(root, tmp_path):
    for text in ("[", "- a", "\x00"):
        (root / "_toc.yml").write_text(text)
        with pytest.raises(ValueError, match=r"_toc\.yml (is no YAML|must hold)"):
            plan_jobs(root, "quick", tmp_path)


def test_plan_names_what_is_missing(root, tmp_path):
    (root / "notebooks" / "01_good.ipynb").unlink()
    with pytest.raises(ValueError, match=r"01_good\.ipynb is not a notebook"):
        plan_jobs(root, "quick", tmp_path)
    shutil.rmtree(root / "notebooks" / "params")
    with pytest.raises(ValueError, match="unknown profile"):
        plan_jobs(root, "quick", tmp_path)


def test_runs_side_by_side_share_the_cores_and_one_alone_is_left_as_it_is(
    root, tmp_path, monkeypatch
):
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    source, cores = root / "notebooks" / "01_good.ipynb", os.cpu_count()
    jobs = [Job(source, tmp_path / name / source.name) for name in "abc"]
    share = max(1, cores // 2)
    for run in run_all(jobs[:2], processes=2):
        assert f"OMP={share} MKL={share}" in printed(run)
        assert run.threads == share
    alone = run_all(jobs[2:])[0]
    assert "OMP=None MKL=None" in printed(alone)
    assert alone.threads == cores
    monkeypatch.setenv("OMP_NUM_THREADS", "3,1")  # as OpenMP takes it: by level
    for run in run_all(jobs[:2], processes=2):
        assert "OMP=3,1 MKL=None" in printed(run)
        assert run.threads == 3


def test_run_keeps_the_types_of_parameters_and_the_folder(root, tmp_path):
    source = root / "notebooks" / "01_good.ipynb"
    given = {"name": "true", "steps": 7, "rates": [1e-5]}
    # Braces in a path are papermill's placeholders; here they are a path.
    run = run_notebook(source, tmp_path / "{out}" / "a.ipynb", given)
    assert (run.status, run.error, run.name) == ("ok", None, "01_good")
    assert run.parameters == given
    assert run.seconds > 0
    assert "int 7 str true [1e-05]" in printed(run)
    assert str(root / "notebooks") in printed(run)
    assert "TCP" not in run.output.with_suffix(".log").read_text()


def test_failing_notebook_is_named_kept_and_stops_no_other(root, tmp_path):
    lines = []
    jobs = plan_jobs(root, "quick", tmp_path / "out")
    good, bad = run_all(jobs, processes=2, watch=Lines(lines.append))
    assert good.status == "ok"
    assert bad.status == "failed"
    assert bad.error.cell == 2
    assert bad.error.line == "divisor = 0"
    assert bad.error.message == "ZeroDivisionError: division by zero"
    assert "kept 1" in printed(bad)
    assert "never" not in printed(bad)
    assert lines[:2] == ["01_good: started", "02_failing: started"]
    assert "cell 2: divisor = 0" in str(bad)
    assert str(bad.output) in str(bad)


def test_older_output_does_not_pass_for_that_of_a_broken_run(root, tmp_path):
    source, output = root / "notebooks" / "01_good.ipynb", tmp_path / "out.ipynb"
    shutil.copy(source, output)
    source.write_text("no notebook")
    run = run_notebook(source, output)
    assert run.status == "failed"
    assert run.error.cell is None
    assert run.error.message
    assert not output.exists()


def test_run_past_its_limit_is_ended_where_it_was(root, tmp_path):
    folder = root / "notebooks"
    (folder / "03_slow.py").write_text("# %%\nimport time\ntime.sleep(600)\n")
    pair(folder)
    run = run_notebook(folder / "03_slow.ipynb", tmp_path / "out.ipynb", limit=15)
    assert run.status == "timeout"
    assert run.seconds < 40
    assert run.error.cell == 1
    assert run.error.line == "import time"
    assert run.error.message.startswith("stopped after")


def test_dead_kernel_is_reported_not_waited_for(root, tmp_path):
    folder = root / "notebooks"
    (folder / "03_dead.py").write_text("# %%\nimport os\nos._exit(1)\n")
    pair(folder)
    run = run_notebook(folder / "03_dead.ipynb", tmp_path / "out.ipynb", limit=60)
    assert run.status == "failed"
    assert run.error.cell == 1
    assert "ernel" in run.error.message


def test_the_cell_in_which_a_kernel_died_is_named_not_the_last_one(root, tmp_path):
    folder = root / "notebooks"
    text = "# %%\nx = 1\n\n# %%\nimport os\nos._exit(1)\n\n# %%\nx = 2\n\n# %%\nx = 3\n"
    (folder / "03_dead.py").write_text(text)
    pair(folder)
    run = run_notebook(folder / "03_dead.ipynb", tmp_path / "out.ipynb", limit=60)
    assert run.status == "failed"
    assert (run.error.cell, run.error.line) == (2, "import os")


def test_a_kernel_that_does_not_exist_is_no_cells_fault(root, tmp_path):
    source = root / "notebooks" / "01_good.ipynb"
    notebook = nbformat.read(source, as_version=4)
    notebook.metadata["kernelspec"] = {"name": "nobody", "display_name": "nobody"}
    nbformat.write(notebook, source)
    run = run_notebook(source, tmp_path / "out.ipynb")
    assert run.error.cell is None
    assert "No such kernel named nobody" in run.error.message
    assert f"log: {tmp_path / 'out.log'}" in str(run)
    assert "partial" not in str(run)


def test_a_notebook_that_leaves_before_its_end_has_not_done_its_work(root, tmp_path):
    folder = root / "notebooks"
    text = "# %%\nx = 1\n\n# %%\nimport sys\nsys.exit(0)\n\n# %%\nx = 2\n"
    (folder / "03_leaving.py").write_text(text)
    pair(folder)
    run = run_notebook(folder / "03_leaving.ipynb", tmp_path / "out.ipynb")
    assert (run.status, run.error.cell, run.error.line) == ("failed", 2, "import sys")
    assert run.error.message == "ended before its last cell, 2 of 3: SystemExit: 0"


@pytest.mark.parametrize("processes", [0, -1, 1.5])
def test_number_of_processes_is_checked(tmp_path, processes):
    job = Job(tmp_path / "a.ipynb", tmp_path / "b.ipynb")
    with pytest.raises(ValueError, match="processes must be a whole number"):
        run_all([job], processes=processes)


def test_progress_bars_leave_nothing_in_a_notebook_that_is_run(root, tmp_path):
    folder = root / "notebooks"
    (folder / "03_bar.py").write_text(
        "# %%\nfrom netdyn_utils import UpdatesConfig, run_updates\n"
        "run = run_updates(UpdatesConfig.as_published('mlp', 20))\n"
    )
    pair(folder)
    store = {"NETDYN_RUNS": str(tmp_path / "store")}
    job = Job(folder / "03_bar.ipynb", tmp_path / "out.ipynb")
    (run,) = run_all([job], environment=store)
    assert run.status == "ok"
    assert list((tmp_path / "store").glob("*.npz"))  # it trained
    assert [cell.outputs for cell in nbformat.read(run.output, 4).cells] == [[]]


def test_on_a_terminal_one_live_line_tells_the_cell_and_elsewhere_plain_ones(root):
    ours, theirs = pty.openpty()
    size = struct.pack("HHHH", 24, 80, 0, 0)  # rows and columns
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    words = [sys.executable, "-m", "netdyn_utils", "run", "good"]
    both = {"stdout": theirs, "stderr": theirs, "cwd": root, "env": environment()}
    process = subprocess.Popen(words, **both)
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the end, on Linux
        while part := os.read(ours, 1000):
            said += part
    os.close(ours)
    assert process.wait(60) == 0
    assert re.search(r"\r01_good: cell \d/\d, 00:\d\d", said.decode())
    assert "01_good: ok after" in said.decode()
    plain = start(root, "run", "good")
    lines = told(plain.communicate(timeout=60)[0]).splitlines()
    assert lines[0] == "01_good: started"
    assert lines[1].startswith("01_good: ok after")


def test_plain_papermill_and_run_record_the_same_numbers(tmp_path):
    given = {"learning_rate": 0.05}
    given |= read_yaml(REPOSITORY / "notebooks/params/test.yaml")["02_updates"]
    plain, out = tmp_path / "plain.ipynb", tmp_path / "runs"
    words = [word for name, value in given.items() for word in ("-p", name, str(value))]
    subprocess.run(  # as README.md has it, and with a store of its own
        [
            sys.executable,
            "-m",
            "papermill",
            "notebooks/02_updates.ipynb",
            plain,
            *words,
        ],
        cwd=REPOSITORY,
        env=environment(NETDYN_RUNS=str(tmp_path / "one")),
        check=True,
        capture_output=True,
    )
    process = start(
        REPOSITORY,
        *("run", "updates", "--profile", "test", "-p", "learning_rate=0.05"),
        *("--out", out),
        env=environment(NETDYN_RUNS=str(tmp_path / "two")),
    )
    said = told(process.communicate(timeout=300)[0])
    assert process.returncode == 0, said
    (manifest,) = out.rglob("run.json")
    ours = unseal(manifest.read_text("utf-8"))
    ran = nbformat.read(plain, as_version=4).metadata.papermill.parameters
    assert ours["given"] == ran == given
    assert ours["recorded"] == read_recorded(plain)
    assert ours["recorded"]["largest_mlp"] > 0
    assert len(ours["recorded"]) >= 8


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda path: path.unlink(), "is gone or damaged since this run began"),
        (lambda path: path.write_text("{"), "is gone or damaged since this run began"),
        (
            lambda path: path.write_text(path.read_text().replace("steps", "paces")),
            "was edited while it ran: this is a run of before",
        ),
    ],
)
def test_a_notebook_that_changes_while_it_runs_is_named(tmp_path, change, sentence):
    root = make_book(tmp_path, **{"01_waiting": WAITING})
    process = start(root, "run", "waiting", "-p", "steps=7")
    wait_for((root / "notebooks" / "begun").exists)
    change(root / "notebooks" / "01_waiting.ipynb")
    (root / "notebooks" / "go").touch()
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 0, said
    assert said.count(sentence) == 1
    (manifest,) = root.rglob("run.json")
    ran = unseal(manifest.read_text("utf-8"))
    assert ran["parameters"] == ran["recorded"] == {"steps": 7}


def test_a_run_of_code_that_was_there_for_a_moment_does_not_stand(tmp_path):
    root = make_book(tmp_path, **{"01_good": GOOD})
    source = root / "notebooks" / "01_good.ipynb"
    job, before = Job(source, root / "out" / source.name), source.read_text()
    (planned,) = fingerprints([job], root)
    source.write_text(before.replace("print(type", "print(7, type"))
    run = run_notebook(job.source, job.output)
    source.write_text(before)
    write_manifest(run, source, planned)
    assert cached(job, planned) == (None, "its code changed")


def test_a_notebook_that_lost_a_parameter_before_its_turn_has_failed(tmp_path):
    root = make_book(tmp_path, **{"01_good": GOOD})
    source, output = root / "notebooks" / "01_good.ipynb", root / "out" / "a.ipynb"
    run = run_notebook(source, output, {"stepz": 5})
    assert run.status == "failed"
    assert run.error.message.startswith("not what was asked: unknown parameter 'stepz'")
    told_of = unseal(write_manifest(run, source).read_text("utf-8"))
    assert told_of["parameters"] == {"stepz": 5}
    assert told_of["recorded"] == {}
