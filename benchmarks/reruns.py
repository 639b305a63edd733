"""What it costs to run notebooks by this package, and what a second worker gains."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from netdyn_utils.pairing import pair

from .timing import Row, take_turns

ROOT = Path(__file__).resolve().parents[1]
# A run that keeps one core busy, as training does: products of small matrices.
BUSY = """# %% tags=["parameters"]
index: int = 0  # which of the runs; in [0, inf)

# %%
import time
import numpy as np

matrix, end = np.ones((60, 60)), time.process_time() + {seconds}
while time.process_time() < end:
    matrix @ matrix

# %%
from netdyn_utils.metrics import log_metrics

log_metrics(index=index)
"""


def book_of_one(folder: Path, seconds: float) -> Path:
    """Make a book of a single notebook and return its folder."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks" / "01_busy.py").write_text(BUSY.format(seconds=seconds))
    pair(folder / "notebooks")
    toc = {"root": "book/index", "chapters": [{"file": "notebooks/01_busy"}]}
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc))
    return folder


def call(*words: str, folder: Path = ROOT, code: int = 0) -> None:
    """Run a command of Python's, quietly, that ends with a code."""
    environment = {**os.environ, "NETDYN_RUNS": str(folder / "store")}
    command = [sys.executable, *words]
    run = subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True
    )
    if run.returncode != code:
        raise RuntimeError(f"{words} ended with {run.returncode}: {run.stderr[-300:]}")


def overhead(rounds: int = 5) -> list[Row]:
    """Measure the runner beside bare papermill, and what comes before a kernel."""
    with TemporaryDirectory() as place:
        folder = book_of_one(Path(place) / "book", 0)
        netdyn = ("-m", "netdyn_utils")
        bare = ("notebooks/01_busy.ipynb", "out.ipynb", "--cwd", "notebooks")
        ways = {
            "ours": (*netdyn, "run", "busy", "--out", "runs"),
            "papermill": ("-m", "papermill", *bare, "--no-progress-bar"),
            "parameters": (*netdyn, "run", "tails", "-p", "learning_rate=-1"),
            "help": (*netdyn, "--help"),
        }
        steps = {
            name: partial(call, *words, folder=folder) for name, words in ways.items()
        }
        # Of a chapter of this book, refused before anything starts.
        steps["parameters"] = partial(call, *ways["parameters"], folder=ROOT, code=2)
        seconds = take_turns(steps, block=1, rounds=rounds)
    gaps = [a - b for a, b in zip(seconds["ours"], seconds["papermill"], strict=True)]
    return [
        _row("a notebook by `run` − by bare papermill", gaps, 1.5),
        _row("refusing a wrong parameter", seconds["parameters"], 0.3),
        _row("`--help`", seconds["help"], 0.3),
    ]


def sweeps(rounds: int = 3, runs: int = 8, seconds: float = 6.0) -> list[Row]:
    """Measure a sweep on two workers of one thread against the same on one."""
    with TemporaryDirectory() as place:
        folder = book_of_one(Path(place) / "book", seconds)
        told = {"notebook": "busy", "grid": {"index": list(range(runs))}}
        (folder / "many.yaml").write_text(yaml.safe_dump(told))
        number = iter(range(1000))

        def sweep(workers: int) -> None:
            out = ("--out", f"runs{next(number)}", "--workers", str(workers))
            call("-m", "netdyn_utils", "sweep", "many.yaml", *out, folder=folder)

        ways = {"one": partial(sweep, 1), "two": partial(sweep, 2)}
        found = take_turns(ways, block=1, rounds=rounds)
    gains = [a / b for a, b in zip(found["one"], found["two"], strict=True)]
    name = f"a sweep of {runs} runs of {seconds:g} s, one worker / two"
    low, high = min(gains), max(gains)
    gain = statistics.median(gains)
    return [Row(name, gain, (low, high), at_most=1.8, more_is_better=True)]


def growth(counts: tuple[int, ...] = (8, 64, 256)) -> list[Row]:
    """Measure the time per run of sweeps of more and more runs that do nothing."""
    rows = []
    for runs in counts:
        with TemporaryDirectory() as place:
            folder = book_of_one(Path(place) / "book", 0)
            told = {"notebook": "busy", "grid": {"index": list(range(runs))}}
            (folder / "many.yaml").write_text(yaml.safe_dump(told))
            begun = time.perf_counter()
            call("-m", "netdyn_utils", "sweep", "many.yaml", folder=folder)
            each = (time.perf_counter() - begun) / runs
        name = f"a sweep of {runs} empty runs, seconds a run"
        rows.append(Row(name, each, (each, each), at_most=None, unit="s"))
    return rows


def measure() -> Iterator[Row]:
    """Measure all of it, and give each line as soon as it is there."""
    yield from overhead()
    yield from sweeps()
    yield from growth()


def _row(name: str, seconds: list[float], at_most: float) -> Row:
    low, middle, high = statistics.quantiles(seconds, n=4)
    return Row(name, middle, (low, high), at_most=at_most, unit="s")
