"""Run notebooks with papermill: side by side, within limits, and only when needed.

Each notebook runs in a process of its own, as ``papermill NOTEBOOK OUTPUT`` would run
it. Beside its output lies ``run.json``: parameters, environment and results. A run is
valid as long as what it depends on is unchanged: code, parameters, package, data and
installed versions. Prose is not among them.
"""

import hashlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
_STARTING = threading.Lock()  # kernels that start together race for ports
_STAGGER_SECONDS = 0.5  # between two starts
_POLL_SECONDS = 0.5  # between two looks at a run's time and memory
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


@dataclass(frozen=True)
class NotebookRun:
    """How one run of one notebook went."""

    name: str  # file name without suffix: 01_training
    status: str  # "ok", "failed", "timeout" or "memory"
    seconds: float  # wall time
    output: Path  # the executed notebook, whole or partial
    parameters: dict = field(default_factory=dict)  # the given ones
    threads: int | None = None  # of each numerical library
    note: str = ""  # what a reader of the page must know, in one sentence
    message: str = ""  # the error, in one line
    cell: int | None = None  # where it stopped: the n of In [n]; None if in none
    source_line: str = ""  # first line of that cell

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.status} after {self.seconds:.1f} s"]
        if self.cell:
            lines += [f"cell {self.cell}: {self.source_line}", self.message]
            lines += [f"partial notebook: {self.output}"]
        elif self.message:
            lines += [self.message, f"log: {self.output.with_suffix('.log')}"]
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

    At most `processes` run at a time, one per core. A notebook that lacks a stored
    record runs again without records, with its parameters in `fallback`.
    """
    cores = os.cpu_count() or 1
    processes = max(1, min(processes or cores, len(jobs)))
    # Two runs of two threads each on two cores take longer than one after the other. A
    # run alone is left as plain papermill would run it: sums over another number of
    # threads have other last digits.
    settings = {**os.environ, **(environment or {})}
    if processes > 1 and not any(name in settings for name in THREADS):
        settings |= dict.fromkeys(THREADS, str(max(1, cores // processes)))
    limits = limit or math.inf, memory or 0.9 * psutil.virtual_memory().total
    cancelled = threading.Event()

    def run(job: Job) -> NotebookRun:
        report(f"{job.name}: started")
        done = _run(job, settings, cwd, limits, cancelled)
        kind, _, missing = done.message.partition(": ")
        if kind == "MissingRecordError" and job.name in (fallback or {}):
            missing = missing[:1].upper() + missing[1:].rstrip(".")
            note = f"{missing}; this is the quick profile instead."
            report(f"{job.name}: {note}")
            own = {k: v for k, v in settings.items() if k not in RECORDS}
            job = replace(job, parameters=fallback[job.name])
            done = replace(_run(job, own, cwd, limits, cancelled), note=note)
        report(str(done))
        return done

    # Neighbours want the same records, and would wait for each other: of those not run
    # before, the last begins.
    order = sorted(range(len(jobs)), key=lambda k: (-_last_seconds(jobs[k]), -k))
    with ThreadPoolExecutor(processes) as pool:
        try:
            futures = {place: pool.submit(run, jobs[place]) for place in order}
            return [futures[place].result() for place in range(len(jobs))]
        finally:  # also on Ctrl-C: no kernel outlives the command that started it
            cancelled.set()
            pool.shutdown(cancel_futures=True)


def run_notebook(
    source: Path, output: Path, parameters: Mapping | None = None, **options
) -> NotebookRun:
    """Run one notebook and return how it went; an error is in the record, not raised.

    Parameters
    ----------
    source, output : Path
        The notebook, and where the executed one goes.
    parameters : mapping, optional
        Values by name; the others keep their defaults.
    **options
        `limit` in seconds; `memory` in bytes (nine tenths of the machine's);
        `environment`, settings by name; `cwd`, from which relative paths count.
    """
    job = Job(Path(source), Path(output), dict(parameters or {}))
    return run_all([job], **options)[0]


def _run(job: Job, settings: Mapping, cwd, limits, cancelled) -> NotebookRun:
    """Run papermill, and whatever it starts, to its end or to a limit."""
    job.output.parent.mkdir(parents=True, exist_ok=True)
    job.output.unlink(missing_ok=True)
    log, start = job.output.with_suffix(".log"), time.monotonic()
    settings = {
        **settings,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "NETDYN_PARENT": str(os.getpid()),
        "TQDM_DISABLE": "1",  # on a page, a progress bar would never move
    }
    with log.open("w") as file, _STARTING:
        options = {"stdout": file, "stderr": file, "env": settings, "cwd": cwd}
        process = subprocess.Popen(_command(job), **options)
        time.sleep(_STAGGER_SECONDS)
    (limit, memory), status, stopped, tree = limits, "", "", []
    while process.poll() is None and not status:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
        tree = _tree(process.pid) or tree
        seconds, used = time.monotonic() - start, sum(map(_resident_bytes, tree))
        if cancelled.is_set():
            status, stopped = "failed", "interrupted"
        elif seconds > limit:
            status, stopped = "timeout", f"stopped after {seconds:.0f} s, past its "
            stopped += f"limit of {limit:.0f} s (--limit)"
        elif used > memory:
            status, stopped = "memory", f"used {used / 1e6:,.0f} MB of memory, more "
            stopped += f"than its limit of {memory / 1e6:,.0f} MB (--memory)"
    if status:  # papermill ends its kernel and saves what there is
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
    for one in tree:  # psutil knows each from another that got its number
        with suppress(psutil.NoSuchProcess):
            one.kill()
    code, cells = process.wait(), []
    with suppress(ValueError):  # papermill may never have begun to write it
        cells = code_cells(job.output)
    # Papermill calls all cells completed if their kernel dies.
    good = not (status or code) and all(map(_start_time, cells))
    error = {} if good else _error(cells, stopped, _last_message(code, log))
    threads = settings.get("OMP_NUM_THREADS", "").partition(",")[0]
    return NotebookRun(
        job.name,
        status or ("ok" if good else "failed"),
        time.monotonic() - start,
        job.output,
        job.parameters,
        int(threads) if threads.isdecimal() else os.cpu_count(),
        **error,
    )


def _command(job: Job) -> list[str]:
    command = [sys.executable, "-c", _PAPERMILL, "--no-progress-bar"]
    # Braces in a path would be placeholders to papermill.
    paths = (str(path.resolve()) for path in (job.source, job.output))
    command += [path.replace("{", "{{").replace("}", "}}") for path in paths]
    values = job.parameters
    with suppress(ValueError):  # all: an executed notebook has other ones
        values = validate(read_parameters(job.source), values)
    # As YAML, which keeps their types.
    return [*command, "-y", yaml.safe_dump(values)] if values else command


def _last_message(code: int, log: Path) -> str:
    """Return why papermill ended: a signal, or the last line of its log."""
    if code < 0:
        return f"papermill was ended by {signal.Signals(-code).name}"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    last = next((line for line in lines[::-1] if not _NOISE.search(line)), "")
    return last or "papermill ended before the last cell"


def _error(cells: Sequence[dict], stopped: str, message: str) -> dict:
    """Return the first error of a notebook; if none, a message in its last cell."""
    reached = {"message": stopped or message}
    for number, cell in enumerate(cells, 1):
        outputs = cell.get("outputs", ())
        error = next((out for out in outputs if out["output_type"] == "error"), None)
        if error or _start_time(cell):
            line = next(iter(cell["source"].strip().splitlines()), "")
            reached |= {"cell": number, "source_line": line}
        if error and not stopped:  # else the error is our doing
            first = f"{error['ename']}: {error['evalue']}".splitlines()[0]
            return reached | {"message": first}
    return reached


def _start_time(cell: dict) -> str | None:
    return cell["metadata"].get("papermill", {}).get("start_time")


def _tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that it has started, as far as they live."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def _resident_bytes(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return process.memory_info().rss
    return 0


def dependencies(jobs: Sequence[Job]) -> list[dict[str, str]]:
    """Return what each run depends on: a hash of each of its parts, by name."""
    data = os.environ.get("NETDYN_DATA") or platformdirs.user_cache_path("netdyn/data")
    records = os.environ.get("NETDYN_RESULTS")
    files = sorted(Path(data).expanduser().glob("*.npz"))
    files += sorted(Path(records).expanduser().glob("*.json")) if records else []
    names = {re.match(r"[\w.-]+", r)[0] for r in metadata.requires("netdyn") or ()}
    installed = sorted((d.name, d.version) for d in metadata.distributions())
    shared = {
        "netdyn_utils": package_hash(),
        "data or records": _hash([_contents(files), *map(os.environ.get, RECORDS)]),
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
        changed = [part for part in depends_on if old[part] != depends_on[part]]
        about = (last["given"], last["threads"], last["note"])
        run = NotebookRun(job.name, "ok", last["seconds"], job.output, *about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, f"its last run cannot be read ({type(error).__name__})"
    return (None, f"changed: {', '.join(changed)}") if changed else (run, "")


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


def _last_seconds(job: Job) -> float:
    """Return the seconds of the last run; infinite, to begin first, if unknown."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return float(
            json.loads(job.output.with_name("run.json").read_text())["seconds"]
        )
    return math.inf


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
