"""The replication study: its runs, their statistics, and the verdicts on the claims."""

from .agreement import Agreement, agreements_of
from .claims import Claim, claims_of
from .decisions import Answer, mean_and_spread, plus_minus, verdict
from .protocol import StudyRun, record_status, study_runs
from .published_values import CONVNET, TRANSFORMER
from .report import (
    agreements_table,
    claims_table,
    export_record,
    say_widths,
    summary,
    write_summary,
)
from .statistics import (
    FEWEST,
    JUDGED,
    LARGEST,
    LAYERED,
    TOLERANCE,
    Study,
    allowance,
    alpha_by_window,
    facts_of,
    read_study,
    step_facts,
    tail_facts,
    write_statistics,
)
from .verify import (
    PASSING,
    Verification,
    is_cheap,
    is_slow,
    verified_runs,
    verify_record,
)

__all__ = [
    "CONVNET",
    "FEWEST",
    "JUDGED",
    "LARGEST",
    "LAYERED",
    "PASSING",
    "TOLERANCE",
    "TRANSFORMER",
    "Agreement",
    "Answer",
    "Claim",
    "Study",
    "StudyRun",
    "Verification",
    "agreements_of",
    "agreements_table",
    "allowance",
    "alpha_by_window",
    "claims_of",
    "claims_table",
    "export_record",
    "facts_of",
    "is_cheap",
    "is_slow",
    "mean_and_spread",
    "plus_minus",
    "read_study",
    "record_status",
    "say_widths",
    "step_facts",
    "study_runs",
    "summary",
    "tail_facts",
    "verdict",
    "verified_runs",
    "verify_record",
    "write_statistics",
    "write_summary",
]
