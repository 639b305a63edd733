"""The runs of the study at the authors' size: which they are, and how they stand."""

from .exporting import export
from .plan import PaperRun, paper_runs
from .standing import Standing, standing

__all__ = ["PaperRun", "Standing", "export", "paper_runs", "standing"]
