"""``pair`` makes notebooks; ``serve``, ``release`` and ``changed`` tell of the site."""

import argparse
from contextlib import suppress
from functools import partial
from pathlib import Path

from .common import Refused


def add(commands) -> None:
    """Describe the commands."""
    pair = commands.add_parser("pair", help="make each .ipynb from its .py")
    pair.add_argument("--check", action="store_true", help="compare, write nothing")
    pair.set_defaults(run=_pair)
    serve = commands.add_parser("serve", help="show the site to this machine only")
    serve.add_argument("--port", type=int, default=8000)
    serve.set_defaults(run=_serve)
    release = commands.add_parser("release", help="pack the site, with checksums")
    release.set_defaults(run=_release)
    changed = commands.add_parser("changed", help="list the pages a branch changes")
    changed.add_argument("base", help="what it is held against: main, HEAD^1, a commit")
    changed.set_defaults(run=_changed)


def _pair(root: Path, arguments: argparse.Namespace) -> int:
    """Make or compare the notebooks."""
    from .. import pairing

    folder = root / "notebooks"
    if arguments.check:
        made, left = [], pairing.out_of_sync(folder)
    else:
        made, left = pairing.pair(folder)
    for path in made:
        print(f"{path.relative_to(root)}: made")
    for path in (path.relative_to(root) for path in left):
        print(f"{path}: differs from its .py")
    if left and arguments.check:
        print("`make pair` makes notebooks from their .py")
    elif left:
        print("edited, so not overwritten: delete it and `make pair` makes it anew, or")
        print("`jupytext --to py:percent` and its name takes the edits into the .py")
    return 1 if left else 0


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


def _release(root: Path, _arguments: argparse.Namespace) -> int:
    """Pack the site that was built last."""
    from importlib.metadata import version

    from ..site import SiteError, pack

    build = root / "_build"
    try:
        print(
            *pack(build / "site", build, version=version("netdyn"), root=root), sep="\n"
        )
    except SiteError as error:
        raise Refused(error) from error
    except OSError as error:
        print(f"{error.filename or build} cannot be written: {error.strerror}")
        return 1
    return 0


def _changed(root: Path, arguments: argparse.Namespace) -> int:
    """Print the pages whose source a branch changes, as markdown."""
    from ..site import SiteError, changed_pages

    try:
        print(changed_pages(root, arguments.base))
    except SiteError as error:
        raise Refused(error) from error
    return 0
