"""What each kind of run has to say to the claims, as a few plain numbers."""

import numpy as np

from ..histogram import LogHistogram
from ..information import conservation
from ..intervals import compare_intervals, fit_discrete_power_law, interval_null
from ..tails import (
    compare_tails,
    compare_with_null,
    effective_sample_size,
    exponential_mixture,
    fit_power_law,
    local_slope,
    power_law_or_exponential,
    scale_mixture_null,
)

LARGEST = 0.001  # share of all updates whose tail is judged: the same in every run
NEEDED = 50  # independent counts below which no test is believed


def third(run, part: int) -> list[LogHistogram]:
    """Return the windows of the first (0), second or last (2) third of a run."""
    stops = len(run.updates.stops)
    edges = np.linspace(0, stops, 4).round().astype(int)
    windows = range(edges[part], max(edges[part + 1], edges[part] + 1))
    return [run.updates.histogram(window=window) for window in windows]


def dense(windows) -> np.ndarray:
    """Return the counts of histograms on common edges, (windows, bins)."""
    whole = LogHistogram.merge(windows)
    counts = np.zeros((len(windows), whole.counts.size), int)
    for part, row in zip(windows, counts, strict=True):
        row[part.start - whole.start :][: part.counts.size] = part.counts
    return counts


def tail_facts(windows) -> dict[str, float | str]:
    """Judge the largest thousandth of all updates in some windows of a run.

    The test against rivals takes the tail for as many independent counts as its scatter
    between the windows allows, not for all that there are.
    """
    whole = LogHistogram.merge(windows)
    cut = whole.threshold(LARGEST)
    fit = fit_power_law(whole.edges, whole.counts, xmin=cut)
    counts, start = dense(windows), int(np.searchsorted(whole.edges, fit.xmin))
    size = whole.total
    if len(windows) >= 3:
        below = counts[:, :start].sum(axis=1, keepdims=True)
        size = effective_sample_size(np.hstack([below, counts[:, start:]]))
    share = fit.n_tail / whole.binned
    free = float(np.clip(size, NEEDED / share, whole.binned))  # of all, not of the tail
    rivals = compare_tails(whole.edges, whole.counts, fit, n_effective=free).rivals
    better = [rival.name for rival in rivals if rival.favoured == rival.name]
    beaten = [rival.name for rival in rivals if rival.favoured == "power law"]
    sought = fit_power_law(whole.edges, whole.counts)
    return {
        "alpha": fit.alpha,
        "alpha scanned": sought.alpha,
        "share scanned": sought.n_tail / whole.total,
        "cut": fit.xmin,
        "decades": float(np.log10(whole.largest / fit.xmin)),
        "largest": whole.largest,
        "independent": free * share,
        "beats exponential": "exponential" in beaten,
        "favoured over it": ", ".join(better),
        "steepening": _steepening(whole, fit.xmin),
    }


def _steepening(histogram, cut) -> float:
    """Return by how much the local slope grows from the first to the last of a tail."""
    slope = local_slope(histogram.edges, histogram.counts)
    held = slope.slope[(slope.x >= cut) & (slope.sigma < 0.3)]
    few = max(len(held) // 4, 1)
    return float(held[-few:].mean() - held[:few].mean()) if len(held) > 1 else np.nan


def mixture_excess(run, window: int = -1) -> float:
    """Return how many more large updates there are than unequal Gaussian steps give.

    Counts above the threshold of the largest thousandth, over those of Gaussian steps
    with each parameter's own variance in the same window; 1 says that uneven variances
    explain the tail.
    """
    histogram, rms = (part.histogram(window=window) for part in (run.updates, run.rms))
    sizes = np.append(np.sqrt(rms.edges[1:] * rms.edges[:-1]), 0.0)
    null = scale_mixture_null(
        sizes**2,
        histogram.total,
        edges=histogram.edges,
        weights=np.append(rms.counts, rms.zeros),
    )
    cut = histogram.threshold(LARGEST)
    fit = fit_power_law(histogram.edges, histogram.counts, xmin=cut)
    return compare_with_null(histogram.edges, histogram.counts, fit, null).excess


def interval_facts(run, share: float = 0.01, group: str = "all") -> dict:
    """Judge the intervals between large updates; a weight counts as independent."""
    counts = run.counts(share, group)
    fit, null = (
        fit_discrete_power_law(counts),
        interval_null(counts.per_weight, counts.steps),
    )
    free = min(max(counts.weights - counts.never, NEEDED), fit.n_tail)
    compared = compare_intervals(counts, fit, null=null, n_effective=free)
    better = [rival.name for rival in compared.rivals if rival.favoured == rival.name]
    return {
        "alpha": fit.alpha,
        "from": fit.xmin,
        "decades": float(np.log10(counts.lengths[-1] / fit.xmin)),
        "favoured over it": ", ".join(better),
        "burstiness": counts.burstiness,
        "shuffled": null.burstiness,
    }


def landscape_facts(run, epoch: int, delta: float, rng) -> dict[str, float]:
    """Judge the changes of the loss at one displacement: together and by layer.

    ``z`` counts the standard errors by which the power law is nearer than the
    exponential on the larger half; ``mixture`` is z of exponentials of unequal layers.
    """
    response, held_out = run.responses[epoch], run.held_out[epoch]
    sizes = np.abs(response.changes(delta))
    by_layer = [np.abs(response.changes(delta, name)) for name in response.layers]
    on_test = [np.abs(held_out.changes(delta, name)).mean() for name in response.layers]
    drawn = exponential_mixture(sizes, response.layer, rng=rng)
    return {
        "mean": float(np.mean([x.mean() for x in by_layer])),
        "mean on test images": float(np.mean(on_test)),
        "z": power_law_or_exponential(sizes, share=0.5).z,
        "mixture": power_law_or_exponential(drawn, share=0.5).z,
        "layers": float(
            np.mean([power_law_or_exponential(x, share=0.5).z > 0 for x in by_layer])
        ),
    }


def conservation_facts(run, rng, surrogates: int = 300) -> dict[str, float]:
    """Judge whether information times alignment is steadier than chance."""
    information, alignment = run.information("linear").nats[1:], run.alignment("path")
    found = conservation(information, alignment, rng=rng, surrogates=surrogates)
    return {
        "I": float(run.information("linear").nats.mean()),
        "beta": float(alignment.mean()),
        "spread": found.relative_spread,
        "spread of I": found.information_spread,
        "p": found.autoregressive.p_value,
        "rank correlation": found.spearman,
        "lag correlation": found.lag_correlation,
    }
