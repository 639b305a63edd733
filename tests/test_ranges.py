"""Each chapter runs at the ends of every range that it declares, at test sizes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from netdyn_utils.notebook_params import profile_block, read_parameters, validate

ROOT = Path(__file__).resolve().parents[1]
INSIDE = 1e-6  # in place of an end that is not in the range
DATA = "full"  # needs a download


def ends(parameter):
    """Return the least and the greatest value, or all members of a set."""
    low, *_, high = parameter.range[1:-1].split(",")
    if parameter.range.startswith("{"):
        members = [word.strip(' "') for word in parameter.range[1:-1].split(",")]
        return [word for word in members if word not in (DATA, parameter.default)]
    if parameter.range.startswith("("):
        low = float(low) + INSIDE
    return [end for end in (low, high.strip()) if end != "inf"]


CASES = [
    pytest.param(notebook.stem, {p.name: end}, id=f"{notebook.stem}-{p.name}={end}")
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb"))
    for p in read_parameters(notebook)
    if p.range
    for end in ends(p)
]


def run(name, given, tmp_path):
    notebook = ROOT / "notebooks" / f"{name}.ipynb"
    given = profile_block(ROOT, "test", name) | given
    file = tmp_path / "given.yaml"
    file.write_text(yaml.safe_dump(validate(read_parameters(notebook), given)))
    out, folder = tmp_path / notebook.name, notebook.parent
    command = [sys.executable, "-m", "papermill", notebook, out, "-f", file]
    done = subprocess.run(
        [*map(str, command), "--cwd", str(folder), "--no-progress-bar"],
        env={**os.environ, "NETDYN_RUNS": str(tmp_path), "WANDB_MODE": "offline"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("steps", [3, 30])
def test_the_last_chapter_runs_where_no_weight_moves_far_twice(steps, tmp_path):
    run("08_your_model", {"optimizer": "adam", "steps": steps}, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "given"), CASES)
def test_a_chapter_runs_at_the_ends_of_its_ranges(name, given, tmp_path):
    given = given | ({"log_dir": str(tmp_path)} if "log" in given else {})
    run(name, given, tmp_path)
