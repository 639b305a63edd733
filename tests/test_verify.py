"""A record that is right passes; one that is wrong by one count is named."""

from dataclasses import replace

import numpy as np
import pytest

from netdyn_utils.experiments import ExperimentConfig, run_updates
from netdyn_utils.store import RunStore, write_record
from netdyn_utils.study import StudyRun, verify_record
from netdyn_utils.training import TrainConfig

SMALL = ExperimentConfig(
    options={"widths": (784, 12, 10)}, window=20, train=TrainConfig(steps=80)
)
FEW = {"weights_per_layer": 60, "curve": (0.1,), "curve_weights": 40}
DIGITS = replace(SMALL, digits=(0, 1), train=TrainConfig(batch_size=1_000))
RUNS = {
    kind: StudyRun(f"small {kind}", kind, config, options)
    for kind, config, options in (
        ("updates", SMALL, {}),
        ("information", SMALL, {"permutations": 2}),
        ("intervals", SMALL, {"start": 40}),
        ("perturbation", DIGITS, {"epochs": (50, 51), **FEW}),
    )
}
CHANGED = {  # an array of each kind, a place in its first part, and its quantity
    "updates": ("updates_counts", (0, 0, 9), "updates of fc1"),
    "information": ("alignment", (0, 0), "alignment"),
    "intervals": ("thresholds", (0,), "threshold of 1.0%"),
    "perturbation": ("held_out50_response", np.s_[0, 0, :], "held_out"),
}


def rewrite(run, record, arrays, **manifest):
    """Write a record again with other arrays or another manifest, its sums right."""
    notes = {**record.manifest, **manifest}
    notes = {n: notes[n] for n in ("seconds", "threads", "device", "processor")}
    write_record(record.path.parent, run.spec, {**record.arrays, **arrays}, notes)


def with_one_more(record, name, place):
    array = record[name].copy()
    array[place] += np.asarray(1, array.dtype)
    return {name: array}


@pytest.mark.parametrize("kind", RUNS)
def test_a_right_record_passes_and_one_wrong_count_is_named(kind, tmp_path):
    run = RUNS[kind]
    record = run.compute(RunStore(tmp_path)).record
    status, detail = verify_record(run, tmp_path)
    assert status == "same", detail
    name, place, quantity = CHANGED[kind]
    rewrite(run, record, with_one_more(record, name, place))
    status, detail = verify_record(run, tmp_path)
    assert (status, quantity in detail) == ("differs", True)


def test_on_another_machine_rounding_may_differ_and_another_seed_may_not(tmp_path):
    run = RUNS["updates"]
    record = run.compute(RunStore(tmp_path)).record
    one = with_one_more(record, "updates_counts", (0, 0, 9))
    rewrite(run, record, one, processor="another")
    status, detail = verify_record(run, tmp_path)
    assert (status, "another →" in detail) == ("close", True)
    seed = replace(SMALL, train=TrainConfig(steps=80, seed=1))
    for wrong in (
        {"updates_counts": record["updates_counts"] * 2},
        run_updates(seed, store=RunStore(tmp_path)).record.arrays,
    ):
        rewrite(run, record, wrong, processor="another")
        assert verify_record(run, tmp_path)[0] == "differs"


def test_without_record_or_data_nothing_is_compared(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.MNIST", no_network)
    run = StudyRun("full", "updates", replace(SMALL, source="full"))
    assert verify_record(run, tmp_path)[0] == "missing"
    machine = {"threads": 1, "device": "cpu"}
    RunStore(tmp_path).get(run.spec, lambda: {"counts": np.arange(3)}, machine)
    status, detail = verify_record(run, tmp_path, data_root=tmp_path)
    assert (status, "NETDYN_DATA" in detail) == ("skipped", True)
