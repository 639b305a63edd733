"""Papermill at work, each notebook in a fresh process: started, watched, ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import yaml

from ..checks import positive_int
from ..notebook_params import Job, read_parameters, validate
from .outcomes import CellError, NotebookRun, count_cells, find_error, find_shortfall
from .watching import Lines, Watch

# What Jupyter writes at each start, whether or not anything is wrong.
_NOISE = (
    "Kernel is running over TCP without encryption",
    "frozen modules",
    "frozen_modules",
    "PYDEVD_DISABLE_FILE_VALIDATION",
)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_STAGGER = 0.5  # s between two starts; kernels that start together race for ports
_GRACE = 10.0  # s that a stopped run has for writing its partial notebook
_LONG = 100_000  # bytes of parameters that a command line still takes
_LOOK = 0.5  # s between two looks at a notebook's cells and memory


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
    memory: float | None = None,
    watch: Watch | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[NotebookRun]:
    """Run notebooks side by side and return their records in the order of `jobs`.

    Parameters
    ----------
    jobs : sequence of Job
        What to run. A failing notebook does not stop the others. One that does not
        declare a parameter it is given has failed, whatever papermill makes of it.
    processes : int, optional
        How many at a time; one per core unless told.
    limit : float, optional
        Seconds of wall time after which a run is ended; none unless told.
    memory : float, optional
        Bytes that one run, with all it started, may hold before it is ended: nine
        tenths of the machine's unless told. The system would end something else.
    watch : Watch, optional
        Told when a notebook starts, moves on and ends; nobody unless told.
    environment : mapping, optional
        Variables that every run finds set, beside those of this process.
    """
    cores = os.cpu_count() or 1
    wanted = cores if processes is None else positive_int(processes, "processes")
    processes = min(wanted, len(jobs))
    # Each gets its share of the cores: two runs of two threads each on two cores take
    # longer than one after the other. One alone is run as plain papermill would run it:
    # another number of threads sums in another order, and gives other last digits.
    share = max(1, cores // processes) if processes > 1 else None
    memory = memory or 0.9 * psutil.virtual_memory().total
    watch = watch or Lines(str)
    waiting, running, done = list(enumerate(jobs)), [], {}
    next_start = 0.0
    try:
        while waiting or running:
            if waiting and len(running) < processes and time.monotonic() > next_start:
                place, job = waiting.pop(0)
                running.append((place, _Process(job, _environment(share, environment))))
                next_start = time.monotonic() + _STAGGER
                watch.started(job)
            ended = [r for r in running if r[1].finished(limit, memory, watch)]
            for place, process in ended:
                running.remove((place, process))
                done[place] = process.record()
                watch.ended(process.job, done[place])
            time.sleep(0.05)
    finally:  # also on Ctrl-C: no kernel outlives the command that started it
        for _, process in running:
            process.stop()
    return [done[place] for place in range(len(jobs))]


class _Process:
    """One papermill at work, with its kernel and whatever that has started."""

    def __init__(self, job: Job, environment: dict[str, str]):
        job.output.parent.mkdir(parents=True, exist_ok=True)
        job.output.unlink(missing_ok=True)  # an older run's pages are not this one's
        self.job = job
        self.log = job.output.with_suffix(".log")
        self.ended: tuple[str, str] | None = None  # by us: status, and why
        self.looked, self.shown = 0.0, None
        self.seen: list[psutil.Process] = []  # papermill and its, at the last look
        told = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
        self.threads = int(told) if told.isdecimal() else os.cpu_count()
        self.start = time.monotonic()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                _command(job), stdout=log, stderr=log, env=environment
            )

    def finished(self, limit: float | None, memory: float, watch: Watch) -> bool:
        """Say whether the run has ended; end it if it is past its limits."""
        if self.process.poll() is not None:
            self._sweep_up()
            return True
        now = time.monotonic()
        if limit is not None and now - self.start > limit:
            self._end("timeout", f"stopped after {now - self.start:.0f} s")
        elif now - self.looked > _LOOK:
            self.looked = now
            self.seen = self._family()
            held = sum(map(_resident, self.seen))
            if held > memory:
                words = f"held {held / 1e9:.1f} GB of memory, more than"
                self._end("memory", f"{words} {memory / 1e9:.1f} GB")
            self._show(watch)
        return self.process.poll() is not None

    def _show(self, watch: Watch) -> None:
        with suppress(OSError):
            written = self.job.output.stat().st_mtime_ns
            if written != self.shown:
                self.shown = written
                watch.moved(self.job, *count_cells(self.job.output))

    def _end(self, status: str, why: str) -> None:
        if self.process.poll() is None:
            self.ended = status, why
            self.stop()

    def _family(self) -> list[psutil.Process]:
        """Return papermill's process, its kernel's and all that they started."""
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        return []

    def stop(self) -> None:
        """End the run and everything it started.

        Papermill takes its kernel down and saves what there is. A kernel leads a
        process group of its own, so what it started, and what papermill did not live to
        end, is looked up before, and ended after.
        """
        self.seen = self._family() or self.seen
        self.process.terminate()
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._sweep_up()

    def _sweep_up(self) -> None:
        """End what papermill did not live to end."""
        for process in self.seen:
            with suppress(psutil.NoSuchProcess):
                process.kill()  # psutil knows it from another that got its number

    def record(self) -> NotebookRun:
        """Read how the ended run went."""
        seconds = time.monotonic() - self.start
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        lines = [line for line in lines if not any(noise in line for noise in _NOISE)]
        self.log.write_text("\n".join([*lines, ""]), encoding="utf-8")
        code = self.process.returncode
        status, last = ("failed" if code else "ok"), (lines or [""])[-1]
        if last[:1].isspace():  # in the middle of a traceback
            last = "the log is cut off: is the disk full?"
        if code < 0 and not self.ended:
            last = f"papermill was ended by {signal.Signals(-code).name}"
        status, last = self.ended or (status, last)
        job = self.job
        if status != "ok":
            error = self._error(last)
        elif error := find_shortfall(job.output, job.parameters):
            status = "failed"
        return NotebookRun(
            *(job.name, status, seconds, job.output, job.parameters, error),
            threads=self.threads,
        )

    def _error(self, last: str) -> CellError:
        found = find_error(self.job.output, last)
        # What we ended did not fail of its own: the interrupted cell's error is ours.
        return CellError(found.cell, found.line, last) if self.ended else found


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return process.memory_info().rss
    return 0


def _command(job: Job) -> list[str]:
    """Return papermill's command line, with the parameters' types kept by YAML."""
    paths = [str(path.resolve()) for path in (job.source, job.output)]
    values = job.parameters
    with suppress(ValueError):  # told by `find_shortfall`
        # All of them: a notebook that was run before holds its old values otherwise.
        values = validate(read_parameters(job.source), job.parameters)
    text = yaml.safe_dump(values)
    given = ["-y", text] if values else []
    if len(text.encode()) > _LONG:
        file = job.output.with_suffix(".yaml")
        file.write_text(text, encoding="utf-8")
        given = ["-f", str(file.resolve())]
    return [
        *(sys.executable, "-m", "netdyn_utils.rerun.guarded"),
        *(path.replace("{", "{{").replace("}", "}}") for path in paths),
        *("--cwd", str(job.source.parent.resolve()), "--no-progress-bar"),
        *given,
    ]


def _environment(share: int | None, given: Mapping[str, str] | None) -> dict[str, str]:
    """Return the environment of a run: its share of the cores, inline figures."""
    chosen = share is None or any(name in os.environ for name in THREADS)
    return {
        **({} if chosen else dict.fromkeys(THREADS, str(share))),
        **os.environ,
        **(given or {}),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "NETDYN_PARENT": str(os.getpid()),  # see `guarded`
        "TQDM_DISABLE": "1",  # a progress bar on a page is a widget that never moves
    }
