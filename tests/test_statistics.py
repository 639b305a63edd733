"""What runs have to say, on data whose law is known; claims on committed records."""

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
from netdyn_utils.study import statistics as judged
from netdyn_utils.study.claims import claims_of
from netdyn_utils.tails import power_law_or_exponential

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "book" / "results"
N = 2_000_000


def drawn(kind, rng):
    draws = {
        "power law": lambda: rng.pareto(3.0, N) + 1,
        "exponential": lambda: rng.exponential(1.0, N),
        "gaussian": lambda: np.abs(rng.normal(size=N)),
        # Both are no power laws and pass: the page says how weak the question is.
        "wide log-normal": lambda: rng.lognormal(0.0, 1.5, N),
        "unequal gaussian": lambda: np.abs(rng.normal(size=N)) * rng.lognormal(size=N),
    }
    return LogHistogram.from_values(draws[kind]())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("kind", "heavier", "stands"),
    [
        ("power law", True, True),
        ("exponential", False, False),
        ("gaussian", False, False),
        ("wide log-normal", True, True),
        ("unequal gaussian", True, True),
    ],
)
def test_known_laws_are_judged_as_what_they_are(kind, heavier, stands, seed):
    found = judged.tail_facts(drawn(kind, np.random.default_rng(seed)))
    assert (found["heavier"] > 0) == heavier
    assert (found["lead"] < 1) == stands


def test_the_allowance_is_a_divergence():
    for alpha in (1.8, 3.0, 4.5):
        s, r = alpha - 1, alpha - 1 + judged.TOLERANCE

        def loss(u, s=s, r=r):  # u = ln x above the cut
            return s * np.exp(-s * u) * (np.log(s / r) + (r - s) * u)

        assert judged.allowance(alpha) == pytest.approx(quad(loss, 0, 60)[0], rel=1e-6)


def test_exponents_as_published_come_from_the_published_files(tmp_path):
    histogram = drawn("power law", np.random.default_rng(1))
    edges, counts = judged.linear_bins(histogram, 60)
    histogram.to_published(tmp_path / "ours", 60)
    theirs = read_published(tmp_path / "ours")
    np.testing.assert_array_equal(counts, theirs.counts)
    np.testing.assert_allclose(edges, theirs.edges, rtol=1e-6, atol=1e-9)
    read = judged.read_as_published(histogram)
    assert read["alpha"] == pytest.approx(4.0, abs=0.15)
    assert read["scanned"] == pytest.approx(4.0, abs=0.3)


@pytest.mark.parametrize(("law", "ratio"), [("normal", 1), ("laplace", 2)])
@pytest.mark.parametrize("uneven", [0.0, 1.0])
def test_the_fourth_moment_knows_a_law_whatever_the_sizes(law, ratio, uneven):
    rng = np.random.default_rng(5)
    steps = getattr(rng, law)(size=(2_000, 1_000)) * rng.lognormal(
        0, uneven, (2_000, 1)
    )
    found = paper.step_facts(steps)
    assert found["fourth moment"] == pytest.approx(ratio, rel=0.12)


def test_unequal_gaussian_steps_are_their_own_null_and_equal_heavy_ones_are_not():
    rng = np.random.default_rng(6)
    sizes = rng.lognormal(size=(2_000, 1))
    normal = paper.step_facts(rng.normal(size=(2_000, 1_000)) * sizes)
    assert abs(normal["doublings"]) < 0.2
    heavy = paper.step_facts(rng.standard_t(3, size=(2_000, 1_000)))
    assert heavy["doublings"] > 2


def test_facts_do_not_depend_on_the_unit():
    values = np.random.default_rng(2).lognormal(0, 1, 200_000)
    one, other = (
        judged.tail_facts(LogHistogram.from_values(values * u)) for u in (1, 2**-9)
    )
    assert one == pytest.approx(other, rel=1e-4, abs=1e-9)


def test_times_without_memory_are_no_nearer_to_a_power_law_than_shuffled():
    rng = np.random.default_rng(3)
    rates = rng.lognormal(-4.5, 1.0, 400)  # unequal, each without memory
    times = (rng.random((4_000, 400)) < rates).astype(float)
    counts = IntervalCounts.of(times, 0.5)
    run = SimpleNamespace(counts=lambda _: counts)
    found = judged.interval_facts(run, 0.01)
    assert found["over shuffled"] < 0
    assert abs(found["burstier"]) < 0.02


def test_an_empty_folder_has_no_verdicts_and_says_what_is_lacking(tmp_path):
    study = paper.read_study(tmp_path)
    assert "167 are missing" in study.note
    claims = paper.claims_of(paper.facts_of(study, tmp_path))
    assert {claim.verdict for claim in claims} == {"no records"}
    assert len(paper.summary(claims)) == 3


