"""Golden runs: tiny runs of each kind, computed again and compared with their files.

A difference means that the numbers of this kind have changed. If that was not meant,
revert. If it was, raise the version of the `Experiment`, write the golden runs again
(`NETDYN_GOLDEN=write pytest tests/test_golden.py`), and run `make results`.

On the processor, instruction set and libraries of the files every count must agree, and
every float to twelve digits. Elsewhere rounding differs in every step: TOLERANCE.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from netdyn_utils.experiments import (
    ExperimentConfig,
    run_information,
    run_intervals,
    run_perturbation,
    run_updates,
)
from netdyn_utils.experiments.intervals import IntervalsRun
from netdyn_utils.experiments.updates import UpdatesRun
from netdyn_utils.histogram import bin_codes
from netdyn_utils.store import RunStore, open_record
from netdyn_utils.study.verify import ROUNDING, dense_counts, relative_distance
from netdyn_utils.training import TrainConfig

FOLDER = Path(__file__).parent / "golden"
MACHINE = FOLDER / "machine.json"
WRITE = os.environ.get("NETDYN_GOLDEN") == "write"
MLP = ExperimentConfig(
    options={"widths": (784, 8, 10)}, window=20, train=TrainConfig(steps=60)
)
DEEP = replace(MLP, options={"widths": (784, 12, 12, 10)}, window=15)
CONVNET = ExperimentConfig.from_paper(
    *("convnet", 12), windows=2, options={"channels": (3, 4), "hidden": 6}
)
TRANSFORMER = ExperimentConfig.from_paper(
    *("transformer", 12),
    windows=2,
    options={"width": 8, "heads": 2, "layers": 1, "hidden": 8},
)
TWO_DIGITS = replace(MLP, digits=(0, 1), train=TrainConfig(batch_size=250))
SCAN = {"epochs": (1, 2), "weights_per_layer": 20}
SCAN |= {"curve": (0.01, 0.1, 1.0), "curve_weights": 5}
RUNS = {
    "updates": lambda **o: run_updates(MLP, **o),
    "updates of a ConvNet": lambda **o: run_updates(CONVNET, **o),
    "updates of a transformer": lambda **o: run_updates(TRANSFORMER, **o),
    "intervals": lambda **o: run_intervals(MLP, start=20, **o),
    "information": lambda **o: run_information(DEEP, permutations=3, **o),
    "perturbation": lambda **o: run_perturbation(TWO_DIGITS, **SCAN, **o),
}
# Where the machine is another one: relative distance Σ|again − golden| / Σ|golden|.
# Rounding moves a few updates across the edge of a bin. Five to ten times what was
# measured with instruction sets switched off; a wrong constant moves far more.
TOLERANCE = 0.01
FLOOR = 1e-9
WIDE = {"rms": 0.05, "largest": 0.05, "information": 0.05, "drift": 0.05, "curve": 0.05}


def machine():
    """Return the processor, instruction sets and versions that last bits depend on."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.exists() else []
    wanted = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")
    found = {line.partition("\t")[0].strip(): line for line in lines[:30]}
    features = np._core._multiarray_umath.__cpu_features__
    libraries = ("torch", "numpy", "scipy", "numba")
    return {
        "processor": [found.get(name, "") for name in wanted],
        "torch": torch.backends.cpu.get_cpu_capability(),
        "numpy": [name for name, there in features.items() if there],
        "versions": {name: metadata.version(name) for name in libraries},
    }


def dense(histogram):
    """Return counts by code of the bin, last those below FLOOR.

    There are the updates whose gradient is exactly zero but for rounding, as that of a
    bias in front of a softmax.
    """
    counts, floor = dense_counts(histogram), bin_codes(np.float32([FLOOR]))[0]
    counts[-1] += counts[:floor].sum()
    counts[:floor] = 0
    return counts


