"""Statistics on data whose law is known; the claims on the committed records."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import quad

from netdyn_utils import study as paper
from netdyn_utils.histogram import LogHistogram
from netdyn_utils.intervals import IntervalCounts
from netdyn_utils.paper_format import read_published
from netdyn_utils.study import statistics

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "book" / "results"
N = 2_000_000
LAWS = {  # a sample, and whether it beats an exponential, and passes
    "power law": (lambda rng: rng.pareto(3.0, N) + 1, True, True),
    "exponential": (lambda rng: rng.exponential(1.0, N), False, False),
    "gaussian": (lambda rng: np.abs(rng.normal(size=N)), False, False),
    # Both are no power laws and pass: the page says how weak the question is.
    "wide log-normal": (lambda rng: rng.lognormal(0.0, 1.5, N), True, True),
    "unequal gaussian": (
        *(lambda rng: np.abs(rng.normal(size=N)) * rng.lognormal(size=N), True, True),
    ),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("law", LAWS)
def test_known_laws_are_recognised(law, seed):
    sample, heavy, passes = LAWS[law]
    histogram = LogHistogram.from_values(sample(np.random.default_rng(seed)))
    found = statistics.summarize_tail(histogram)
    assert (found["llr_vs_exponential"] > 0) == heavy
    assert (found["margin"] < 1) == passes


@pytest.mark.parametrize("alpha", [1.8, 3.0, 4.5])
def test_the_equivalence_margin_is_a_divergence(alpha):
    s, r = alpha - 1, alpha - 1 + statistics.TOLERANCE

    def loss(u):  # u = ln(x / xmin)
        return s * np.exp(-s * u) * (np.log(s / r) + (r - s) * u)

    expected = quad(loss, 0, 60)[0]
    assert statistics.equivalence_margin(alpha) == pytest.approx(expected, rel=1e-6)


def test_exponents_are_read_from_the_bins_that_are_published(tmp_path):
    sample = np.random.default_rng(1).pareto(3.0, N) + 1
    histogram = LogHistogram.from_values(sample)
    edges, counts = statistics.linear_bins(histogram, 60)
    histogram.to_published(tmp_path / "ours", 60)
    theirs = read_published(tmp_path / "ours")
    np.testing.assert_array_equal(counts, theirs.counts)
    np.testing.assert_allclose(edges, theirs.edges, rtol=1e-6, atol=1e-9)
    found = statistics.summarize_exponents(histogram)
    assert found["alpha"] == pytest.approx(4.0, abs=0.15)
    assert found["alpha_mle"] == pytest.approx(4.0, abs=0.3)


def histograms(steps):
    """Return the histograms of steps (weights, times), and of each weight's rms."""
    rms = np.sqrt((steps**2).mean(axis=1))
    return LogHistogram.from_values(np.abs(steps)), LogHistogram.from_values(rms)


@pytest.mark.parametrize(("law", "ratio"), [("normal", 1), ("laplace", 2)])
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_the_fourth_moment_knows_a_law_whatever_the_sizes(law, ratio, spread):
    rng = np.random.default_rng(5)
    steps = getattr(rng, law)(size=(2_000, 1_000))
    steps *= rng.lognormal(0, spread, (2_000, 1))
    found = statistics.fourth_moment(*histograms(steps))
    assert found == pytest.approx(ratio, rel=0.12)


def test_unequal_gaussian_steps_are_their_own_null_and_equal_heavy_ones_are_not():
    rng = np.random.default_rng(6)
    sizes = rng.lognormal(size=(2_000, 1))
    normal = histograms(rng.normal(size=(2_000, 1_000)) * sizes)
    assert abs(statistics.mixture_excess(*normal)) < 0.2
    heavy = histograms(rng.standard_t(3, size=(2_000, 1_000)))
    assert statistics.mixture_excess(*heavy) > 2


def test_statistics_of_a_tail_do_not_depend_on_the_unit():
    values = np.random.default_rng(2).lognormal(0, 1, 200_000)
    one, other = (
        statistics.summarize_tail(LogHistogram.from_values(values * unit))
        for unit in (1, 2**-9)
    )
    assert one == pytest.approx(other, rel=1e-4, abs=1e-9)


def test_a_power_law_fits_times_without_memory_no_better_than_shuffled_ones():
    rng = np.random.default_rng(3)
    rates = rng.lognormal(-4.5, 1.0, 400)  # unequal, each without memory
    counts = IntervalCounts.of((rng.random((4_000, 400)) < rates).astype(float), 0.5)
    run = SimpleNamespace(counts=lambda _: counts)
    found = statistics.summarize_intervals(run, 0.01)
    assert found["llr_vs_shuffled"] < 0
    assert abs(found["burstiness_excess"]) < 0.02


