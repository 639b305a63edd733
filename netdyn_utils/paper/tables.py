"""Claims, answers and agreements as tables in markdown; the verdicts in three lines."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .agreement import Agreement
from .claim import Claim
from .facts import TOLERANCE
from .verdicts import Answer, plus_minus


def count_words(answers: Sequence[Answer]) -> str:
    """Return how many say yes, and what the others say.

    >>> yes = Answer("?", "a", (1.0, 1.1, 1.2), bound=0)
    >>> no = Answer("?", "b", (-1.0, -1.1, -1.2), bound=0)
    >>> count_words([yes, yes]), count_words([yes, no])
    ('2 of 2', '1 of 2 (1 no)')
    """
    words = [answer.word for answer in answers]
    others = [f"{words.count(w)} {w}" for w in ("no", "open") if w in words]
    told = f"{words.count('yes')} of {len(words)}"
    return f"{told} ({', '.join(others)})" if others else told


def claims_table(claims: Sequence[Claim]) -> str:
    """Return a table with a row for each claim: its verdict, and all it rests on."""
    rows = ["| Claim | Claimed, measured, compared |", "|---|---|"]
    for claim in claims:
        measured = (
            f"{question} **Yes in {count_words(claim.of(question))}**; "
            f"{_range(claim.of(question))}."
            for question in claim.questions
        )
        told = (
            f"*Claimed:* {claim.claimed}",
            f"*Measured:* {'<br>'.join(measured)}",
            f"*Test:* {claim.test}.",
            f"*Null:* {claim.null}.",
            f"*Published:* {claim.published}.",
        )
        name = f"[{claim.name}](#{claim.figure})<br>**{claim.verdict}**"
        rows.append(f"| {name} | {'<br>'.join(told)} |")
    return "\n".join(rows)


def _range(answers: Sequence[Answer]) -> str:
    low, high = (pick(answers, key=lambda a: a.mean) for pick in (min, max))
    ends = (plus_minus(a.mean, a.spread) for a in (low, high))
    runs = sorted({len(a.held) for a in answers})
    seeds = f"{runs[0]} to {runs[-1]}" if len(runs) > 1 else f"{runs[0]}"
    return f"means {' to '.join(ends)} over {seeds} seeds; bound {low.bound:g}"


def agreements_table(rows: Sequence[Agreement]) -> str:
    """Return a table of published numbers beside ours."""
    lines = ["| Quantity | Setting | Published | Ours | Allowed | Result | Runs |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in rows:
        allowed = f"× {row.allowed:g}" if row.factor else f"± {row.allowed:g}"
        word = "agrees" if row.agrees else "**differs**"
        lines.append(
            f"| {row.quantity} | {row.setting} | {row.published:g} | {_ours(row)} | "
            f"{allowed} | {word} | {len(row.values)} |"
        )
    return "\n".join(lines)


def _ours(row: Agreement) -> str:
    spread = row.spread
    if not np.isfinite(spread):
        return f"{row.mean:.3g}"
    if row.mean < 1e-3:
        return f"{row.mean:.2g} ± {spread:.1g}"
    return plus_minus(row.mean, spread)


def summary(claims: Sequence[Claim]) -> tuple[str, str, str]:
    """Return the verdicts in three lines, every number counted."""
    by_name = {claim.name: claim for claim in claims}

    def said(name, *questions):
        claim = by_name[name]
        asked = [claim.questions[at] for at in questions]
        return count_words([a for question in asked for a in claim.of(question)])

    word = {name: claim.verdict for name, claim in by_name.items()}
    return (
        f"**Heavy tails: {word['Heavy tails']}. Power law: {word['Power law']}. Stable "
        f"exponent: {word['Stable exponent']}.** A power law is nearer than an "
        "exponential to the largest hundredth of all updates in "
        f"{said('Heavy tails', 0)} settings, to the thousandth in "
        f"{said('Heavy tails', 1)}, to the ten-thousandth in "
        f"{said('Heavy tails', 2)}, and within layers in {said('Heavy tails', 3)}. The "
        f"exponent stays within {TOLERANCE:g} in {said('Stable exponent', 0, 1, 2)}.",
        f"**Power-law waiting times: {word['Waiting times']}. Exponential ruggedness "
        f"under small displacements: {word['Small displacements']}; power law under "
        f"large ones: {word['Large displacements']}.** The power law is clearly nearer "
        "than times shuffled weight by weight in "
        f"{said('Waiting times', 1)} settings. Under large displacements it is nearer "
        "than an exponential with the layers pooled in "
        f"{said('Large displacements', 0)}, within layers in "
        f"{said('Large displacements', 1)}.",
        f"**Conserved product: {word['Conserved product']}. Tails driven by "
        f"information: {word['Driven by information']}.** The product spreads less "
        f"than independent smooth series in {said('Conserved product', 0)} settings, "
        f"without the first windows in {said('Conserved product', 1)}, and less than "
        f"the information alone in {said('Conserved product', 3)}.",
    )


def write_summary(lines: Sequence[str], page: Path) -> None:
    """Put the three lines between a page's two marks.

    Raises
    ------
    ValueError
        If the page has no such marks.
    """
    text = page.read_text(encoding="utf-8")
    told = "\n".join(f"- {line}" for line in lines)
    pattern = re.compile(f"({re.escape(_BEGIN)}).*?({re.escape(_END)})", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{page} has no {_BEGIN} … {_END} to write between")
    page.write_text(pattern.sub(rf"\1\n{told}\n\2", text), encoding="utf-8")


_BEGIN, _END = "<!-- verdicts -->", "<!-- /verdicts -->"
