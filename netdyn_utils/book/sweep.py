"""Run one notebook over many sets of parameters, on Dask: this machine or a cluster.

A sweep file names the notebook and the sets, for instance::

    notebook: your_model
    parameters: {steps: 2000}          # the same in every run
    grid:                              # every combination; or `runs:`, a list of sets
      learning_rate: [0.01, 0.1]
      seed: [0, 1, 2]
    heatmap: {value: alpha, rows: learning_rate}   # and perhaps `columns:`

All machines see the folder of results under the same path.
"""

import difflib
import html
import itertools
import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..notebook_params import (
    Job,
    ParameterError,
    find_notebook,
    parameters_hash,
    profile_block,
    read_parameters,
    read_yaml,
    validate,
)

MAX_RUNS = 100_000
_FIXED = ("status", "seconds", "error")  # columns of every table
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem }}
table {{ border-collapse: collapse; margin: 1rem 0 }}
caption {{ text-align: left }}
th, td {{ padding: .2rem .6rem; text-align: left; border-bottom: 1px solid #ddd }}
</style></head><body><h1>{name}</h1>
<p>{done} of {count} runs are done; <a href="results.csv">results.csv</a> has all.</p>
{heat}
{table}
</body></html>
"""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class HeatMap(_Strict):
    """A recorded number over one parameter, or over two."""

    value: str
    rows: str
    columns: str | None = None


class SweepFile(_Strict):
    """What a sweep file may hold."""

    notebook: str
    profile: str | None = None
    parameters: dict[str, Any] = {}
    grid: dict[str, Annotated[list, Field(min_length=1)]] | None = None
    runs: Annotated[list[dict[str, Any]], Field(min_length=1)] | None = None
    heatmap: HeatMap | None = None


@dataclass(frozen=True)
class Sweep:
    """A notebook and the sets of parameters it is to run with."""

    name: str
    source: Path
    sets: dict[str, dict]  # what is given to each run, checked, by the run's key
    heatmap: HeatMap | None = None


class SweepError(RuntimeError):
    """The sweep cannot go on; the message says what is kept and what to do."""


def read_sweep(root: Path, path: Path) -> Sweep:
    """Read a sweep file and check every set of parameters in it.

    Parameters
    ----------
    root : Path
        The folder of the book.
    path : Path
        The file, see the head of this module.

    Raises
    ------
    ParameterError
        With everything that is wrong in it, each mistake once.
    """
    try:
        told = SweepFile.model_validate(read_yaml(path))
    except ValidationError as error:
        raise ParameterError([_sentence(path, e) for e in error.errors()]) from error
    if (told.grid is None) == (told.runs is None):
        raise ParameterError([f"{path.name} needs either `grid` or `runs`"])
    source = find_notebook(root, told.notebook)
    shared = profile_block(root, told.profile, source.stem) if told.profile else {}
    shared |= told.parameters
    count = len(told.runs or ()) or math.prod(map(len, told.grid.values()))
    if count > MAX_RUNS:
        raise ParameterError([f"{path.name}: {count:,} runs; at most {MAX_RUNS:,}"])
    parameters, sets, errors = read_parameters(source), {}, {}
    for given in told.runs or _combinations(told.grid):
        try:
            values = validate(parameters, shared | given)
        except ParameterError as error:
            errors |= dict.fromkeys(error.errors)
            continue
        key = parameters_hash(values)
        if key in sets:
            errors[f"{given!r} is there twice"] = None
        sets[key] = {name: values[name] for name in shared | given}
    varied = {name for given in told.runs or [told.grid] for name in given}
    for name in sorted(varied & told.parameters.keys()):
        errors[f"{name!r} is in `parameters`, the same in every run, and varies"] = None
    over = [told.heatmap.rows, told.heatmap.columns] if told.heatmap else []
    for name in filter(None, over):
        if name not in varied or over.count(name) > 1:
            errors[f"`heatmap` needs parameters that vary, got {over!r}"] = None
    if errors:
        raise ParameterError(list(errors))
    return Sweep(path.stem, source, sets, told.heatmap)


def _combinations(grid: dict[str, list]) -> Iterator[dict]:
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def _sentence(path: Path, error: dict) -> str:
    """Return what pydantic says of one entry in our words, with the nearest name."""
    *parents, last = map(str, error["loc"])
    where = ".".join([*parents, last])
    if error["type"] != "extra_forbidden":
        got = "" if error["type"] == "missing" else f", got {error['input']!r:.60}"
        return f"{path.name}: `{where}`: {error['msg'].lower()}{got}"
    known = (HeatMap if parents else SweepFile).model_fields
    near = difflib.get_close_matches(last, known, 1)
    hint = f" (did you mean `{near[0]}`?)" if near else f": choose {', '.join(known)}"
    return f"{path.name}: unknown entry `{where}`{hint}"


def run_sweep(
    sweep: Sweep,
    out: Path,
    *,
    root: Path,
    scheduler: str | None = None,
    workers: int | None = None,
    resume: bool = False,
    limits: dict[str, float | None] | None = None,
    report: Callable[[str], object] = str,
):
    """Run a sweep, and write ``results.csv`` and ``index.html`` in `out`.

    Parameters
    ----------
    sweep : Sweep
    out : Path
        One folder for each run goes here.
    root : Path
        The folder of the book.
    scheduler : str, optional
        Address of a Dask scheduler, ``tcp://host:8786``; unless given, `workers`
        processes (one per core) run on this machine.
    resume : bool
        Keep the runs that are still valid; otherwise a folder with runs is refused.
    limits : dict, optional
        The `limit` (s) and `memory` (bytes) of `execute.run_all`, for each run.
    report : callable
        Takes a line of progress.

    Returns
    -------
    pandas.DataFrame
        One row for each run: status, seconds, parameters, recorded numbers, error.

    Raises
    ------
    SweepError
        The folder holds runs and `resume` is off, or another sweep is at work in it; no
        scheduler answers, or it is lost on the way.
    """
    from filelock import FileLock, Timeout

    from .cache import code_hash, dependencies, load_if_current, package_hash
    from .execute import THREADS

    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(out / "sweep.lock", timeout=0).acquire()
    except Timeout as error:
        raise SweepError(
            f"another sweep is at work in {out}: wait for it, or name another --out"
        ) from error
    with lock:
        source = out / sweep.source.name  # as it is now, however long the sweep takes
        jobs = {k: Job(source, out / k / source.name, g) for k, g in sweep.sets.items()}
        manifests = [job.output.with_name("run.json") for job in jobs.values()]
        if not resume and any(path.exists() for path in manifests):
            raise SweepError(f"{out} holds runs of this sweep: --resume continues it")
        shutil.copyfile(sweep.source, source)
        depends_on = dict(zip(jobs, dependencies([*jobs.values()]), strict=True))
        todo = {}
        for key, job in jobs.items():
            known, reason = load_if_current(job, depends_on[key])
            if known is None:
                todo[key] = (job, depends_on[key])
                job.output.with_name("run.json").unlink(missing_ok=True)
                if resume:
                    report(f"{key}: to run, {reason}")
        report(f"{len(todo)} to run, {len(jobs) - len(todo)} done before")
        settings = {k: v for k, v in os.environ.items() if k.startswith("NETDYN_")}
        settings |= dict.fromkeys(THREADS, "1")  # one for each worker's process
        options = dict(limits or {}, cwd=Path.cwd(), environment=settings)
        common = (package_hash(), code_hash(source), options, root)
        try:
            if todo:
                here = min(workers or os.cpu_count() or 1, len(todo))
                with _cluster(scheduler, here) as client:
                    _run_on(client, todo, common, report)
        finally:  # also of a sweep that was cut short
            table = write_results(sweep, out, report)
        return table


def _run_task(task: tuple, common: tuple) -> str:
    """Run one notebook on a worker; return how it went."""
    from .cache import code_hash, package_hash, write_run_json
    from .execute import run_all, write_page

    (job, depends_on), (package, code, options, root) = task, common
    if package_hash() != package or code_hash(job.source) != code:
        raise RuntimeError(
            "this worker has another netdyn, or another notebook, than the machine "
            "that sent the run: install the same version, and share the folder"
        )
    (run,) = run_all([job], **options)
    if run.status == "ok":
        write_page(run.output, root)
    write_run_json(run, depends_on)
    return str(run)


def _run_on(client, todo: dict, common: tuple, report) -> None:
    from distributed import CancelledError, as_completed

    from .cache import write_run_json
    from .execute import CellError, NotebookRun

    keys = {f"netdyn-{key}-{os.urandom(4).hex()}": key for key in todo}
    futures = client.map(
        _run_task, list(todo.values()), common=common, key=list(keys), pure=False
    )
    report(f"dashboard: {client.dashboard_link}")
    if not client.nthreads():
        report("no worker yet: waiting for one")
    for done, future in enumerate(as_completed(futures), 1):
        try:  # Dask sends the runs of a lost worker to another, three times
            said = future.result()
        except CancelledError as error:
            raise SweepError(
                f"the scheduler is lost: {done - 1} of {len(todo)} runs are done and "
                "kept in the folder; --resume continues with the others"
            ) from error
        except Exception as error:
            said = f"failed: {type(error).__name__}: {error}".splitlines()[0]
            output = todo[keys[future.key]][0].output
            output.parent.mkdir(exist_ok=True)
            fault = CellError(None, "", said)
            write_run_json(NotebookRun(output.stem, "failed", 0, output, error=fault))
        report(f"{done}/{len(todo)} {keys[future.key]}: {said}")
        future.release()


@contextmanager
def _cluster(address: str | None, workers: int) -> Iterator:
    """Give a client of the scheduler at an address, or of one of our own."""
    from distributed import Client, LocalCluster

    # A lost scheduler is reported in our own sentence; Dask's come with tracebacks.
    for name in ("distributed", "distributed.client"):  # the second has its own level
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        if address is None:
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )
            stack.enter_context(cluster)
        try:
            client = Client(cluster if address is None else address)
        except (OSError, TimeoutError, ValueError) as error:
            raise SweepError(
                f"no Dask scheduler answers at {address}: start one with "
                f"`dask scheduler`, or leave --scheduler out ({type(error).__name__})"
            ) from error
        try:
            yield client
        finally:
            with suppress(Exception):  # of a scheduler that is gone
                client.close(timeout=2)


def read_row(folder: Path) -> tuple[dict, dict]:
    """Return how the run in a folder went, and the numbers that it recorded."""
    try:
        told = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        error = told["error"] or {"cell": None, "message": ""}
        words = f"cell {error['cell']}: " * bool(error["cell"]) + error["message"]
        row = {"status": told["status"], "seconds": told["seconds"], "error": words}
        return row, dict(told["recorded"])
    except FileNotFoundError:
        return {"status": "missing"}, {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return {"status": "corrupt", "error": f"run.json: {error}"}, {}


def write_results(sweep: Sweep, out: Path, report: Callable[[str], object] = str):
    """Write ``results.csv`` and ``index.html``; return the table."""
    import pandas as pd

    from ..store import atomic_write

    given = {name for values in sweep.sets.values() for name in values}

    def column(name: str) -> str:  # of a recorded number
        return f"{name} (recorded)" if name in {*_FIXED, *given} else name

    rows, recorded = [], {}
    for key, values in sweep.sets.items():
        row, numbers = read_row(out / key)
        recorded |= numbers
        numbers = {column(name): value for name, value in numbers.items()}
        rows.append({**dict.fromkeys(_FIXED), **values, **row, **numbers})
    table = pd.DataFrame(rows, pd.Index(sweep.sets, name="run"), dtype=object)
    table["error"] = table.pop("error")  # the longest column last
    heat = ""
    if (wanted := sweep.heatmap) and wanted.value in recorded:
        value = pd.to_numeric(table[column(wanted.value)], errors="coerce")
        over = {"index": wanted.rows, "columns": wanted.columns}
        means = table.assign(value=value).pivot_table("value", **over)
        style = means.style.background_gradient(axis=None).format(precision=4)
        title = html.escape(f"Mean of {wanted.value} over the runs of each cell")
        heat = style.set_caption(title).to_html()
    elif wanted and recorded:
        names = ", ".join(recorded)
        report(f"no heat map of {wanted.value!r}: the runs recorded {names}")

    def link(key: str) -> str:
        for page in sorted((out / key).glob("*.html")):
            return f'<a href="{key}/{page.name}">{key}</a>'
        return key

    def show(value) -> str:
        empty = value is None or value != value
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
        return "" if empty else html.escape(text)

    page = _PAGE.format(
        name=html.escape(sweep.name),
        done=(table["status"] == "ok").sum(),
        count=len(table),
        heat=heat,
        table=table.style.format(show).format_index(link).to_html(),
    )
    files = {"results.csv": table.to_csv(), "index.html": page}
    for name, text in files.items():
        atomic_write(out / name, text.encode())
    return table
