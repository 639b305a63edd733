"""``results``: the runs of the study computed, counted, checked, and one exported."""

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
    check = parts.add_parser("check", help="compute a first part anew, and compare")
    check.add_argument("--only", default="", help="runs whose name holds this")
    check.add_argument(
        "--cheap", action="store_true", help="only what needs no full image sets"
    )
    check.add_argument("--slow", action="store_true", help="also what takes minutes")
    check.add_argument(
        "--elsewhere", action="store_true", help="to the tolerances, not to the bit"
    )
    check.set_defaults(run=_check)
    verdicts = parts.add_parser("verdicts", help="say the verdicts in three lines")
    verdicts.add_argument(
        "--write", action="store_true", help="into the front page and the README"
    )
    verdicts.set_defaults(run=_verdicts)
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


def _status(root: Path, _arguments: argparse.Namespace) -> int:
    from ..paper import paper_runs, standing

    found = [standing(run, _folder(root)) for run in paper_runs()]
    for one in found:
        if one.word != "fresh":
            print(f"{one.word:8} {one.run.name} {one.fault}".rstrip())
    count = Counter(one.word for one in found)
    print(", ".join(f"{number} {word}" for word, number in count.items()))
    return 0 if set(count) == {"fresh"} else 1


def _check(root: Path, arguments: argparse.Namespace) -> int:
    from ..paper import GOOD, checked_runs, is_cheap, is_slow, recheck

    runs = [run for run in checked_runs() if arguments.only in run.name]
    if not runs:
        raise Refused(f"no checked run's name holds {arguments.only!r}")
    words = Counter()
    for run in runs:
        if arguments.cheap and not is_cheap(run):
            print(f"skipped  {run.name}: needs the full images, and --cheap was asked")
        elif is_slow(run) and not arguments.slow:
            print(f"skipped  {run.name}: takes minutes, --slow computes it")
        else:
            check = recheck(run, _folder(root), elsewhere=arguments.elsewhere)
            words[check.word] += 1
            print(check, flush=True)
            continue
        words["skipped"] += 1
    print(", ".join(f"{number} {word}" for word, number in words.items()))
    bad = sum(number for word, number in words.items() if word not in GOOD)
    if bad:
        print(f"{bad} of {len(runs)} records are not what their code computes")
    return 1 if bad else 0


def _verdicts(root: Path, arguments: argparse.Namespace) -> int:
    from ..paper import claims_of, facts_of, read_study, summary, write_summary

    try:
        study = read_study(_folder(root))
    except LookupError as error:
        raise Refused(error) from error
    lines = summary(claims_of(facts_of(study)))
    print(*lines, sep="\n")
    if arguments.write:
        for page in (root / "book" / "_verdicts.md", root / "README.md"):
            write_summary(lines, page)
            print(f"written to {page}")
    return 0


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
