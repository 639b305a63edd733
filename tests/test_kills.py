"""Whoever is killed, at whatever moment: nothing computes on, nothing is half."""

import random
import subprocess
import sys
import time

import psutil
import pytest
from netdyn_utils.store.provenance import unseal
from small_book import (
    TINY,
    alive,
    environment,
    family,
    make_book,
    start,
    told,
    wait_for,
)

from netdyn_utils.rerun import run_notebook
from netdyn_utils.store import RunStore

STUBBORN = """# %%
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True)
# A child of a child that is gone belongs to nobody.
orphan = subprocess.run(
    ["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!"], capture_output=True
)
pids = [os.getpid(), child.pid, int(orphan.stdout)]
pathlib.Path("pids").write_text(" ".join(map(str, pids)))
for _ in range(6000):
    try:
        time.sleep(0.1)
    except BaseException:
        pass
"""
HUNGRY = """# %%
import os, subprocess, sys, time
eat = "import time; x = bytearray(600_000_000); time.sleep(600)"
subprocess.run([sys.executable, "-c", eat])
"""
LEAVING = STUBBORN.partition("for _ in")[0]


@pytest.fixture
def root(tmp_path):
    """A book of notebooks that do harm."""
    texts = {"01_tiny": TINY, "02_stubborn": STUBBORN, "03_hungry": HUNGRY}
    root = make_book(tmp_path, **texts, **{"04_leaving": LEAVING})
    yield root
    for process in left(root):
        process.kill()


def left(root):
    """Return what a notebook has started, as far as it lives."""
    path = root / "notebooks" / "pids"
    pids = path.read_text().split() if path.exists() else []
    return alive(member for pid in map(int, pids) for member in family(pid)[:1])


def begun(root):
    """Wait until the notebook has started its children."""
    return wait_for(lambda: len(left(root)) == 3 and left(root))


def test_a_killed_run_leaves_no_process_and_is_run_again(root):
    process = start(root, "run", "stubborn")
    started = begun(root)
    members = [*family(process.pid), *started]
    process.kill()
    process.communicate()
    wait_for(lambda: not alive(members), 30)
    assert list((root / "runs").rglob("run.json")) == []
    again = run_notebook(
        root / "notebooks/01_tiny.ipynb", root / "runs/x/01_tiny.ipynb"
    )
    assert again.status == "ok"


def test_a_run_past_its_limit_ends_with_all_it_started(root):
    process = start(root, "run", "stubborn", "--limit", "10")
    started = begun(root)
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 1
    assert "02_stubborn: timeout after" in said
    wait_for(lambda: not alive(started), 5)
    (manifest,) = (root / "runs").rglob("run.json")
    assert unseal(manifest.read_text())["status"] == "timeout"


def test_a_run_that_ends_well_leaves_no_process_either(root):
    output = root / "runs" / "x" / "04_leaving.ipynb"
    run = run_notebook(root / "notebooks/04_leaving.ipynb", output)
    assert run.status == "ok"
    assert (root / "notebooks" / "pids").exists()
    wait_for(lambda: not left(root), 5)


def test_a_killed_papermill_leaves_no_process(root):
    process = start(root, "run", "stubborn")
    started = begun(root)
    (papermill,) = (
        p for p in family(process.pid) if "guarded" in " ".join(p.cmdline())
    )
    time.sleep(2)  # the runner has looked at what there is
    papermill.kill()
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 1
    assert "papermill was ended by SIGKILL" in said
    wait_for(lambda: not alive(started), 10)


def test_a_run_that_eats_memory_is_ended_before_the_machine_is(root):
    process = start(root, "run", "hungry", "--memory", "500M")
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 1
    assert "03_hungry: memory after" in said
    assert "GB of memory, more than 0.5 GB" in said
    assert "cell 1: import os" in said


WRITER = """
import sys
from pathlib import Path
import numpy as np
from netdyn_utils.store import RunStore
store = RunStore(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(10**6):
    config = {"number": number % 40}
    noise = np.random.default_rng(0).random(20_000)
    arrays = {"x": number % 40 + noise}
    store.get("k", config, "d", str(number // 40), lambda: arrays)
    print(number, flush=True)
"""


def test_a_store_whose_writers_are_killed_at_random_moments_is_whole(tmp_path, recwarn):
    moments = random.Random(0)
    for written in (25, *range(1, 12)):  # how many records at least, however slow
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment())
        for _ in range(1 + written):
            writer.stdout.readline()
        time.sleep(moments.uniform(0, 0.4))
        writer.kill()
        writer.communicate()
    there = sorted(tmp_path.glob("*.json"))
    assert len(there) > 20
    store, again = RunStore(tmp_path), []
    for number in range(40):

        def compute(number=number):
            again.append(number)
            return {"x": [number + 0.5]}

        run = store.get("k", {"number": number}, "d", "other", compute)
        assert run["x"].astype(int).tolist() == [number] * len(run["x"])
    assert again == list(range(40))  # the code differs: all of it is computed again
    assert list(tmp_path.glob("*.part")) == []
    # Killed between its two files, a writer leaves new arrays under an old manifest:
    # that is seen, named and set aside, at most once for each killed writer.
    assert len(recwarn) <= 12
    assert all("is damaged" in str(warning.message) for warning in recwarn)


def test_psutil_tells_the_dead_from_the_living():
    assert alive(family(psutil.Process().pid)[:1])
    process = subprocess.Popen([sys.executable, "-c", ""])
    members = family(process.pid)
    time.sleep(0.5)
    assert not alive(members)
    process.wait()
    assert not alive(members)
