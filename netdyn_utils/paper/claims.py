"""The claims of the paper as questions to the facts, each with a verdict."""

from dataclasses import dataclass, field

import numpy as np

from .facts import TOLERANCE
from .plan import INFORMATION
from .quoted import CONVNET, INTERVALS, MLP, TRANSFORMER
from .study import DELTAS, EPOCHS, LAYERED, Facts
from .verdicts import Answer, verdict

TRANSFORMERS = tuple(f"transformer, causal, batch {size}" for size in TRANSFORMER)
CONVOLUTIONAL = "convnet, right, 10,000 steps"
LEARNED = "control: as it is"
EXPLAINED = 2.0  # excess above which unequal sizes explain less than half of a tail
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
    def verdict(self) -> str:
        """Return one of the four words."""
        return verdict(self.answers)

    def of(self, question: str) -> tuple[Answer, ...]:
        """Return the answers to one question."""
        return tuple(a for a in self.answers if a.question == question)

    @property
    def questions(self) -> tuple[str, ...]:
        """Return the questions, each once."""
        return tuple(dict.fromkeys(answer.question for answer in self.answers))


def claims_of(facts: Facts) -> tuple[Claim, ...]:
    """Return the claims with their answers.

    Parameters
    ----------
    facts : mapping
        Of `facts_of`.
    """
    makers = (_heavy, _power_law, _stable, _unequal, _learned, _waiting)
    makers += (_small, _large, _conserved)
    return tuple(make(facts) for make in makers)


def _networks(facts: Facts, fact: str, question: str, bound: float, yes: str):
    """Ask every network as it should be run: the early part, the late, or the whole."""
    asked = [
        (name, part)
        for name in ("mlp, rate 0.1", "mlp, rate 0.01", CONVOLUTIONAL)
        for part in PARTS
    ]
    asked += [(name, "whole") for name in TRANSFORMERS]
    return tuple(
        Answer(question, f"{name}; {part}", facts[name][f"{fact}, {part}"], bound, yes)
        for name, part in asked
    )


def _heavy(facts: Facts) -> Claim:
    question = "Is a power law nearer to the largest thousandth than an exponential?"
    return Claim(
        "Heavy tails",
        "The sizes of updates are heavy-tailed in all three networks.",
        _networks(facts, "heavier", question, 0.0, "above"),
        "ln L of the power law less that of the exponential, nats per update",
        "an exponential tail",
        "exponents from 4.4 to 4.5 (MLP, CNN) and 3.5 (transformer), by a line",
        "fig-rivals",
    )


def _power_law(facts: Facts) -> Claim:
    pooled = "Does no rival lead by more than an exponent wrong by 0.4 would cost?"
    single = "Nor in the middle one of its layers?"
    within = tuple(
        Answer(single, name, facts[name]["lead in the middle layer"], 1.0, "below")
        for name in LAYERED
    )
    return Claim(
        "Power law",
        "The tail follows a power law.",
        _networks(facts, "lead", pooled, 1.0, "below") + within,
        "lead of the best of exponential, stretched exponential, log-normal and power "
        "law with cutoff, in units of the allowance",
        "any steep density, which looks straight for a decade",
        "no rival was tried",
        "fig-rivals",
    )


