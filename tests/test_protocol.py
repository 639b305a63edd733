"""The study: its list of runs, the status of their records, and one exported."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from netdyn_utils import read_published
from netdyn_utils.book.execute import run_all
from netdyn_utils.book.site import shown_records
from netdyn_utils.cli import cli
from netdyn_utils.experiments import FIVE_LAYERS, ExperimentConfig
from netdyn_utils.experiments.perturbation import perturbation_spec
from netdyn_utils.experiments.updates import UPDATES, UpdatesRun
from netdyn_utils.notebook_params import plan_jobs, read_parameters, validate
from netdyn_utils.store import RunStore
from netdyn_utils.study import StudyRun, export_record, record_status, study_runs
from netdyn_utils.training import TrainConfig

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "book" / "results"
RUNS = study_runs()
TINY = ExperimentConfig(
    options={"widths": (784, 3, 10)}, window=5, train=TrainConfig(steps=12)
)


def asked(claim, start=""):
    """Return runs of a claim whose names begin so, with the settings they ask for."""
    return [run for run in RUNS if run.claim == claim and run.name.startswith(start)]


def seeds(runs):
    return Counter(run.config.train.seed for run in runs)


# The list, as it was fixed before a number was compared


def test_no_run_is_listed_twice():
    assert len({run.name for run in RUNS}) == len(RUNS)
    assert len({run.spec.name for run in RUNS}) == len(RUNS)


@pytest.mark.parametrize("claim", ["updates", "intervals"])
def test_the_mlp_has_two_rates_and_ten_seeds_of_30000_steps(claim):
    runs = [run for run in asked(claim) if run.config.network == "mlp"]
    assert seeds(runs) == dict.fromkeys(range(10), 2)
    settings = {
        (c.train.learning_rate, c.train.batch_size, c.train.steps, c.source)
        for c in (run.config for run in runs)
    }
    assert settings == {(0.1, 64, 30_000, "full"), (0.01, 64, 30_000, "full")}


def test_the_convnet_has_three_variants_three_seeds_and_one_long_run_each():
    runs = [run for run in asked("updates") if run.config.network == "convnet"]
    variants = Counter(
        (
            run.config.train.steps,
            run.config.train.freeze_batchnorm_after,
            run.config.options.get("batchnorm", True),
        )
        for run in runs
    )
    kinds = [(None, True), (100, True), (None, False)]
    assert variants == {(10_000, *k): 3 for k in kinds} | {
        (30_000, *k): 1 for k in kinds
    }
    rates = {(r.config.train.learning_rate, r.config.train.batch_size) for r in runs}
    assert rates == {(0.01, 64)}
    long = [r for r in asked("intervals") if r.config.network == "convnet"]
    assert [run.config.train.steps for run in long] == [30_000] * 3


def test_the_transformer_has_three_batches_with_and_without_mask_and_five_seeds():
    runs = [run for run in asked("updates") if run.config.network == "transformer"]
    assert seeds(runs) == dict.fromkeys(range(5), 6)
    found = Counter(
        (run.config.train.batch_size, run.config.options.get("causal", True))
        for run in runs
    )
    assert found == {(b, causal): 5 for b in (4, 8, 16) for causal in (True, False)}
    trained = {(r.config.train.steps, r.config.train.learning_rate) for r in runs}
    assert trained == {(1_000, 0.1)}


def test_intervals_are_of_runs_whose_updates_are_counted_too():
    updates = {str(run.config) for run in asked("updates")}
    runs = asked("intervals")
    assert {str(run.config) for run in runs} <= updates
    assert {run.options["start"] for run in runs} == {5_000}


def test_landscape_and_information_are_of_the_five_layers():
    both = [*asked("landscape"), *asked("information")]
    assert all(run.config.options == FIVE_LAYERS for run in both)
    assert all(run.config.source == "full" for run in both)
    assert seeds(asked("landscape")) == dict.fromkeys(range(5), 1)
    assert seeds(asked("information")) == dict.fromkeys(range(5), 4)
    settings = Counter(
        (c.train.learning_rate, c.train.batch_size, c.train.steps, c.window)
        for c in (run.config for run in asked("information"))
    )
    published = {(0.01, 50), (0.01, 500), (0.1, 50)}
    assert published < {(rate, batch) for rate, batch, *_ in settings}
    assert {(steps, window) for *_, steps, window in settings} == {(20_000, 200)}


def test_the_first_landscape_has_as_many_values_as_the_paper():
    (first,) = asked("landscape", "landscape, seed 0")
    assert first.options == {"weights_per_layer": 4_999, "curve_weights": 500}


def test_each_control_takes_away_one_thing():
    runs = asked("controls")
    kinds = Counter(run.name.removeprefix("control: ").split(",")[0] for run in runs)
    learned = {"as it is", "shuffled labels", "spectral noise"}
    assert all(number == (10 if k in learned else 3) for k, number in kinds.items())
    assert {"as it is", "shuffled labels", "spectral noise", "full batch"} < set(kinds)
    assert {"momentum", "adam", "linear", "width 32", "width 1024"} < set(kinds)
    assert {run.config.source for run in runs} == {"sample"}
    (plain,) = [run for run in runs if run.name == "control: as it is, seed 0"]
    (mixed,) = [run for run in runs if run.name == "control: shuffled labels, seed 0"]
    assert replace(mixed.config, control="none") == plain.config


def test_all_kinds_come_before_the_second_seed():
    claims = [run.claim for run in RUNS if run.config.train.seed == 0]
    until = next(k for k, run in enumerate(RUNS) if run.config.train.seed == 1)
    assert {run.claim for run in RUNS[:until]} == set(claims)


# The chapters in the paper profile


def parameters(chapter):
    """Return what a chapter takes in the paper profile, its own values included."""
    (job,) = [
        job for job in plan_jobs(ROOT, "paper", Path("nowhere")) if job.name == chapter
    ]
    return validate(read_parameters(job.source), job.parameters)


def test_the_chapters_ask_for_runs_of_the_study():
    updates = [run.config for run in asked("updates")]
    for chapter in ("01_training", "02_updates", "03_tails"):
        given = SimpleNamespace(**parameters(chapter))
        same = {"seed": given.seed, "source": given.source}
        own = {"learning_rate": given.learning_rate, "batch_size": given.batch_size}
        configs = [
            ExperimentConfig.from_paper("mlp", given.mlp_steps, **own, **same),
            ExperimentConfig.from_paper("convnet", given.convnet_steps, **same),
            ExperimentConfig.from_paper(
                "transformer", given.transformer_steps, seed=given.seed
            ),
        ]
        assert all(config in updates for config in configs)
    given = parameters("05_perturbation")
    (first,) = asked("landscape", "landscape, seed 0")
    assert first.options.items() <= given.items()
    epochs = given["first_epoch"], given["last_epoch"]
    assert perturbation_spec(first.config, epochs=epochs, **first.options) == first.spec
    given = parameters("06_information")
    found = {
        (run.config.train.steps, run.config.window) for run in asked("information")
    }
    assert found == {(given["steps"], given["window"])}
    assert parameters("04_intervals")["start"] == asked("intervals")[0].options["start"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "job", plan_jobs(ROOT, "paper", Path()), ids=lambda job: job.name
)
def test_a_chapter_is_made_from_the_records_alone(job, tmp_path, monkeypatch):
    (tmp_path / "no data").mkdir()
    monkeypatch.setenv("NETDYN_RESULTS", str(RESULTS))
    monkeypatch.setenv("NETDYN_COMPUTE", "never")
    monkeypatch.setenv("NETDYN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("NETDYN_DATA", str(tmp_path / "no data"))
    (run,) = run_all([replace(job, output=tmp_path / "out" / job.source.name)])
    assert run.status == "ok", run
    records = shown_records(run.output)
    assert all(record.archived and not record.stale for record in records)
    # The verdicts count their records in a sentence; the last chapter has none.
    assert bool(records) == (job.name[:2] < "07")


# The records


def test_all_records_are_committed_and_fresh():
    status = {run.name: record_status(run, RESULTS) for run in RUNS}
    bad = [f"{name}: {words}" for name, words in status.items() if words[0] != "fresh"]
    assert not bad, "\n".join([*bad[:10], "`make results` computes them"])


def test_no_record_is_there_that_no_run_asks_for():
    known = {run.spec.name for run in RUNS} | {"statistics", "lr_batch"}
    assert {path.stem for path in RESULTS.iterdir()} == known


def test_the_records_stay_small():
    assert sum(path.stat().st_size for path in RESULTS.iterdir()) < 20e6


def test_every_record_says_what_it_was_made_with():
    for run in RUNS:
        told = json.loads((RESULTS / f"{run.spec.name}.json").read_text())
        assert {"processor", "created", "seconds", "commit", "data"} <= set(told)
        assert told["threads"] >= 1
        assert {"torch", "numpy", "python"} <= set(told["versions"])


# The status of a record


@pytest.fixture
def tiny(tmp_path):
    run = StudyRun("tiny", "none", "updates", TINY)
    return run, run.compute(RunStore(tmp_path)).record, tmp_path


def test_a_record_is_fresh_stale_or_missing(tiny, tmp_path, monkeypatch):
    run, _, folder = tiny
    assert record_status(run, folder) == ("fresh", "")
    assert record_status(run, tmp_path / "elsewhere") == ("missing", "")
    monkeypatch.setitem(vars(UPDATES), "version", 99)
    assert record_status(run, folder)[0] == "stale"


def test_one_byte_makes_a_record_damaged(tiny):
    run, record, folder = tiny
    path = record.path.with_suffix(".npz")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    status, why = record_status(run, folder)
    assert (status, "checksum" in why) == ("damaged", True)


# One record exported


def test_what_is_exported_is_what_was_recorded(tiny, tmp_path):
    _, record, _ = tiny
    written = export_record(record, tmp_path / "out")
    assert all(path.is_file() for path in written)
    with np.load(tmp_path / "out" / "arrays.npz", allow_pickle=False) as arrays:
        assert set(arrays) == set(record.arrays)
        for name, array in record.arrays.items():
            assert arrays[name].tobytes() == array.tobytes()
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert told["config"] == record.config


def test_a_window_is_exported_as_the_authors_publish_theirs(tiny, tmp_path):
    _, record, _ = tiny
    export_record(record, tmp_path / "out")
    run = UpdatesRun.of(record)
    for window in range(3):
        ours = run.updates.histogram(window=window)
        theirs = read_published(tmp_path / "out" / f"update_mlp_window{window}")
        assert theirs.counts.sum() == ours.total
        assert theirs.edges[0] == 0
        assert theirs.edges[-1] == pytest.approx(ours.edges[-1])
        # Below each of their edges lie all bins of ours that end there or before, and
        # none that begin there or later.
        below = ours.zeros + np.append(0, np.cumsum(ours.counts))
        found = np.cumsum(theirs.counts)[:-1]
        inner = theirs.edges[1:-1]
        whole = np.searchsorted(ours.edges, inner * (1 - 1e-6), side="right") - 1
        cut = np.searchsorted(ours.edges, inner * (1 + 1e-6))
        assert np.all(below[whole.clip(0)] <= found)
        assert np.all(found <= below[cut])


def results(*words):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return CliRunner().invoke(cli, ["results", *map(str, words)])


def test_the_command_exports_by_the_letters_of_a_key(tmp_path):
    first = next(run for run in RUNS if run.kind == "intervals")
    done = results("export", first.spec.key[:8], tmp_path)
    assert (done.exit_code, "arrays.npz" in done.output) == (0, True)
    done = results("export", "zzz", tmp_path)
    assert (done.exit_code, "0 records end in 'zzz'" in done.output) == (2, True)


def test_the_command_counts_the_records():
    assert results("status").output == f"{len(RUNS)} fresh\n"
