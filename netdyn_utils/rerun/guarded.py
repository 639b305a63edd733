"""Papermill's own command, ended with all it started when it is over or left alone.

A runner that is killed cannot end what it has started. So papermill watches for its
parent, as kernels do for papermill, and nothing goes on computing for nobody. What a
notebook leaves running when it ends is ended too.
"""

import ctypes
import os
import sys
import threading
import time
from contextlib import suppress

import psutil
from papermill.cli import papermill

PARENT = "NETDYN_PARENT"  # who started us may be gone before we can ask
_LOOK = 1.0  # s
_ADOPT = 36  # Linux's PR_SET_CHILD_SUBREAPER


def _adopt_orphans() -> None:
    """Make the children of what we started ours, should their own parents end."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_ADOPT, 1, 0, 0, 0)


def _end_children() -> None:
    while children := psutil.Process().children(recursive=True):
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        _, stay = psutil.wait_procs(children, timeout=_LOOK)
        if stay:  # in the hands of the system: a disk that does not answer
            return


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    _end_children()  # papermill finds its kernel dead, saves what there is, and ends
    time.sleep(10 * _LOOK)
    _end_children()
    os._exit(1)


if __name__ == "__main__":
    parent = int(os.environ.get(PARENT, os.getppid()))
    _adopt_orphans()
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    try:
        papermill(prog_name="papermill")
    finally:
        _end_children()
