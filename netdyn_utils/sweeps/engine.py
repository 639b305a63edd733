"""Send the runs of a sweep to Dask and keep what comes back.

One task a run. A run that fails is a result like any other. A worker that dies has its
runs sent to another. If the scheduler is lost, what has come back is kept, and the
sweep can go on later.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dask
from dask.utils import parse_timedelta
from distributed import CancelledError, Client, LocalCluster, wait
from distributed.scheduler import KilledWorker
from filelock import FileLock, Timeout

from ..notebook_params import Job
from ..rerun import cached, fingerprints, lay_mathjax, package_digest
from ..rerun.manifests import manifest_path
from ..store import write_whole
from ..store import RunStore
from .plans import Sweep
from .results import Row, read_row, write_results
from .tasks import Delivery, Order, execute

_PATIENCE = "distributed.comm.timeouts.connect"  # without a scheduler: Dask's own
_AHEAD = 4  # runs at the cluster for each of its threads: enough to keep it busy


class SweepError(RuntimeError):
    """The sweep cannot go on; the message says what is kept and what to do."""


@dataclass(frozen=True)
class Limits:
    """What one run may take."""

    seconds: float | None = None
    memory: float | None = None


def run_sweep(
    sweep: Sweep,
    out: Path,
    *,
    root: Path,
    scheduler: str | None = None,
    workers: int = 2,
    resume: bool = False,
    limits: Limits = Limits(),
    report: Callable[[str], object] = str,
) -> list[Row]:
    """Run a sweep and write its results: ``results.csv`` and ``index.html`` in `out`.

    Parameters
    ----------
    sweep : Sweep
    out : Path
        One folder for each run goes here.
    root : Path
        The folder of the book.
    scheduler : str, optional
        Address of a Dask scheduler, ``tcp://host:8786``; a cluster on this machine, of
        `workers` processes of one thread each, unless told.
    resume : bool
        Keep the runs that are there and stand; otherwise a folder with runs is refused.
    limits : Limits
    report : callable
        Takes a plain line for whatever a person should know.

    Raises
    ------
    SweepError
        The folder holds runs and `resume` is off, or another sweep is at work in it; no
        scheduler at the address, or it is lost on the way.
    """
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / "sweep.lock", timeout=0):
            return _run(sweep, out, root, scheduler, workers, resume, limits, report)
    except Timeout as error:
        raise SweepError(
            f"another sweep is at work in {out}: wait for it, or name another --out"
        ) from error


def _run(sweep, out, root, scheduler, workers, resume, limits, report) -> list[Row]:
    jobs = [
        Job(sweep.source, out / key / sweep.source.name, given)
        for key, given in zip(sweep.keys, sweep.runs, strict=True)
    ]
    if not resume and any(manifest_path(job.output).exists() for job in jobs):
        raise SweepError(f"{out} holds runs of this sweep: --resume goes on with them")
    rests_on = fingerprints(jobs, root)
    todo = []
    for key, job, parts in zip(sweep.keys, jobs, rests_on, strict=True):
        known, reason = cached(job, parts)
        if known is None:
            todo.append((key, job, parts))
            if resume:
                report(f"{key}: to run, {reason}")
    report(f"{len(todo)} to run, {len(jobs) - len(todo)} done before")
    for _, job, _ in todo:  # what does not stand must not pass for a result either
        manifest_path(job.output).unlink(missing_ok=True)
    mathjax = lay_mathjax(root, out)
    common = {
        "name": sweep.source.stem,
        "notebook": sweep.source.read_bytes(),
        "package": package_digest(),
        "limit": limits.seconds,
        "memory": limits.memory,
        "mathjax": mathjax and f"../{mathjax}",
    }
    orders = {
        key: Order(**common, parameters=job.parameters, fingerprint=parts)
        for key, job, parts in todo
    }
    try:
        if orders:
            with _cluster(scheduler, min(workers, len(orders))) as client:
                report(f"dashboard: {client.dashboard_link}")
                _gather(client, orders, out, report)
    finally:  # also of a sweep that was cut short
        rows = [
            read_row(out, key, g) for key, g in zip(sweep.keys, sweep.runs, strict=True)
        ]
        write_results(sweep, rows, out)
    return rows


@contextmanager
def _cluster(address: str | None, workers: int) -> Iterator[Client]:
    """Give a client of the scheduler at an address, or of one of our own."""
    # A lost scheduler is told by our own sentence; Dask's come with tracebacks.
    for name in ("distributed", "distributed.client"):  # the second has its own level
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if address is not None:
        try:
            client = Client(address)
        except (OSError, TimeoutError, ValueError) as error:
            raise SweepError(
                f"no Dask scheduler answers at {address or 'no address'}: start one "
                "with `dask scheduler`, or leave --scheduler out "
                f"({type(error).__name__})"
            ) from error
        try:
            yield client
        finally:
            with suppress(Exception):  # of a scheduler that is gone
                client.close(timeout=2)
        return
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,  # of workers that outlast their scheduler
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _gather(client: Client, orders: dict[str, Order], out: Path, report) -> None:
    """Keep the cluster busy, and each result as it comes."""
    waiting, total, done, lost = list(orders), len(orders), 0, 0.0
    patience, alone, futures = parse_timedelta(dask.config.get(_PATIENCE)), False, {}
    while waiting or futures:
        threads = _threads(client)
        if threads is None:
            lost = lost or time.monotonic()
            gone = client.status in ("closed", "closing")
            if gone or time.monotonic() - lost > patience:
                raise SweepError(
                    f"the scheduler is lost: {done} of {total} runs are done and kept "
                    "in the folder; --resume goes on with the others"
                )
            time.sleep(0.5)
            continue
        lost = 0.0
        if not threads and not alone:
            report("no worker yet: waiting for one")
        alone, room = not threads, _AHEAD * max(threads, 1)
        for key in waiting[: max(0, room - len(futures))]:
            waiting.remove(key)
            name = f"netdyn-{key}-{time.time_ns()}"
            future = client.submit(execute, orders[key], key=name, pure=False)
            futures[future] = key
        with suppress(TimeoutError, CancelledError):
            wait(list(futures), timeout=1, return_when="FIRST_COMPLETED")
        for future in [f for f in futures if f.done()]:
            if future.status == "cancelled":  # the client lost its scheduler
                waiting.append(futures.pop(future))
                continue
            key = futures.pop(future)
            done += 1
            report(f"{done}/{total} {key}: {_keep(future, out / key)}")
            future.release()


def _threads(client: Client) -> int | None:
    """Return how many runs the cluster can do at once; None if it does not answer."""
    with suppress(OSError):
        if client.status == "running":
            return sum(client.nthreads().values())
    return None


def _keep(future, folder: Path) -> str:
    """Write what a run left, the manifest last, and return how it went in one line."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        delivery: Delivery = future.result()
    except KilledWorker:
        told = "every worker that took it died (out of memory?)"
    except Exception as error:
        told = f"{type(error).__name__}: {error}".splitlines()[0]
    else:
        with suppress(OSError):  # a record spares computing; a run stands without it
            RunStore.default().adopt(delivery.records)
        files = sorted(delivery.files.items(), key=lambda item: item[0] == "run.json")
        write_whole({folder / name: content for name, content in files})
        (folder / "failure.txt").unlink(missing_ok=True)  # of an earlier attempt
        return delivery.told
    write_whole({folder / "failure.txt": told.encode()})
    return f"failed: {told}"
