"""Papermill's own command, ended when whoever started it is gone.

A runner that is killed cannot end what it has started. So papermill watches for its
parent, as kernels do for papermill, and nothing goes on computing for nobody.
"""

import os
import signal
import threading
import time

from papermill.cli import papermill

PARENT = "NETDYN_PARENT"  # who started us may be gone before we can ask
_LOOK = 1.0  # s


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10 * _LOOK)  # time to save the partial notebook
    os._exit(1)


if __name__ == "__main__":
    parent = int(os.environ.get(PARENT, os.getppid()))
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    papermill(prog_name="papermill")
