"""The package needs no place that it can write to, as in many containers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import netdyn_utils

USE = """
import torch
from netdyn_utils import UpdateTracker, experiments  # these import every kernel
layer = torch.nn.Linear(2, 3)
tracker = UpdateTracker(layer)
with torch.no_grad():
    layer.weight += 0.5
tracker.update()
print(experiments.__file__, int(tracker.histogram("all").counts.sum()))
"""


def test_package_works_without_a_place_for_compiled_code(tmp_path):
    package = tmp_path / "netdyn_utils"
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(netdyn_utils.__file__).parent, package, ignore=without)
    # For root every folder can be written to; where a file lies it can make none.
    for folder in {path.parent for path in package.rglob("*.py")}:
        (folder / "__pycache__").touch()
    kept = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), "/dev/null/none")
    ran = subprocess.run(
        (sys.executable, "-c", USE),
        env=kept | nowhere | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [str(package / "experiments" / "__init__.py"), "6"]
