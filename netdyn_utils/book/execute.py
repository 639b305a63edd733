"""Run notebooks with papermill: side by side, within limits, and only when needed.

Each notebook runs in a process of its own, as ``papermill NOTEBOOK OUTPUT`` would run
it. Beside its output lies ``run.json``: parameters, environment and results. A run is
valid as long as what it depends on is unchanged: code, parameters, package, data and
installed versions. Prose is not among them.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path

import platformdirs
import psutil
import yaml

from ..metrics import read_metrics
from ..notebook_params import Job, code_cells, read_parameters, validate
from ..store import atomic_write, environment_info, git_commit

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
_IDLE_CORES = 0.05  # a run that waits for a file lock uses 0.01 of a core
_GRACE_SECONDS = 10.0  # for a stopped papermill to save the partial notebook
# Jupyter writes these at each start, whether or not anything is wrong.
_NOISE = re.compile("TCP without encryption|frozen.modules|PYDEVD_DISABLE")
_MATHJAX = r"""<script>MathJax = {
  loader: {load: ["core", "input/tex", "output/chtml"]},
  tex: {inlineMath: [["$", "$"], ["\\(", "\\)"]]}
}</script>"""

_OUTSIDE = re.compile(  # code of the package that no notebook runs
    r"(__main__|cli|notebook_params|pairing)\.py|book/"
)
_REASONS = {
    "code": "its code changed",
    "parameters": "its parameters changed",
    "package": "netdyn_utils changed",
    "data": "the data, the records or their place changed",
    "versions": "the installed versions changed",
}


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
    parameters: dict = field(default_factory=dict)  # the given ones
    error: CellError | None = None
    threads: int | None = None  # of each numerical library
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
    record yields its place. A notebook that lacks a stored record runs again without
    records, with its parameters in `fallback`.
    """
    cores = os.cpu_count() or 1
    processes = min(processes or cores, len(jobs))
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
            for place in [p for p, one in running.items() if one.ended(limit, memory)]:
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
                else:
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
        `limit` in seconds; `memory` in bytes (nine tenths of the machine's);
        `environment`, settings by name; `cwd`, from which relative paths count.

    Returns
    -------
    NotebookRun
        With the status "ok", "failed", "timeout" or "memory", and the error if any.
    """
    job = Job(Path(source), Path(output), dict(parameters or {}))
    return run_all([job], **options)[0]


class _Process:
    """One papermill at work, with its kernel and whatever that has started."""

    def __init__(self, job: Job, settings: Mapping[str, str], cwd, note: str):
        job.output.parent.mkdir(parents=True, exist_ok=True)
        job.output.unlink(missing_ok=True)
        self.job, self.note, self.log = job, note, job.output.with_suffix(".log")
        self.stopped: tuple[str, str] | None = None  # by us: status and message
        self.tree: list[psutil.Process] = []
        self.waiting, self.cpu_seconds = False, 0.0
        threads = settings.get("OMP_NUM_THREADS", "").partition(",")[0]
        self.threads = int(threads) if threads.isdecimal() else os.cpu_count()
        settings = {
            **{k: v for k, v in settings.items() if not (note and k in RECORDS)},
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "NETDYN_PARENT": str(os.getpid()),
            "TQDM_DISABLE": "1",  # on a page, a progress bar would never move
        }
        # Braces in a path would be placeholders to papermill.
        paths = (str(path.resolve()) for path in (job.source, job.output))
        command = [sys.executable, "-c", _PAPERMILL, "--no-progress-bar"]
        command += [path.replace("{", "{{").replace("}", "}}") for path in paths]
        values = job.parameters
        with suppress(ValueError):  # all: an executed notebook has other ones
            values = validate(read_parameters(job.source), values)
        if values:  # as YAML, which keeps their types
            command += ["-y", yaml.safe_dump(values)]
        self.start = self.last_poll = time.monotonic()
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
            message = f"stopped after {now - self.start:.0f} s, past its limit of"
            self.stopped = "timeout", f"{message} {limit:.0f} s (--limit)"
        elif now - self.last_poll > _POLL_SECONDS:
            self.tree = _tree(self.process.pid)
            usage = [(0.0, 0), *map(_usage, self.tree)]
            cpu, rss = (sum(numbers) for numbers in zip(*usage, strict=True))
            elapsed = now - self.last_poll
            self.waiting = cpu - self.cpu_seconds < _IDLE_CORES * elapsed
            self.cpu_seconds, self.last_poll = cpu, now
            if rss > memory:
                message = f"used {rss / 1e6:,.0f} MB of memory, more than its limit of"
                self.stopped = "memory", f"{message} {memory / 1e6:,.0f} MB (--memory)"
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
        job, code, cells, error = self.job, self.process.returncode, [], None
        with suppress(ValueError):  # papermill may never have begun to write it
            cells = code_cells(job.output)
        whole = not code and all(map(_started, cells))
        status, message = self.stopped or ("ok" if whole else "failed", "")
        if self.stopped:  # the error of the interrupted cell is our doing
            error = replace(_find_error(cells, message), message=message)
        elif not whole:
            error = _find_error(cells, self._last_message())
        seconds = time.monotonic() - self.start
        about = (job.parameters, error, self.threads, self.note)
        return NotebookRun(job.name, status, seconds, job.output, *about)

    def _last_message(self) -> str:
        code = self.process.returncode
        if code <= 0:
            by = signal.Signals(-code).name if code else ""
            return f"papermill was ended by {by}" if by else "it left before its end"
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        last = next((line for line in lines[::-1] if not _NOISE.search(line)), "")
        inside = last[:1].isspace()  # of a traceback
        return "the log is cut off: is the disk full?" if inside else last


def _find_error(cells: Sequence[dict], message: str) -> CellError:
    """Return the first error of a notebook; `message`, in its last cell, if none."""
    reached = CellError(None, "", message)
    for number, cell in enumerate(cells, 1):
        line = next(iter(cell["source"].strip().splitlines()), "")
        for out in cell.get("outputs", ()):
            if out["output_type"] == "error":
                first = f"{out['ename']}: {out['evalue']}".splitlines()[0]
                return CellError(number, line, first)
        if _started(cell):
            reached = CellError(number, line, message)
    return reached


def _started(cell: dict) -> bool:
    """Say whether a cell ran; papermill calls all completed if their kernel dies."""
    return cell["metadata"].get("papermill", {}).get("start_time") is not None


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


def dependencies(jobs: Sequence[Job]) -> list[dict[str, str]]:
    """Return what each run depends on: a hash of each of the parts in `_REASONS`."""
    data = os.environ.get("NETDYN_DATA") or platformdirs.user_cache_path("netdyn/data")
    records = os.environ.get("NETDYN_RESULTS")
    files = sorted(Path(data).expanduser().glob("*.npz"))
    files += sorted(Path(records).expanduser().glob("*.json")) if records else []
    names = {re.match(r"[\w.-]+", r)[0] for r in metadata.requires("netdyn") or ()}
    installed = sorted((d.name, d.version) for d in metadata.distributions())
    shared = {
        "package": package_hash(),
        "data": _hash([_contents(files), *map(os.environ.get, RECORDS)]),
        "versions": _hash([sys.version, [one for one in installed if one[0] in names]]),
    }
    code = {source: code_hash(source) for source in {job.source for job in jobs}}
    return [
        {"code": code[j.source], "parameters": _hash(j.parameters), **shared}
        for j in jobs
    ]


def package_hash() -> str:
    """Return the hash of what a notebook may use of the package: code and samples."""
    package = Path(__file__).resolve().parents[1]
    files = [*package.rglob("*.py"), *package.rglob("*.npz")]
    outside = {f for f in files if _OUTSIDE.match(f.relative_to(package).as_posix())}
    return _hash(_contents(sorted({*files} - outside)))


def code_hash(notebook: Path) -> str:
    """Return the hash of a notebook's code, without the values that a run put in."""
    tag = "injected-parameters"
    cells = (c for c in code_cells(notebook) if tag not in c["metadata"]["tags"])
    return _hash([cell["source"] for cell in cells])


def load_if_current(job: Job, depends_on: dict) -> tuple[NotebookRun | None, str]:
    """Return the last run if it is still valid, or None and the reason."""
    path = job.output.with_name("run.json")
    if not path.exists():
        return None, "not run here before"
    try:
        last = json.loads(path.read_text(encoding="utf-8"))
        if last["status"] != "ok":
            return None, f"its last run {last['status']}"
        if last["sha256"] != _sha256(job.output):
            return None, "its last output was changed"
        old = last["depends_on"]
        changed = [w for part, w in _REASONS.items() if old[part] != depends_on[part]]
        about = (last["given"], None, last["threads"], last["note"])
        run = NotebookRun(job.name, "ok", last["seconds"], job.output, *about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, f"its last run cannot be read ({type(error).__name__})"
    return (None, ", ".join(changed)) if changed else (run, "")


def write_run_json(run: NotebookRun, depends_on: dict | None = None) -> Path:
    """Write ``run.json``, whole or not at all, and return its path."""
    good, depends_on = run.status == "ok", dict(depends_on or {})
    if good and depends_on:  # the notebook may have been edited since the plan
        depends_on["code"] = code_hash(run.output)
    try:
        parameters = validate(read_parameters(run.output), run.parameters)
    except ValueError:  # no notebook ran
        parameters = run.parameters
    manifest = {
        **asdict(run),
        "seconds": round(run.seconds, 3),
        "output": run.output.name,
        "parameters": parameters,
        "given": run.parameters,
        "recorded": read_metrics(run.output) if good else {},
        "sha256": _sha256(run.output) if good else "",
        "depends_on": depends_on,
        "commit": git_commit(),
        **environment_info(),
    }
    path = run.output.with_name("run.json")
    atomic_write(path, (json.dumps(manifest, indent=1) + "\n").encode())
    return path


def _contents(files: Sequence[Path]) -> list[tuple[str, str]]:
    return [(path.name, _sha256(path)) for path in files]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _hash(value) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _last_seconds(output: Path) -> float:
    """Return the seconds of the last run; infinite, to begin first, if unknown."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return float(json.loads(output.with_name("run.json").read_text())["seconds"])
    return float("inf")


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
