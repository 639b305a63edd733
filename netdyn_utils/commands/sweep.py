"""``sweep`` runs a notebook over a grid or a list of parameters, on Dask."""

import argparse
from pathlib import Path

from ..checks import positive_int
from .common import Refused, checked, duration, size


def add(commands) -> None:
    """Describe the command."""
    sweep = commands.add_parser("sweep", help="run a notebook over many parameters")
    sweep.add_argument("file", type=Path, help="a YAML, see notebooks/params/sweeps")
    sweep.add_argument("--scheduler", help="of Dask, tcp://host:8786 (own cluster)")
    sweep.add_argument(
        "--workers",
        type=checked(positive_int, "--workers"),
        help="processes of the own cluster (one per core)",
    )
    sweep.add_argument(
        "--out", type=Path, default=Path("runs"), help="its results go to OUT/NAME"
    )
    sweep.add_argument(
        "--resume", action="store_true", help="keep the runs that are done and stand"
    )
    sweep.add_argument("--limit", type=duration, help="end a run after 90s, 20m or 2h")
    sweep.add_argument("--memory", type=size, help="end a run that holds more, as 4G")
    sweep.set_defaults(run=_sweep)


def _sweep(root: Path, arguments: argparse.Namespace) -> int:
    import os

    from ..sweeps.plans import read_sweep

    try:
        sweep = read_sweep(root, arguments.file)
    except ValueError as error:
        raise Refused(error) from error
    if arguments.scheduler and arguments.workers:
        raise Refused("--workers is for a cluster of one's own: leave out --scheduler")
    from ..sweeps.engine import Limits, SweepError, run_sweep
    from ..sweeps.results import not_shown

    out = arguments.out / sweep.name
    try:
        rows = run_sweep(
            sweep,
            out,
            root=root,
            scheduler=arguments.scheduler,
            workers=arguments.workers or os.cpu_count() or 1,
            resume=arguments.resume,
            limits=Limits(arguments.limit, arguments.memory),
            report=lambda line: print(line, flush=True),
        )
    except SweepError as error:
        print(f"error: {error}")
        return 1
    except OSError as error:
        print(f"error: {error.filename or out} cannot be written: {error.strerror}")
        return 1
    bad = [row for row in rows if row.status != "ok"]
    if bad:
        print(f"{len(bad)} of {len(rows)} runs failed:")
        print(*(f"  {row.key}: {row.status}. {row.error}" for row in bad), sep="\n")
    if note := not_shown(sweep, rows):
        print(note)
    print(out / "results.csv", out / "index.html", sep="\n")
    return 1 if bad else 0
