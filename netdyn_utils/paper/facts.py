"""What each kind of run has to say to the claims, as a few plain numbers.

Every number is made alike for all runs of a kind, and none of them needs to know how
many of its counts are independent: that is left to the spread between seeds.
"""

from collections.abc import Sequence

import numpy as np

from ..histogram import LogHistogram
from ..information import conservation
from ..intervals import compare_intervals, fit_discrete_power_law, interval_null
from ..tails import (
    TailComparison,
    compare_tails,
    fit_power_law,
    ols_exponent,
    power_law_or_exponential,
)
from .steps import LARGEST, fourth_moment, mixture_excess

TAILS = {"hundredth": 0.01, "thousandth": LARGEST, "ten-thousandth": 0.0001}
LONGEST = 0.01  # share of all intervals, likewise
TOLERANCE = 0.4  # of an exponent: less is no difference
FEWEST = 1_000  # updates in the tail of a layer; a rival's luck is 1/n nats each
UNSETTLED = 20  # windows at the beginning, in which both series fall
LARGER_HALF = 0.5  # share of the changes of the loss that is the tail
PUBLISHED_BINS = 60  # linear bins of the authors' histograms of updates
PUBLISHED_LENGTHS = 50  # linear bins of their intervals
PARTS = {"early": 0, "late": 2, "whole": None}  # of a run: thirds, or all of it


def allowance(alpha: float, tolerance: float = TOLERANCE) -> float:
    """Return what an exponent that is wrong by the tolerance costs, nats per count.

    The divergence of the power law with exponent alpha + tolerance from that with
    alpha, s = alpha − 1: ln(s/(s + tolerance)) + (s + tolerance)/s − 1. A rival that
    gains less is as near to the power law as two exponents that count as one.

    >>> round(allowance(4.5), 4)
    0.0061
    """
    s = alpha - 1
    return float(np.log(s / (s + tolerance)) + tolerance / s)


def lead(comparison: TailComparison, without: tuple[str, ...] = ()) -> float:
    """Return how far the best rival is ahead of the power law, in allowances.

    It is 0 where none is ahead, for some rivals have the power law as their limit;
    above 1 a rival counts as nearer.
    """
    gains = [-r.ratio for r in comparison.rivals if r.name not in without]
    fit = comparison.fit
    return max(gains) / fit.n_tail / allowance(fit.alpha)


def third(run, part: int | None, group: str = "all") -> LogHistogram:
    """Return the first (0), second or last (2) third of a run; None is all of it."""
    stops = len(run.updates.stops)
    edges = np.linspace(0, stops, 4).round().astype(int)
    first, last = (0, stops) if part is None else edges[part : part + 2]
    windows = range(first, max(last, first + 1))
    return LogHistogram.merge([run.updates.histogram(group, w) for w in windows])


def convolutions(run, part: int | None) -> LogHistogram:
    """Return the updates of the convolutions alone, as the authors counted them."""
    names = [name for name in run.updates.groups if name.startswith("conv")]
    return LogHistogram.merge([third(run, part, name) for name in names])


