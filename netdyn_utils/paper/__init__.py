"""The runs of the study at the authors' size, and what they say to its claims."""

from .agreement import Agreement, agreements_of
from .claims import Claim, claims_of
from .curves import alpha_by_window, ratios_by_displacement, turning_point
from .exporting import export
from .facts import tail_facts
from .plan import PaperRun, paper_runs
from .quoted import CONVNET, TRANSFORMER
from .standing import Standing, standing
from .study import LAYERED, Study, facts_of, read_study
from .tables import agreements_table, answers_table, claims_table, summary
from .verdicts import Answer, plus_minus, verdict

__all__ = [
    "CONVNET",
    "LAYERED",
    "TRANSFORMER",
    "Agreement",
    "Answer",
    "Claim",
    "PaperRun",
    "Standing",
    "Study",
    "agreements_of",
    "agreements_table",
    "alpha_by_window",
    "answers_table",
    "claims_of",
    "claims_table",
    "export",
    "facts_of",
    "paper_runs",
    "plus_minus",
    "ratios_by_displacement",
    "read_study",
    "standing",
    "summary",
    "tail_facts",
    "turning_point",
    "verdict",
]