@pytest.fixture(scope="module")
def study():
    return paper.read_study(RECORDS)


@pytest.fixture(scope="module")
def facts(study):
    return paper.facts_of(study, RECORDS)


@pytest.fixture(scope="module")
def claims(facts):
    return claims_of(facts)


def test_the_study_is_whole(study):
    assert (study.lacking, study.stale, study.note) == ({}, (), "")
    assert len(study.records) == len(paper.study_runs())


def test_statistics_are_those_of_the_records_that_are_here(study):
    known = judged.read_statistics(RECORDS)
    sums = {r.name: r.manifest["sha256"] for r in study.records}
    assert {name: entry["sha256"] for name, entry in known.items()} == sums


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
def test_statistics_are_what_their_records_give(study, setting, seed):
    run = study[setting][seed]
    stored = judged.read_statistics(RECORDS)[run.record.name]["facts"]
    again = judged.run_facts(setting, run)
    assert stored.keys() == again.keys()
    for name, facts in stored.items():
        assert again[name] == pytest.approx(facts, rel=1e-4, abs=1e-6), name


def test_what_statistics_do_not_know_is_derived(study, tmp_path):
    """Another version or another checksum: nothing stale is believed."""
    stored = json.loads((RECORDS / judged.FILE).read_text())
    run = study["control: linear"][0]
    for wrong in ({"version": 0}, {"records": {run.record.name: {"sha256": "0"}}}):
        (tmp_path / judged.FILE).write_text(json.dumps({**stored, **wrong}))
        one = judged.Study({"control: linear": (run,)})
        found = judged.facts_of(one, tmp_path)["control: linear"]
        assert found["alpha, late"][0] == pytest.approx(
            judged.update_facts(run)["alpha, late"]
        )


def test_landscapes_are_read_like_the_chapter_reads_them(study, facts):
    run = study["landscape"][0]
    sizes = np.abs(run.responses[50].changes(1.0))
    contest = power_law_or_exponential(sizes, fraction=0.5)
    assert facts["landscape, epoch 50, +1"]["pooled"][0] == pytest.approx(
        contest.loglik_ratio
    )


def test_every_claim_is_answered_by_all_seeds(claims):
    for claim in claims:
        assert claim.verdict in (
            "holds",
            "holds in part",
            "not decided",
            "does not hold",
        )
        for answer in claim.answers:
            least = 3 if "convnet" in answer.setting else 5
            assert answer.held.size >= least, (claim.name, answer.setting)


def test_a_verdict_turns_with_its_numbers(claims):
    """A negative control: the rule is not deaf."""
    for claim in claims:
        yes = {"above": 1, "below": -1, "within": 0}
        for side, verdict in ((1, "holds"), (-1, "does not hold")):
            distant = []
            for a in claim.answers:
                away = side * yes[a.yes] * np.array([1, 1.1, 1.2])
                centre = a.bound if a.yes != "within" else (1 - side) * a.bound
                distant.append(replace(a, values=tuple(centre + away)))
            assert replace(claim, answers=tuple(distant)).verdict == verdict


def test_tables_have_as_many_cells_in_every_row(claims, facts):
    tables = [
        paper.claims_table(claims),
        *(claim._repr_markdown_() for claim in claims),
    ]
    tables.append(paper.agreements_table(paper.agreements_of(facts)))
    for text in tables:
        rows = [line for line in text.splitlines() if line.startswith("|")]
        for table in re.split(r"\n(?=\|[^\n]*\n\|---)", "\n".join(rows)):
            assert len({line.count(" | ") for line in table.splitlines()[::2]}) == 1
    assert len(tables[0].splitlines()) == 2 + len(claims)


@pytest.mark.parametrize(
    "part",
    [
        "mlp, rate 0.1; ",
        "transformer, no mask",
        "convnet, bare, convolutions",
        "rate 0.01, batch",
        "rate 0.1, batch",
    ],
)
def test_what_was_run_as_the_authors_ran_it_agrees(facts, part):
    rows = [r for r in paper.agreements_of(facts) if r.setting.startswith(part)]
    assert len(rows) >= 2
    assert [row for row in rows if not row.agrees] == []


def test_changes_of_the_loss_on_test_images_agree(facts):
    rows = [r for r in paper.agreements_of(facts) if r.setting.endswith("test images")]
    assert len(rows) == 8
    assert all(row.agrees for row in rows)


def test_front_page_and_readme_say_what_the_records_say(claims):
    lines = paper.summary(claims)
    for path in (ROOT / "book" / "_verdicts.md", ROOT / "README.md"):
        text = " ".join(path.read_text(encoding="utf-8").split())
        for line in lines:
            assert line in text, f"{path.name}: netdyn_utils results verdicts --write"
