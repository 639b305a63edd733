"""``python -m netdyn_utils``; see `cli`."""

import sys

from .cli import cli

if __name__ == "__main__":
    try:
        cli(prog_name="python -m netdyn_utils")
    except ModuleNotFoundError as error:
        sys.exit(f"{error}: `make setup` gets it, or pip install 'netdyn[book,sweep]'")
