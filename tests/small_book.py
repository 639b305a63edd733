"""A book of tiny notebooks, and a look at processes: what several tests share."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import yaml

from netdyn_utils.pairing import pair

REPOSITORY = Path(__file__).resolve().parents[1]
COMMAND = (sys.executable, "-m", "netdyn_utils")
TINY = """# %% tags=["parameters"]
steps: int = 3  # of nothing; in [1, inf)
rate: float = 0.1  # of learning; in (0, 1]
word: str = "a"  # any
digits: list[int] = [3, 8]  # kept; in [0, 9]
flag: bool = False
mode: str = "fast"  # in {fast, slow}
path: str = ""  # of a file

# %%
import time
if mode == "slow":
    time.sleep(2)
square = steps**2
1 / (steps != 13)

# %%
from netdyn_utils.metrics import log_metrics
text = open(path).read() if path else ""
record(square=square, rate=rate, word=word, text=text)
"""


def make_book(root: Path, **texts: str) -> Path:
    """Make a book of the notebooks given as text by name; return its folder."""
    notebooks = root / "notebooks"
    (notebooks / "params").mkdir(parents=True)
    (notebooks / "params" / "quick.yaml").write_text("{}")
    for name, text in texts.items():
        (notebooks / f"{name}.py").write_text(text)
    pair(notebooks)
    chapters = [{"file": f"notebooks/{name}"} for name in texts]
    toc = {"root": "book/index", "chapters": chapters}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))
    return root


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment, with the package that is being tested."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), **more}


def start(root: Path, *words: str, **options):
    """Start a command of the package in a book, as a process of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    options = {"env": environment(), "cwd": root, **pipes, **options}
    return subprocess.Popen([*COMMAND, *map(str, words)], **options)


def wait_for(condition, seconds: float = 120):
    """Wait until a condition holds, and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.05)
    return found


def alive(pids) -> list[int]:
    """Return those that still run; a zombie, whom nobody asked yet, does not."""
    found = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            continue
    return found
