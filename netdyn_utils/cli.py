"""The command line: ``python -m netdyn_utils book --profile quick``.

Exit codes: 1 if the work failed, 2 for a usage error. Heavy imports happen when a
command runs, so that a mistake is answered at once.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

_PATH = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


def find_root() -> Path:
    """Return the folder of the book: here or above."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").exists() and (folder / "notebooks").is_dir():
            return folder
    raise click.UsageError(
        f"no book in {here} or above it: go to the folder with _toc.yml and notebooks/"
    )


def _amount(units: dict[str, float], examples: str) -> Callable[[str], float]:
    """Return the type of an option that is a number with a unit."""

    def convert(text: str) -> float:
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([a-zA-Z]?)", text)
        if not found or found[2] not in units or not float(found[1]):
            raise click.BadParameter(f"expected {examples}, got {text!r}")
        return float(found[1]) * units[found[2]]

    return convert


_TIME = _amount({"": 1, "s": 1, "m": 60, "h": 3600}, "90, 90s, 20m or 1.5h")
_SIZE = _amount({"M": 1e6, "G": 1e9}, "500M or 4G")
_limit = click.option("--limit", type=_TIME, metavar="TIME", help="As 90s, 20m, 1.5h.")
_memory = click.option("--memory", type=_SIZE, metavar="SIZE", help="As 500M or 4G.")
_out = click.option("--out", type=_PATH, default="runs", help="Folder of results.")
_only = click.option("--only", default="", help="Runs whose name contains this.")


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Answer a value or a file that does not fit by its own sentence."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def _lock(folder: Path, name: str, hint: str = "") -> Iterator[None]:
    """Make a folder and work in it alone; errors of files are one sentence."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / name, timeout=0):
            yield
    except Timeout as error:
        raise click.ClickException(
            f"another command is at work in {folder}: wait until it ends{hint}"
        ) from error
    except OSError as error:
        path = error.filename or folder
        raise click.ClickException(f"{path}: {error.strerror}{hint}") from error


@click.group(context_settings={"max_content_width": 88})
def cli() -> None:
    """Make and check the book; run its notebooks."""


@cli.command()
@click.argument("notebook")
def params(notebook: str) -> None:
    """List the parameters of NOTEBOOK: tails, 03_tails, or the path of an .ipynb."""
    from .notebook_params import find_notebook, format_table, read_parameters

    with _usage_errors():
        source = find_notebook(find_root(), notebook)
        click.echo(format_table(read_parameters(source)))
    click.echo(f"\npython -m netdyn_utils run {source.stem} -p NAME=VALUE")


def _assignments(_context, _parameter, words: tuple[str, ...]) -> dict[str, str]:
    """Read the values of -p; the text of each is checked later."""
    given = dict(word.partition("=")[::2] for word in words)
    if not all("=" in word for word in words) or len(given) < len(words):
        raise click.BadParameter(
            f"expected each NAME=VALUE once, got {', '.join(words)}"
        )
    return given


@cli.command()
@click.argument("notebook")
@click.option("--profile", help="Begin with the values of test, quick or paper.")
@click.option("-f", "--file", "files", type=_FILE, multiple=True, help="A YAML file.")
@click.option(
    *("-p", "--parameter", "typed"),
    multiple=True,
    metavar="NAME=VALUE",
    callback=_assignments,
)
@_out
@_limit
@_memory
@click.option("--html", is_flag=True, help="Make a page of it too.")
def run(notebook, profile, files, typed, out, limit, memory, html) -> None:
    """Run NOTEBOOK with other parameters: files win over the profile, -p over both."""
    from . import notebook_params as declared

    root = find_root()
    with _usage_errors():
        source = declared.find_notebook(root, notebook)
        given = declared.profile_block(root, profile, source.stem) if profile else {}
        for path in files:
            given = given | declared.read_yaml(path)
        given = given | typed
        values = declared.validate(declared.read_parameters(source), given)
    from .book.execute import run_all, write_page, write_run_json

    _use_records(root, profile)
    folder = out / f"{source.stem}-{declared.parameters_hash(values)}"
    job = declared.Job(
        source, folder / source.name, {name: values[name] for name in given}
    )
    with _lock(folder, "run.lock", " (--out names another folder)"):
        (done,) = run_all([job], limit=limit, memory=memory, report=click.echo)
        made = [done.output, write_run_json(done)]
        if html and done.status == "ok":
            made.append(write_page(done.output, root))
    if done.status != "ok":
        sys.exit(1)
    click.echo("\n".join(map(str, made)))


def _use_records(root: Path, profile: str | None, *, compute: bool = True) -> None:
    """Let the paper profile read book/results, unless the environment says where."""
    if profile == "paper":
        os.environ.setdefault("NETDYN_RESULTS", str(root / "book" / "results"))
        if not compute:
            os.environ.setdefault("NETDYN_COMPUTE", "never")


@cli.command()
@click.argument("file", type=_FILE)
@click.option("--scheduler", help="Use the Dask cluster at tcp://host:8786.")
@click.option("--workers", type=click.IntRange(1), help="Processes here (one a core).")
@_out
@click.option("--resume", is_flag=True, help="Keep the runs that are still valid.")
@_limit
@_memory
def sweep(file, out, limit, memory, scheduler, workers, resume) -> None:
    """Run a notebook over the sets of parameters that FILE names, on Dask."""
    from .book.sweep import read_sweep, run_sweep

    root = find_root()
    if scheduler and workers:
        raise click.UsageError("--workers is for a cluster here: leave out --scheduler")
    with _usage_errors():
        plan = read_sweep(root, file)
    folder = out / plan.name
    options = {"scheduler": scheduler, "workers": workers, "resume": resume}
    options |= {"limits": {"limit": limit, "memory": memory}, "report": click.echo}
    with _lock(folder, "sweep.lock", " (--out names another folder)"):
        table = run_sweep(plan, folder, root=root, **options)
    click.echo(f"{folder / 'results.csv'}\n{folder / 'index.html'}")
    bad = table[table.status != "ok"]
    if len(bad):
        click.echo(f"{len(bad)} of {len(table)} runs failed; --resume runs them again:")
        for key, row in bad.iterrows():
            click.echo(f"  {key}: {row.status}. {row.error}")
        sys.exit(1)


@cli.command()
@click.option("--profile", default="quick", help="test, quick (default) or paper.")
@click.option("--processes", type=click.IntRange(1), help="Notebooks at a time.")
@_limit
@_memory
@click.option("--fresh", is_flag=True, help="Run every notebook, needed or not.")
def book(profile, processes, limit, memory, fresh) -> None:
    """Run every notebook that needs it and build the site."""
    from .notebook_params import plan_jobs, profile_block
    from .pairing import out_of_sync

    root = find_root()
    build = root / "_build"
    _use_records(root, profile, compute=False)
    with _usage_errors():
        jobs = plan_jobs(root, profile, build / "executed" / profile)
        quick = {job.name: profile_block(root, "quick", job.name) for job in jobs}
    if edited := out_of_sync(root / "notebooks"):
        names = ", ".join(str(path.relative_to(root)) for path in edited)
        raise click.ClickException(
            f"{names} differs from its .py: `make pair` makes them agree"
        )
    from .book import execute, site

    with _lock(build, "book.lock"):
        runs, todo = {}, {}
        for job, parts in zip(jobs, execute.dependencies(jobs), strict=True):
            runs[job.name], reason = execute.load_if_current(job, parts)
            if fresh or not runs[job.name]:
                click.echo(f"{job.name}: to run, {reason or 'as asked'}")
                todo[job.name] = (job, parts)
        count = f"{len(todo)} run, {len(jobs) - len(todo)} cached"
        click.echo(count.replace("run", "to run"))
        options = {"processes": processes, "limit": limit, "memory": memory}
        options |= {"report": click.echo, "cwd": root}
        options |= {"fallback": quick} if profile == "paper" else {}
        ran = execute.run_all([job for job, _ in todo.values()], **options)
        for done in ran:
            execute.write_run_json(done, todo[done.name][1])
            runs[done.name] = done
        if failed := [done for done in ran if done.status != "ok"]:
            lines = [f"{len(failed)} of {len(ran)} notebooks failed:", *failed]
            raise site.SiteError("\n".join(map(str, lines)))
        click.echo("building the site")
        site.stage(runs.values(), build / "stage", root=root, profile=profile)
        index = site.build(build / "stage", build / "site", root=root)
    click.echo(f"{count}\nthe site: {index}")


@cli.command()
@click.option("--check", is_flag=True, help="Compare, and write nothing.")
def pair(check: bool) -> None:
    """Make each notebook from its .py text, and mend what keeps JupyterLab from it."""
    from . import pairing

    folder, made = find_root() / "notebooks", []
    if check:
        differing = pairing.out_of_sync(folder)
        remedy = "is missing or differs from its .py: `make pair` makes it"
    else:
        made, differing = pairing.pair(folder)
        remedy = (
            "was edited and differs from its .py: `jupytext --to py:percent "
            "notebooks/NAME` keeps the edit, deleting it keeps the .py"
        )
    for path in made:
        click.echo(f"{path.name} made")
    for path in differing:
        click.echo(f"{path.name} {remedy}")
    sys.exit(bool(differing))


@cli.group()
def results() -> None:
    """Compute, count, verify and export the runs of the study."""


def _results_folder() -> Path:
    return find_root() / "book" / "results"


def _select(runs: list, only: str) -> list:
    """Return the runs whose name contains a text; a usage error if there is none."""
    if found := [run for run in runs if only in run.name]:
        return found
    raise click.UsageError(f"no run is named --only {only!r}, as {runs[0].name!r} is")


@results.command()
@_only
@click.option("--claim", default="", help="Runs of one claim.")
@click.pass_context
def compute(context, only: str, claim: str) -> None:
    """Compute what is missing or stale, and what follows from it."""
    import time

    from .store import RunStore
    from .study import record_status, study_runs, write_statistics
    from .validation import check_choice

    store, runs = RunStore(_results_folder()), study_runs()
    if claim:
        with _usage_errors():
            check_choice(claim, sorted({run.claim for run in runs}), "claim")
        runs = [run for run in runs if run.claim == claim]
    wanted = _select(runs, only)
    for number, run in enumerate(wanted, 1):
        status, _ = record_status(run, store.root)
        if status == "fresh":
            continue
        start, line = time.monotonic(), f"{number}/{len(wanted)} {run.name}"
        try:
            run.compute(store)
        except (ArithmeticError, OSError, ValueError, RuntimeError) as error:
            click.echo(f"{line}: failed, {error}")
            continue
        click.echo(f"{line}: was {status}, {time.monotonic() - start:.0f} s")
    click.echo(write_statistics(store.root))
    context.invoke(status_of_records)


@results.command("status")
def status_of_records() -> None:
    """List the records that are not fresh."""
    from .study import record_status, study_runs

    count = Counter()
    for run in study_runs():
        status, why = record_status(run, _results_folder())
        count[status] += 1
        if status != "fresh":
            click.echo(f"{status:8} {run.name} {why}".rstrip())
    click.echo(", ".join(f"{number} {status}" for status, number in count.items()))
    if set(count) != {"fresh"}:
        click.echo("`make results` computes what is not fresh")
        sys.exit(1)


@results.command()
@_only
@click.option("--no-full-data", is_flag=True, help="Only what ships with the package.")
@click.option("--all", "everything", is_flag=True, help="Also what takes minutes.")
@click.option("--tolerance", is_flag=True, help="Within tolerances, not to the bit.")
def verify(only: str, no_full_data: bool, everything: bool, tolerance: bool) -> None:
    """Compute first parts again, and compare them with their records."""
    from .study import PASSING, verified_runs, verify_record

    runs, count = _select(verified_runs(), only), Counter()
    for run in runs:
        if no_full_data and run.config.source == "full":
            line, status = "needs the full images", "skipped"
        elif run.kind == "perturbation" and not everything:
            line, status = "takes minutes, --all computes it", "skipped"
        else:
            status, line = verify_record(run, _results_folder(), tolerance=tolerance)
        count[status] += 1
        click.echo(f"{status:8} {run.name}: {line}")
    click.echo(", ".join(f"{number} {status}" for status, number in count.items()))
    if bad := sum(number for status, number in count.items() if status not in PASSING):
        raise click.ClickException(f"{bad} of {len(runs)} records do not agree")


@results.command()
@click.option("--write", is_flag=True, help="Into the front page and the README.")
def verdicts(write: bool) -> None:
    """Show the verdicts in three lines."""
    from . import study

    folder = _results_folder()
    records = study.read_study(folder)
    claims = study.evaluate_claims(study.study_statistics(records, folder))
    lines = study.summary(claims)
    click.echo("\n".join(filter(None, [*lines, records.note])))
    if write and records.note:
        raise click.ClickException("nothing written: `make results` computes the rest")
    for page in (folder.parent / "_verdicts.md", folder.parents[1] / "README.md"):
        if write:
            study.write_summary(lines, page)
            click.echo(f"written to {page}")


@results.command()
@click.argument("key")
@click.argument("folder", type=_PATH)
def export(key: str, folder: Path) -> None:
    """Write the record whose file name ends in KEY to FOLDER, as the authors do too."""
    from .store import open_record
    from .study import export_record

    match = sorted(_results_folder().glob(f"*{key.removesuffix('.json')}.json"))
    if len(match) != 1:
        where = f"the last eight letters of a file name in {_results_folder()}"
        raise click.UsageError(f"{len(match)} records end in {key!r}: give {where}")
    with _usage_errors():
        click.echo("\n".join(map(str, export_record(open_record(match[0]), folder))))


@cli.command()
@click.argument("file", type=_FILE)
@click.option("--discrete/--continuous", default=None, help="Whole numbers or not.")
@click.option("--xmin", type=float, help="Threshold; estimated by default.")
@click.option("--xmax", type=float, help="Where the support ends.")
@click.option("--replicates", type=int, default=100, help="For the p-value (100).")
@click.option("--figure", type=_PATH, help="Where to draw it (FILE.png, here).")
@click.option("--json", "as_json", is_flag=True, help="Print numbers for programs.")
def fit(file, figure, as_json, **options) -> None:
    """Fit a power law to the numbers in FILE (csv, txt, npy, npz), and test it."""
    import json

    from .plotting import save_report
    from .tails.report import fit_file

    with _usage_errors():
        report = fit_file(file, **options)
    figure = figure or Path(f"{file.stem}.png")
    try:
        save_report(report, figure)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{figure} cannot be drawn: {error}") from error
    click.echo(json.dumps(report.numbers(), indent=1) if as_json else str(report))
    if not as_json:
        click.echo(f"drawn in {figure}")
