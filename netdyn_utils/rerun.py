"""Run notebooks with papermill, each in a fresh process, and say how it went.

A reader's own ``papermill notebooks/01_training.ipynb out.ipynb -p steps 100`` and the
book's run are the same run: this module only runs several of them side by side, gives
each its share of the cores, and reads from a partial notebook what failed.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import yaml

from .checks import positive_int
from .profiles import Job

# What Jupyter writes at each start, whether or not anything is wrong.
_NOISE = (
    "Kernel is running over TCP without encryption",
    "frozen modules",
    "frozen_modules",
    "PYDEVD_DISABLE_FILE_VALIDATION",
)
_STAGGER = 0.5  # s between two starts; kernels that start together race for ports
_GRACE = 10.0  # s that a stopped run has for writing its partial notebook


@dataclass(frozen=True)
class CellError:
    """Where a notebook stopped, and why, each in one line."""

    cell: int | None  # the n of In [n]; None if no cell was reached
    line: str  # first line of that cell
    message: str  # last line of the traceback


@dataclass(frozen=True)
class NotebookRun:
    """How one run of one notebook went."""

    name: str  # file name without suffix: 01_training
    status: str  # "ok", "failed" or "timeout"
    seconds: float  # wall time
    output: Path  # the executed notebook, whole or partial
    parameters: dict = field(default_factory=dict)  # the ones given, by name
    error: CellError | None = None

    def __str__(self) -> str:
        head = f"{self.name}: {self.status} after {self.seconds:.1f} s"
        if self.error is None:
            return head
        where = f"cell {self.error.cell}: {self.error.line}\n  " * bool(self.error.cell)
        return f"{head}\n  {where}{self.error.message}\n  partial: {self.output}"


def run_notebook(
    source: Path, output: Path, parameters: dict | None = None, **options
) -> NotebookRun:
    """Run one notebook; `options` are those of `run_all`."""
    return run_all([Job(Path(source), Path(output), parameters or {})], **options)[0]


def run_all(
    jobs: Sequence[Job],
    *,
    processes: int | None = None,
    limit: float | None = None,
    report: Callable[[str], object] = str,
) -> list[NotebookRun]:
    """Run notebooks side by side and return their records in the order of `jobs`.

    Parameters
    ----------
    jobs : sequence of Job
        What to run. A failing notebook does not stop the others.
    processes : int, optional
        How many at a time; one per core unless told.
    limit : float, optional
        Seconds of wall time after which a run is stopped; none unless told.
    report : callable
        Takes a plain line when a notebook starts and ends; silent unless told.
    """
    # Each gets its share of the cores: two runs of two threads each on two cores take
    # longer than one after the other.
    cores = os.cpu_count() or 1
    wanted = cores if processes is None else positive_int(processes, "processes")
    processes = min(wanted, len(jobs))
    threads = max(1, cores // max(1, processes))
    waiting, running, done = list(enumerate(jobs)), [], {}
    next_start = 0.0
    try:
        while waiting or running:
            if waiting and len(running) < processes and time.monotonic() > next_start:
                place, job = waiting.pop(0)
                running.append((place, _Process(job, threads)))
                next_start = time.monotonic() + _STAGGER
                report(f"{job.name}: started")
            for place, process in [r for r in running if r[1].finished(limit)]:
                running.remove((place, process))
                done[place] = process.record()
                report(str(done[place]))
            time.sleep(0.05)
    finally:  # also on Ctrl-C: no kernel outlives the command that started it
        for _, process in running:
            process.stop()
    return [done[place] for place in range(len(jobs))]


class _Process:
    """One papermill at work: started, watched, stopped, read."""

    def __init__(self, job: Job, threads: int):
        job.output.parent.mkdir(parents=True, exist_ok=True)
        job.output.unlink(missing_ok=True)  # an older run's pages are not this one's
        self.job = job
        self.log = job.output.with_suffix(".log")
        self.late = False
        self.start = time.monotonic()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                _command(job), stdout=log, stderr=log, env=_environment(threads)
            )

    def finished(self, limit: float | None) -> bool:
        """Say whether the run has ended; end it if it is past `limit`."""
        if limit is not None and time.monotonic() - self.start > limit:
            self.late = self.process.poll() is None
            self.stop()
        return self.process.poll() is not None

    def stop(self) -> None:
        """End the run; papermill takes its kernel down and saves what there is."""
        self.process.terminate()
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def record(self) -> NotebookRun:
        """Read how the ended run went."""
        seconds = time.monotonic() - self.start
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        lines = [line for line in lines if not any(noise in line for noise in _NOISE)]
        self.log.write_text("\n".join([*lines, ""]), encoding="utf-8")
        status = "failed" if self.process.returncode else "ok"
        last = (lines or [""])[-1]
        if self.late:
            status, last = "timeout", f"stopped after {seconds:.0f} s"
        error = None if status == "ok" else _find_error(self.job.output, last)
        job = self.job
        return NotebookRun(job.name, status, seconds, job.output, job.parameters, error)


def _command(job: Job) -> list[str]:
    """Return papermill's command line, with the parameters' types kept by YAML."""
    paths = [str(path.resolve()) for path in (job.source, job.output)]
    given = ["-y", yaml.safe_dump(job.parameters)] if job.parameters else []
    return [
        *(sys.executable, "-m", "papermill"),
        *(path.replace("{", "{{").replace("}", "}}") for path in paths),
        *("--cwd", str(job.source.parent.resolve()), "--no-progress-bar"),
        *given,
    ]


def _environment(threads: int) -> dict[str, str]:
    """Return the environment of a run: its share of the cores, inline figures."""
    return {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        **os.environ,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "TQDM_DISABLE": "1",  # a progress bar on a page is a widget that never moves
    }


def _find_error(output: Path, last: str) -> CellError:
    """Read from a partial notebook where it stopped; `last` if it does not say why."""
    reached = CellError(None, "", last)
    cells = nbformat.read(output, as_version=4).cells if output.exists() else []
    code = [cell for cell in cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        line = next(iter(cell.source.strip().splitlines()), "")
        for out in cell.outputs:
            if out.output_type == "error":
                message = f"{out.ename}: {out.evalue}".splitlines()[0]
                return CellError(number, line, message)
        # Papermill calls a cell completed even if its kernel died in it.
        if cell.metadata.get("papermill", {}).get("status", "pending") != "pending":
            reached = CellError(number, line, last)
    return reached
