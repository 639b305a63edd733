"""Print the table: `python -m benchmarks [overhead] [keeping] …`."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from netdyn_utils.experiments.updates import ExperimentConfig, run_updates
from netdyn_utils.store import RunStore, environment_info

from . import information, landscape, measures, reruns, tracking
from .timing import Row


def disk() -> list[Row]:
    """Measure one run's record: the ConvNet, with the most layers and windows."""
    config = ExperimentConfig.from_paper("convnet", 60, windows=30)
    with TemporaryDirectory() as folder:
        record = run_updates(config, store=RunStore(Path(folder))).record
        size = record.size / 1e3
    name = "convnet, a run of 60 steps in 30 windows on disk"
    return [Row(name, size, (size, size), at_most=1_000, unit="KB")]


PARTS = {
    "overhead": tracking.overhead,
    "keeping": lambda: [
        *tracking.against_keeping("mlp", 10),
        *tracking.against_keeping("convnet", 2.5),
    ],
    "intervals": lambda: [
        *measures.intervals("mlp", block=200, rounds=21, at_most=1.8),
        *measures.intervals("convnet", block=5, rounds=15, at_most=1.35),
    ],
    "tails": lambda: [
        *measures.fits(),
        *measures.samples(),
        *measures.against_powerlaw(),
    ],
    "landscape": landscape.perturbations,
    "information": lambda: [
        *information.joint_histogram(),
        *information.windows(),
        *information.directions(),
    ],
    "reruns": reruns.measure,
    "memory": tracking.memory,
    "disk": disk,
}


def main(wanted: list[str]) -> None:
    """Measure the parts that are asked for, or all."""
    machine = environment_info()
    print(f"{machine['processor']}, torch {machine['versions']['torch']}\n")
    print("| what | median | quartiles | target | |")
    print("|---|---|---|---|---|")
    for part in wanted or PARTS:
        for row in PARTS[part]():
            low, high = row.spread
            sign = "≥" if row.more_is_better else "≤"
            target = f"{sign} {row.at_most:g} {row.unit}" if row.at_most else ""
            print(
                f"| {row.name} | {row.value:.3g} {row.unit} | {low:.3g} to {high:.3g} "
                f"| {target} | {row.verdict} |",
                flush=True,
            )


main(sys.argv[1:])
