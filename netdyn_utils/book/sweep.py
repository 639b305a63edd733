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

import html
import itertools
import json
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import BaseModel, Field, ValidationError

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

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title>
<style>body {{ font-family: system-ui; margin: 2rem }} td, th {{ padding: .2rem .6rem }}
</style></head><body><h1>{name}</h1>
<p>{done} of {count} runs are done; <a href="results.csv">results.csv</a> has all.</p>
{heatmap}
{table}
</body></html>
"""


class HeatMap(BaseModel, extra="forbid", strict=True):
    """A recorded number over one parameter, or over two."""

    value: str
    rows: str
    columns: str | None = None


class SweepFile(BaseModel, extra="forbid", strict=True):
    """What a sweep file may contain."""

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
    sets: dict[str, dict]  # the given values of each run, checked, by the run's key
    heatmap: HeatMap | None = None


class SweepError(click.ClickException):
    """The sweep cannot go on; the command line shows the message."""


def read_sweep(root: Path, path: Path) -> Sweep:
    """Read a sweep file; ParameterError names all that is wrong in it."""
    try:
        file = SweepFile.model_validate(read_yaml(path))
    except ValidationError as error:
        found = [(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
        messages = [f"{path.name}: `{where}`: {text}" for where, text in found]
        raise ParameterError(messages) from error
    if (file.grid is None) == (file.runs is None):
        found = "both" if file.grid else "neither"
        raise ParameterError([f"{path.name} needs `grid` or `runs`, and has {found}"])
    source = find_notebook(root, file.notebook)
    shared = profile_block(root, file.profile, source.stem) if file.profile else {}
    shared = shared | file.parameters
    grid = itertools.product(*(file.grid or {}).values())
    parameters, sets, errors = read_parameters(source), {}, {}
    for given in file.runs or [dict(zip(file.grid, v, strict=True)) for v in grid]:
        try:
            values = validate(parameters, shared | given)
        except ParameterError as error:
            errors |= dict.fromkeys(error.errors)
            continue
        key = parameters_hash(values)
        if key in sets:
            errors[f"{given!r} is there twice: leave one out"] = None
        sets[key] = {name: values[name] for name in shared | given}
    if errors:
        raise ParameterError(list(errors))
    return Sweep(path.stem, source, sets, file.heatmap)


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
    """Run a sweep into a folder; return the table of its runs, a pandas.DataFrame.

    It runs on the Dask cluster at `scheduler`, or in `workers` processes here, one per
    core. `limits` are the `limit` and `memory` of each run.
    """
    from .execute import THREADS, dependencies, load_if_current

    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    source = out / sweep.source.name  # as it is now, however long the sweep takes
    jobs = {k: Job(source, out / k / source.name, g) for k, g in sweep.sets.items()}
    manifests = [job.output.with_name("run.json") for job in jobs.values()]
    if not resume and any(path.exists() for path in manifests):
        raise SweepError(
            f"{out} has runs of this sweep: --resume keeps the valid ones and runs "
            "the others, --out names another folder"
        )
    shutil.copyfile(sweep.source, source)
    todo, depends_on = {}, dependencies([*jobs.values()])
    for (key, job), parts in zip(jobs.items(), depends_on, strict=True):
        valid, reason = load_if_current(job, parts)
        if not valid:
            todo[key] = job
            job.output.with_name("run.json").unlink(missing_ok=True)
            if resume:
                report(f"{key}: to run, {reason}")
    report(f"{len(todo)} to run, {len(jobs) - len(todo)} done before")
    settings = {k: v for k, v in os.environ.items() if k.startswith("NETDYN_")}
    settings |= dict.fromkeys(THREADS, "1")  # one for each worker's process
    options = dict(limits or {}, cwd=Path.cwd(), environment=settings)
    try:
        if todo:
            client = _connect(scheduler, min(workers or os.cpu_count(), len(todo)))
            try:
                _run_on(client, todo, report, options=options, root=root)
            finally:
                with suppress(Exception):  # of a scheduler that is gone
                    client.close(timeout=10)
    finally:  # also of a sweep that was cut short
        table = write_results(sweep, out, report)
    return table


def _run_task(job: Job, options: dict, root: Path) -> str:
    """Run one notebook on a worker; return how it went."""
    from .execute import dependencies, run_all, write_page, write_run_json

    (depends_on,) = dependencies([job])
    (run,) = run_all([job], **options)
    if run.status == "ok":
        write_page(run.output, root)
    write_run_json(run, depends_on)
    return str(run)


def _run_on(client, todo: dict[str, Job], report, **common) -> None:
    """Run the jobs on a cluster; Dask sends those of a lost worker to another."""
    from distributed import CancelledError, as_completed

    keys = {f"netdyn-{key}-{os.urandom(4).hex()}": key for key in todo}
    futures = client.map(_run_task, [*todo.values()], key=[*keys], **common)
    report(f"dashboard: {client.dashboard_link}")
    if not client.nthreads():
        report("no worker yet: waiting for one (`dask worker ADDRESS` starts one)")
    for done, future in enumerate(as_completed(futures), 1):
        try:
            summary = future.result()
        except CancelledError as error:
            raise SweepError(
                f"the scheduler is lost after {done - 1} of {len(todo)} runs: --resume "
                "keeps them and runs the others"
            ) from error
        except Exception as error:  # also of a run whose workers were killed thrice
            summary = f"failed: {type(error).__name__}: {error}".splitlines()[0]
        report(f"{done}/{len(todo)} {keys[future.key]}: {summary}")
        future.release()


def _connect(address: str | None, workers: int):
    """Return a client of the scheduler at an address, or of one of our own."""
    from distributed import Client

    # A lost scheduler is reported in our own sentence; Dask's come with tracebacks.
    for name in ("distributed", "distributed.client"):  # the second has its own level
        logging.getLogger(name).setLevel(logging.CRITICAL)
    own = {"n_workers": workers, "threads_per_worker": 1, "host": "127.0.0.1"}
    own |= {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
    try:
        return Client(**({"address": address} if address else own))
    except (OSError, TimeoutError, ValueError) as error:
        raise SweepError(
            f"no Dask scheduler answers at {address}: start one with `dask scheduler`, "
            f"or leave --scheduler out ({type(error).__name__})"
        ) from error


def read_row(folder: Path) -> tuple[dict, dict]:
    """Return how the run in a folder went, and the numbers that it recorded."""
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        message = f"cell {run['cell']}: " * bool(run["cell"]) + run["message"]
        row = {"status": run["status"], "seconds": run["seconds"], "error": message}
        return row, dict(run["recorded"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        missing = isinstance(error, FileNotFoundError)
        status = "missing" if missing else "corrupt"
        return {"status": status, "seconds": None, "error": f"run.json: {error}"}, {}


def write_results(sweep: Sweep, out: Path, report: Callable[[str], object] = str):
    """Write ``results.csv`` and ``index.html``; return the table."""
    import pandas as pd

    from ..store import atomic_write

    rows, recorded = zip(*map(read_row, map(out.joinpath, sweep.sets)), strict=True)
    index = pd.Index(sweep.sets, name="run")
    parts = (rows, sweep.sets.values(), recorded)
    table, given, numbers = (pd.DataFrame(part, index, dtype=object) for part in parts)
    for part, kind in ((given, "given"), (numbers, "recorded")):
        taken = {name: f"{name} ({kind})" for name in part if name in table}
        table = table.join(part.rename(columns=taken))
    table["error"] = table.pop("error")  # the longest column last
    atomic_write(out / "results.csv", table.to_csv().encode())
    heatmap, wanted = "", sweep.heatmap
    if wanted and {wanted.value, wanted.rows, wanted.columns or wanted.rows} <= {
        *table
    }:
        value = pd.to_numeric(table[wanted.value], errors="coerce")
        over = {"index": wanted.rows, "columns": wanted.columns}
        means = table.assign(mean=value).pivot_table("mean", **over)
        style = means.style.background_gradient(axis=None).format(precision=4)
        title = html.escape(f"Mean of {wanted.value} over the runs of each cell")
        heatmap = style.set_caption(title).to_html()
    elif wanted:
        report(f"no heat map of {wanted.value!r}: choose among {', '.join(table)}")

    def link(key: str) -> str:
        page = next((out / key).glob("*.html"), None)
        return f'<a href="{key}/{page.name}">{key}</a>' if page else key

    def show(value):
        return f"{value:.6g}" if isinstance(value, float) else value

    style = table.style.format_index(link).format(show, escape="html", na_rep="")
    done = (table["status"] == "ok").sum()
    about = {"done": done, "count": len(table), "heatmap": heatmap}
    page = _PAGE.format(name=html.escape(sweep.name), table=style.to_html(), **about)
    atomic_write(out / "index.html", page.encode())
    return table