@pytest.fixture(scope="module")
def study():
    return paper.read_study(RECORDS)


@pytest.fixture(scope="module")
def found(study):
    return paper.study_statistics(study, RECORDS)


@pytest.fixture(scope="module")
def claims(found):
    return paper.evaluate_claims(found)


def test_the_cache_has_the_records_that_are_here(study):
    assert (study.unavailable, study.stale, study.note) == ({}, (), "")
    cached = statistics.read_statistics(RECORDS)
    sums = {record.name: record.manifest["sha256"] for record in study.records}
    assert {name: entry["sha256"] for name, entry in cached.items()} == sums
    assert len(sums) == len(paper.study_runs())


@pytest.mark.parametrize(
    ("setting", "seed"),
    [
        *[("control: adam", 1), ("transformer, causal, batch 16", 2)],
        *[("intervals of mlp, rate 0.1", 3), ("intervals of mlp, rate 0.01", 4)],
        *[("landscape", 0), ("landscape", 4)],
        *[
            ("information, rate 0.1, batch 50", 0),
            ("information, rate 0.01, batch 500", 1),
        ],
    ],
)
def test_cached_statistics_are_what_their_records_give(study, setting, seed):
    run = study[setting][seed]
    cached = statistics.read_statistics(RECORDS)[run.record.name]["statistics"]
    again = statistics.summarize_run(setting, run)
    assert cached.keys() == again.keys()
    for name, values in cached.items():
        assert again[name] == pytest.approx(values, rel=1e-4, abs=1e-6), name


def test_a_cache_of_another_version_or_record_is_not_believed(study, tmp_path):
    cache = json.loads((RECORDS / statistics.CACHE).read_text())
    run = study["control: linear"][0]
    for wrong in ({"version": 0}, {"records": {run.record.name: {"sha256": "0"}}}):
        (tmp_path / statistics.CACHE).write_text(json.dumps({**cache, **wrong}))
        one = paper.Study({"control: linear": (run,)})
        found = paper.study_statistics(one, tmp_path)["control: linear"]
        again = statistics.summarize_updates(run)
        assert found["alpha, late"][0] == pytest.approx(again["alpha, late"])


def test_every_claim_is_answered_by_all_seeds(claims):
    for claim in claims:
        for answer in claim.answers:
            least = 3 if "convnet" in answer.setting else 5
            assert len(answer.values) >= least, (claim.name, answer.setting)


def test_a_verdict_turns_with_its_numbers(claims):
    """A negative control of the rule."""
    sides = {"above": 1, "below": -1, "within": 0}
    for claim in claims:
        for side, verdict in ((1, "holds"), (-1, "does not hold")):
            distant = []
            for a in claim.answers:
                away = side * sides[a.alternative] * np.array([1, 1.1, 1.2])
                centre = a.bound if a.alternative != "within" else (1 - side) * a.bound
                distant.append(replace(a, values=tuple(centre + away)))
            assert replace(claim, answers=tuple(distant)).verdict == verdict


def test_tables_have_as_many_cells_in_every_row(claims, found):
    tables = [paper.claims_table(claims), *(c._repr_markdown_() for c in claims)]
    tables.append(paper.comparison_table(paper.compare_with_paper(found)))
    for text in tables:
        rows = [line for line in text.splitlines() if line.startswith("|")]
        for table in re.split(r"\n(?=\|[^\n]*\n\|---)", "\n".join(rows)):
            assert len({line.count(" | ") for line in table.splitlines()[::2]}) == 1
    assert len(tables[0].splitlines()) == 2 + len(claims)


@pytest.mark.parametrize(
    ("part", "number"),
    [
        *[("mlp, rate 0.1; ", 6), ("transformer, no mask", 3), (", test images", 8)],
        *[("convnet, bare, convolutions", 5), ("rate 0.01, b", 4), ("rate 0.1, b", 2)],
    ],
)
def test_what_was_run_as_the_authors_ran_it_agrees(found, part, number):
    rows = [row for row in paper.compare_with_paper(found) if part in row.setting]
    assert [row.agrees for row in rows] == [True] * number


def test_front_page_and_readme_say_what_the_records_say(claims):
    lines = paper.summary(claims)
    for path in (ROOT / "book" / "_verdicts.md", ROOT / "README.md"):
        text = " ".join(path.read_text(encoding="utf-8").split())
        for line in lines:
            assert line in text, f"{path.name}: netdyn_utils results verdicts --write"
