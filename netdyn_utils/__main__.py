"""Entry point of ``python -m netdyn_utils``."""

from .cli import cli

if __name__ == "__main__":
    cli(prog_name="python -m netdyn_utils")
