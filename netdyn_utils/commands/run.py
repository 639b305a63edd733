"""``params`` lists what a notebook takes; ``run`` runs it with other values."""

import argparse
from pathlib import Path

from .common import Refused, duration, size, use_records


def add(commands) -> None:
    """Describe both commands."""
    params = commands.add_parser("params", help="list the parameters of a notebook")
    params.add_argument("notebook", help="tails, 03_tails, or the path of an .ipynb")
    params.set_defaults(run=_params)

    run = commands.add_parser("run", help="run a notebook with other parameters")
    run.add_argument("notebook", help="tails, 03_tails, or the path of an .ipynb")
    add_parameters(run)
    run.add_argument("--out", type=Path, default=Path("runs"), help="folder of results")
    run.add_argument("--limit", type=duration, help="end the run after 90s, 20m or 2h")
    run.add_argument("--memory", type=size, help="end it if it holds more, as 4G")
    run.add_argument("--html", action="store_true", help="make a page of it too")
    run.set_defaults(run=_run)


def add_parameters(parser) -> None:
    """Describe the three ways to give parameters, the later before the earlier."""
    parser.add_argument("--profile", help="begin with those of test, quick or paper")
    parser.add_argument(
        "-f", "--file", type=Path, action="append", default=[], help="a YAML of them"
    )
    parser.add_argument(
        *("-p", "--parameter"),
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one of them, more than once if need be",
    )


def _params(root: Path, arguments: argparse.Namespace) -> int:
    from ..notebook_params import find_notebook, format_table, read_parameters

    try:
        notebook = find_notebook(root, arguments.notebook)
        print(format_table(read_parameters(notebook)))
    except ValueError as error:
        raise Refused(error) from error
    print(f"\npython -m netdyn_utils run {notebook.stem} -p NAME=VALUE")
    return 0


def given(
    root: Path, name: str, arguments: argparse.Namespace
) -> tuple[dict[str, object], list[str]]:
    """Return what a reader gives: the profile, then the files, then the words.

    Beside it a line for each word that is not ``NAME=VALUE`` or comes twice.

    Raises
    ------
    ValueError
        A profile or a file that cannot be read.
    """
    from ..notebook_params import profile_block, read_yaml

    found: dict[str, object] = {}
    if arguments.profile is not None:
        found |= profile_block(root, arguments.profile, name)
    for path in arguments.file:
        found |= read_yaml(path)
    words: dict[str, str] = {}
    faults = []
    for word in arguments.parameter:
        key, equals, value = word.partition("=")
        if not equals or not key:
            faults.append(f"expected -p NAME=VALUE, got {word!r}")
            continue
        if key in words:
            faults.append(f"-p {key!r} is given twice: {words[key]!r} and {value!r}")
        words[key] = value
    return found | words, faults


def checked_parameters(source: Path, words: dict, faults: list[str]) -> dict:
    """Return the value of every parameter; ParameterError with all faults there are."""
    from ..notebook_params import ParameterError, read_parameters, validate

    parameters = read_parameters(source)
    try:
        values = validate(parameters, words)
    except ParameterError as error:
        raise ParameterError([*faults, *error.errors]) from error
    if faults:
        raise ParameterError(faults)
    return values


def _run(root: Path, arguments: argparse.Namespace) -> int:
    from ..notebook_params import Job, find_notebook, parameters_hash

    try:
        source = find_notebook(root, arguments.notebook)
        words, faults = given(root, source.stem, arguments)
        values = checked_parameters(source, words, faults)
    except ValueError as error:
        raise Refused(error) from error
    from filelock import FileLock, Timeout

    from .. import rerun

    use_records(root, arguments.profile)
    folder = arguments.out / f"{source.stem}-{parameters_hash(values)}"
    job = Job(source, folder / source.name, {name: values[name] for name in words})
    limits = {"limit": arguments.limit, "memory": arguments.memory}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "run.lock", timeout=0):
            (run,) = rerun.run_all([job], watch=rerun.watch(), **limits)
            told = [rerun.write_manifest(run, source)]
            if note := rerun.edited_since(run, source):
                print(note)
            if arguments.html and run.status == "ok":
                mathjax = rerun.lay_mathjax(root, folder)
                told.append(rerun.write_page(run.output, mathjax))
    except Timeout:
        print(
            f"the same run is at work in {folder}: wait for it, or name another --out"
        )
        return 1
    except OSError as error:
        place = error.filename or folder
        print(f"{place} cannot be written ({error.strerror}): name a folder with --out")
        return 1
    if run.status != "ok":
        return 1
    print(run.output, *told, sep="\n")
    return 0
