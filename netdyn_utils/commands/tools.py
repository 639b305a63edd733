"""``pair`` makes notebooks; ``serve`` shows the site."""

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


def _pair(root: Path, arguments: argparse.Namespace) -> int:
    """Make or compare the notebooks."""
    from ..pairs import pair

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
