"""The replication study: its runs, their statistics, and the verdicts on the claims."""

from .claims import Claim, evaluate_claims
from .decisions import Answer, mean_and_spread, plus_minus, verdict
from .protocol import WIDTHS, StudyRun, record_status, study_runs
from .published_values import (
    CONVNET,
    TRANSFORMER,
    PaperComparison,
    compare_with_paper,
)
from .report import (
    claims_table,
    comparison_table,
    export_record,
    summary,
    write_summary,
)
from .statistics import (
    LAYERED_SETTINGS,
    MIN_TAIL_COUNT,
    TAIL_FRACTION,
    TESTED_SETTINGS,
    TOLERANCE,
    Study,
    equivalence_margin,
    fit_tail,
    fourth_moment,
    mixture_excess,
    read_study,
    study_statistics,
    summarize_tail,
    write_statistics,
)
from .verify import PASSING, verified_runs, verify_record
