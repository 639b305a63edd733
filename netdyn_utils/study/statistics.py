"""What each run has to say to the claims, as plain numbers: derived once and kept.

Every number is made alike for all runs of a kind, and none of them needs to know how
many of its counts are independent: that is left to the spread between seeds. The fits
behind them take minutes, so ``book/results/statistics.json`` keeps what came out, by
the checksum of each record: a page and a test read it, and what is not in it is derived
anew.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from ..histogram import LogHistogram
from ..information import conservation
from ..intervals import compare_intervals, fit_discrete_power_law, interval_null
from ..store import atomic_write
from ..tails import (
    TailComparison,
    compare_tails,
    compare_with_null,
    fit_power_law,
    ols_exponent,
    power_law_or_exponential,
    scale_mixture_null,
)
from .protocol import study_runs

VERSION = 1  # of the numbers below: raised when they are meant to change
FILE = "statistics.json"
LARGEST = 0.001  # share of all updates that are its tail: the same in every run
TAILS = {"hundredth": 0.01, "thousandth": LARGEST, "ten-thousandth": 0.0001}
LONGEST = 0.01  # share of all intervals, likewise
TOLERANCE = 0.4  # of an exponent: less is no difference
FEWEST = 1_000  # updates in the tail of a layer; a rival's luck is 1/n nats each
UNSETTLED = 20  # windows at the beginning, in which both series fall
LARGER_HALF = 0.5  # share of the changes of the loss that is the tail
PUBLISHED_BINS = 60  # linear bins of the authors' histograms of updates
PUBLISHED_LENGTHS = 50  # linear bins of their intervals
PARTS = {"early": 0, "late": 2, "whole": None}  # of a run: thirds, or all of it
EPOCHS = (50, 100)
DELTAS = (0.01, -0.01, 1.0, -1.0)
SHARES = (0.01, 0.005)  # of the largest updates, between which are intervals
JUDGED = (  # settings whose tails are judged: every network as it should be run
    "mlp, rate 0.1",
    "mlp, rate 0.01",
    "convnet, right, 10,000 steps",
    "transformer, causal, batch 4",
    "transformer, causal, batch 8",
    "transformer, causal, batch 16",
)
LAYERED = tuple(JUDGED[at] for at in (0, 1, 2, 4))  # whose layers are judged too
LEARNING = tuple(
    f"control: {name}" for name in ("as it is", "shuffled labels", "spectral noise")
)


@dataclass(frozen=True, eq=False)
class Study:
    """Runs by setting, each a tuple by seed.

    Parameters
    ----------
    runs : mapping
        Setting to the runs that have it, see `StudyRun.setting`.
    lacking : mapping
        Name of a planned run to why it is not here: "missing" or "damaged".
    stale : tuple of str
        Names of runs whose record is of another version of its kind.
    """

    runs: Mapping[str, tuple] = field(repr=False)
    lacking: Mapping[str, str] = field(default_factory=dict)
    stale: tuple[str, ...] = ()

    def __getitem__(self, setting: str) -> tuple:
        """Return the runs of a setting, by seed; none where records are lacking."""
        if setting not in self.runs and setting not in _settings():
            raise KeyError(f"{setting!r}: choose one of {sorted(_settings())}")
        return self.runs.get(setting, ())

    def of(self, claim: str) -> dict[str, tuple]:
        """Return the settings that belong to a claim, see `StudyRun.claim`."""
        wanted = _settings(claim)
        return {name: runs for name, runs in self.runs.items() if name in wanted}

    def runs_of(self, claim: str) -> list:
        """Return the runs that belong to a claim."""
        return [run for runs in self.of(claim).values() for run in runs]

    @property
    def records(self) -> list:
        """Return the records of all runs."""
        return [run.record for runs in self.runs.values() for run in runs]

    @property
    def note(self) -> str:
        """Say in one sentence which records are lacking; empty if none is.

        >>> print(Study({}, {"a, seed 0": "missing", "a, seed 1": "missing"}).note)
        Of the records of the study 2 are missing (a, seed 0; a, seed 1): the rows \
