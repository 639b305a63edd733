"""A notebook needs the installed package and nothing else, as in Colab."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from netdyn_utils.notebook_params import code_cells

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "netdyn_utils"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy: setuptools leaves its own folders beside it."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(
        PACKAGE, copy / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__")
    )
    into = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", into, copy)
    (found,) = into.glob("*.whl")
    return found


def pip(command, *words):
    command = (sys.executable, "-m", "pip", command, "--no-deps", "--no-index", *words)
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.fixture
def bare(wheel, tmp_path):
    """Return an empty folder, and an environment that finds the wheel's package."""
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    pip("install", "--no-compile", "--target", installed, wheel)
    empty.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NETDYN_")}
    own = {"PYTHONPATH": str(installed), "XDG_CACHE_HOME": str(wheel.parent / "cache")}
    return empty, kept | own


def python(bare, *words):
    empty, environment = bare
    return subprocess.run(
        (sys.executable, *words),
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_wheel_holds_every_file_of_the_package_and_no_other(wheel):
    with zipfile.ZipFile(wheel) as held:
        names = {n for n in held.namelist() if ".dist-info/" not in n}
    there = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == there
    assert {Path(name).suffix for name in names} >= {".py", ".npz", ".jinja", ".md"}


def test_first_cells_run_in_an_empty_folder_with_the_wheel_alone(bare):
    program = "import netdyn_utils\nprint(netdyn_utils.__file__)\n"
    for notebook in NOTEBOOKS:
        program += f"names = {{}}\nprint({notebook.stem!r})\n"
        for source in first_cells(notebook):
            program += f"exec({source!r}, names)\n"
    run = python(bare, "-c", program)
    assert run.returncode == 0, run.stdout + run.stderr
    home, *ran = run.stdout.splitlines()
    assert Path(home).is_relative_to(bare[1]["PYTHONPATH"])
    assert ran == [notebook.stem for notebook in NOTEBOOKS]
    assert list(bare[0].iterdir()) == []


def first_cells(notebook):
    """Return the code up to the first cell that imports the package."""
    found = []
    for cell in code_cells(notebook):
        found.append("".join(cell["source"]))
        if "netdyn_utils" in found[-1]:
            return found
    raise AssertionError(f"{notebook.name} never imports the package")


def test_first_cells_are_the_parameters_and_the_imports():
    for notebook in NOTEBOOKS:
        first = code_cells(notebook)[0]
        assert first["metadata"].get("tags") == ["parameters"], notebook.name
        assert len(first_cells(notebook)) in (2, 3), notebook.name  # imports, in two
        text = json.dumps(code_cells(notebook))
        assert "pip install" not in text, f"{notebook.name} stays plain"


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_in_an_empty_folder_with_the_wheel_alone(
    notebook, bare, tmp_path
):
    blocks = yaml.safe_load((ROOT / "notebooks/params/test.yaml").read_text())
    given = tmp_path / "given.yaml"
    given.write_text(yaml.safe_dump(blocks.get(notebook.stem, {})))
    paths = (str(notebook), str(tmp_path / "out.ipynb"), "-f", str(given))
    run = python(bare, "-m", "papermill", *paths, "--no-progress-bar")
    assert "unknown parameter" not in run.stderr
    if notebook.stem == "07_claims":  # reads records, which no wheel has
        assert run.returncode == 1
        assert "no record of the study in" in run.stderr
    else:
        assert run.returncode == 0, run.stderr
