"""Claims, answers and agreements as tables in markdown; the verdicts in three lines."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..experiments.updates import UpdatesRun
from ..store import RunRecord, manifest_text
from .agreement import Agreement
from .claims import Claim
from .decisions import Answer, mean_and_spread, plus_minus, tally
from .protocol import WIDTHS
from .statistics import TOLERANCE, Facts

EXPORT_BINS = 1_000  # linear bins of the authors' histograms


def count_words(answers: Sequence[Answer], noun: str = "") -> str:
    """Return how many say yes, and what the others say.

    >>> yes = Answer("?", "a", (1.0, 1.1, 1.2), bound=0)
    >>> no = Answer("?", "b", (-1.0, -1.1, -1.2), bound=0)
    >>> count_words([yes, yes]), count_words([yes, no], "settings")
    ('2 of 2', '1 of 2 settings (1 no)')
    """
    if not answers:
        return "none: its records are lacking"
    others = [answer for answer in answers if answer.word != "yes"]
    told = f"{len(answers) - len(others)} of {len(answers)} {noun}".rstrip()
    return f"{told} ({tally(others)})" if others else told


def claims_table(claims: Sequence[Claim]) -> str:
    """Return a table with a row for each claim: its verdict, and all it rests on."""
    rows = ["| Claim | Claimed, measured, compared |", "|---|---|"]
    for claim in claims:
        measured = (
            f"{question} **Yes in {count_words(claim.of(question))}**; "
            f"{_range(claim.of(question))}."
            for question in claim.questions
            if claim.of(question)
        )
        told = (
            f"*Claimed:* {claim.claimed}",
            f"*Measured:* {'<br>'.join(measured)}",
            f"*Test:* {claim.test}.",
            f"*Null:* {claim.null}.",
            f"*Published:* {claim.published}.",
        )
        word = f"**{claim.verdict}**<br>{tally(claim.answered)}"
        name = f"[{claim.name}](#{claim.figure})<br>{word}"
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
    lines = ["| Result | Quantity | Setting | Published | Ours | Allowed | Runs |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in rows:
        allowed = f"× {row.allowed:g}" if row.factor else f"± {row.allowed:g}"
        word = "agrees" if row.agrees else "**differs**"
        lines.append(
            f"| {word} | {row.quantity} | {row.setting} | {row.published:g} | "
            f"{_ours(row)} | {allowed} | {len(row.values)} |"
        )
    return "\n".join(lines)


def _ours(row: Agreement) -> str:
    if row.mean < 1e-3 and np.isfinite(row.spread):
        return f"{row.mean:.2g} ± {row.spread:.1g}"
    return plus_minus(row.mean, row.spread)


def say_widths(facts: Facts) -> str:
    """Say how far the exponent depends on the width of the network, and Adam's."""
    found = {w: facts[f"control: width {w}"]["alpha, late"] for w in WIDTHS}
    means = {width: np.mean(values) for width, values in found.items() if values}
    if not means:
        return "No record of a width is there."
    least, most = (pick(means, key=means.get) for pick in (min, max))
    more = means[most] - means[least] > TOLERANCE
    adam = facts["control: adam"]["alpha, late"]
    return (
        f"From {len(means)} widths the mean exponents lie between "
        f"{mean_and_spread(found[least])} and {mean_and_spread(found[most])}, "
        f"{'more' if more else 'less'} than the tolerance apart. Adam, whose steps are "
        f"bounded, has {mean_and_spread(adam)}, and hardly a tail."
    )


_IN_WORDS = {  # where a claim's name stands without the claim
    "More than unequal sizes": "Tails by more than unequal sizes of weights",
    "Waiting times": "Power-law waiting times",
    "Small displacements": "Exponential response to small displacements",
    "Large displacements": "Power-law response to large ones",
    "Driven by information": "Tails driven by information",
}


def summary(claims: Sequence[Claim]) -> tuple[str, str, str]:
    """Return the verdicts in three lines, every number counted."""
    by_name = {claim.name: claim for claim in claims}

    def said(name, *questions):
        claim = by_name[name]
        asked = [claim.questions[at] for at in questions]
        answers = [a for question in asked for a in claim.of(question)]
        return count_words(answers, "answers" if len(asked) > 1 else "settings")

    heavy, stable, unequal = "Heavy tails", "Stable exponent", "More than unequal sizes"
    waiting, large, product = (
        "Waiting times",
        "Large displacements",
        "Conserved product",
    )
    ways = len(by_name[stable].questions)
    return (
        _line(by_name, heavy, "Power law", stable, unequal)
        + "A power law is nearer than an exponential to the largest hundredth of all "
        f"updates in {said(heavy, 0)}, to the thousandth in {said(heavy, 1)}, to the "
        f"ten-thousandth in {said(heavy, 2)}, and to the thousandth of single layers, "
        f"as their median, in {said(heavy, 3)}. The exponent, read in {ways} ways, "
        f"changes by less than {TOLERANCE:g} from the first third of training to the "
        f"last in {said(stable, *range(ways))}. Large updates are more than twice as "
        "many as Gaussian steps would give, each weight with a size of its own, in "
        f"{said(unequal, 0)}.",
        _line(by_name, waiting, "Small displacements", large)
        + "The long waiting times of the MLP are burstier than the same times shuffled "
        f"within each weight in {said(waiting, 2)}; a power law is clearly nearer than "
        f"that in {said(waiting, 1)}. To the changes of the loss under large "
        "displacements of one weight a power law is nearer than an exponential with "
        f"the layers pooled in {said(large, 0)}, within layers in {said(large, 1)}.",
        _line(by_name, product, "Driven by information")
        + "The product of information and alignment spreads less than independent "
        f"smooth series in {said(product, 0)}, without the first windows in "
        f"{said(product, 1)}, and less than the information alone in "
        f"{said(product, 3)}.",
    )


def _line(claims: Mapping[str, Claim], *names: str) -> str:
    """Return verdicts that can be seen at a glance, with the counts they rest on."""
    return "".join(
        f"**{_IN_WORDS.get(name, name)}: {claims[name].verdict}** "
        f"({tally(claims[name].answered)}). "
        for name in names
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


def export_record(record: RunRecord, folder: Path) -> list[Path]:
    """Write the arrays of a record to a folder and return the paths.

    Parameters
    ----------
    record : RunRecord
    folder : Path
        Made if need be. Holds ``arrays.npz``, ``manifest.json``, and for a run of
        updates a pair of files for each window, ``_xbins.npy`` (centres of linear bins)
        and ``_nums.npy`` (fractions), as in the authors' repository. Their names begin
        with ``update_``, the network, and ``_window`` with its number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "arrays.npz", folder / "manifest.json"]
    np.savez_compressed(written[0], **record.arrays)
    written[1].write_text(manifest_text(record.manifest), encoding="utf-8")
    if record.kind == "updates":
        windows = UpdatesRun.of(record).updates
        for window in range(len(windows.stops)):
            stem = folder / f"update_{record.config['network']}_window{window}"
            windows.histogram(window=window).to_published(stem, EXPORT_BINS)
            written += [Path(f"{stem}_{part}.npy") for part in ("xbins", "nums")]
    return written
