"""Claims, answers and agreements as tables in markdown; the verdicts in three lines."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .agreement import Agreement
from .claim import Claim
from .verdicts import Answer, plus_minus


def count_words(answers: Sequence[Answer]) -> str:
    """Return how often each word was said.

    >>> yes = Answer("?", "a", (1.0, 1.1, 1.2), bound=0)
    >>> count_words([yes, yes])
    'yes 2 of 2'
    """
    words = [answer.word for answer in answers]
    told = [f"{word} {words.count(word)}" for word in ("yes", "no", "open")]
    return ", ".join(t for t in told if not t.endswith(" 0")) + f" of {len(words)}"


def claims_table(claims: Sequence[Claim]) -> str:
    """Return a table with a row for each claim: its verdict, and all it rests on."""
    rows = ["| Claim | Claimed, measured, compared |", "|---|---|"]
    for claim in claims:
        measured = (
            f"{question} **{count_words(claim.of(question))}** "
            f"({_range(claim.of(question))})"
            for question in claim.questions
        )
        told = (
            f"*Claimed:* {claim.claimed}",
            f"*Measured:* {' '.join(measured)}",
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
    lines = ["| Quantity | Setting | Published | Ours | Runs | Allowed | |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in rows:
        allowed = f"× {row.allowed:g}" if row.factor else f"± {row.allowed:g}"
        word = "agrees" if row.agrees else "**differs**"
        lines.append(
            f"| {row.quantity} | {row.setting} | {row.published:g} | {_ours(row)} | "
            f"{len(row.values)} | {allowed} | {word} |"
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

    def said(name, question=0):
        claim = by_name[name]
        answers = claim.of(claim.questions[question])
        return f"{sum(a.word == 'yes' for a in answers)} of {len(answers)}"

    word = {name: claim.verdict for name, claim in by_name.items()}
    return (
        f"**Heavy tails: {word['Heavy tails']}. Stable exponent: "
        f"{word['Stable exponent']}.** The largest updates are nearer to a power law "
        f"than to an exponential in {said('Heavy tails')} settings. With all weights "
        f"pooled no rival is clearly nearer in {said('Power law')}, within layers in "
        f"{said('Power law', 1)}. Gaussian steps of unequal size leave more than half "
        f"of them unexplained in {said('More than unequal sizes')}.",
        f"**Power-law waiting times: {word['Waiting times']}. Exponential ruggedness "
        f"under small displacements: {word['Small displacements']}; power law under "
        f"large ones: {word['Large displacements']}.** Times shuffled weight by weight "
        f"are beaten in {said('Waiting times', 1)} settings; large displacements give "
        f"a power law in {said('Large displacements')} with the layers pooled, in "
        f"{said('Large displacements', 1)} within them.",
        f"**Conserved product: {word['Conserved product']}. Tails driven by "
        f"information: {word['Driven by information']}.** The product spreads less "
        f"than independent smooth series in {said('Conserved product')} settings, and "
        f"less than the information alone in {said('Conserved product', 1)}.",
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
