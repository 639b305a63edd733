"""The command line: ``python -m netdyn_utils book --profile quick``.

Everything heavy is imported by the command that needs it, so that ``--help`` comes at
once. Exit codes: 1 when the work failed (a notebook, the site, a pair), 2 when what
was asked for does not exist. A reader's mistake is answered by a sentence, never by a
traceback.
"""

import argparse
import ast
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from .checks import positive, positive_int

_KEPT = "The last good site, if there was one, is still in place."


class Refused(Exception):
    """What was asked for does not exist; the message says what does."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m netdyn_utils", description="Make, check and serve the book."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    book = commands.add_parser("book", help="run every notebook and build the site")
    book.add_argument("--profile", default="quick", help="test, quick or paper")
    book.add_argument(
        "--processes",
        type=_checked(positive_int, "--processes"),
        help="notebooks at a time (cores)",
    )
    book.add_argument(
        "--limit",
        type=_checked(positive, "--limit"),
        help="end a run after so many seconds",
    )
    book.set_defaults(run=_book)

    pair = commands.add_parser("pair", help="make each .ipynb from its .py")
    pair.add_argument("--check", action="store_true", help="compare, write nothing")
    pair.set_defaults(run=_pair)

    serve = commands.add_parser("serve", help="show the site to this machine only")
    serve.add_argument("--port", type=int, default=8000)
    serve.set_defaults(run=_serve)

    arguments = parser.parse_args(argv)
    try:
        return arguments.run(_find_root(), arguments)
    except Refused as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _checked(check: Callable, what: str) -> Callable:
    """Return a reader of one argument whose own sentence argparse shows."""

    def read(text: str):
        value = text
        with suppress(ValueError, SyntaxError):
            value = ast.literal_eval(text)
        try:
            return check(value, what)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _find_root() -> Path:
    """Return the folder of the book: here or above."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").exists() and (folder / "notebooks").is_dir():
            return folder
    raise Refused(f"no book in {here} or above it: go to the folder with _toc.yml")


def _book(root: Path, arguments: argparse.Namespace) -> int:
    """Run the notebooks of a profile side by side, then build the site from them."""
    from filelock import FileLock, Timeout

    from . import pairs, profiles, rerun, site

    if edited := pairs.edited(root / "notebooks"):
        names = ", ".join(str(path.relative_to(root)) for path in edited)
        print(f"not what the .py says: {names}; `make pair` makes them from it")
        return 1
    build = root / "_build"
    try:
        jobs = profiles.plan(
            root, arguments.profile, build / "executed" / arguments.profile
        )
    except ValueError as error:
        raise Refused(error) from error
    build.mkdir(exist_ok=True)
    try:
        with FileLock(build / "book.lock", timeout=0):
            runs = rerun.run_all(
                jobs,
                processes=arguments.processes,
                limit=arguments.limit,
                report=partial(print, flush=True),
            )
            if failed := [run for run in runs if run.status != "ok"]:
                print(f"\n{len(failed)} of {len(runs)} notebooks failed:")
                print(*failed, _KEPT, sep="\n")
                return 1
            print("building the site", flush=True)
            site.stage(runs, build / "stage", root=root, profile=arguments.profile)
            index = site.build(build / "stage", build / "site", root=root)
    except Timeout:
        print("another `book` is at work in this folder: wait for it to end")
        return 1
    except site.SiteError as error:
        print(error, _KEPT, sep="\n")
        return 1
    print(f"the site: {index}")
    return 0


def _pair(root: Path, arguments: argparse.Namespace) -> int:
    """Make or compare the notebooks."""
    from .pairs import pair

    differing = pair(root / "notebooks", check=arguments.check)
    verb = "differs from its .py" if arguments.check else "made"
    for path in differing:
        print(f"{path.relative_to(root)}: {verb}")
    if arguments.check and differing:
        print("`make pair` makes notebooks from their .py")
        return 1
    return 0


def _serve(root: Path, arguments: argparse.Namespace) -> int:
    """Serve the site on 127.0.0.1 until Ctrl-C."""
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    site = root / "_build" / "site"
    if not site.is_dir():
        raise Refused("there is no site yet: `make book` builds it")
    handler = partial(SimpleHTTPRequestHandler, directory=site)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", arguments.port), handler)
    except (OSError, OverflowError) as error:
        raise Refused(
            f"port {arguments.port} cannot be used ({error}): choose with --port"
        ) from error
    with server:
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        print(f"{address} until Ctrl-C", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
