"""The claims on the sizes of updates, as questions to the facts."""

import numpy as np

from .claim import Claim
from .facts import TOLERANCE
from .quoted import CONVNET, MLP, TRANSFORMER
from .study import LAYERED, Facts
from .verdicts import Answer

TRANSFORMERS = tuple(f"transformer, causal, batch {size}" for size in TRANSFORMER)
CONVOLUTIONAL = "convnet, right, 10,000 steps"
LEARNED = "control: as it is"
EXPLAINED = 2.0  # excess above which unequal sizes explain less than half of a tail
PARTS = ("early", "late")


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


def heavy(facts: Facts) -> Claim:
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


def power_law(facts: Facts) -> Claim:
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


def stable(facts: Facts) -> Claim:
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


def unequal(facts: Facts) -> Claim:
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


def learned(facts: Facts) -> Claim:
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
