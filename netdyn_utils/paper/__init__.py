"""The runs of the study at the authors' size, and what they say to its claims."""

from .agreement import Agreement, agreements_of
from .checking import GOOD, Check, checked_runs, is_cheap, is_slow, recheck
from .claim import Claim
from .claims import claims_of
from .curves import alpha_by_window
from .exporting import export
from .facts import FEWEST, LARGEST, TOLERANCE, allowance, tail_facts
from .plan import PaperRun, paper_runs
from .quoted import CONVNET, TRANSFORMER
from .standing import Standing, standing
from .steps import step_facts
from .study import JUDGED, LAYERED, Study, facts_of, read_study
from .tables import (
    agreements_table,
    claims_table,
    summary,
    write_summary,
)
from .verdicts import Answer, plus_minus, verdict

__all__ = [
    "CONVNET",
    "FEWEST",
    "GOOD",
    "JUDGED",
    "LARGEST",
    "LAYERED",
    "TOLERANCE",
    "TRANSFORMER",
    "Agreement",
    "Answer",
    "Check",
    "Claim",
    "PaperRun",
    "Standing",
    "Study",
    "agreements_of",
    "agreements_table",
    "allowance",
    "alpha_by_window",
    "checked_runs",
    "claims_of",
    "claims_table",
    "export",
    "facts_of",
    "is_cheap",
    "is_slow",
    "paper_runs",
    "plus_minus",
    "read_study",
    "recheck",
    "standing",
    "step_facts",
    "summary",
    "tail_facts",
    "verdict",
    "write_summary",
]
