"""One run of a sweep, wherever it lands: bytes in, bytes out.

No file system is shared: the notebook comes with the task, and all that is worth
keeping goes back with its result.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from ..notebook_params import Job
from ..rerun import (
    THREADS,
    NotebookRun,
    package_digest,
    run_all,
    write_manifest,
    write_page,
)


@dataclass(frozen=True)
class Order:
    """What a worker is asked to run."""

    name: str  # of the notebook, without suffix
    notebook: bytes
    parameters: dict
    package: str  # digest of the package at home
    fingerprint: dict[str, str] = field(default_factory=dict)
    limit: float | None = None  # s
    memory: float | None = None  # bytes
    threads: int = 1  # of the run: one for each of a worker's tasks
    mathjax: str = ""


@dataclass(frozen=True)
class Delivery:
    """What comes back: how it went, and files by name."""

    status: str
    told: str  # the run as its record prints it, without places on the worker
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    records: dict[str, bytes] = field(default_factory=dict, repr=False)


def execute(order: Order) -> Delivery:
    """Run one notebook in a folder of its own and return what it left.

    Raises
    ------
    RuntimeError
        The worker has another netdyn than whoever sent the order.
    """
    if package_digest() != order.package:
        raise RuntimeError(
            "the worker's netdyn is not the one that sent the run: install the same "
            "version there, and do not edit it while a sweep is on"
        )
    with tempfile.TemporaryDirectory(prefix="netdyn-") as place:
        folder = Path(place)
        source = folder / "source" / f"{order.name}.ipynb"
        source.parent.mkdir()
        source.write_bytes(order.notebook)
        output = folder / "out" / source.name
        runs = folder / "runs"
        job = Job(source, output, order.parameters)
        run = _run(job, order, runs)
        write_manifest(run, source, order.fingerprint)
        if run.status == "ok":
            write_page(output, order.mathjax)
        return Delivery(
            run.status, _told(run, folder), _read(output.parent), _read(runs)
        )


def _run(job: Job, order: Order, runs: Path) -> NotebookRun:
    limits = {"limit": order.limit, "memory": order.memory}
    settings = {name: str(order.threads) for name in THREADS} | {
        "NETDYN_RUNS": str(runs)
    }
    return run_all([job], processes=1, environment=settings, **limits)[0]


def _read(folder: Path) -> dict[str, bytes]:
    kept = (".ipynb", ".json", ".html", ".log", ".npz")
    files = sorted(folder.glob("*")) if folder.is_dir() else []
    return {p.name: p.read_bytes() for p in files if p.suffix in kept}


def _told(run: NotebookRun, folder: Path) -> str:
    return str(run).replace(f"{folder}/", "")
