"""Run notebooks with papermill: one, a book of them, or a sweep over parameters.

A reader's own ``papermill notebooks/01_training.ipynb out.ipynb -p steps 100`` and the
book's run are the same run. This room only runs several of them side by side, watches
time and memory, and reads from a notebook what it recorded or where it stopped.
"""

from .cache import cached, fingerprints, package_digest
from .manifests import edited_since, write_manifest
from .outcomes import CellError, NotebookRun
from .pages import lay_mathjax, write_page
from .processes import THREADS, run_all, run_notebook
from .watching import Bars, Lines, watch

__all__ = [
    "THREADS",
    "Bars",
    "CellError",
    "Lines",
    "NotebookRun",
    "cached",
    "edited_since",
    "fingerprints",
    "lay_mathjax",
    "package_digest",
    "run_all",
    "run_notebook",
    "watch",
    "write_manifest",
    "write_page",
]
