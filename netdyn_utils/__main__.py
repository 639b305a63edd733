"""The command line: ``python -m netdyn_utils book --profile quick``.

Exit codes: 1 when the work failed (a notebook, the site, a pair), 2 when what was asked
for does not exist. A reader's mistake is answered by a sentence, never by a traceback.
"""

import argparse
import sys

from .commands import book, results, run, sweep, tools
from .commands.common import Refused, find_root


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m netdyn_utils",
        description="Make, check and serve the book; run its notebooks.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (book, run, sweep, results, tools):
        module.add(commands)
    arguments = parser.parse_args(argv)
    try:
        return arguments.run(find_root(), arguments)
    except Refused as refusal:
        for line in str(refusal).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our lines, `head` say, has gone
        sys.stdout = None
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    for stream in (
        sys.stdout,
        sys.stderr,
    ):  # a name must not break the line that tells it
        stream.reconfigure(errors="backslashreplace")
    sys.exit(main())
