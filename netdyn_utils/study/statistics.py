"""The statistics of every run that the claims are tested with, cached.

Uncertainty comes from the spread between seeds: no statistic assumes that the counts of
one run are independent. The fits take minutes, so ``book/results/statistics.json``
caches the numbers by the checksum of each record.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..histogram import LogHistogram
from ..information import conservation_test
from ..intervals import compare_intervals, fit_discrete_power_law, interval_null
from ..store import RunRecord, atomic_write
from ..tails import (
    compare_tails,
    compare_with_null,
    fit_power_law,
    ols_exponent,
    power_law_or_exponential,
    scale_mixture_null,
)
from .protocol import LEARNING_CONTROLS, study_runs

VERSION = 2  # raised when the numbers below, or their names, are meant to change
CACHE = "statistics.json"
TAIL_FRACTION = 0.001  # of all updates, the same in every run
TAILS = {"hundredth": 0.01, "thousandth": TAIL_FRACTION, "ten-thousandth": 0.0001}
INTERVAL_TAIL_FRACTION = 0.01
LANDSCAPE_TAIL_FRACTION = 0.5
TOLERANCE = 0.4  # difference of two exponents that does not matter
MIN_TAIL_COUNT = 1_000  # of a layer: chance favours an alternative by 1/n nats a count
BURN_IN = 20  # windows at the beginning, in which information and alignment fall
PUBLISHED_BINS = 60  # linear bins of the authors' histograms of updates
PUBLISHED_INTERVAL_BINS = 50
THIRDS = {"early": 0, "late": 2, "whole": None}  # parts of a run
EPOCHS = (50, 100)
DELTAS = (0.01, -0.01, 1.0, -1.0)
LARGE_FRACTIONS = (0.01, 0.005)  # updates that are large, between which intervals lie
TESTED_SETTINGS = (  # every network as it is meant to be run
    "mlp, rate 0.1",
    "mlp, rate 0.01",
    "convnet, right, 10,000 steps",
    "transformer, causal, batch 4",
    "transformer, causal, batch 8",
    "transformer, causal, batch 16",
)
LAYERED_SETTINGS = tuple(TESTED_SETTINGS[at] for at in (0, 1, 2, 4))  # and by layer
LEARNING_SETTINGS = tuple(f"control: {name}" for name in LEARNING_CONTROLS)

# By setting and name, one value a run.
Statistics = dict[str, Mapping[str, tuple[float, ...]]]


@dataclass(frozen=True, eq=False)
class Study:
    """Runs by setting, each a tuple by seed, and what is not available of the plan."""

    runs: Mapping[str, tuple] = field(repr=False)  # every planned setting
    unavailable: Mapping[str, str] = field(default_factory=dict)  # run: why
    stale: tuple[str, ...] = ()  # runs whose record has another version

    def __getitem__(self, setting: str) -> tuple:
        return self.runs[setting]

    def of(self, claim: str) -> dict[str, tuple]:
        """Return the settings of a claim that have runs, see `StudyRun.claim`."""
        settings = {run.setting for run in study_runs() if run.claim == claim}
        return {s: runs for s, runs in self.runs.items() if runs and s in settings}

    def runs_of(self, claim: str) -> list:
        """Return the runs that belong to a claim."""
        return [run for runs in self.of(claim).values() for run in runs]

    @property
    def records(self) -> list[RunRecord]:
        """Return the records of all runs."""
        return [run.record for runs in self.runs.values() for run in runs]

    @property
    def note(self) -> str:
        """Say in one sentence which records are not available; empty if none.

        >>> print(Study({}, {"a, seed 0": "missing", "a, seed 1": "missing"}).note)
        Of the records of the study 2 are missing (a, seed 0; a, seed 1): the rows \
