"""The group ``results``: compute, count and check the runs of the study."""

import sys
from collections import Counter
from pathlib import Path

import click


@click.group()
def results() -> None:
    """The runs of the study, at the size of the paper."""


def _folder(root: Path) -> Path:
    return root / "book" / "results"


@results.command()
@click.option("--only", default="", help="Runs whose name holds this.")
@click.option("--claim", default="", help="Runs of one claim.")
@click.pass_obj
def compute(find_root, only: str, claim: str) -> None:
    """Compute what is missing or stale."""
    import time

    from ..paper import paper_runs, standing
    from ..store.runs import RunStore

    root = find_root()
    store = RunStore(_folder(root))
    runs = paper_runs()
    claims = {run.claim for run in runs}
    if claim and claim not in claims:
        raise click.UsageError(f"no claim {claim!r}: {', '.join(sorted(claims))}")
    wanted = [run for run in runs if only in run.name and claim in ("", run.claim)]
    if not wanted:
        raise click.UsageError(f"no run's name holds {only!r}, as {runs[0].name!r}")
    for number, run in enumerate(wanted, 1):
        word = standing(run, store.root).word
        if word == "fresh":
            continue
        begun = time.monotonic()
        try:
            run.compute(store)
        except (ArithmeticError, OSError, ValueError, RuntimeError) as error:
            click.echo(f"{number}/{len(wanted)} {run.name}: failed, {error}")
            continue
        spent = time.monotonic() - begun
        click.echo(f"{number}/{len(wanted)} {run.name}: was {word}, {spent:.0f} s")
    _status(root)


@results.command()
@click.pass_obj
def status(find_root) -> None:
    """Say which records are fresh."""
    _status(find_root())


def _status(root: Path) -> None:
    from ..paper import paper_runs, standing

    found = [standing(run, _folder(root)) for run in paper_runs()]
    for one in found:
        if one.word != "fresh":
            click.echo(f"{one.word:8} {one.run.name} {one.fault}".rstrip())
    count = Counter(one.word for one in found)
    click.echo(", ".join(f"{number} {word}" for word, number in count.items()))
    if set(count) != {"fresh"}:
        sys.exit(1)


@results.command()
@click.option("--only", default="", help="Runs whose name holds this.")
@click.option("--cheap", is_flag=True, help="Only what needs no full image sets.")
@click.option("--slow", is_flag=True, help="Also what takes minutes.")
@click.option("--elsewhere", is_flag=True, help="To the tolerances, not to the bit.")
@click.pass_obj
def check(find_root, only: str, cheap: bool, slow: bool, elsewhere: bool) -> None:
    """Compute a first part anew, and compare."""
    from ..paper import GOOD, checked_runs, is_cheap, is_slow, recheck

    root = find_root()
    runs = [run for run in checked_runs() if only in run.name]
    if not runs:
        raise click.UsageError(f"no checked run's name holds {only!r}")
    words = Counter()
    for run in runs:
        if cheap and not is_cheap(run):
            click.echo(f"skipped  {run.name}: needs the full images: --cheap")
        elif is_slow(run) and not slow:
            click.echo(f"skipped  {run.name}: takes minutes, --slow computes it")
        else:
            check = recheck(run, _folder(root), elsewhere=elsewhere)
            words[check.word] += 1
            click.echo(check)
            continue
        words["skipped"] += 1
    click.echo(", ".join(f"{number} {word}" for word, number in words.items()))
    bad = sum(number for word, number in words.items() if word not in GOOD)
    if bad:
        click.echo(f"{bad} of {len(runs)} records are not what their code computes")
        sys.exit(1)


@results.command()
@click.option("--write", is_flag=True, help="Into the front page and the README.")
@click.pass_obj
def verdicts(find_root, write: bool) -> None:
    """Say the verdicts in three lines."""
    from ..paper import claims_of, facts_of, read_study, summary, write_summary

    root = find_root()
    try:
        study = read_study(_folder(root))
    except LookupError as error:
        raise click.UsageError(str(error)) from error
    lines = summary(claims_of(facts_of(study)))
    click.echo("\n".join(lines))
    if write:
        for page in (root / "book" / "_verdicts.md", root / "README.md"):
            write_summary(lines, page)
            click.echo(f"written to {page}")


@results.command("export")
@click.argument("key")
@click.argument("folder", type=click.Path(path_type=Path))
@click.pass_obj
def export_record(find_root, key: str, folder: Path) -> None:
    """Write out the record whose KEY begins with these letters, into FOLDER."""
    from ..paper import export, paper_runs, standing

    root = find_root()
    found = [standing(run, _folder(root)) for run in paper_runs()]
    match = [one for one in found if one.record and one.key.startswith(key)]
    if len(match) != 1:
        raise click.UsageError(
            f"{len(match)} records begin with {key!r}: `results status` and "
            f"the file names in {_folder(root)} tell the keys"
        )
    click.echo("\n".join(map(str, export(match[0].record, folder))))
