"""The command line: ``python -m netdyn_utils book --profile quick``.

Exit codes: 1 if the work failed, 2 for a usage error. Heavy imports happen when a
command runs, so that a mistake is answered at once.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

_LAST_SITE = "The last good site, if there was one, is still in place."


def find_root() -> Path:
    """Return the folder of the book: here or above."""
    try:
        here = Path.cwd()
    except OSError as error:
        raise click.UsageError("this folder was deleted: go to the book's") from error
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").exists() and (folder / "notebooks").is_dir():
            return folder
    raise click.UsageError(
        f"no book in {here} or above it: go to the folder with _toc.yml and notebooks/"
    )


@click.group(context_settings={"max_content_width": 88})
def cli() -> None:
    """Make and check the book; run its notebooks."""


class Amount(click.ParamType):
    """A number with a unit: seconds by default, as 90s, 20m or 1.5h."""

    def __init__(self, name: str, units: dict[str, float], examples: str):
        self.name, self.units, self.examples = name, units, examples

    def convert(self, value, param, ctx) -> float:
        """Return seconds or bytes."""
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([a-zA-Z]?)", str(value).strip())
        if not found or found[2] not in self.units or not float(found[1]):
            self.fail(f"expected {self.examples}, got {value!r}", param, ctx)
        return float(found[1]) * self.units[found[2]]


_PATH = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_extra = click.argument("extra", nargs=-1, metavar="")  # to say what to write instead
_TIME = Amount("time", {"": 1, "s": 1, "m": 60, "h": 3600}, "90, 90s, 20m or 1.5h")
_SIZE = Amount("size", {"M": 1e6, "G": 1e9}, "500M or 4G")
_out = click.option(
    "--out", type=_PATH, default=Path("runs"), help="Folder of results (runs)."
)
_limit = click.option("--limit", type=_TIME, help="End a run after 90s, 20m, 1.5h.")
_memory = click.option("--memory", type=_SIZE, help="End a run that uses more, as 4G.")


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Answer a value that does not fit by its own sentence."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def _folder_errors(folder: Path, hint: str = "") -> Iterator[None]:
    """Answer a folder that is in use, or cannot be written to, in a sentence."""
    from filelock import Timeout

    try:
        yield
    except Timeout as error:
        raise click.ClickException(
            f"another command is at work in {folder}: wait until it ends{hint}"
        ) from error
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or folder} cannot be written: {error.strerror}{hint}"
        ) from error


@cli.command()
@click.argument("notebook")
def params(notebook: str) -> None:
    """List the parameters of NOTEBOOK: tails, 03_tails, or the path of an .ipynb."""
    from .notebook_params import find_notebook, format_table, read_parameters

    with _usage_errors():
        source = find_notebook(find_root(), notebook)
        click.echo(format_table(read_parameters(source)))
    click.echo(f"\npython -m netdyn_utils run {source.stem} -p NAME=VALUE")


@cli.command()
@click.argument("notebook")
@_extra
@click.option("--profile", help="Begin with the values of test, quick or paper.")
@click.option("-f", "--file", "files", type=_FILE, multiple=True, help="A YAML file.")
@click.option("-p", "--parameter", "words", multiple=True, metavar="NAME=VALUE")
@_out
@_memory
@_limit
@click.option("--html", is_flag=True, help="Make a page of it too.")
def run(notebook, extra, profile, files, words, out, limit, memory, html) -> None:
    """Run NOTEBOOK with other parameters: files win over the profile, -p over both."""
    from .notebook_params import Job, find_notebook, parameters_hash

    root = find_root()
    with _usage_errors():
        source = find_notebook(root, notebook)
        given, values = _read_values(root, source, profile, files, words, extra)
    from filelock import FileLock

    from .book.execute import run_all, write_page, write_run_json

    _use_records(root, profile)
    folder = out / f"{source.stem}-{parameters_hash(values)}"
    job = Job(source, folder / source.name, given)
    with _folder_errors(folder, ", or name another folder with --out"):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "run.lock", timeout=0):
            (done,) = run_all([job], limit=limit, memory=memory, report=click.echo)
            made = [done.output, write_run_json(done)]
            if html and done.status == "ok":
                made.append(write_page(done.output, root))
    if done.status != "ok":
        sys.exit(1)
    click.echo("\n".join(map(str, made)))


def _read_values(root, source, profile, files, words, extra) -> tuple[dict, dict]:
    """Return the given values, and all; ParameterError with all mistakes at once."""
    from .notebook_params import (
        ParameterError,
        profile_block,
        read_parameters,
        read_yaml,
        validate,
    )

    given = {} if profile is None else dict(profile_block(root, profile, source.stem))
    for path in files:
        given |= read_yaml(path)
    typed, errors = {}, [f"expected -p NAME=VALUE, got {word!r}" for word in extra]
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            errors.append(f"expected -p NAME=VALUE, got {word!r}")
        elif name in typed:
            errors.append(
                f"-p {name!r} is given twice, {typed[name]!r} and {value!r}: keep one"
            )
        else:
            typed[name] = value
    parameters = read_parameters(source)
    try:
        values = validate(parameters, given | typed)
    except ParameterError as error:
        errors += error.errors
    if errors:
        raise ParameterError(errors)
    return {name: values[name] for name in given | typed}, values


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
@_memory
@_limit
def sweep(file, scheduler, workers, out, resume, limit, memory) -> None:
    """Run a notebook over the sets of parameters that FILE names, on Dask."""
    from .book.sweep import SweepError, read_sweep, run_sweep

    root = find_root()
    if scheduler and workers:
        raise click.UsageError("--workers is for a cluster here: leave out --scheduler")
    with _usage_errors():
        plan = read_sweep(root, file)
    folder = out / plan.name
    options = {"scheduler": scheduler, "workers": workers, "resume": resume}
    limits = {"limit": limit, "memory": memory}
    try:
        with _folder_errors(folder, ", or name another folder with --out"):
            table = run_sweep(
                plan, folder, root=root, limits=limits, report=click.echo, **options
            )
    except SweepError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{folder / 'results.csv'}\n{folder / 'index.html'}")
    bad = table[table.status != "ok"]
    if len(bad):
        click.echo(f"{len(bad)} of {len(table)} runs failed; --resume runs them again:")
        for key, row in bad.iterrows():
            click.echo(f"  {key}: {row.status}. {row.error}")
        sys.exit(1)


@cli.command()
@_extra
@click.option("--profile", default="quick", help="test, quick (default) or paper.")
@click.option("--processes", type=click.IntRange(1), help="Notebooks at a time.")
@_memory
@_limit
@click.option("--fresh", is_flag=True, help="Run every notebook, needed or not.")
def book(extra, profile, processes, limit, memory, fresh) -> None:
    """Run every notebook that needs it and build the site."""
    from .notebook_params import plan_jobs, profile_block
    from .pairing import out_of_sync

    if extra:
        raise click.UsageError(
            f"got {extra[0]!r}: a profile is given as --profile NAME"
        )
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
    from filelock import FileLock

    from .book import execute, site

    options = {"processes": processes, "limit": limit, "memory": memory, "cwd": root}
    with _folder_errors(build):
        build.mkdir(exist_ok=True)
        with FileLock(build / "book.lock", timeout=0):
            runs, todo = {}, {}
            depends_on = execute.dependencies(jobs)
            for job, parts in zip(jobs, depends_on, strict=True):
                runs[job.name], reason = execute.load_if_current(job, parts)
                if fresh or not runs[job.name]:
                    click.echo(f"{job.name}: to run, {reason or 'as asked'}")
                    todo[job.name] = (job, parts)
            click.echo(f"{len(todo)} to run, {len(jobs) - len(todo)} cached")
            ran = execute.run_all(
                [job for job, _ in todo.values()],
                report=click.echo,
                fallback=quick if profile == "paper" else None,
                **options,
            )
            for done in ran:
                execute.write_run_json(done, todo[done.name][1])
                runs[done.name] = done
            if failed := [done for done in ran if done.status != "ok"]:
                click.echo(f"\n{len(failed)} of {len(ran)} notebooks failed:")
                click.echo("\n".join([*map(str, failed), _LAST_SITE]))
                sys.exit(1)
            click.echo("building the site")
            try:
                stage = build / "stage"
                site.stage(runs.values(), stage, root=root, profile=profile)
                index = site.build(stage, build / "site", root=root)
            except site.SiteError as error:
                raise click.ClickException(f"{error}\n{_LAST_SITE}") from error
    click.echo(f"{len(todo)} run, {len(jobs) - len(todo)} cached\nthe site: {index}")


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
    lines = [f"{path.name} made" for path in made]
    lines += [f"{path.name} {remedy}" for path in differing]
    click.echo("\n".join(lines), nl=bool(lines))
    if differing:
        sys.exit(1)


@cli.group()
def results() -> None:
    """Compute, count, verify and export the runs of the study."""


_only = click.option("--only", default="", help="Runs whose name contains this.")


def _results_folder() -> Path:
    return find_root() / "book" / "results"


def _select(runs: list, only: str) -> list:
    """Return the runs whose name contains a text; a usage error if there is none."""
    if found := [run for run in runs if only in run.name]:
        return found
    raise click.UsageError(
        f"--only {only!r} is in no name of a run; names look like {runs[0].name!r}"
    )


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
    from collections import Counter

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
    from .study import (
        evaluate_claims,
        read_study,
        study_statistics,
        summary,
        write_summary,
    )

    folder = _results_folder()
    study = read_study(folder)
    lines = summary(evaluate_claims(study_statistics(study, folder)))
    click.echo("\n".join(filter(None, [*lines, study.note])))
    if write and study.note:
        raise click.ClickException(
            "nothing written: the front page needs all records; `make results` computes"
            " them"
        )
    for page in (folder.parent / "_verdicts.md", folder.parents[1] / "README.md"):
        if write:
            write_summary(lines, page)
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
        raise click.UsageError(
            f"{len(match)} records end in {key!r}: give the last eight letters of a "
            f"file name in {_results_folder()}"
        )
    with _usage_errors(), _folder_errors(folder):
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
    with _folder_errors(figure):
        save_report(report, figure)
    click.echo(json.dumps(report.numbers(), indent=1) if as_json else str(report))
    if not as_json:
        click.echo(f"drawn in {figure}")
