"""``results`` computes the runs of the study, says how they stand, exports one."""

import argparse
from collections import Counter
from pathlib import Path

from .common import Refused


def add(commands) -> None:
    """Describe the command and its parts."""
    results = commands.add_parser("results", help="the runs of the study, paper size")
    parts = results.add_subparsers(dest="part", required=True, metavar="PART")
    compute = parts.add_parser("compute", help="compute what is missing or stale")
    compute.add_argument("--only", default="", help="runs whose name holds this")
    compute.add_argument("--claim", default="", help="runs of one claim")
    compute.set_defaults(run=_compute)
    status = parts.add_parser("status", help="say which records are fresh")
    status.set_defaults(run=_status)
    export = parts.add_parser("export", help="write one record out")
    export.add_argument("key", help="the first letters of its key")
    export.add_argument("folder", type=Path)
    export.set_defaults(run=_export)


def _folder(root: Path) -> Path:
    return root / "book" / "results"


def _compute(root: Path, arguments: argparse.Namespace) -> int:
    import time

    from ..paper import paper_runs, standing
    from ..store.runs import RunStore

    store = RunStore(_folder(root))
    runs = paper_runs()
    claims = {run.claim for run in runs}
    if arguments.claim and arguments.claim not in claims:
        raise Refused(f"no claim {arguments.claim!r}: {', '.join(sorted(claims))}")
    wanted = [
        run
        for run in runs
        if arguments.only in run.name and arguments.claim in ("", run.claim)
    ]
    if not wanted:
        raise Refused(f"no run's name holds {arguments.only!r}, as {runs[0].name!r}")
    for number, run in enumerate(wanted, 1):
        word = standing(run, store.root).word
        if word == "fresh":
            continue
        begun = time.monotonic()
        try:
            run.compute(store)
        except (ArithmeticError, OSError, ValueError, RuntimeError) as error:
            print(f"{number}/{len(wanted)} {run.name}: failed, {error}", flush=True)
            continue
        spent = time.monotonic() - begun
        print(
            f"{number}/{len(wanted)} {run.name}: was {word}, {spent:.0f} s", flush=True
        )
    return _status(root, arguments)


def _status(root: Path, arguments: argparse.Namespace) -> int:  # noqa: ARG001
    from ..paper import paper_runs, standing

    found = [standing(run, _folder(root)) for run in paper_runs()]
    for one in found:
        if one.word != "fresh":
            print(f"{one.word:8} {one.run.name} {one.fault}".rstrip())
    count = Counter(one.word for one in found)
    print(", ".join(f"{number} {word}" for word, number in count.items()))
    return 0 if set(count) == {"fresh"} else 1


def _export(root: Path, arguments: argparse.Namespace) -> int:
    from ..paper import export, paper_runs, standing

    found = [standing(run, _folder(root)) for run in paper_runs()]
    match = [one for one in found if one.record and one.key.startswith(arguments.key)]
    if len(match) != 1:
        raise Refused(
            f"{len(match)} records begin with {arguments.key!r}: `results status` and "
            f"the file names in {_folder(root)} tell the keys"
        )
    print(*export(match[0].record, arguments.folder), sep="\n")
    return 0
