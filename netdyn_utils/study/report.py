"""Tables of claims and comparisons, the verdicts in three lines, export of records."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..experiments.updates import UpdatesRun
from ..store import RunRecord, manifest_text
from .claims import Claim, markdown_table
from .decisions import Answer, count_decisions, plus_minus, standard_deviation
from .published_values import PaperComparison
from .statistics import TOLERANCE

EXPORT_BINS = 1_000  # linear bins of the authors' histograms
BEGIN, END = "<!-- verdicts -->", "<!-- /verdicts -->"
TITLES = {  # of claims in the summary
    "More than unequal sizes": "Tails by more than unequal sizes of weights",
    "Waiting times": "Power-law waiting times",
    "Small displacements": "Exponential response to small displacements",
    "Large displacements": "Power-law response to large ones",
    "Driven by information": "Tails driven by information",
}


def claims_table(claims: Sequence[Claim]) -> str:
    """Return a table with a row for each claim: its verdict and the evidence."""
    rows = []
    for claim in claims:
        measured = (
            f"{question} **Yes in {count_yes(answers)}**; {_range_of_means(answers)}."
            for question in claim.questions
            if (answers := claim.of(question))
        )
        text = (
            f"*Claimed:* {claim.statement}",
            f"*Measured:* {'<br>'.join(measured)}",
            f"*Test:* {claim.test}.",
            f"*Null:* {claim.null}.",
            f"*Published:* {claim.published}.",
        )
        counts = count_decisions(claim.answered)
        name = f"[{claim.name}](#{claim.figure})<br>**{claim.verdict}**<br>{counts}"
        rows.append((name, "<br>".join(text)))
    return markdown_table(("Claim", "Claimed, measured, compared"), rows)


def count_yes(answers: Sequence[Answer], noun: str = "") -> str:
    """Return how many answers are yes, and what the others are.

    >>> yes = Answer("?", "a", (1.0, 1.1, 1.2), bound=0)
    >>> no = Answer("?", "b", (-1.0, -1.1, -1.2), bound=0)
    >>> count_yes([yes, yes]), count_yes([yes, no], "settings")
    ('2 of 2', '1 of 2 settings (1 no)')
    """
    if not answers:
        return "none: its records are not available"
    others = [answer for answer in answers if answer.decision != "yes"]
    text = f"{len(answers) - len(others)} of {len(answers)} {noun}".rstrip()
    return f"{text} ({count_decisions(others)})" if others else text


def _range_of_means(answers: Sequence[Answer]) -> str:
    ends = [pick(answers, key=lambda a: a.mean) for pick in (min, max)]
    means = " to ".join(plus_minus(a.mean, a.spread) for a in ends)
    runs = sorted({len(a.values) for a in answers})
    seeds = " to ".join(str(n) for n in dict.fromkeys((runs[0], runs[-1])))
    return f"means {means} over {seeds} seeds; bound {answers[0].bound:g}"


def comparison_table(rows: Sequence[PaperComparison]) -> str:
    """Return a table of published numbers and ours."""
    columns = "Result", "Quantity", "Setting", "Published", "Ours", "Allowed", "Runs"
    cells = []
    for row in rows:
        mean, spread = np.mean(row.values), standard_deviation(row.values)
        ours = plus_minus(mean, spread)
        if mean < 1e-3 and len(row.values) > 1:
            ours = f"{mean:.2g} ± {spread:.1g}"
        result = "agrees" if row.agrees else "**differs**"
        allowed = f"{'×' if row.is_ratio else '±'} {row.allowed:g}"
        ours = f"{row.published:g}", ours, allowed, len(row.values)
        cells.append((result, row.quantity, row.setting, *ours))
    return markdown_table(columns, cells)


def summary(claims: Sequence[Claim]) -> tuple[str, str, str]:
    """Return the verdicts in three lines, every number counted."""
    by_name = {claim.name: claim for claim in claims}

    def verdicts(*names):
        return " ".join(
            f"**{TITLES.get(name, name)}: {by_name[name].verdict}** "
            f"({count_decisions(by_name[name].answered)})."
            for name in names
        )

    def yes(name, *questions):
        claim = by_name[name]
        texts = [claim.questions[at] for at in questions]
        answers = [answer for text in texts for answer in claim.of(text)]
        return count_yes(answers, "answers" if len(texts) > 1 else "settings")

    heavy, stable, unequal = "Heavy tails", "Stable exponent", "More than unequal sizes"
    waiting, product = "Waiting times", "Conserved product"
    large = "Large displacements"
    ways = len(by_name[stable].questions)
    return (
        f"{verdicts(heavy, 'Power law', stable, unequal)} "
        "A power law fits the largest hundredth of all updates better than an "
        f"exponential does in {yes(heavy, 0)}, the thousandth in {yes(heavy, 1)}, "
        f"the ten-thousandth in {yes(heavy, 2)}, and the thousandth of single layers "
        f"(their median) in {yes(heavy, 3)}. The exponent, estimated in {ways} ways, "
        f"changes by less than {TOLERANCE:g} from the first third of training to the "
        f"last in {yes(stable, *range(ways))}. Large updates are more than twice as "
        "many as Gaussian steps of unequal size, one size per weight, would give in "
        f"{yes(unequal, 0)}.",
        f"{verdicts(waiting, 'Small displacements', large)} "
        "The long waiting times of the MLP are burstier than the same times shuffled "
        f"within each weight in {yes(waiting, 2)}; a power law fits clearly better "
        f"than these in {yes(waiting, 1)}. A power law fits the changes of the loss "
        "under large displacements of one weight better than an exponential does in "
        f"{yes(large, 0)} with the layers pooled, in {yes(large, 1)} within layers.",
        f"{verdicts(product, 'Driven by information')} "
        "The product of information and alignment spreads less than independent "
        f"smooth series in {yes(product, 0)}, without the first windows in "
        f"{yes(product, 1)}, and less than the information alone in "
        f"{yes(product, 3)}.",
    )


def write_summary(lines: Sequence[str], page: Path) -> None:
    """Write the lines between a page's two marks; ValueError if it has none."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{page} has no {BEGIN} … {END} to write between")
    items = "".join(f"- {line}\n" for line in lines)
    page.write_text(f"{before}{begin}\n{items}{end}{after}", encoding="utf-8")


def export_record(record: RunRecord, folder: Path) -> list[Path]:
    """Write arrays, manifest and, of updates, a pair as published for each window."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "arrays.npz", folder / "manifest.json"]
    np.savez_compressed(paths[0], **record.arrays)
    paths[1].write_text(manifest_text(record.manifest), encoding="utf-8")
    if record.kind == "updates":
        updates = UpdatesRun.of(record).updates
        for window in range(len(updates.stops)):
            stem = folder / f"update_{record.config['network']}_window{window}"
            paths += updates.histogram(window=window).to_published(stem, EXPORT_BINS)
    return paths