that rest on them are left out or have fewer seeds, and `make results` computes them.
        """
        names = [*self.unavailable]
        if len(names) > 3:
            names[3:] = [f"and {len(names) - 3} more"]
        reasons = " or ".join(sorted(set(self.unavailable.values())))
        verb = "are" if names[1:] else "is"
        return bool(names) * (
            f"Of the records of the study {len(self.unavailable)} {verb} {reasons} "
            f"({'; '.join(names)}): the rows that rest on them are left out or have "
            "fewer seeds, and `make results` computes them."
        )


def read_study(folder: str | Path) -> Study:
    """Read the records of all runs; one that is not available costs its own run."""
    runs, unavailable, stale = {}, {}, []
    for planned in study_runs():
        of_setting = runs.setdefault(planned.setting, [])
        try:
            of_setting.append(run := planned.read(Path(folder)))
        except FileNotFoundError:
            unavailable[planned.name] = "missing"
        except ValueError:
            unavailable[planned.name] = "damaged"
        else:
            stale += [planned.name] if run.record.stale else []
    runs = {setting: tuple(of_setting) for setting, of_setting in runs.items()}
    return Study(runs, unavailable, tuple(stale))


def study_statistics(study: Study, folder: str | Path | None = None) -> Statistics:
    """Return the statistics of all settings, cached in the folder or computed."""
    rows = {name: [] for run in study_runs() for name in _parts(run.setting, run.kind)}
    for record, summaries in _summaries(study, folder):
        for setting, values in summaries.items():
            rows[setting].append({"seed": record.config["seed"], **values})
    found = {
        setting: {name: tuple(run[name] for run in runs) for name in runs[0]}
        if runs
        else defaultdict(tuple)  # without records: no values of any name
        for setting, runs in rows.items()
    }
    base, *controls = (found[setting] for setting in LEARNING_SETTINGS)
    unchanged = dict(zip(base["seed"], base["alpha, late"], strict=True))
    for control in controls:  # each seed against the same seed as it is
        pairs = zip(control["seed"], control["alpha, late"], strict=True)
        control["alpha above unchanged"] = tuple(
            alpha - unchanged[seed] for seed, alpha in pairs if seed in unchanged
        )
    return found


def _summaries(study: Study, folder) -> Iterator[tuple[RunRecord, dict]]:
    """Yield each record with the statistics of its run, cached or computed."""
    cached = read_statistics(folder) if folder else {}
    for setting, runs in study.runs.items():
        for run in runs:
            entry = cached.get(run.record.name, {})
            is_current = entry.get("sha256") == run.record.manifest["sha256"]
            yield (
                run.record,
                (entry["statistics"] if is_current else summarize_run(setting, run)),
            )


def read_statistics(folder: str | Path) -> dict[str, dict]:
    """Return the cache by record; empty if there is none of this version."""
    try:
        stored = json.loads((Path(folder) / CACHE).read_text(encoding="utf-8"))
        return stored["records"] if stored["version"] == VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_statistics(folder: str | Path) -> Path:
    """Compute what the cache does not have yet, and write it."""
    records = {
        record.name: {"sha256": record.manifest["sha256"], "statistics": summaries}
        for record, summaries in _summaries(read_study(folder), folder)
    }
    stored = {"version": VERSION, "records": dict(sorted(records.items()))}
    path = Path(folder) / CACHE
    atomic_write(path, (json.dumps(stored, indent=1) + "\n").encode())
    return path


def _parts(setting: str, kind: str) -> dict[str, tuple]:
    """Return the rows that a run gives in tables, with the arguments of its summary."""
    if kind == "intervals":
        return {f"{setting}, {part:.1%}": (part,) for part in LARGE_FRACTIONS}
    if kind == "perturbation":
        pairs = ((epoch, delta) for epoch in EPOCHS for delta in DELTAS)
        return {f"{setting}, epoch {e}, {delta:+g}": (e, delta) for e, delta in pairs}
    return {setting: (setting,) if kind == "updates" else ()}


def summarize_run(setting: str, run) -> dict[str, dict[str, float]]:
    """Return the statistics of one run, by the settings that tables use."""
    kind = run.record.kind
    summarize = {
        "updates": summarize_updates,
        "intervals": summarize_intervals,
        "perturbation": summarize_perturbation,
        "information": summarize_information,
    }[kind]
    return {name: summarize(run, *args) for name, args in _parts(setting, kind).items()}


def tested_parts(setting: str) -> tuple[str, ...]:
    """Return the parts of a run that the paper looks at, of those in `THIRDS`."""
    if setting in LEARNING_SETTINGS:
        return ("late",)
    if setting not in TESTED_SETTINGS:
        return ()
    return ("whole",) if setting.startswith("transformer") else ("early", "late")


def equivalence_margin(alpha: float, tolerance: float = TOLERANCE) -> float:
    """Return the divergence of two power laws that differ by the tolerance, in nats.

    >>> round(equivalence_margin(4.5), 4)
    0.0061
    """
    s = alpha - 1
    return float(np.log(s / (s + tolerance)) + tolerance / s)


def margin(comparison, without: tuple[str, ...] = ()) -> float:
    """Return the gain of the best alternative; above 1 it fits clearly better."""
    gains = [-a.loglik_ratio for a in comparison.alternatives if a.name not in without]
    fit = comparison.fit
    return max(gains) / fit.n_tail / equivalence_margin(fit.alpha)


def part_of(run, part: str, group: str = "all") -> LogHistogram:
    """Return the updates in the first or last third of a run, or in all of it."""
    stops, third = len(run.updates.stops), THIRDS[part]
    edges = np.linspace(0, stops, 4).round().astype(int)
    first, last = (0, stops) if third is None else edges[third : third + 2]
    return run.updates.histogram(group, slice(first, max(last, first + 1)))


def linear_bins(histogram: LogHistogram, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return edges and counts in equal bins from 0, as `to_published` writes them."""
    edges = np.linspace(0.0, histogram.edges[-1], bins + 1)
    below = histogram.zeros + np.concatenate([[0], np.cumsum(histogram.counts)])
    cumulative = np.rint(np.interp(edges[1:], histogram.edges, below))
    return edges, np.diff(cumulative, prepend=0.0).astype(np.int64)


