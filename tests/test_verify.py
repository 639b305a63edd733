"""A record that is right is found right; one that is wrong by one count is found."""

from dataclasses import replace

import numpy as np
import pytest

from netdyn_utils.experiments import ExperimentConfig, run_updates
from netdyn_utils.store import RunStore, write_record
from netdyn_utils.study import (
    PASSING,
    StudyRun,
    is_cheap,
    is_slow,
    study_runs,
    verified_runs,
    verify_record,
)
from netdyn_utils.study.verify import Comparison
from netdyn_utils.training import TrainConfig

SMALL = ExperimentConfig(
    options={"widths": (784, 12, 10)}, window=20, train=TrainConfig(steps=80)
)
LANDSCAPE = {
    "epochs": (50, 51),
    "weights_per_layer": 60,
    "curve": (0.1,),
    "curve_weights": 40,
}
RUNS = {
    "updates": (SMALL, {}),
    "information": (SMALL, {"permutations": 2}),
    "intervals": (SMALL, {"start": 40}),
    "perturbation": (
        replace(SMALL, digits=(0, 1), train=TrainConfig(batch_size=1_000)),
        LANDSCAPE,
    ),
}
CHANGED = {  # an array of each kind, a place in its first part, and what is then named
    "updates": ("updates_counts", (0, 0, 9), "updates of fc1"),
    "information": ("alignment", (0, 0), "alignment"),
    "intervals": ("thresholds", (0,), "threshold of 1.0%"),
    "perturbation": ("held_out50_response", np.s_[0, 0, :], "held_out at epoch 50"),
}


@pytest.fixture(params=RUNS)
def kind(request):
    return request.param


@pytest.fixture
def run(kind):
    return StudyRun(f"small {kind}", "none", kind, *RUNS[kind])


def change(run, record, arrays=None, **manifest):
    """Write a record again, with other arrays or another manifest, its sums right."""
    told = {**record.manifest, **manifest}
    notes = {n: told[n] for n in ("seconds", "threads", "device", "processor")}
    arrays = {**record.arrays, **(arrays or {})}
    write_record(record.path.parent, run.spec, arrays, notes)


def with_one_more(record, name, place):
    array = record[name].copy()
    array[place] += np.asarray(1, array.dtype)
    return {name: array}


def test_a_part_of_a_run_is_the_same_part_of_the_whole_run(run, tmp_path):
    run.compute(RunStore(tmp_path))
    found = verify_record(run, tmp_path)
    assert found.status == "same", found
    assert str(found).endswith(" s, the same")


def test_one_count_that_is_wrong_is_found_and_named(kind, run, tmp_path):
    record = run.compute(RunStore(tmp_path)).record
    name, place, told = CHANGED[kind]
    change(run, record, with_one_more(record, name, place))
    found = verify_record(run, tmp_path)
    assert found.status == "differs"
    assert told in found.detail
    assert run.name in str(found)


def test_on_another_machine_the_last_bits_may_differ_and_no_more(tmp_path):
    run = StudyRun("small", "none", "updates", SMALL)
    record = run.compute(RunStore(tmp_path)).record
    one = with_one_more(record, "updates_counts", (0, 0, 9))
    change(run, record, one, processor="another", threads=record.manifest["threads"])
    found = verify_record(run, tmp_path)
    assert found.status == "close"
    assert "processor another →" in found.detail
    twice = {"updates_counts": record["updates_counts"] * 2}
    change(run, record, twice, processor="another")
    assert verify_record(run, tmp_path).status == "differs"


def test_another_seed_is_no_rounding(tmp_path):
    run = StudyRun("small", "none", "updates", SMALL)
    record = run.compute(RunStore(tmp_path)).record
    other = replace(SMALL, train=TrainConfig(steps=80, seed=1))
    wrong = run_updates(other, store=RunStore(tmp_path)).record
    change(run, record, wrong.arrays, processor="another")
    assert verify_record(run, tmp_path).status == "differs"


def test_a_record_that_is_not_there_or_damaged_is_no_good(tmp_path):
    run = StudyRun("small", "none", "updates", SMALL)
    assert verify_record(run, tmp_path).status == "missing"
    record = run.compute(RunStore(tmp_path)).record
    arrays = record.path.with_suffix(".npz")
    arrays.write_bytes(arrays.read_bytes()[:-1])
    found = verify_record(run, tmp_path)
    assert found.status == "damaged"
    assert "checksum" in found.detail
    assert not {"missing", "damaged", "differs"} & set(PASSING)


def test_without_the_full_images_a_record_is_not_judged(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.MNIST", no_network)
    run = StudyRun("full", "none", "updates", replace(SMALL, source="full"))
    machine = {"threads": 1, "device": "cpu"}
    RunStore(tmp_path).get(run.spec, lambda: {"counts": np.arange(3)}, machine)
    found = verify_record(run, tmp_path, data_root=tmp_path)
    assert found.status == "skipped"
    assert "NETDYN_DATA" in found.detail


def test_one_run_of_each_kind_is_checked():
    runs = verified_runs()
    assert {run.claim for run in runs} == {run.claim for run in study_runs()}
    assert {run.config.network for run in runs} == {"mlp", "convnet", "transformer"}
    assert [run.claim for run in runs if is_slow(run)] == ["landscape"]
    cheap = [run for run in runs if is_cheap(run)]
    assert cheap == list(runs[: len(cheap)])
    assert {run.claim for run in cheap} == {"updates", "controls"}


def test_distance_is_none_only_between_equals():
    one = np.array([1.0, np.nan])
    assert Comparison("x", one, one.copy()).same
    assert not Comparison("x", one, np.array([1.0, 2.0])).same
    assert not Comparison("x", one, one[:1]).same
    assert not Comparison("x", np.array([3, 1]), np.array([3, 2])).same
