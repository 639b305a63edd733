"""``book`` runs every notebook that needs it and builds the site."""

import argparse
from pathlib import Path

from ..checks import positive_int
from .common import Refused, checked, duration, size, use_records

_KEPT = "The last good site, if there was one, is still in place."


def add(commands) -> None:
    """Describe the command."""
    book = commands.add_parser("book", help="run every notebook and build the site")
    book.add_argument("--profile", default="quick", help="test, quick or paper")
    book.add_argument(
        "--processes",
        type=checked(positive_int, "--processes"),
        help="notebooks at a time (one per core)",
    )
    book.add_argument("--limit", type=duration, help="end a run after 90s, 20m or 2h")
    book.add_argument("--memory", type=size, help="end a run that holds more, as 4G")
    book.add_argument(
        "--fresh", action="store_true", help="run every notebook, needed or not"
    )
    book.set_defaults(run=_book)


def _book(root: Path, arguments: argparse.Namespace) -> int:
    from filelock import FileLock, Timeout

    from .. import pairs, profiles
    from ..book import site

    if edited := pairs.edited(root / "notebooks"):
        names = ", ".join(str(path.relative_to(root)) for path in edited)
        print(f"not what the .py says: {names}; `make pair` makes them from it")
        return 1
    use_records(root, arguments.profile, compute=False)
    build = root / "_build"
    try:
        jobs = profiles.plan(
            root, arguments.profile, build / "executed" / arguments.profile
        )
    except ValueError as error:
        raise Refused(error) from error
    try:
        build.mkdir(exist_ok=True)
        with FileLock(build / "book.lock", timeout=0):
            return _run_and_build(root, build, jobs, arguments)
    except Timeout:
        print("another `book` is at work in this folder: wait for it to end")
    except site.SiteError as error:
        print(error, _KEPT, sep="\n")
    except FileNotFoundError as error:
        print(f"{error.filename} is not there", _KEPT, sep="\n")
    except OSError as error:
        print(f"{error.filename or build} cannot be written: {error.strerror}")
        print(_KEPT)
    return 1


def _run_and_build(root, build, jobs, arguments) -> int:
    from .. import rerun
    from ..book import site

    runs, todo = {}, []
    for job, rests_on in zip(jobs, rerun.fingerprints(jobs, root), strict=True):
        known, reason = rerun.cached(job, rests_on)
        if known and not arguments.fresh:
            runs[job.name] = known
        else:
            print(f"{job.name}: to run, {reason or 'as asked'}")
            todo.append((job, rests_on))
    print(f"{len(todo)} to run, {len(runs)} cached", flush=True)
    ran = rerun.run_all(
        [job for job, _ in todo],
        processes=arguments.processes,
        limit=arguments.limit,
        memory=arguments.memory,
        watch=rerun.watch(),
    )
    for (job, rests_on), run in zip(todo, ran, strict=True):
        rerun.write_manifest(run, job.source, rests_on)
        runs[job.name] = run
    if failed := [run for run in ran if run.status != "ok"]:
        print(f"\n{len(failed)} of {len(ran)} notebooks failed:")
        print(*failed, _KEPT, sep="\n")
        return 1
    print("building the site", flush=True)
    ordered = [runs[job.name] for job in jobs]
    site.stage(ordered, build / "stage", root=root, profile=arguments.profile)
    index = site.build(build / "stage", build / "site", root=root)
    print(f"{len(todo)} run, {len(jobs) - len(todo)} cached")
    print(f"the site: {index}")
    return 0