that rest on them are left out or have fewer seeds, and `make results` computes them.
        """
        if not self.lacking:
            return ""
        names = [*self.lacking]
        shown = "; ".join(names[:3]) + (
            f"; and {len(names) - 3} more" * (len(names) > 3)
        )
        words = sorted(set(self.lacking.values()))
        verb = "is" if len(names) == 1 else "are"
        return (
            f"Of the records of the study {len(names)} {verb} {' or '.join(words)} "
            f"({shown}): the rows that rest on them are left out or have fewer seeds, "
            "and `make results` computes them."
        )

    @property
    def description(self) -> str:
        """Say what the records are, where they come from, and what is lacking."""
        manifests = [record.manifest for record in self.records]
        if not manifests:
            return self.note

        def listed(name, words=" and "):
            return words.join(sorted({str(each[name]) for each in manifests}))

        days = sorted({each["created"][:10] for each in manifests})
        torch = sorted({each["versions"]["torch"] for each in manifests})
        hours = sum(each["seconds"] for each in manifests) / 3600
        stale = f" Of another version: {', '.join(self.stale)}." if self.stale else ""
        return (
            f"{len(manifests)} runs, computed on {' and '.join(days)} in {hours:.1f} "
            f"hours of {listed('threads', ' or ')} thread on {listed('processor')}, "
            f"torch {', '.join(torch)}, at commit {listed('commit')}. {self.note}"
        ).rstrip() + stale


def read_study(folder: str | Path) -> Study:
    """Read the records of all runs; nothing is computed.

    Parameters
    ----------
    folder : str or Path
        ``book/results`` of the repository. A record that is missing or damaged costs
        its own run only.
    """
    found, lacking, stale = {}, {}, []
    for planned in study_runs():
        try:
            run = planned.read(Path(folder))
        except FileNotFoundError:
            lacking[planned.name] = "missing"
            continue
        except ValueError:
            lacking[planned.name] = "damaged"
            continue
        found.setdefault(planned.setting, {})[planned.seed] = run
        if run.record.stale:
            stale.append(planned.name)
    runs = {name: tuple(of[seed] for seed in sorted(of)) for name, of in found.items()}
    return Study(runs, lacking, tuple(stale))


class Facts(dict):
    """Setting to fact to the values of its runs, a tuple by seed.

    A planned setting of which no record is there has no values; a name that is not
    planned is an error.
    """

    def __missing__(self, setting: str) -> "_NoRuns":
        if setting in _fact_settings():
            return _NoRuns()
        raise KeyError(f"{setting!r}: choose one of {sorted(_fact_settings())}")


class _NoRuns(dict):
    def __missing__(self, fact: str) -> tuple[float, ...]:
        return ()


def facts_of(study: Study, folder: str | Path | None = None) -> Facts:
    """Return the facts of every setting of a study, each a tuple by run.

    Parameters
    ----------
    study : Study
    folder : path, optional
        Where ``statistics.json`` lies; facts of records that it knows are read there.
    """
    known = read_statistics(folder) if folder else {}
    found: dict[str, list] = {}
    for claim in ("updates", "controls", "intervals", "landscape", "information"):
        for setting, runs in study.of(claim).items():
            for run in runs:
                entry = known.get(run.record.name, {})
                facts = entry.get("facts")
                if entry.get("sha256") != run.record.manifest["sha256"]:
                    facts = run_facts(setting, run)
                seed = {"seed": run.record.config["seed"]}
                for name, values in facts.items():
                    found.setdefault(name, []).append({**seed, **values})
    return Facts({name: _gather(rows) for name, rows in found.items()})


def run_facts(setting: str, run) -> dict[str, dict[str, float]]:
    """Return what one run says, by the names of settings that tables use."""
    kind = run.record.kind
    if kind == "updates":
        return {setting: update_facts(run, **_asked(setting))}
    if kind == "intervals":
        return {_of_share(setting, s): interval_facts(run, s) for s in SHARES}
    if kind == "perturbation":
        return {
            _of_delta(setting, epoch, delta): landscape_facts(run, epoch, delta)
            for epoch in EPOCHS
            for delta in DELTAS
        }
    return {setting: information_facts(run, np.random.default_rng(0))}


def read_statistics(folder: str | Path) -> dict[str, dict]:
    """Return ``statistics.json`` by record; nothing if it is of another version."""
    try:
        stored = json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))
        return stored["records"] if stored["version"] == VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_statistics(folder: str | Path) -> Path:
    """Derive what ``statistics.json`` does not have yet, and write it whole."""
    known, records = read_statistics(folder), {}
    for claim in dict.fromkeys(run.claim for run in study_runs()):
        for setting, runs in read_study(folder).of(claim).items():
            for run in runs:
                name, sha256 = run.record.name, run.record.manifest["sha256"]
                entry = known.get(name, {})
                if entry.get("sha256") != sha256:
                    entry = {"sha256": sha256, "facts": run_facts(setting, run)}
                records[name] = entry
    stored = {"version": VERSION, "records": dict(sorted(records.items()))}
    path = Path(folder) / FILE
    atomic_write(path, (json.dumps(stored, indent=1) + "\n").encode())
    return path


@cache
def _settings(claim: str | None = None) -> set[str]:
    return {run.setting for run in study_runs() if claim in (None, run.claim)}


def _of_share(setting: str, share: float) -> str:
    return f"{setting}, {share:.1%}"


def _of_delta(setting: str, epoch: int, delta: float) -> str:
    return f"{setting}, epoch {epoch}, {delta:+g}"


@cache
def _fact_settings() -> set[str]:
    names = _settings("updates") | _settings("controls") | _settings("information")
    names |= {_of_share(s, share) for s in _settings("intervals") for share in SHARES}
    return names | {
        _of_delta(setting, epoch, delta)
        for setting in _settings("landscape")
        for epoch in EPOCHS
        for delta in DELTAS
    }


def _asked(setting: str) -> dict:
    """Return which parts of a run are judged: those that the paper looks at."""
    if setting in LEARNING:
        return {"judged": ("late",), "tails": ("thousandth",)}
    if setting not in JUDGED:
        return {}
    whole = setting.startswith("transformer")
    layered = ("whole" if whole else "late") if setting in LAYERED else None
    judged = ("whole",) if whole else ("early", "late")
    return {"judged": judged, "tails": tuple(TAILS), "layers": layered}


def _gather(found: list[dict[str, float]]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(one[name] for one in found) for name in found[0]}


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
    gains = [-r.loglik_ratio for r in comparison.alternatives if r.name not in without]
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
    fit = fit_power_law(edges, counts, xmin=histogram.tail_threshold(share))
    compared = compare_tails(edges, counts, fit)
    return {
        "heavier": compared["exponential"].loglik_ratio / fit.n_tail,
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
    xmin = histogram.tail_threshold(LARGEST)
    return {
        "alpha": fit_power_law(edges, counts, xmin=xmin).alpha,
        "line": ols_exponent(wide, held).alpha,
        "scanned": fit_power_law(wide[1:], held[1:]).alpha,
        "largest": histogram.max,
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
    judged = {n: h for n, h in judged.items() if h.n_binned * LARGEST >= FEWEST}
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
        "over shuffled": compared["shuffled times"].loglik_ratio
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
        return power_law_or_exponential(values, fraction=LARGER_HALF).loglik_ratio

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


def mixture_excess(updates: LogHistogram, rms: LogHistogram) -> float:
    """Return how many more large updates there are than unequal Gaussian steps give.

    In doublings, log₂ of a ratio: counts above the threshold of the largest thousandth,
    over those of Gaussian steps with each parameter's own variance. 0 says that uneven
    variances give as many; heavy steps of very uneven sizes come near it too.
    """
    sizes = np.append(np.sqrt(rms.edges[1:] * rms.edges[:-1]), 0.0)
    null = scale_mixture_null(
        sizes**2,
        updates.total,
        edges=updates.edges,
        weights=np.append(rms.counts, rms.zeros),
    )
    fit = fit_power_law(
        updates.edges, updates.counts, xmin=updates.tail_threshold(LARGEST)
    )
    found = compare_with_null(updates.edges, updates.counts, fit, null)
    return float(np.log2(found.excess))


def fourth_moment(updates: LogHistogram, rms: LogHistogram) -> float:
    """Return the fourth moment over that of unequal Gaussian steps.

    ⟨Δw⁴⟩ / 3⟨σ⁴⟩, with σ of each parameter: 1 for Gaussian steps of whatever sizes, 2
    for Laplace steps. Sizes that change inside the window raise it.
    """
    return _fourth(updates) / _fourth(rms) / 3


def step_facts(steps: np.ndarray) -> dict[str, float]:
    """Return what the steps of known weights, (weights, times), would give a run.

    >>> normal = np.random.default_rng(0).normal(size=(1_000, 200))
    >>> round(step_facts(normal)["fourth moment"], 1)
    1.0
    """
    updates = LogHistogram.from_values(np.abs(steps))
    rms = LogHistogram.from_values(np.sqrt((steps**2).mean(axis=1)))
    return {
        "doublings": mixture_excess(updates, rms),
        "fourth moment": fourth_moment(updates, rms),
    }


def _fourth(histogram: LogHistogram) -> float:
    low, high = histogram.edges[:-1], histogram.edges[1:]
    inside = (high**5 - low**5) / (5 * (high - low))  # level within a bin
    return float(histogram.counts @ inside / histogram.total)


def alpha_by_window(run) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of windows and the exponent of each one's largest thousandth."""
    stops = np.asarray(run.updates.stops)
    alphas = []
    for window in range(len(stops)):
        held = run.updates.histogram(window=window)
        cut = held.tail_threshold(LARGEST)
        alphas.append(fit_power_law(held.edges, held.counts, xmin=cut).alpha)
    return stops, np.array(alphas)