def quantities(record):
    """Yield the results of a run by name, in the same shapes on any machine."""
    prefix = ""
    if record.kind == "updates":
        run = UpdatesRun.of(record)
        for window in range(len(run.updates.stops)):
            for group in run.updates.groups:
                yield f"updates of {group}", dense(run.updates.histogram(group, window))
            yield "rms", dense(run.rms.histogram(window=window))
        yield "largest", record["updates_largest"]
        yield "loss", record["loss"]
        yield "test loss", record["tests"][:, :2]
        return
    if record.kind == "intervals":
        run, prefix = IntervalsRun.of(record), "drift_"
        yield "thresholds", np.array(run.thresholds)
        for (_, group), cell in run.cells.items():
            padding = 64 - len(cell.counts)
            yield f"intervals of {group}", np.pad(cell.counts, (0, padding))
    for name, array in sorted(record.arrays.items()):
        number = array.dtype.kind in "fiu" and name != "final"
        if number and name.startswith(prefix):
            yield name, array


def differences(golden, again):
    """Return the quantities that differ by more than their tolerance."""
    found = []
    pairs = zip(quantities(golden), quantities(again), strict=True)
    for (name, then), (same_name, now) in pairs:
        assert name == same_name
        wide = [t for start, t in WIDE.items() if name.startswith(start)]
        distance = relative_distance(then, now)
        if not distance <= (*wide, TOLERANCE)[0]:
            found.append(f"{name} is off by {distance:.2g}")
    return found


@pytest.fixture(scope="module")
def compute(tmp_path_factory):
    """Return a function that computes a run once, on one thread as the golden ones."""
    store = RunStore(FOLDER if WRITE else tmp_path_factory.mktemp("golden"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield cache(lambda name: RUNS[name](store=store, device="cpu").record)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", RUNS)
def test_a_golden_run_gives_the_numbers_that_it_gave(compute, name):
    if WRITE:
        MACHINE.write_text(json.dumps(machine(), indent=1))
    again = compute(name)
    golden = open_record(FOLDER / f"{again.name}.json")
    assert golden.size < 50_000
    advice = f"revert, or raise the version of {again.kind!r} and run `make results`"
    assert golden.manifest["version"] == again.manifest["version"], advice
    assert {*golden.arrays} == {*again.arrays}
    if json.loads(MACHINE.read_text()) == machine():
        pairs = ((n, golden[n], again[n]) for n in golden.arrays)
        moved = [n for n, *pair in pairs if relative_distance(*pair) > ROUNDING]
    else:
        moved = differences(golden, again)
    assert not moved, f"the numbers of {name!r} changed ({moved[:5]}): {advice}"


def test_no_golden_run_is_left_over(compute):
    names = {compute(name).name for name in RUNS} | {"machine"}
    # The intervals' run rests on a run of updates, which is not among the golden ones.
    assert {path.stem for path in FOLDER.iterdir()} <= names


# A wrong constant in each part of the engine, and the golden run that must show it.
MUTATIONS = """
updates; tracking/kernels.py; value = np.float32(; value = np.float32(0.5) * (
updates; training.py; alpha=-self.lr; alpha=-1.02 * self.lr
updates; data/images.py; .div_(255); .div_(250)
intervals; tracking/intervals.py; np.minimum(length, size; np.minimum(length + 1, size
information; information/mutual_information.py; cells @ np.log(; cells @ np.log2(
perturbation; perturbation/rank_one.py; None] * x; None] * 1.02 * x
"""


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS.strip().splitlines())
def test_a_wrong_constant_turns_a_golden_run_red(mutation, tmp_path):
    run, module, right, wrong = mutation.split("; ")
    root = FOLDER.parents[1]
    for name in ("netdyn_utils", "tests/golden"):
        shutil.copytree(root / name, tmp_path / name)
    shutil.copy(__file__, tmp_path / "tests")
    path = tmp_path / "netdyn_utils" / module
    text = path.read_text(encoding="utf-8")
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    (tmp_path / "tests" / "golden" / MACHINE.name).write_text("{}")  # as elsewhere
    test = test_a_golden_run_gives_the_numbers_that_it_gave.__name__
    only = f"tests/test_golden.py::{test}[{run}]"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", only],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "NETDYN_GOLDEN": ""},
        capture_output=True,
        text=True,
    )
    assert f"the numbers of {run!r} changed" in done.stdout, done.stdout[-2_000:]
