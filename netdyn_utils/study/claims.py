"""The claims of the paper as questions to the statistics, each with a verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .decisions import (
    Answer,
    count_decisions,
    format_interval,
    plus_minus,
    verdict,
)
from .protocol import INFORMATION
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
    null: str  # what would give the same without the claim
    published: str
    figure: str  # name of the figure that shows it

    @property
    def answered(self) -> tuple[Answer, ...]:
        """Return the answers that rest on a run."""
        return tuple(answer for answer in self.answers if answer.values)

    @property
    def verdict(self) -> str:
        """Return one of the four verdicts; "no records" without any."""
        return verdict(self.answered) if self.answered else "no records"

    def of(self, question: str) -> tuple[Answer, ...]:
        """Return the answers to one question that rest on a run."""
        return tuple(a for a in self.answered if a.question == question)

    @property
    def questions(self) -> tuple[str, ...]:
        """Return the questions, each once."""
        return tuple(dict.fromkeys(answer.question for answer in self.answers))

    def _repr_markdown_(self) -> str:
        """Return the verdict, and folded a table for each question, a row a setting."""
        summary = f"{self.verdict.capitalize()} ({count_decisions(self.answered)})"
        parts = [f"{self.statement} **{summary}.**"]
        parts += ["<details><summary>Answers, setting by setting</summary>"]
        for question in self.questions:
            if not (answers := self.of(question)):
                parts += [f"{question} There is no record of it."]
                continue
            rule = f"(Yes {answers[0].alternative} {answers[0].bound:g}.)"
            rows = (
                (
                    answer.setting,
                    answer.decision,
                    plus_minus(answer.mean, answer.spread),
                    format_interval(answer.interval, answer.spread, answer.bound),
                    len(answer.values),
                )
                for answer in answers
            )
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
        answers = tuple(
            Answer(text, row, statistics[setting][statistic], bound, alternative)
            for text, (cases, rule) in questions.items()
            for alternative, bound in rule.items()
            for row, (setting, statistic) in cases.items()
        )
        claims.append(Claim(name, statement, answers, *rest))
    return tuple(claims)


# A question: the row of each of its answers, with its setting and statistic; and the
# bound, named by the side that means yes.


def _tails(name, tail, **rule):
    cases = {
        f"{setting}; {part}": (setting, f"{name}, {part}, {tail}")
        for setting in TESTED_SETTINGS
        for part in tested_parts(setting)
    }
    return cases, rule


def _layers(name, **rule):
    return {s: (s, f"{name}, median over layers") for s in LAYERED_SETTINGS}, rule


def _networks(name, **rule):
    return {setting: (setting, name) for setting in TESTED_SETTINGS}, rule


def _controls(name, **rule):
    controls = (setting.removeprefix("control: ") for setting in LEARNING_SETTINGS[1:])
    return {f"{each}; late": (f"control: {each}", name) for each in controls}, rule


def _intervals(name, **rule):
    rows = (f"rate {r}, top {f:.1%}" for r in (0.1, 0.01) for f in LARGE_FRACTIONS)
    return {
        f"mlp, {row}": (f"intervals of mlp, {row.replace('top ', '')}", name)
        for row in rows
    }, rule


def _displacements(name, deltas, **rule):
    settings = (f"epoch {epoch}, {d:+g}" for epoch in EPOCHS for d in deltas)
    rows = (
        f"δ = {d:+g}, epoch {epoch}".replace("-", "−")
        for epoch in EPOCHS
        for d in deltas
    )
    cases = ((f"landscape, {setting}", name) for setting in settings)
    return dict(zip(rows, cases, strict=True)), rule


def _information(name, **rule):
    settings = (f"rate {rate:g}, batch {batch}" for rate, batch in INFORMATION)
    return {setting: (f"information, {setting}", name) for setting in settings}, rule


def _by_line(values) -> str:
    """Return the published exponents by a line, least to most."""
    exponents = sorted(found["alpha_ols"] for found in values.values())
    return f"{exponents[0]:.2f} to {exponents[-1]:.2f}"


def _early_and_late(values) -> str:
    return f"{values['early']['alpha_ols']} then {values['late']['alpha_ols']}"


SMALL, LARGE = DELTAS[:2], DELTAS[2:]
CLAIMS = (  # name, statement, questions, test, null, published, figure
    (
        "Heavy tails",
        "The sizes of updates are heavy-tailed in all three networks.",
        {
            f"Largest {tail}: is a power law nearer than an exponential?": _tails(
                "llr_vs_exponential", tail, above=0.0
            )
            for tail in TAILS
        }
        | {
            "Largest thousandth of each layer: is it nearer, as the median over "
            "layers?": _layers("llr_vs_exponential", above=0.0)
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
            f"Largest {tail}: is the margin of every alternative below one?": _tails(
                "margin", tail, below=1.0
            )
            for tail in TAILS
        }
        | {
            "Largest thousandth of each layer: is it below one, as the median over "
            "layers?": _layers("margin", below=1.0)
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
            "The exponent of the largest thousandth: within the tolerance?": _networks(
                "change of alpha", within=TOLERANCE
            ),
            "That of a straight line through equal bins, as in the paper?": _networks(
                "change of alpha_ols", within=TOLERANCE
            ),
            "That of these bins by likelihood above an estimated xmin?": _networks(
                "change of alpha_mle", within=TOLERANCE
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
            "gives?": _networks("excess", above=1.0),  # doublings
            "Each layer: more than twice as many, as the median over layers?": _layers(
                "excess", above=1.0
            ),
            "Is the fourth moment above that of the null?": _networks(
                "fourth_moment", above=1.0
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
            f"Is the exponent higher by more than {TOLERANCE:g} when all must be "
            "learned by heart?": _controls("alpha above unchanged", above=TOLERANCE),
            "Is an exponential nearer when all must be learned by heart?": _controls(
                "llr_vs_exponential, late, thousandth", below=0.0
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
            "Is the margin of every alternative below one?": _intervals(
                "margin", below=1.0
            ),
            "Is the margin over shuffled times above one?": _intervals(
                "llr_vs_shuffled", above=1.0
            ),
            "Are the times burstier than shuffled ones?": _intervals(
                "burstiness_excess", above=0.0
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
        {
            "Is an exponential nearer than a power law, all layers "
            "together?": _displacements("llr_pooled", SMALL, below=0.0),
            "And within the layers, on their mean?": _displacements(
                "llr_within_layers", SMALL, below=0.0
            ),
        },
        "larger half; ln p of the power law less that of the exponential, nats per "
        "weight; no other law is tried",
        "a power law",
        "exponential, by eye on semi-logarithmic axes",
        "fig-turn",
    ),
    (
        "Large displacements",
        "Under large displacements the changes of the loss follow a power law.",
        {
            "Is a power law nearer than an exponential, all layers "
            "together?": _displacements("llr_pooled", LARGE, above=0.0),
            "And within the layers, on their mean?": _displacements(
                "llr_within_layers", LARGE, above=0.0
            ),
        },
        "the same numbers",
        "layers of different size, each with an exponential of its own",
        "power law, by eye on doubly logarithmic axes",
        "fig-pooled",
    ),
    (
        "Conserved product",
        "Information times alignment, $I\\beta^*$, is conserved between windows.",
        {
            "Does the product spread less than independent smooth "
            "series?": _information("spread_vs_null", below=1.0),
            f"And without the first {BURN_IN} windows?": _information(
                "spread_vs_null, after burn-in", below=1.0
            ),
            "Does it spread less than the alignment alone?": _information(
                "spread_vs_alignment", below=1.0
            ),
            "Does it spread less than the information alone?": _information(
                "spread_vs_information", below=1.0
            ),
        },
        "relative spread of the product, over that of the null, and over those of its "
        "parts",
        "independent autoregressive series for both, as smooth as those seen",
        "points near the diagonal, by eye",
        "fig-conserved",
    ),
)