def _stable(facts: Facts) -> Claim:
    asked = {
        "change of alpha": "Does that of the largest thousandth stay within 0.4?",
        "change of scanned": "And that of the authors' bins above a scanned cut?",
    }
    names = ("mlp, rate 0.1", "mlp, rate 0.01", CONVOLUTIONAL, *TRANSFORMERS)
    answers = tuple(
        Answer(question, name, facts[name][fact], TOLERANCE, "below")
        for fact, question in asked.items()
        for name in names
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


def _unequal(facts: Facts) -> Claim:
    question = "Are there more than twice as many large updates as unequal sizes give?"
    names = ("mlp, rate 0.1", "mlp, rate 0.01", CONVOLUTIONAL, *TRANSFORMERS)
    return Claim(
        "More than unequal sizes",
        "Heavy tails come from the dynamics of single weights (not said, but implied).",
        tuple(
            Answer(question, name, facts[name]["excess"], EXPLAINED) for name in names
        ),
        "largest thousandth over what the null gives there",
        "Gaussian steps, each weight with its own variance in the window",
        "not tried",
        "fig-mixture",
    )


def _learned(facts: Facts) -> Claim:
    higher = "Is the exponent higher by more than 0.4 when there is nothing to learn?"
    gone = "Is an exponential nearer when there is nothing to learn?"
    base = np.array(facts[LEARNED]["alpha, late"])
    answers = []
    for control in ("shuffled labels", "spectral noise"):
        found, setting = facts[f"control: {control}"], f"{control}; late"
        more = tuple((np.array(found["alpha, late"]) - base).tolist())
        answers += [
            Answer(higher, setting, more, TOLERANCE),
            Answer(gone, setting, found["heavier, late"], 0.0, "below"),
        ]
    return Claim(
        "Driven by information",
        "Heavy tails arise because updates take up information.",
        tuple(sorted(answers, key=lambda answer: answer.question != higher)),
        "exponent of the control less that of the same run as it is; ln L of the power "
        "law less that of the exponential",
        "the same network and steps on shuffled labels, and on noise with the spectrum "
        "of the images",
        "not tried",
        "fig-controls",
    )


def _waiting(facts: Facts) -> Claim:
    settings = {
        f"{rate}, top {share}": facts[f"intervals of {rate}, {share}"]
        for rate in ("mlp, rate 0.1", "mlp, rate 0.01")
        for share in ("1.0%", "0.5%")
    }
    asked = (
        (
            "Does no rival lead by more than an exponent wrong by 0.4 would cost?",
            "lead",
        ),
        ("Is the power law nearer than shuffled times?", "over shuffled"),
    )
    answers = tuple(
        Answer(question, name, found[fact], bound, yes)
        for (question, fact), bound, yes in zip(
            asked, (1.0, 0.0), ("below", "above"), strict=True
        )
        for name, found in settings.items()
    )
    theirs = [found["line"] for found in INTERVALS.values()]
    return Claim(
        "Waiting times",
        "Intervals between large updates follow a power law.",
        answers,
        "longest hundredth; lead of the best of geometric, log-normal and power law "
        "with cutoff",
        "each weight's times shuffled: unequal rates, no memory",
        f"exponents {theirs[0]} (MLP) and {theirs[1]} (CNN), by a line",
        "fig-waiting",
    )


def _landscape(facts: Facts, fact: str, question: str, wanted, yes: str):
    return tuple(
        Answer(
            question,
            f"δ = {delta:+g}, epoch {epoch}",
            facts[f"landscape, epoch {epoch}, {delta:+g}"][fact],
            0.0,
            yes,
        )
        for epoch in EPOCHS
        for delta in DELTAS
        if wanted(abs(delta))
    )


def _small(facts: Facts) -> Claim:
    question = "Is an exponential nearer than a power law, all layers together?"
    return Claim(
        "Small displacements",
        "Under small displacements of one weight the loss changes exponentially.",
        _landscape(facts, "pooled", question, lambda size: size < 0.1, "below"),
        "larger half; ln p of the power law less that of the exponential, nats per "
        "weight",
        "a power law",
        "exponential, by eye on semi-logarithmic axes",
        "fig-turn",
    )


def _large(facts: Facts) -> Claim:
    pooled = "Is a power law nearer than an exponential, all layers together?"
    within = "And within the layers, on their mean?"
    answers = tuple(
        answer
        for fact, question in (("pooled", pooled), ("layers", within))
        for answer in _landscape(facts, fact, question, lambda x: x > 0.1, "above")
    )
    return Claim(
        "Large displacements",
        "Under large displacements the changes of the loss follow a power law.",
        answers,
        "the same numbers",
        "exponentials whose mean differs from layer to layer",
        "power law, by eye on doubly logarithmic axes",
        "fig-pooled",
    )


def _conserved(facts: Facts) -> Claim:
    asked = {
        "to chance": "Does the product spread less than independent smooth series?",
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
        "Information times alignment, I·β*, is conserved from window to window.",
        answers,
        "relative spread of the product, over that of the null; over that of I",
        "independent autoregressive series for I and β*, as smooth as those seen",
        "points near the diagonal, by eye",
        "fig-conserved",
    )
