"""``results``: the runs of the study computed, counted, verified, and one exported."""

import argparse
from collections import Counter
from pathlib import Path

from .common import Refused


def add(commands) -> None:
    """Describe the command and its parts."""
    results = commands.add_parser("results", help="the runs of the study, paper size")
    parts = results.add_subparsers(dest="part", required=True, metavar="PART")
    compute = parts.add_parser("compute", help="compute what is missing or stale")
    compute.add_argument("--only", default="", help="runs whose name contains this")
    compute.add_argument("--claim", default="", help="runs of one claim")
    compute.set_defaults(run=_compute)
    status = parts.add_parser("status", help="say which records are fresh")
    status.set_defaults(run=_status)
    verify = parts.add_parser("verify", help="compute first parts again, and compare")
    verify.add_argument("--only", default="", help="runs whose name contains this")
    verify.add_argument(
        "--no-full-data", action="store_true", help="only what ships with the package"
    )
    verify.add_argument("--all", action="store_true", help="also what takes minutes")
    verify.add_argument(
        "--tolerance", action="store_true", help="within tolerances, not to the bit"
    )
    verify.set_defaults(run=_verify)
    verdicts = parts.add_parser("verdicts", help="say the verdicts in three lines")
    verdicts.add_argument(
        "--write", action="store_true", help="into the front page and the README"
    )
    verdicts.set_defaults(run=_verdicts)
    export = parts.add_parser("export", help="write one record out")
    export.add_argument("key", help="the last eight letters of its file name")
    export.add_argument("folder", type=Path)
    export.set_defaults(run=_export)


def _folder(root: Path) -> Path:
    return root / "book" / "results"


def _compute(root: Path, arguments: argparse.Namespace) -> int:
    import time

    from ..store import RunStore
    from ..study import record_status, study_runs, write_statistics

    store = RunStore(_folder(root))
    runs = study_runs()
    claims = {run.claim for run in runs}
    if arguments.claim and arguments.claim not in claims:
        raise Refused(f"no claim {arguments.claim!r}: {', '.join(sorted(claims))}")
    wanted = [
        run
        for run in runs
        if arguments.only in run.name and arguments.claim in ("", run.claim)
    ]
    if not wanted:
        raise Refused(f"no run's name contains {arguments.only!r}: {runs[0].name!r}")
    for number, run in enumerate(wanted, 1):
        status, _ = record_status(run, store.root)
        if status == "fresh":
            continue
        start = time.monotonic()
        try:
            run.compute(store)
        except (ArithmeticError, OSError, ValueError, RuntimeError) as error:
            print(f"{number}/{len(wanted)} {run.name}: failed, {error}", flush=True)
            continue
        spent = time.monotonic() - start
        line = f"{number}/{len(wanted)} {run.name}: was {status}, {spent:.0f} s"
        print(line, flush=True)
    print(write_statistics(store.root))
    return _status(root, arguments)


def _status(root: Path, _arguments: argparse.Namespace) -> int:
    from ..study import record_status, study_runs

    count = Counter()
    for run in study_runs():
        status, why = record_status(run, _folder(root))
        count[status] += 1
        if status != "fresh":
            print(f"{status:8} {run.name} {why}".rstrip())
    print(", ".join(f"{number} {status}" for status, number in count.items()))
    return 0 if set(count) == {"fresh"} else 1


def _verify(root: Path, arguments: argparse.Namespace) -> int:
    from ..study import PASSING, is_cheap, is_slow, verified_runs, verify_record

    runs = [run for run in verified_runs() if arguments.only in run.name]
    if not runs:
        raise Refused(f"no verified run's name contains {arguments.only!r}")
    count = Counter()
    for run in runs:
        if arguments.no_full_data and not is_cheap(run):
            print(f"skipped  {run.name}: needs the full images")
        elif is_slow(run) and not arguments.all:
            print(f"skipped  {run.name}: takes minutes, --all computes it")
        else:
            found = verify_record(run, _folder(root), tolerance=arguments.tolerance)
            count[found.status] += 1
            print(found, flush=True)
            continue
        count["skipped"] += 1
    print(", ".join(f"{number} {status}" for status, number in count.items()))
    bad = sum(number for status, number in count.items() if status not in PASSING)
    if bad:
        print(f"{bad} of {len(runs)} records are not what their code computes")
    return 1 if bad else 0


def _verdicts(root: Path, arguments: argparse.Namespace) -> int:
    from ..study import claims_of, facts_of, read_study, summary, write_summary

    study = read_study(_folder(root))
    lines = summary(claims_of(facts_of(study, _folder(root))))
    print(*lines, sep="\n")
    if study.note:
        print(study.note)
        if arguments.write:
            print("nothing written: the front page gets verdicts of all records")
            return 1
    if arguments.write:
        for page in (root / "book" / "_verdicts.md", root / "README.md"):
            write_summary(lines, page)
            print(f"written to {page}")
    return 0


def _export(root: Path, arguments: argparse.Namespace) -> int:
    from ..store import open_record
    from ..study import export

    match = sorted(_folder(root).glob(f"*{arguments.key}*.json"))
    if len(match) != 1:
        raise Refused(
            f"{len(match)} records have {arguments.key!r} in their name: give the last "
            f"eight letters of a file name in {_folder(root)}"
        )
    try:
        record = open_record(match[0])
    except ValueError as error:
        raise Refused(error) from error
    print(*export(record, arguments.folder), sep="\n")
    return 0