def fit_tail(histogram: LogHistogram, fraction: float = TAIL_FRACTION):
    """Fit a power law to the largest fraction of some updates."""
    xmin = histogram.tail_threshold(fraction)
    return fit_power_law(histogram.edges, histogram.counts, xmin=xmin)


def summarize_tail(
    histogram: LogHistogram, fraction: float = TAIL_FRACTION
) -> dict[str, float]:
    """Compare the power law with its alternatives on the largest fraction."""
    fit = fit_tail(histogram, fraction)
    compared = compare_tails(histogram.edges, histogram.counts, fit)
    return {
        # ln L of the power law less that of the exponential, nats per update
        "llr_vs_exponential": compared["exponential"].loglik_ratio / fit.n_tail,
        "margin": margin(compared),
    }


def summarize_exponents(histogram: LogHistogram) -> dict[str, float]:
    """Return exponents by three methods, and the largest update."""
    edges, counts = linear_bins(histogram, PUBLISHED_BINS)
    return {
        "alpha": fit_tail(histogram).alpha,
        "alpha_ols": ols_exponent(edges, counts).alpha,  # by a line, as the authors do
        "alpha_mle": fit_power_law(edges[1:], counts[1:]).alpha,  # with estimated xmin
        "max": histogram.max,
    }


def summarize_updates(run, setting: str = "") -> dict[str, float]:
    """Return exponents in each part of a run, and what its setting is tested for."""
    parts = tested_parts(setting)
    tails = ("thousandth",) if setting in LEARNING_SETTINGS else TAILS
    convolutions = [name for name in run.updates.groups if name.startswith("conv")]
    found = {}

    def add(values, before, after):
        found.update({f"{before}{n}, {after}": x for n, x in values.items()})

    for part in THIRDS:
        histogram = part_of(run, part)
        add(summarize_exponents(histogram), "", part)
        for tail in tails if part in parts else ():
            add(summarize_tail(histogram, TAILS[tail]), "", f"{part}, {tail}")
        if convolutions:  # alone, as the authors counted them
            alone = LogHistogram.merge(part_of(run, part, n) for n in convolutions)
            add(summarize_exponents(alone), "convolutions ", part)
    for name in ("alpha", "alpha_mle", "alpha_ols"):
        found[f"change of {name}"] = found[f"{name}, late"] - found[f"{name}, early"]
    last = run.updates.histogram(window=-1), run.rms.histogram(window=-1)
    found |= {"excess": mixture_excess(*last), "fourth_moment": fourth_moment(*last)}
    if setting in LAYERED_SETTINGS:
        found |= _summarize_layers(run, parts[-1])
    return found


def _summarize_layers(run, part: str) -> dict[str, float]:
    """Return the margin of every layer with a large tail, and medians over them."""
    layers = {}
    for name in run.updates.groups:
        histogram = part_of(run, part, name)
        if histogram.n_binned * TAIL_FRACTION >= MIN_TAIL_COUNT:
            last = run.updates.histogram(name, -1), run.rms.histogram(name, -1)
            excess = {"excess": mixture_excess(*last)}
            layers[name] = summarize_tail(histogram) | excess
    found = {f"margin in {name}": values["margin"] for name, values in layers.items()}
    for key in ("llr_vs_exponential", "margin", "excess"):
        median = np.median([values[key] for values in layers.values()])
        found[f"{key}, median over layers"] = float(median)
    return found


