"""The claims on the sizes of updates, as questions to the facts."""

import numpy as np

from .claim import Claim
from .facts import TAILS, TOLERANCE
from .quoted import CONVNET, MLP, TRANSFORMER
from .study import JUDGED, LAYERED, LEARNING, Facts
from .verdicts import Answer

MORE = 1.0  # doublings: above it unequal sizes give less than half of a tail
PARTS = ("early", "late")


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
    before = np.array(facts[base]["alpha, late"])
    answers = []
    for control in controls:
        found, setting = facts[control], f"{control.partition(': ')[2]}; late"
        more = tuple((np.array(found["alpha, late"]) - before).tolist())
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
