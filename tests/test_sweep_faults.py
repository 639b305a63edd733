"""Workers, schedulers and sweeps that die: what is done is kept, the rest is done."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys

import psutil
import pytest
from small_book import (
    REPOSITORY,
    TINY,
    alive,
    environment,
    family,
    make_book,
    start,
    told,
    wait_for,
)

PATIENCE = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s"}


def port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture
def root(tmp_path):
    """A book of one tiny notebook."""
    return make_book(tmp_path / "book", **{"01_tiny": TINY})


@pytest.fixture
def dask():
    """Start parts of a cluster, each a process of its own, and end them after."""
    started = []

    def begin(part, *words, **more):
        command = [sys.executable, "-m", f"distributed.cli.dask_{part}", *words]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, cwd="/", env=environment(**more), **quiet)
        started.append(process)
        return process

    yield begin
    for process in started:
        members = family(process.pid)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        for member in alive(members):
            member.kill()
        process.wait()


@pytest.fixture
def cluster(dask):
    """A scheduler on loopback: its address, its process, and how to add a worker."""
    address = f"tcp://127.0.0.1:{(number := port())}"
    scheduler = dask(
        *("scheduler", "--host", "127.0.0.1", "--port", str(number)),
        "--no-dashboard",
    )

    def worker(**more):
        words = ("--nthreads", "1", "--no-dashboard", "--no-nanny", "--host")
        return dask("worker", address, *words, "127.0.0.1", **more)

    return address, scheduler, worker


def sweep(root, plan, *words):
    (root / "plan.yaml").write_text(f"notebook: tiny\n{plan}\n")
    return start(root, "sweep", "plan.yaml", *words, env=environment(**PATIENCE))


def lines_until(process, part):
    """Read what a sweep says up to a line that holds a part."""
    said = ""
    for line in process.stdout:
        said += line
        if part in line:
            return said
    raise AssertionError(said)


def test_runs_of_a_killed_worker_go_to_another(root, cluster):
    address, _, worker = cluster
    doomed = worker()
    plan = "grid: {steps: [1, 2], mode: [slow]}"
    process = sweep(root, plan, "--scheduler", address)
    wait_for(lambda: len(family(doomed.pid)) > 2)  # papermill and its kernel
    members = family(doomed.pid)[1:]
    worker()
    doomed.kill()
    said = told(process.communicate(timeout=120)[0])
    assert process.returncode == 0, said
    assert "2/2 " in said
    assert len(list((root / "runs/plan").glob("*/01_tiny.html"))) == 2
    wait_for(lambda: not alive(members), 20)  # nothing computes on for nobody


def test_a_lost_scheduler_is_told_and_a_resumed_sweep_completes(root, cluster):
    address, scheduler, worker = cluster
    worker()
    plan = "grid: {steps: [1, 2], mode: [slow]}"
    process = sweep(root, plan, "--scheduler", address)
    lines_until(process, "1/2 ")
    scheduler.kill()
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 1
    assert "the scheduler is lost: 1 of 2 runs are done and kept in the folder" in said
    table = (root / "runs/plan/results.csv").read_text()
    assert table.count(",missing,") == 1
    assert "<td>ok" in (root / "runs/plan/index.html").read_text()
    process = sweep(root, plan, "--resume", "--workers", "1")
    said = told(process.communicate(timeout=120)[0])
    assert process.returncode == 0, said
    assert said.count(": to run, not run here before") == 1
    assert "1 to run, 1 done before" in said


def test_a_killed_sweep_leaves_no_process_and_is_resumed(root):
    plan = "grid: {steps: [1, 2], mode: [slow]}"
    process = sweep(root, plan, "--workers", "1")
    lines_until(process, "1/2 ")
    wait_for(lambda: any("guarded" in " ".join(_line(p)) for p in family(process.pid)))
    members = family(process.pid)
    process.kill()
    wait_for(lambda: not alive(members), 20)
    process.communicate()
    process = sweep(root, plan, "--resume", "--workers", "1")
    said = told(process.communicate(timeout=120)[0])
    assert process.returncode == 0, said
    assert "1 to run, 1 done before" in said


def test_another_netdyn_at_a_worker_is_named(root, cluster, tmp_path):
    address, _, worker = cluster
    shutil.copytree(REPOSITORY / "netdyn_utils", tmp_path / "netdyn_utils")
    with (tmp_path / "netdyn_utils" / "checks.py").open("a") as file:
        file.write("\nMORE = 1\n")
    worker(PYTHONPATH=str(tmp_path))
    process = sweep(root, "list: [{}, {steps: 2}]", "--scheduler", address)
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 1
    assert "2 of 2 runs failed" in said
    assert said.count("install the same version there") >= 2
    assert "install the same version" in (root / "runs/plan/results.csv").read_text()


def test_where_no_scheduler_answers_the_reader_is_told(root):
    process = sweep(root, "list: [{}]", "--scheduler", f"tcp://127.0.0.1:{port()}")
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:" in said
    process = sweep(root, "list: [{}]", "--scheduler", "no address")
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 1
    assert "no Dask scheduler answers at no address" in said


def test_a_scheduler_without_workers_is_waited_for_and_said(root, cluster):
    address, _, worker = cluster
    process = sweep(root, "list: [{}]", "--scheduler", address)
    lines_until(process, "no worker yet: waiting for one")
    worker()
    assert "1/1 " in told(process.communicate(timeout=60)[0])
    assert process.returncode == 0


@pytest.mark.slow
def test_an_interrupted_sweep_keeps_what_is_done(root):
    plan = "grid: {steps: [1, 2], mode: [slow]}"
    process = sweep(root, plan, "--workers", "1")
    lines_until(process, "1/2 ")
    members = family(process.pid)
    os.kill(process.pid, signal.SIGINT)
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 130, said
    assert (root / "runs/plan/results.csv").read_text().count(",missing,") == 1
    wait_for(lambda: not alive(members), 20)


def _line(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []
