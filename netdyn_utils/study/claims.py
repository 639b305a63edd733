"""The claims of the paper as questions to the facts, each with a verdict."""

from dataclasses import dataclass, field

from .decisions import Answer, from_to, plus_minus, tally, verdict
from .protocol import INFORMATION
from .published_values import CONVNET, MLP, PRINTED_INTERVALS, TRANSFORMER
from .statistics import (
    DELTAS,
    EPOCHS,
    JUDGED,
    LAYERED,
    LEARNING,
    TAILS,
    TOLERANCE,
    UNSETTLED,
    Facts,
)

MORE = 1.0  # doublings: above it unequal sizes give less than half of a tail
PARTS = ("early", "late")


@dataclass(frozen=True)
class Claim:
    """One claim and what the runs say to it.

    Parameters
    ----------
    name : str
        A word for it.
    claimed : str
        What the paper says, in a sentence.
    answers : tuple of Answer
        One for each question and setting; those of which no record is there decide
        nothing.
    test, null : str
        What a number is compared with; what would give the same without the claim.
    published : str
        What the paper reports.
    figure : str
        Name of the figure that shows it.
    """

    name: str
    claimed: str
    answers: tuple[Answer, ...] = field(repr=False)
    test: str
    null: str
    published: str
    figure: str

    @property
    def answered(self) -> tuple[Answer, ...]:
        """Return the answers that rest on a run."""
        return tuple(answer for answer in self.answers if answer.values)

    @property
    def verdict(self) -> str:
        """Return one of the four words; "no records" without any."""
        return verdict(self.answered) if self.answered else "no records"

    @property
    def told(self) -> str:
        """Return the verdict and its counts: "holds in part (1 yes, 2 no)"."""
        return f"{self.verdict} ({tally(self.answered)})"

    def of(self, question: str) -> tuple[Answer, ...]:
        """Return the answers to one question that rest on a run."""
        return tuple(a for a in self.answered if a.question == question)

    @property
    def questions(self) -> tuple[str, ...]:
        """Return the questions, each once."""
        return tuple(dict.fromkeys(answer.question for answer in self.answers))

    def _repr_markdown_(self) -> str:
        """Return the verdict, and folded a table for each question, a row a setting."""
        parts = [f"{self.claimed} **{self.told.capitalize()}.**"]
        parts += ["<details><summary>Answers, setting by setting</summary>"]
        for question in self.questions:
            if not (answers := self.of(question)):
                parts += [f"{question} No record of it is there."]
                continue
            rule = f"(Yes {answers[0].yes} {answers[0].bound:g}.)"
            parts += [f"{question} {rule}", _table(answers)]
        return "\n\n".join([*parts, "</details>"])


def _table(answers: tuple[Answer, ...]) -> str:
    rows = ["| Setting | Answer | Mean ± spread | 95 % of the mean | Runs |"]
    rows.append("|---|---|---|---|---|")
    for answer in answers:
        mean, runs = plus_minus(answer.mean, answer.spread), f"{len(answer.held)}"
        ends = from_to(answer.interval, answer.spread, answer.bound)
        cells = answer.setting, answer.word, mean, ends, runs
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def claims_of(facts: Facts) -> tuple[Claim, ...]:
    """Return the claims with their answers.

    Parameters
    ----------
    facts : mapping
        Of `facts_of`.
    """
    makers = (heavy, power_law, stable, unequal, learned, _waiting)
    makers += (_small, _large, _conserved)
    return tuple(make(facts) for make in makers)


def _waiting(facts: Facts) -> Claim:
    settings = {
        f"{rate}, top {share}": facts[f"intervals of {rate}, {share}"]
        for rate in ("mlp, rate 0.1", "mlp, rate 0.01")
        for share in ("1.0%", "0.5%")
    }
    asked = (  # question, fact, bound, side of yes
        ("Does no rival lead by more than the allowance?", "lead", 1.0, "below"),
        (
            "Does it lead shuffled times by more than that?",
            "over shuffled",
            1.0,
            "above",
        ),
        ("Are the times burstier than shuffled ones?", "burstier", 0.0, "above"),
    )
    answers = tuple(
        Answer(question, name, found[fact], bound, yes)
        for question, fact, bound, yes in asked
        for name, found in settings.items()
    )
    told = " and ".join(f"{a} ({name})" for name, a in PRINTED_INTERVALS.items())
    return Claim(
        "Waiting times",
        "Intervals between large updates follow a power law.",
        answers,
        "longest hundredth; lead of the best of geometric, log-normal and power law "
        "with cutoff; lead of the power law over the null; burstiness less the null's",
        "each weight's times shuffled: unequal rates, no memory",
        f"exponents {told}, by a line",
        "fig-waiting",
    )


def _landscape(facts: Facts, fact: str, question: str, wanted, yes: str):
    return tuple(
        Answer(
            question,
            f"δ = {delta:+g}, epoch {epoch}".replace("-", "−"),
            facts[f"landscape, epoch {epoch}, {delta:+g}"][fact],
            0.0,
            yes,
        )
        for epoch in EPOCHS
        for delta in DELTAS
        if wanted(abs(delta))
    )


def _contest(facts: Facts, question: str, wanted, yes: str):
    """Ask which of two laws is nearer: to the pool of all layers, and within them."""
    within = "And within the layers, on their mean?"
    return _landscape(facts, "pooled", question, wanted, yes) + _landscape(
        facts, "layers", within, wanted, yes
    )


def _small(facts: Facts) -> Claim:
    question = "Is an exponential nearer than a power law, all layers together?"
    return Claim(
        "Small displacements",
        "Under small displacements of one weight the loss changes exponentially.",
        _contest(facts, question, lambda size: size < 0.1, "below"),
        "larger half; ln p of the power law less that of the exponential, nats per "
        "weight; no other law is tried",
        "a power law",
        "exponential, by eye on semi-logarithmic axes",
        "fig-turn",
    )


def _large(facts: Facts) -> Claim:
    question = "Is a power law nearer than an exponential, all layers together?"
    return Claim(
        "Large displacements",
        "Under large displacements the changes of the loss follow a power law.",
        _contest(facts, question, lambda size: size > 0.1, "above"),
        "the same numbers",
        "layers of different size, each with an exponential of its own",
        "power law, by eye on doubly logarithmic axes",
        "fig-pooled",
    )


def _conserved(facts: Facts) -> Claim:
    asked = {
        "to chance": "Does the product spread less than independent smooth series?",
        "settled": f"And without the first {UNSETTLED} windows?",
        "to alignment": "Does it spread less than the alignment alone?",
        "to information": "Does it spread less than the information alone?",
    }
    answers = tuple(
        Answer(
            question,
            f"rate {rate:g}, batch {batch}",
            facts[f"information, rate {rate:g}, batch {batch}"][fact],
            1.0,
            "below",
        )
        for fact, question in asked.items()
        for rate, batch in INFORMATION
    )
    return Claim(
        "Conserved product",
        "Information times alignment, $I\\beta^*$, is conserved between windows.",
        answers,
        "relative spread of the product, over that of the null, and over those of its "
        "parts",
        "independent autoregressive series for both, as smooth as those seen",
        "points near the diagonal, by eye",
        "fig-conserved",
    )


def _parts(setting: str) -> tuple[str, ...]:
    """Return what the paper looks at: of the transformer, all of its training."""
    return ("whole",) if setting.startswith("transformer") else PARTS


def _tails(facts: Facts, fact: str, question: str, bound: float, yes: str):
    """Ask every network about each share of its largest updates."""
    return tuple(
        Answer(
            question.format(tail),
            f"{name}; {part}",
            facts[name][f"{fact}, {part}, {tail}"],
            bound,
            yes,
        )
        for tail in TAILS
        for name in JUDGED
        for part in _parts(name)
    )


def _layers(facts: Facts, fact: str, question: str, bound: float, yes: str):
    name = f"{fact}, median over layers"
    return tuple(
        Answer(question, setting, facts[setting][name], bound, yes)
        for setting in LAYERED
    )


def _lines(told) -> str:
    """Return the published exponents by a line, least to most."""
    lines = sorted(found["line"] for found in told.values())
    return f"{lines[0]:.2f} to {lines[-1]:.2f}"


def heavy(facts: Facts) -> Claim:
    """Ask whether tails fall more slowly than an exponential."""
    pooled = "Largest {}: is a power law nearer than an exponential?"
    single = (
        "Largest thousandth of each layer: is it nearer, as the median over layers?"
    )
    return Claim(
        "Heavy tails",
        "The sizes of updates are heavy-tailed in all three networks.",
        _tails(facts, "heavier", pooled, 0.0, "above")
        + _layers(facts, "heavier", single, 0.0, "above"),
        "ln L of the power law less that of the exponential, nats per update",
        "an exponential tail",
        f"exponents by a line: {_lines(MLP)} (MLP), {_lines(CONVNET)} (CNN), "
        f"{_lines(TRANSFORMER)} (transformer)",
        "fig-rivals",
    )


def power_law(facts: Facts) -> Claim:
    """Ask whether another law is clearly nearer."""
    pooled = "Largest {}: does no rival lead by more than the allowance?"
    single = (
        "Largest thousandth of each layer: does none lead, as the median over layers?"
    )
    return Claim(
        "Power law",
        "The tail follows a power law.",
        _tails(facts, "lead", pooled, 1.0, "below")
        + _layers(facts, "lead", single, 1.0, "below"),
        "lead of the best of exponential, stretched exponential, log-normal and power "
        "law with cutoff, in units of the allowance",
        "any steep density, which looks straight for a decade",
        "no rival was tried",
        "fig-leads",
    )


def stable(facts: Facts) -> Claim:
    """Ask whether exponents stay, in three readings."""
    asked = {
        "alpha": "The exponent of the largest thousandth: within the tolerance?",
        "line": "That of a straight line through equal bins, as in the paper?",
        "scanned": "That of these bins by likelihood above a scanned cut?",
    }
    answers = tuple(
        Answer(question, name, facts[name][f"change of {fact}"], TOLERANCE, "within")
        for fact, question in asked.items()
        for name in JUDGED
    )
    return Claim(
        "Stable exponent",
        "The exponent stays the same while the loss falls.",
        answers,
        "change from the first third of training to the last",
        "a tail that changes its shape",
        f"MLP {MLP['early']['line']} then {MLP['late']['line']}, CNN "
        f"{CONVNET['early']['line']} then {CONVNET['late']['line']}, by a line",
        "fig-stable",
    )


def unequal(facts: Facts) -> Claim:
    """Ask whether single weights make heavy steps, or unequal sizes the tail."""
    pooled = "All weights: more than twice as many large updates as the null gives?"
    single = "Each layer: more than twice as many, as the median over layers?"
    moment = "Is the fourth moment above that of the null?"
    answers = [Answer(pooled, name, facts[name]["excess"], MORE) for name in JUDGED]
    answers += _layers(facts, "excess", single, MORE, "above")
    answers += [
        Answer(moment, name, facts[name]["fourth moment"], 1.0) for name in JUDGED
    ]
    return Claim(
        "More than unequal sizes",
        "Heavy tails come from the dynamics of single weights (not said, but implied).",
        tuple(answers),
        "largest thousandth over what the null gives there, last window, in doublings; "
        "fourth moment over that of the null",
        "Gaussian steps, each weight with its own variance in the window",
        "not tried",
        "fig-mixture",
    )


def learned(facts: Facts) -> Claim:
    """Ask whether tails go when nothing can be learned but by heart."""
    higher = (
        f"Is the exponent higher by more than {TOLERANCE:g} when all must be learned "
        "by heart?"
    )
    gone = "Is an exponential nearer when all must be learned by heart?"
    base, *controls = LEARNING
    before = dict(zip(facts[base]["seed"], facts[base]["alpha, late"], strict=True))
    answers = []
    for control in controls:
        found, setting = facts[control], f"{control.partition(': ')[2]}; late"
        pairs = zip(found["seed"], found["alpha, late"], strict=True)
        more = tuple(alpha - before[s] for s, alpha in pairs if s in before)
        answers += [
            Answer(higher, setting, more, TOLERANCE),
            Answer(gone, setting, found["heavier, late, thousandth"], 0.0, "below"),
        ]
    return Claim(
        "Driven by information",
        "Heavy tails arise because updates take up information.",
        tuple(sorted(answers, key=lambda answer: answer.question != higher)),
        "exponent of the control less that of the same seed as it is; ln L of the "
        "power law less that of the exponential",
        "the same network and steps on shuffled labels, and on noise with the spectrum "
        "of the images",
        "not tried",
        "fig-controls",
    )
