"""The study: its list of runs, the status of their records, and one exported."""

import json
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
from netdyn_utils.experiments import ExperimentConfig
from netdyn_utils.experiments.perturbation import PERTURBATION
from netdyn_utils.experiments.updates import UPDATES, UpdatesRun
from netdyn_utils.notebook_params import plan_jobs, read_parameters, validate
from netdyn_utils.store import RunStore
from netdyn_utils.study import StudyRun, export_record, record_status, study_runs
from netdyn_utils.study.statistics import linear_bins
from netdyn_utils.training import TrainConfig

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "book" / "results"
RUNS = study_runs()
TINY = ExperimentConfig(
    options={"widths": (784, 3, 10)}, window=5, train=TrainConfig(steps=12)
)


def runs_of(claim):
    return [run for run in RUNS if run.claim == claim]


def test_no_run_is_listed_twice():
    assert len({run.name for run in RUNS}) == len(RUNS)
    assert len({run.spec.name for run in RUNS}) == len(RUNS)


def test_intervals_are_of_runs_whose_updates_are_counted_too():
    updates = {str(run.config) for run in runs_of("updates")}
    assert {str(run.config) for run in runs_of("intervals")} <= updates


# The chapters in the paper profile


def parameters(chapter):
    """Return what a chapter takes in the paper profile, its own values included."""
    (job,) = [
        job for job in plan_jobs(ROOT, "paper", Path("nowhere")) if job.name == chapter
    ]
    return validate(read_parameters(job.source), job.parameters)


def test_the_chapters_read_runs_of_the_study():
    updates = [run.config for run in runs_of("updates")]
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
    first = runs_of("landscape")[0]
    assert first.options.items() <= given.items()
    epochs = given["first_epoch"], given["last_epoch"]
    assert PERTURBATION.spec(first.config, epochs=epochs, **first.options) == first.spec
    given = parameters("06_information")
    series = [run.config for run in runs_of("information")]
    pairs = {(config.train.steps, config.window) for config in series}
    assert pairs == {(given["steps"], given["window"])}
    start = parameters("04_intervals")["start"]
    assert {run.options["start"] for run in runs_of("intervals")} == {start}


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


def test_all_records_are_committed_and_fresh_and_no_others():
    status = {run.name: record_status(run, RESULTS) for run in RUNS}
    others = [f"{name}: {why}" for name, why in status.items() if why[0] != "fresh"]
    assert not others, "\n".join([*others[:10], "`make results` computes them"])
    known = {run.spec.name for run in RUNS} | {"statistics", "lr_batch"}
    assert {path.stem for path in RESULTS.iterdir()} == known
    assert sum(path.stat().st_size for path in RESULTS.iterdir()) < 20e6


# The status of a record


@pytest.fixture
def tiny(tmp_path):
    run = StudyRun("tiny", "updates", TINY)
    return run, run.compute(RunStore(tmp_path)).record


def test_a_record_is_fresh_stale_missing_or_damaged(tiny, tmp_path, monkeypatch):
    run, record = tiny
    assert record_status(run, tmp_path) == ("fresh", "")
    assert record_status(run, tmp_path / "elsewhere") == ("missing", "")
    monkeypatch.setitem(vars(UPDATES), "version", 99)
    assert record_status(run, tmp_path)[0] == "stale"
    record.path.with_suffix(".npz").write_bytes(b"")
    status, why = record_status(run, tmp_path)
    assert (status, "checksum" in why) == ("damaged", True)


# One record exported


def test_an_exported_record_has_all_arrays_and_windows_as_the_authors(tiny, tmp_path):
    _, record = tiny
    written = export_record(record, tmp_path / "out")
    assert all(path.is_file() for path in written)
    with np.load(tmp_path / "out" / "arrays.npz", allow_pickle=False) as arrays:
        assert set(arrays) == set(record.arrays)
        for name, array in record.arrays.items():
            assert arrays[name].tobytes() == array.tobytes()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["config"] == record.config
    for window in range(3):
        ours = UpdatesRun.of(record).updates.histogram(window=window)
        theirs = read_published(tmp_path / "out" / f"update_mlp_window{window}")
        edges, counts = linear_bins(ours, 1_000)
        np.testing.assert_array_equal(theirs.counts, counts)
        np.testing.assert_allclose(theirs.edges, edges, rtol=1e-6, atol=1e-9)


def test_the_command_exports_by_the_letters_of_a_key(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    first = next(run for run in RUNS if run.kind == "intervals")
    for key, code, message in (
        (first.spec.key[:8], 0, "arrays.npz"),
        ("zzz", 2, "0 records end in 'zzz'"),
    ):
        done = CliRunner().invoke(cli, ["results", "export", key, str(tmp_path)])
        assert (done.exit_code, message in done.output) == (code, True)
