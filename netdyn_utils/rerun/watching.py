"""What a person sees while notebooks run: live lines, or plain ones in a log."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Protocol

from tqdm import tqdm

from ..notebook_params import Job
from .outcomes import NotebookRun


class Watch(Protocol):
    """Told of each run as it starts, moves on and ends."""

    def started(self, job: Job) -> None:
        """A notebook starts."""

    def moved(self, job: Job, done: int, cells: int) -> None:
        """It has ended so many of its cells."""

    def ended(self, job: Job, run: NotebookRun) -> None:
        """It is over."""


class Lines:
    """A plain line for each start and each end.

    Parameters
    ----------
    write : callable
        Takes a line.
    """

    def __init__(self, write: Callable[[str], object]):
        self._write = write

    def started(self, job: Job) -> None:
        """Write that a notebook starts."""
        self._write(f"{job.name}: started")

    def moved(self, job: Job, done: int, cells: int) -> None:
        """Write nothing: a log is read afterwards."""

    def ended(self, _job: Job, run: NotebookRun) -> None:
        """Write how it went."""
        self._write(str(run))


class Bars:
    """One live line for each notebook at work: cells ended, and for how long."""

    def __init__(self):
        self._bars = {}

    def started(self, job: Job) -> None:
        """Open a line."""
        self._bars[id(job)] = tqdm(
            desc=job.name,
            total=0,
            unit=" cells",
            leave=False,
            bar_format="{desc}: cell {n_fmt}/{total_fmt}, {elapsed}",
        )

    def moved(self, job: Job, done: int, cells: int) -> None:
        """Move its line on."""
        bar = self._bars[id(job)]
        bar.n, bar.total = done, cells
        bar.refresh()

    def ended(self, job: Job, run: NotebookRun) -> None:
        """Close its line and leave how it went."""
        self._bars.pop(id(job)).close()
        tqdm.write(str(run))


def watch() -> Watch:
    """Return live lines where somebody watches, plain ones elsewhere."""
    if sys.stderr.isatty() and sys.stdout.isatty():
        return Bars()
    return Lines(partial(print, flush=True))
