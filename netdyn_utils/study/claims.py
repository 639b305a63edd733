"""The claims of the paper as questions to the statistics, each with a verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .decisions import Answer, count_decisions, format_interval, plus_minus, verdict
from .protocol import RATES_AND_BATCHES
from .published_values import CONVNET, MLP, PRINTED_INTERVALS, TRANSFORMER
from .statistics import (
    BURN_IN,
    DELTAS,
    EPOCHS,
    LARGE_FRACTIONS,
    LAYERED_SETTINGS,
    LEARNING_SETTINGS,
    TAILS,
    TESTED_SETTINGS,
    TOLERANCE,
    Statistics,
    tested_parts,
)


@dataclass(frozen=True)
class Claim:
    """One claim of the paper, and the answers of each setting to its questions."""

    name: str
    statement: str  # of the paper
    answers: tuple[Answer, ...] = field(repr=False)
    test: str  # what is measured
    null: str  # what gives the same if the claim is wrong
    published: str
    figure: str  # name of the figure that shows it

    @property
    def answered(self) -> tuple[Answer, ...]:
        """Return the answers of settings that have runs."""
        return tuple(answer for answer in self.answers if answer.values)

    @property
    def verdict(self) -> str:
        """Return one of the four verdicts, or "no records"."""
        return verdict(self.answered) if self.answered else "no records"

    def of(self, question: str) -> tuple[Answer, ...]:
        """Return the answers of settings that have runs to one question."""
        return tuple(a for a in self.answered if a.question == question)

    @property
    def questions(self) -> tuple[str, ...]:
        """Return the questions, each once."""
        return tuple(dict.fromkeys(answer.question for answer in self.answers))

    def _repr_markdown_(self) -> str:
        """Return the verdict and, folded, a table of settings for each question."""
        summary = f"{self.verdict.capitalize()} ({count_decisions(self.answered)})"
        parts = [f"{self.statement} **{summary}.**"]
        parts += ["<details><summary>Answers, setting by setting</summary>"]
        for question in self.questions:
            if not (answers := self.of(question)):
                parts += [f"{question} There is no record of it."]
                continue
            rule = f"(Yes {answers[0].alternative} {answers[0].bound:g}.)"
            rows = []
            for answer in answers:
                mean = plus_minus(answer.mean, answer.spread)
                ends = format_interval(answer.interval, answer.spread, answer.bound)
                runs = len(answer.values)
                rows.append((answer.setting, answer.decision, mean, ends, runs))
            columns = "Setting", "Answer", "Mean ± spread", "95 % of the mean", "Runs"
            parts += [f"{question} {rule}", markdown_table(columns, rows)]
        return "\n\n".join([*parts, "</details>"])


def markdown_table(columns: Sequence[str], rows: Iterable[Iterable]) -> str:
    """Return a table in markdown."""
    lines = [f"| {' | '.join(map(str, cells))} |" for cells in (columns, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(columns)}", *lines[1:]])


def evaluate_claims(statistics: Statistics) -> tuple[Claim, ...]:
    """Return the claims with their answers, from `study_statistics`."""
    claims = []
    for name, statement, questions, *rest in CLAIMS:
        answers = []
        for text, (rows, statistic, alternative, bound) in questions.items():
            for row, setting in rows.items():
                key = statistic.format(part=row.rpartition("; ")[2])
                values = statistics[setting][key]
                answers.append(Answer(text, row, values, bound, alternative))
        claims.append(Claim(name, statement, tuple(answers), *rest))
    return tuple(claims)


# Rows of the answers to a question, each with its setting.
NETWORKS = {setting: setting for setting in TESTED_SETTINGS}
PARTS = {f"{s}; {part}": s for s in TESTED_SETTINGS for part in tested_parts(s)}
LAYERED = {setting: setting for setting in LAYERED_SETTINGS}
CONTROLS = {f"{s.removeprefix('control: ')}; late": s for s in LEARNING_SETTINGS[1:]}
SERIES = {
    f"rate {rate:g}, batch {batch}": f"information, rate {rate:g}, batch {batch}"
    for rate, batch in RATES_AND_BATCHES
}
INTERVALS = {
    f"mlp, rate {rate}, top {f:.1%}": f"intervals of mlp, rate {rate}, {f:.1%}"
    for rate in (0.1, 0.01)
    for f in LARGE_FRACTIONS
}
SMALL, LARGE = (
    {
        f"δ = {d:+g}, epoch {e}".replace("-", "−"): f"landscape, epoch {e}, {d:+g}"
        for e in EPOCHS
        for d in deltas
    }
    for deltas in (DELTAS[:2], DELTAS[2:])
)


def _ask(rows, statistic, **rule):
    """Return a question: rows, statistic, side of the bound that means yes, bound."""
    return rows, statistic, *rule.popitem()


def _by_line(values) -> str:
    """Return the published exponents by a line, least to most."""
    exponents = sorted(found["alpha_ols"] for found in values.values())
    return f"{exponents[0]:.2f} to {exponents[-1]:.2f}"


def _early_and_late(values) -> str:
    return f"{values['early']['alpha_ols']} then {values['late']['alpha_ols']}"


def _pooled_and_within(settings, better, worse, **rule):
    """Ask which of two distributions fits the changes of the loss better."""
    return {
        f"Does {better} fit better than {worse}, all layers together?": _ask(
            settings, "llr_pooled", **rule
        ),
        "And within the layers, on their mean?": _ask(
            settings, "llr_within_layers", **rule
        ),
    }


CLAIMS = (  # name, statement, questions, test, null, published, figure
    (
        "Heavy tails",
        "The sizes of updates are heavy-tailed in all three networks.",
        {
            f"Largest {tail}: does a power law fit better than an exponential?": _ask(
                PARTS, f"llr_vs_exponential, {{part}}, {tail}", above=0.0
            )
            for tail in TAILS
        }
        | {
            "Largest thousandth of each layer: does it fit better, as the median over "
            "layers?": _ask(
                LAYERED, "llr_vs_exponential, median over layers", above=0.0
            )
        },
        "ln L of the power law less that of the exponential, nats per update",
        "an exponential tail",
        f"exponents by a line: {_by_line(MLP)} (MLP), {_by_line(CONVNET)} (CNN), "
        f"{_by_line(TRANSFORMER)} (transformer)",
        "fig-rivals",
    ),
    (
        "Power law",
        "The tail follows a power law.",
        {
            f"Largest {tail}: is the margin of every alternative below one?": _ask(
                PARTS, f"margin, {{part}}, {tail}", below=1.0
            )
            for tail in TAILS
        }
        | {
            "Largest thousandth of each layer: is it below one, as the median over "
            "layers?": _ask(LAYERED, "margin, median over layers", below=1.0)
        },
        "margin of the best of exponential, stretched exponential, log-normal and "
        "power law with cutoff over the power law, in equivalence margins",
        "any steep density, which looks straight for a decade",
        "no alternative was tried",
        "fig-leads",
    ),
    (
        "Stable exponent",
        "The exponent stays the same while the loss falls.",
        {
            "The exponent of the largest thousandth: within the tolerance?": _ask(
                NETWORKS, "change of alpha", within=TOLERANCE
            ),
            "That of a straight line through equal bins, as in the paper?": _ask(
                NETWORKS, "change of alpha_ols", within=TOLERANCE
            ),
            "That of these bins by likelihood above an estimated xmin?": _ask(
                NETWORKS, "change of alpha_mle", within=TOLERANCE
            ),
        },
        "change from the first third of training to the last",
        "a tail that changes its shape",
        f"MLP {_early_and_late(MLP)}, CNN {_early_and_late(CONVNET)}, by a line",
        "fig-stable",
    ),
    (
        "More than unequal sizes",
        "Heavy tails come from the dynamics of single weights (not said, but implied).",
        {
            "All weights: more than twice as many large updates as the null "
            "gives?": _ask(NETWORKS, "excess", above=1.0),  # doublings
            "Each layer: more than twice as many, as the median over layers?": _ask(
                LAYERED, "excess, median over layers", above=1.0
            ),
            "Is the fourth moment above that of the null?": _ask(
                NETWORKS, "fourth_moment", above=1.0
            ),
        },
        "largest thousandth over what the null gives there, last window, in doublings; "
        "fourth moment over that of the null",
        "Gaussian steps, each weight with its own variance in the window",
        "not tried",
        "fig-mixture",
    ),
    (
        "Driven by information",
        "Heavy tails arise because updates take up information.",
        {
            f"Is the exponent higher by more than {TOLERANCE:g} when labels or inputs "
            "carry no information?": _ask(
                CONTROLS, "alpha above unchanged", above=TOLERANCE
            ),
            "Does an exponential fit better then?": _ask(
                CONTROLS, "llr_vs_exponential, late, thousandth", below=0.0
            ),
        },
        "exponent of the control less that of the same seed as it is; ln L of the "
        "power law less that of the exponential",
        "the same network and steps on shuffled labels, and on noise with the spectrum "
        "of the images",
        "not tried",
        "fig-controls",
    ),
    (
        "Waiting times",
        "Intervals between large updates follow a power law.",
        {
            "Is the margin of every alternative below one?": _ask(
                INTERVALS, "margin", below=1.0
            ),
            "Is the margin over shuffled times above one?": _ask(
                INTERVALS, "llr_vs_shuffled", above=1.0
            ),
            "Are the times burstier than shuffled ones?": _ask(
                INTERVALS, "burstiness_excess", above=0.0
            ),
        },
        "longest hundredth; margin of the best of geometric, log-normal and power law "
        "with cutoff over the power law; margin of the power law over the null; "
        "burstiness less the null's",
        "each weight's times shuffled: unequal rates, no memory",
        f"exponents {PRINTED_INTERVALS['MLP']} (MLP) and {PRINTED_INTERVALS['CNN']} "
        "(CNN), by a line",
        "fig-waiting",
    ),
    (
        "Small displacements",
        "Under small displacements of one weight the loss changes exponentially.",
        _pooled_and_within(SMALL, "an exponential", "a power law", below=0.0),
        "larger half; ln p of the power law less that of the exponential, nats per "
        "weight; no other law is tried",
        "a power law",
        "exponential, by eye on semi-logarithmic axes",
        "fig-turn",
    ),
    (
        "Large displacements",
        "Under large displacements the changes of the loss follow a power law.",
        _pooled_and_within(LARGE, "a power law", "an exponential", above=0.0),
        "the same numbers",
        "layers of different size, each with an exponential of its own",
        "power law, by eye on doubly logarithmic axes",
        "fig-pooled",
    ),
    (
        "Conserved product",
        "Information times alignment, $I\\beta^*$, is conserved between windows.",
        {
            "Does the product spread less than independent smooth series?": _ask(
                SERIES, "spread_vs_null", below=1.0
            ),
            f"And without the first {BURN_IN} windows?": _ask(
                SERIES, "spread_vs_null, after burn-in", below=1.0
            ),
            "Does it spread less than the alignment alone?": _ask(
                SERIES, "spread_vs_alignment", below=1.0
            ),
            "Does it spread less than the information alone?": _ask(
                SERIES, "spread_vs_information", below=1.0
            ),
        },
        "relative spread of the product, over that of the null, and over those of its "
        "parts",
        "independent autoregressive series for both, as smooth as those seen",
        "points near the diagonal, by eye",
        "fig-conserved",
    ),
)
