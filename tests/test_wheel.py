"""A notebook needs the installed package and nothing else, as in Colab."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import netdyn_utils
from netdyn_utils.notebook_params import code_cells

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "netdyn_utils"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def python(*words, **given):
    run = subprocess.run(
        (sys.executable, *map(str, words)), capture_output=True, text=True, **given
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_the_wheel_holds_the_package_and_runs_the_first_cells_alone(tmp_path):
    copy, empty = tmp_path / "source", tmp_path / "empty"
    shutil.copytree(
        PACKAGE, copy / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    there = {f.relative_to(copy).as_posix() for f in copy.rglob("*/*") if f.is_file()}
    pip = "-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation"
    python(*pip, "--wheel-dir", tmp_path, copy)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as held:
        names = {name for name in held.namelist() if ".dist-info/" not in name}
        held.extractall(tmp_path / "installed")
    assert names == there

    program = "import netdyn_utils\nprint(netdyn_utils.__file__)\n"
    program += f"for name in {netdyn_utils.__all__}: getattr(netdyn_utils, name)\n"
    for notebook in NOTEBOOKS:
        cells = ["".join(cell["source"]) for cell in code_cells(notebook)]
        imports = next(k for k, cell in enumerate(cells) if "netdyn_utils" in cell)
        program += (
            f"names = {{}}\nfor cell in {cells[: imports + 1]}: exec(cell, names)\n"
        )
        assert "pip install" not in json.dumps(cells), f"{notebook.name} stays plain"
    empty.mkdir()
    own = {"PYTHONPATH": str(tmp_path / "installed"), "XDG_CACHE_HOME": str(tmp_path)}
    home = python("-c", program, cwd=empty, env=os.environ | own)
    assert Path(home.strip()).is_relative_to(tmp_path / "installed")
    assert list(empty.iterdir()) == []