def summarize_intervals(run, fraction: float) -> dict[str, float]:
    """Test the longest hundredth of the intervals between large updates."""
    counts = run.counts(fraction)
    by_length = np.trim_zeros(np.asarray(counts.counts), "b")
    above = np.cumsum(by_length[::-1])[::-1]
    xmin = int(np.searchsorted(-above, -INTERVAL_TAIL_FRACTION * above[0])) + 1
    fit = fit_discrete_power_law(counts, xmin=xmin)
    null = interval_null(counts.per_weight, counts.steps)
    compared = compare_intervals(counts, fit, null=null)
    llr = compared["shuffled times"].loglik_ratio / fit.n_tail
    lengths = np.arange(1, len(by_length) + 1)
    edges = np.linspace(1, len(by_length), PUBLISHED_INTERVAL_BINS + 1)
    binned = np.histogram(lengths, bins=edges, weights=by_length)[0].astype(np.int64)
    return {
        "alpha": fit.alpha,
        "xmin": fit.xmin,
        "margin": margin(compared, without=("shuffled times",)),
        "llr_vs_shuffled": llr / equivalence_margin(fit.alpha),  # of the power law
        "burstiness": counts.burstiness,
        "burstiness_excess": counts.burstiness - null.burstiness,
        # From linear bins like the authors': by a line, and from the second bin up.
        "alpha_ols": ols_exponent(edges, binned).alpha,
        "alpha_mle": fit_power_law(edges[1:], binned[1:], xmin=edges[1]).alpha,
    }


def summarize_perturbation(run, epoch: int, delta: float) -> dict[str, float]:
    """Summarize the changes of the loss at one displacement, in nats."""
    response, on_test = run.responses[epoch], run.held_out[epoch]
    sizes = [np.abs(response.changes(delta, name)) for name in response.layers]
    test = [np.abs(on_test.changes(delta, name)).mean() for name in response.layers]

    def llr(values):  # ln p of the power law less that of the exponential, per weight
        found = power_law_or_exponential(values, fraction=LANDSCAPE_TAIL_FRACTION)
        return found.loglik_ratio

    return {
        "mean change, training images": float(np.mean([x.mean() for x in sizes])),
        "mean change, test images": float(np.mean(test)),
        "llr_pooled": llr(np.concatenate(sizes)),
        "llr_within_layers": float(np.mean([llr(values) for values in sizes])),
        "llr_equal_means": llr(np.concatenate([x / x.mean() for x in sizes])),
    }


def summarize_information(run) -> dict[str, float]:
    """Return the relative spread of information times alignment, over other spreads."""
    rng = np.random.default_rng(0)
    series, alignment = run.information("linear"), run.alignment("path")

    def product(first):
        pair = series.nats[1:][first:], alignment[first:]
        found = conservation_test(*pair, rng=rng, surrogates=300)
        null = found.autoregressive.relative_spread.mean
        return found, found.relative_spread / null

    (whole, versus_null), (_, after_burn_in) = product(0), product(BURN_IN)
    return {
        "I": float(series.nats.mean()),
        "beta": float(alignment.mean()),
        "spread_vs_null": versus_null,  # null: independent series that are as smooth
        "spread_vs_null, after burn-in": after_burn_in,
        "spread_vs_information": whole.relative_spread / whole.information_spread,
        "spread_vs_alignment": whole.relative_spread / whole.alignment_spread,
    }


def mixture_excess(updates: LogHistogram, rms: LogHistogram) -> float:
    """Return log₂ of the number of large updates over that of Gaussian steps.

    These have each parameter's own variance. Heavy steps of very unequal sizes come
    near 0 too.
    """
    sizes = np.append(np.sqrt(rms.edges[1:] * rms.edges[:-1]), 0.0)
    weights = np.append(rms.counts, rms.zeros)
    null = scale_mixture_null(
        sizes**2, updates.total, edges=updates.edges, weights=weights
    )
    found = compare_with_null(updates.edges, updates.counts, fit_tail(updates), null)
    return float(np.log2(found.excess))


def fourth_moment(updates: LogHistogram, rms: LogHistogram) -> float:
    """Return ⟨Δw⁴⟩ / 3⟨σ⁴⟩, σ of each parameter: 1 for Gaussian steps, 2 for Laplace.

    Sizes that change inside the window raise it.
    """

    def mean(histogram):
        low, high = histogram.edges[:-1], histogram.edges[1:]
        inside = (high**5 - low**5) / (5 * (high - low))  # uniform within a bin
        return float(histogram.counts @ inside / histogram.total)

    return mean(updates) / mean(rms) / 3
