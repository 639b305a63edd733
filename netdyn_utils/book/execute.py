"""Run notebooks with papermill: side by side, within limits, and only when needed.

Each notebook runs in a process of its own, as ``papermill NOTEBOOK OUTPUT`` would run
it. Beside its output lies ``run.json``: parameters, environment and results of the run.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import yaml

from ..notebook_params import Job, code_cells, read_parameters, validate
from ..store import atomic_write
from ..validation import check_positive_int

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
RECORDS = ("NETDYN_RESULTS", "NETDYN_COMPUTE")  # settings of the stored records
# Papermill's own command; it ends, with all it started, when its runner is gone.
_PAPERMILL = """
import os, psutil, sys, threading, time
def follow(parent=int(os.environ["NETDYN_PARENT"])):
    while os.getppid() == parent:
        time.sleep(1)
    for process in psutil.Process().children(recursive=True):
        process.kill()
    os._exit(1)
threading.Thread(target=follow, daemon=True).start()
sys.modules["rfc3987_syntax"] = None  # jsonschema would compile it: 1.5 s for nothing
from papermill.cli import papermill
papermill(prog_name="papermill")
"""
_STAGGER_SECONDS = 0.5  # between two starts; kernels that start together race for ports
_POLL_SECONDS = 1.0  # between two looks at a run's processor time and memory
_IDLE_SHARE = 0.05  # of a core: what waits for a file lock uses 0.01
_GRACE_SECONDS = 10.0  # for a stopped papermill to save the partial notebook
# Jupyter writes these at each start, whether or not anything is wrong.
_NOISE = re.compile("TCP without encryption|frozen.modules|PYDEVD_DISABLE")
_MATHJAX = r"""<script>MathJax = {
  loader: {load: ["core", "input/tex", "output/chtml"]},
  tex: {inlineMath: [["$", "$"], ["\\(", "\\)"]]}
}</script>"""


@dataclass(frozen=True)
class CellError:
    """Where a notebook stopped, and why, each in one line."""

    cell: int | None  # the n of In [n]; None if no cell was reached
    source_line: str  # first line of that cell
    message: str


@dataclass(frozen=True)
class NotebookRun:
    """How one run of one notebook went."""

    name: str  # file name without suffix: 01_training
    status: str  # "ok", "failed", "timeout" or "memory"
    seconds: float  # wall time
    output: Path  # the executed notebook, whole or partial
    parameters: dict = field(default_factory=dict)  # those that papermill was given
    error: CellError | None = None
    threads: int | None = None  # that each numerical library could use
    note: str = ""  # what a reader of the page must know, in one sentence

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.status} after {self.seconds:.1f} s"]
        if (error := self.error) and error.cell:
            lines += [f"cell {error.cell}: {error.source_line}", error.message]
            lines += [f"partial notebook: {self.output}"]
        elif error:
            lines += [error.message, f"log: {self.output.with_suffix('.log')}"]
        return "\n  ".join(lines)


def run_all(
    jobs: Sequence[Job],
    *,
    processes: int | None = None,
    limit: float | None = None,
    memory: float | None = None,
    report: Callable[[str], object] = str,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    fallback: Mapping[str, dict] | None = None,
) -> list[NotebookRun]:
    """Run notebooks side by side, the longest first; return runs in order of `jobs`.

    At most `processes` (one per core) compute at a time: one that waits for another's
    record yields its place. Each ends after `limit` seconds or beyond `memory` bytes
    (nine tenths of the machine's). Relative paths in parameters count from `cwd`, the
    current folder. A notebook that lacks a stored record runs again without records,
    with its parameters in `fallback`.
    """
    cores = os.cpu_count() or 1
    wanted = cores if processes is None else check_positive_int(processes, "processes")
    processes = min(wanted, len(jobs))
    # Two runs of two threads each on two cores take longer than one after the other. A
    # run alone is left as plain papermill would run it: sums over another number of
    # threads have other last digits.
    settings = {**os.environ, **(environment or {})}
    if processes > 1 and not any(name in settings for name in THREADS):
        settings |= dict.fromkeys(THREADS, str(max(1, cores // processes)))
    memory = memory or 0.9 * psutil.virtual_memory().total
    queue = [(place, job, "") for place, job in enumerate(jobs)]
    queue.sort(key=lambda item: -_last_seconds(item[1].output))
    running, done, next_start = {}, {}, 0.0
    try:
        while queue or running:
            computing = sum(not process.waiting for process in running.values())
            free = computing < processes and len(running) < 2 * processes
            if queue and free and time.monotonic() > next_start:
                place, job, note = queue.pop(0)
                running[place] = _Process(job, settings, cwd, note)
                next_start = time.monotonic() + _STAGGER_SECONDS
                report(f"{job.name}: started")
            ended = [p for p, each in running.items() if each.ended(limit, memory)]
            for place in ended:
                run = running.pop(place).result()
                message = run.error.message if run.error else ""
                kind, _, missing = message.partition(": ")
                again = kind == "MissingRecordError" and run.name in (fallback or {})
                if again and not run.note:
                    missing = missing[:1].upper() + missing[1:].rstrip(".")
                    note = f"{missing}; this is the quick profile instead."
                    report(f"{run.name}: {note}")
                    job = Job(jobs[place].source, run.output, fallback[run.name])
                    queue.insert(0, (place, job, note))
                    continue
                done[place] = run
                report(str(run))
            time.sleep(0.05)
    finally:  # also on Ctrl-C: no kernel outlives the command that started it
        for process in running.values():
            process.stop()
    return [done[place] for place in range(len(jobs))]


def run_notebook(
    source: Path, output: Path, parameters: Mapping | None = None, **options
) -> NotebookRun:
    """Run one notebook and return how it went.

    Parameters
    ----------
    source, output : Path
        The notebook, and where the executed one goes.
    parameters : mapping, optional
        Values by name; the others keep their defaults.
    **options
        Those of `run_all`: limit, memory, environment …

    Returns
    -------
    NotebookRun
        With the status "ok", "failed", "timeout" or "memory", and the error if any.
    """
    return run_all(
        [Job(Path(source), Path(output), dict(parameters or {}))], **options
    )[0]


class _Process:
    """One papermill at work, with its kernel and whatever that has started."""

    def __init__(self, job: Job, settings: Mapping[str, str], cwd, note: str):
        job.output.parent.mkdir(parents=True, exist_ok=True)
        job.output.unlink(missing_ok=True)  # an older run's pages are not this one's
        self.job, self.note, self.log = job, note, job.output.with_suffix(".log")
        self.stopped: tuple[str, str] | None = None  # by us: status, and why
        self.tree: list[psutil.Process] = []
        self.waiting, self.cpu_seconds = False, 0.0
        threads = settings.get("OMP_NUM_THREADS", "").partition(",")[0]
        self.threads = int(threads) if threads.isdecimal() else os.cpu_count()
        settings = {
            **settings,
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "NETDYN_PARENT": str(os.getpid()),
            "TQDM_DISABLE": "1",  # on a page, a progress bar is a widget that stands
        }
        for name in RECORDS if note else ():
            settings.pop(name, None)
        # Braces in a path would be placeholders to papermill.
        paths = (str(path.resolve()) for path in (job.source, job.output))
        command = [sys.executable, "-c", _PAPERMILL, "--no-progress-bar"]
        command += [path.replace("{", "{{").replace("}", "}}") for path in paths]
        values = job.parameters
        with suppress(ValueError):  # all: an executed notebook holds other ones
            values = validate(read_parameters(job.source), values)
        if values:  # as YAML, which keeps their types
            command += ["-y", yaml.safe_dump(values)]
        self.start = self.looked = time.monotonic()
        with self.log.open("w") as log:
            options = {"stdout": log, "stderr": log, "env": settings, "cwd": cwd}
            self.process = subprocess.Popen(command, **options)

    def ended(self, limit: float | None, memory: float) -> bool:
        """Say whether the run is over; stop it if it is past a limit."""
        now = time.monotonic()
        if self.process.poll() is not None:
            _kill(self.tree)
            return True
        if limit is not None and now - self.start > limit:
            self.stopped = "timeout", f"stopped after {now - self.start:.0f} s"
        elif now - self.looked > _POLL_SECONDS:
            self.tree = _tree(self.process.pid)
            usage = [_usage(process) for process in self.tree]
            cpu, held = (sum(numbers) for numbers in zip((0.0, 0), *usage, strict=True))
            self.waiting = cpu - self.cpu_seconds < _IDLE_SHARE * (now - self.looked)
            self.cpu_seconds, self.looked = cpu, now
            if held > memory:
                words = f"held {held / 1e9:.1f} GB of memory, more than"
                self.stopped = "memory", f"{words} {memory / 1e9:.1f} GB"
        if self.stopped:
            self.stop()
        return self.stopped is not None

    def stop(self) -> None:
        """Let papermill end its kernel and save what there is; end the rest."""
        self.tree = _tree(self.process.pid) or self.tree
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_GRACE_SECONDS)
        _kill(self.tree)
        self.process.wait()

    def result(self) -> NotebookRun:
        """Read how the run went from its exit code, its output and its log."""
        job, code = self.job, self.process.returncode
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        last = next((line for line in lines[::-1] if not _NOISE.search(line)), "")
        if last[:1].isspace():  # in the middle of a traceback
            last = "the log is cut off: is the disk full?"
        if code < 0:
            last = f"papermill was ended by {signal.Signals(-code).name}"
        status, error = "ok", None
        if self.stopped:  # the error of the interrupted cell is our doing
            status, last = self.stopped
            error = replace(_find_error(job.output, last), message=last)
        elif code or not all(map(_began, _cells(job.output))):
            last = last if code else "it left before its last cell"
            status, error = "failed", _find_error(job.output, last)
        seconds = time.monotonic() - self.start
        told = (job.parameters, error, self.threads, self.note)
        return NotebookRun(job.name, status, seconds, job.output, *told)


def _find_error(output: Path, message: str) -> CellError:
    """Return the error of a partial notebook; `message`, in its last cell, if none."""
    reached = CellError(None, "", message)
    for number, cell in enumerate(_cells(output), 1):
        line = next(iter("".join(cell["source"]).strip().splitlines()), "")
        for out in cell.get("outputs", ()):
            if out["output_type"] == "error":
                said = f"{out['ename']}: {out['evalue']}".splitlines()[0]
                return CellError(number, line, said)
        if _began(cell):
            reached = CellError(number, line, message)
    return reached


def _cells(output: Path) -> list[dict]:
    with suppress(ValueError):  # papermill may never have begun to write it
        return code_cells(output)
    return []


def _began(cell: dict) -> bool:
    """Say whether a cell ran; papermill calls all completed if their kernel dies."""
    told = cell.get("metadata", {}).get("papermill", {})
    return told.get("start_time") is not None


def _tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that it has started, as far as they live."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def _kill(tree: Sequence[psutil.Process]) -> None:
    for process in tree:  # psutil knows each from another that got its number
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _usage(process: psutil.Process) -> tuple[float, int]:
    """Return the processor time, with that of ended children, and resident bytes."""
    with suppress(psutil.Error):
        return sum(process.cpu_times()[:4]), process.memory_info().rss
    return 0.0, 0


def write_page(output: Path, root: Path) -> Path:
    """Write an executed notebook as HTML beside it, with the MathJax of the book."""
    from nbconvert import HTMLExporter

    url = ""
    for startup in (root / "book" / "vendor").rglob("mathjax/startup.js"):
        url = Path(os.path.relpath(startup, output.parent)).as_posix()
    exporter = HTMLExporter(mathjax_url=url, require_js_url="", jquery_url="")
    text, _ = exporter.from_filename(str(output))
    page = output.with_suffix(".html")
    atomic_write(page, text.replace("<head>", f"<head>{_MATHJAX}", 1).encode())
    return page


def _last_seconds(output: Path) -> float:
    """Return the seconds of the last run; infinite, to begin first, if unknown."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(output.with_name("run.json").read_text("utf-8"))
        return float(told["seconds"])
    return float("inf")
