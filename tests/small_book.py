"""A book of tiny notebooks, and a look at processes: what the fault tests share."""

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

# %%
import time
if mode == "slow":
    time.sleep(1)
square = steps**2
1 / (steps != 13)

# %%
from netdyn_utils.recorded import record
record(square=square, rate=rate, word=word)
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


def start(root: Path, *words: str, before: tuple[str, ...] = (), **options):
    """Start a command of the package in a book, as a process of its own."""
    options.setdefault("env", environment())
    return subprocess.Popen(
        [*before, *COMMAND, *map(str, words)],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def wait_for(condition, seconds: float = 60):
    """Wait until a condition holds, and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.05)
    return found


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all that it has started, as far as they live."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def alive(processes) -> list[psutil.Process]:
    """Return those that still run; a zombie, whom nobody asked yet, does not."""
    found = []
    for process in processes:
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.is_running():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def told(text: str) -> str:
    """Return what a program said, which must not be a traceback."""
    assert "Traceback" not in text, text
    return text
