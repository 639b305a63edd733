"""The claims of the paper as questions to the facts, each with a verdict."""

from .claim import Claim
from .facts import UNSETTLED
from .plan import INFORMATION
from .quoted import PRINTED_INTERVALS
from .study import DELTAS, EPOCHS, Facts
from .update_claims import heavy, learned, power_law, stable, unequal
from .verdicts import Answer


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
