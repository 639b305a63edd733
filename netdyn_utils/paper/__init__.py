"""The runs of the study at the authors' size: which they are, and how they stand."""

from .checking import GOOD, Check, checked_runs, is_cheap, is_slow, recheck
from .exporting import export
from .plan import PaperRun, paper_runs
from .standing import Standing, standing

__all__ = [
    "GOOD",
    "Check",
    "PaperRun",
    "Standing",
    "checked_runs",
    "export",
    "is_cheap",
    "is_slow",
    "paper_runs",
    "recheck",
    "standing",
]