def linear_bins(histogram: LogHistogram, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return edges and counts in equal bins from 0, as `to_published` writes them."""
    edges = np.linspace(0.0, histogram.edges[-1], bins + 1)
    below = histogram.zeros + np.concatenate([[0], np.cumsum(histogram.counts)])
    cumulative = np.rint(np.interp(edges[1:], histogram.edges, below))
    return edges, np.diff(cumulative, prepend=0.0).astype(np.int64)


def tail_facts(histogram: LogHistogram, share: float = LARGEST) -> dict[str, float]:
    """Judge the largest share of some updates.

    ``heavier`` is ln L of the power law less that of the exponential, nats per update;
    ``lead`` see there.
    """
    edges, counts = histogram.edges, histogram.counts
    fit = fit_power_law(edges, counts, xmin=histogram.threshold(share))
    compared = compare_tails(edges, counts, fit)
    return {
        "heavier": compared["exponential"].ratio / fit.n_tail,
        "lead": lead(compared),
    }


def read_as_published(histogram: LogHistogram) -> dict[str, float]:
    """Return exponents in several readings, and the largest update.

    ``alpha`` is that of the largest thousandth. ``line`` is the slope of a straight
    line through the logarithms of equal bins, as the authors draw it; ``scanned`` the
    likelihood fit of these bins above a scanned cut.
    """
    edges, counts = histogram.edges, histogram.counts
    wide, held = linear_bins(histogram, PUBLISHED_BINS)
    return {
        "alpha": fit_power_law(edges, counts, xmin=histogram.threshold(LARGEST)).alpha,
        "line": ols_exponent(wide, held).alpha,
        "scanned": fit_power_law(wide[1:], held[1:]).alpha,
        "largest": histogram.largest,
    }


def update_facts(
    run,
    judged: Sequence[str] = (),
    tails: Sequence[str] = (),
    layers: str | None = None,
) -> dict[str, float]:
    """Return the facts of a run.

    Parameters
    ----------
    run : UpdatesRun
    judged : sequence of {"early", "late", "whole"}
        Parts whose tail is held against rivals, which takes a tenth of a second each.
    tails : sequence of {"hundredth", "thousandth", "ten-thousandth"}
        What of these parts.
    layers : {"early", "late", "whole"}, optional
        The part in which every layer is judged too that has a thousand updates in its
        largest thousandth.
    """
    facts = {}
    for part, number in PARTS.items():
        whole = third(run, number)
        found = {
            f"{name}, {part}": value for name, value in read_as_published(whole).items()
        }
        for tail in tails if part in judged else ():
            read = tail_facts(whole, TAILS[tail])
            found |= {f"{name}, {part}, {tail}": value for name, value in read.items()}
        if any(name.startswith("conv") for name in run.updates.groups):
            read = read_as_published(convolutions(run, number))
            found |= {f"convolutions {n}, {part}": value for n, value in read.items()}
        facts |= found
    for name in ("alpha", "scanned", "line"):
        facts[f"change of {name}"] = facts[f"{name}, late"] - facts[f"{name}, early"]
    last = run.updates.histogram(window=-1), run.rms.histogram(window=-1)
    facts |= {"excess": mixture_excess(*last), "fourth moment": fourth_moment(*last)}
    return facts | (_layers(run, PARTS[layers]) if layers else {})


def _layers(run, part: int | None) -> dict[str, float]:
    """Return what the layers have to say, each and the median over them."""
    judged = {name: third(run, part, name) for name in run.updates.groups}
    judged = {n: h for n, h in judged.items() if h.binned * LARGEST >= FEWEST}
    found = {name: tail_facts(histogram) for name, histogram in judged.items()}
    for name, read in found.items():
        read["excess"] = mixture_excess(
            run.updates.histogram(name, -1), run.rms.histogram(name, -1)
        )
    facts = {f"lead in {name}": read["lead"] for name, read in found.items()}
    for fact in ("heavier", "lead", "excess"):
        median = np.median([read[fact] for read in found.values()])
        facts[f"{fact}, median over layers"] = float(median)
    return facts


def interval_facts(run, share: float) -> dict[str, float]:
    """Judge the longest hundredth of the intervals between large updates.

    ``over shuffled`` is ln L of the power law less that of shuffled times, in
    allowances; ``burstier`` is the burstiness less that of shuffled times; ``line`` and
    ``second bin`` are the exponents of 50 linear bins, by a line through all and by
    likelihood from the second up, as they are known of the published arrays.
    """
    counts = run.counts(share)
    held = np.trim_zeros(np.asarray(counts.counts), "b")
    above = np.cumsum(held[::-1])[::-1]
    cut = int(np.searchsorted(-above, -LONGEST * above[0])) + 1
    fit = fit_discrete_power_law(counts, xmin=cut)
    null = interval_null(counts.per_weight, counts.steps)
    compared = compare_intervals(counts, fit, null=null)
    edges = np.linspace(1, len(held), PUBLISHED_LENGTHS + 1)
    binned = np.histogram(np.arange(1, len(held) + 1), bins=edges, weights=held)[0]
    binned = binned.astype(np.int64)
    return {
        "alpha": fit.alpha,
        "cut": fit.xmin,
        "lead": lead(compared, without=("shuffled times",)),
        "over shuffled": compared["shuffled times"].ratio
        / fit.n_tail
        / allowance(fit.alpha),
        "burstiness": counts.burstiness,
        "burstier": counts.burstiness - null.burstiness,
        "line": ols_exponent(edges, binned).alpha,
        "second bin": fit_power_law(edges[1:], binned[1:], xmin=edges[1]).alpha,
    }


def landscape_facts(run, epoch: int, delta: float) -> dict[str, float]:
    """Judge the changes of the loss at one displacement: together and by layer.

    ``pooled`` is ln p of the power law less that of the exponential on the larger half
    of all layers' changes, nats per weight; ``layers`` the mean of the same within
    each layer; ``equal means`` the same for the pool of all, each layer over its mean.
    """
    response, held_out = run.responses[epoch], run.held_out[epoch]
    by_layer = [np.abs(response.changes(delta, name)) for name in response.layers]
    on_test = [np.abs(held_out.changes(delta, name)).mean() for name in response.layers]

    def ratio(values):
        return power_law_or_exponential(values, share=LARGER_HALF).ratio

    return {
        "training images": float(np.mean([x.mean() for x in by_layer])),
        "test images": float(np.mean(on_test)),
        "pooled": ratio(np.concatenate(by_layer)),
        "layers": float(np.mean([ratio(values) for values in by_layer])),
        "equal means": ratio(np.concatenate([x / x.mean() for x in by_layer])),
    }


def information_facts(run, rng, surrogates: int = 300) -> dict[str, float]:
    """Judge whether information times alignment is steadier than chance.

    ``to chance`` is the relative spread of the product over its mean in independent
    series as smooth as these, ``settled`` the same without the first windows; ``to
    information`` and ``to alignment`` over the spread of each alone.
    """
    read, alignment = run.information("linear"), run.alignment("path")
    information = read.nats[1:]

    def product(first):
        pair = information[first:], alignment[first:]
        found = conservation(*pair, rng=rng, surrogates=surrogates)
        return found, found.autoregressive.relative_spread.mean

    (whole, chance), (late, later) = product(0), product(UNSETTLED)
    return {
        "I": float(read.nats.mean()),
        "beta": float(alignment.mean()),
        "to chance": whole.relative_spread / chance,
        "settled": late.relative_spread / later,
        "to information": whole.relative_spread / whole.information_spread,
        "to alignment": whole.relative_spread / whole.alignment_spread,
    }
