"""A record that is right is found right; one that is wrong by one count is found."""

from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest

from netdyn_utils.experiments import (
    UpdatesConfig,
    run_information,
    run_intervals,
    run_perturbation,
    run_updates,
)
from netdyn_utils.experiments.trajectory import data_digest, plain
from netdyn_utils.paper import GOOD, PaperRun, checked_runs, is_cheap, is_slow, recheck
from netdyn_utils.paper.parts import Part
from netdyn_utils.paper.plan import paper_runs
from netdyn_utils.store import write_record
from netdyn_utils.store import RunStore
from netdyn_utils.training import TrainConfig

SMALL = UpdatesConfig(
    options={"widths": (784, 12, 10)}, window=20, train=TrainConfig(steps=80)
)
RUNS = {
    "updates": partial(run_updates, SMALL),
    "information": partial(run_information, SMALL, permutations=2),
    "intervals": partial(run_intervals, SMALL, start=40),
    "perturbation": partial(
        run_perturbation,
        replace(SMALL, digits=(0, 1), train=TrainConfig(batch_size=1_000)),
        epochs=(50, 51),
        weights_per_layer=60,
        curve=(0.1,),
        curve_weights=40,
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
    return PaperRun(f"small {kind}", "none", RUNS[kind])


def change(record, arrays=None, **manifest):
    """Write a record again, with other arrays or another manifest, whole and sealed."""
    told = {k: v for k, v in record.manifest.items() if k not in ("arrays", "checksum")}
    write_record(record.path, {**record.arrays, **(arrays or {})}, told | manifest)


def with_one_more(record, name, place):
    array = record[name].copy()
    array[place] += np.asarray(1, array.dtype)
    return {name: array}


def test_a_part_of_a_run_is_the_same_part_of_the_whole_run(run, tmp_path):
    run.compute(RunStore(tmp_path))
    found = recheck(run, tmp_path)
    assert found.word == "same", found
    assert "bit for bit" in str(found)


def test_one_count_that_is_wrong_is_found_and_named(kind, run, tmp_path):
    record = run.compute(RunStore(tmp_path)).record
    name, place, told = CHANGED[kind]
    change(record, with_one_more(record, name, place))
    found = recheck(run, tmp_path)
    assert found.word == "differs"
    assert told in found.told
    assert run.name in str(found)


def test_on_another_machine_the_last_bits_may_differ_and_no_more(tmp_path):
    run = PaperRun("small", "none", RUNS["updates"])
    record = run.compute(RunStore(tmp_path)).record
    one = with_one_more(record, "updates_counts", (0, 0, 9))
    change(record, one, processor="another", threads=record.manifest["threads"])
    found = recheck(run, tmp_path)
    assert found.word == "close"
    assert "processor another →" in found.told
    twice = {"updates_counts": record["updates_counts"] * 2}
    change(record, twice, processor="another")
    assert recheck(run, tmp_path).word == "differs"


def test_another_seed_is_no_rounding(tmp_path):
    run = PaperRun("small", "none", RUNS["updates"])
    record = run.compute(RunStore(tmp_path)).record
    other = replace(SMALL, train=TrainConfig(steps=80, seed=1))
    wrong = run_updates(other, store=RunStore(tmp_path)).record
    change(record, wrong.arrays, processor="another")
    assert recheck(run, tmp_path).word == "differs"


def test_a_record_that_is_not_there_or_damaged_is_no_good(tmp_path):
    run = PaperRun("small", "none", RUNS["updates"])
    assert recheck(run, tmp_path).word == "missing"
    record = run.compute(RunStore(tmp_path)).record
    arrays = record.path.with_suffix(".npz")
    arrays.write_bytes(arrays.read_bytes()[:-1])
    found = recheck(run, tmp_path)
    assert found.word == "damaged"
    assert "checksum" in found.told
    assert not {"missing", "damaged", "differs"} & set(GOOD)


def test_without_the_full_images_a_record_is_not_judged(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.MNIST", no_network)
    config = replace(SMALL, source="full")
    run = PaperRun("full", "none", partial(run_updates, config))
    RunStore(tmp_path).get(
        "updates",
        plain(asdict(config)),
        data_digest(config),
        "",
        lambda: {"counts": np.arange(3)},
        {"threads": 1, "device": "cpu"},
    )
    found = recheck(run, tmp_path, data_root=tmp_path)
    assert found.word == "skipped"
    assert "NETDYN_DATA" in found.told


def test_one_run_of_each_kind_is_checked():
    runs = checked_runs()
    assert {run.claim for run in runs} == {run.claim for run in paper_runs()}
    assert {run.config.network for run in runs} == {"mlp", "convnet", "transformer"}
    assert [run.claim for run in runs if is_slow(run)] == ["landscape"]
    cheap = [run for run in runs if is_cheap(run)]
    assert cheap == list(runs[: len(cheap)])
    assert {run.claim for run in cheap} == {"updates", "controls"}


def test_distance_is_none_only_between_equals():
    one = np.array([1.0, np.nan])
    assert Part("x", one, one.copy()).same
    assert not Part("x", one, np.array([1.0, 2.0])).same
    assert not Part("x", one, one[:1]).same
    assert not Part("x", np.array([3, 1]), np.array([3, 2])).same
