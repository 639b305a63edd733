"""The folded solutions run as they stand, after the cells of their chapter."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob("0[1-7]*.ipynb"))
TEST = yaml.safe_load((ROOT / "notebooks/params/test.yaml").read_text())
FOLDED = re.compile(
    r"<details><summary>Solution</summary>\n\n(.*?)\n\n</details>", re.S
)
CODE = re.compile(r"```python\n(.*?)\n```", re.S)


def cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def exercises(path):
    text = "".join(next(s for s in map(_source, cells(path)) if "## Exercises" in s))
    part = text.split("## Exercises")[1].split("\n## ")[0]
    return re.split(r"^\*\*\d\.\*\* ", part, flags=re.M)[1:]


def _source(cell):
    return "".join(cell["source"])


def script(path):
    """Return a chapter and its solutions as one program."""
    parts = []
    for cell in cells(path):
        if cell["cell_type"] != "code":
            continue
        parts.append(_source(cell))
        if "parameters" in cell["metadata"].get("tags", ()):
            given = TEST[path.stem].items()
            parts += [f"{name} = {value!r}" for name, value in given]
    for exercise in exercises(path):
        parts += [code + "\nplt.close('all')" for code in CODE.findall(exercise)]
    return "\n\n".join(parts)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_exercise_has_one_folded_solution_with_short_code(path):
    found = exercises(path)
    assert 2 <= len(found) <= 4
    for exercise in found:
        (solution,) = FOLDED.findall(exercise)
        for code in CODE.findall(solution):
            assert len(code.splitlines()) <= 15
            assert max(map(len, code.splitlines())) <= 88
    assert any(CODE.findall(exercise) for exercise in found)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")  # chapters share what they train


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_solutions_run_after_their_chapter(path, runs, tmp_path):
    program = tmp_path / f"{path.stem}.py"
    program.write_text(script(path), encoding="utf-8")
    environment = {
        **os.environ,
        "NETDYN_RUNS": str(runs),
        "MPLBACKEND": "agg",
        "PYTHONPATH": str(ROOT),
    }
    run = subprocess.run(
        [sys.executable, str(program)],
        cwd=ROOT / "notebooks",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2_000:]
