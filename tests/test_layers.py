"""The package in layers: a module imports only from strictly lower ones.

A new module is entered here. One that has no place without an arrow pointing sideways
or up is two modules.
"""

import ast
import importlib
import re
from pathlib import Path

import pytest

import netdyn_utils

PACKAGE = Path(netdyn_utils.__file__).parent
LAYERS = (
    # what everything may lean on
    {"binned", "checks", "families", "pointwise", "provenance", "scan", "shapes"},
    # files (images, published arrays, profiles, records), and the smallest parts
    {"image_files", "layers", "profiles", "published", "records", "thinning"}
    | {"bursts", "discrete"},
    # measures, and what is measured
    {"histogram", "tails", "slopes", "intervals", "information", "directions"}
    | {"data", "drift", "models", "parameters", "store"},
    # measures that lean on measures
    {"counting", "goodness", "nulls", "rivals", "trends", "windows"}
    | {"interval_counting", "interval_nulls"},
    # a network at work, watched
    {"training", "tracking", "perturbation", "interval_fits"},
    # what a run is, and observers that stand on others
    {"settings", "interval_tracking", "drift_tracking"},
    # a run as it goes on
    {"trajectory"},
    # whole runs, and their figures
    {"experiments", "plotting", "widgets"},
    {"interval_runs"},
    # the way to the page
    {"pairs", "rerun", "site"},
    {"__main__"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MEASURES = (
    *("histogram", "tails", "intervals", "information", "directions", "bursts"),
    *("discrete", "drift", "interval_counting", "interval_nulls", "interval_fits"),
)
ONLY_IN = {
    "matplotlib": {"plotting"},
    "papermill": {"rerun"},
    "torchvision": {"data", "image_files"},
}
MAX_LINES = 260
MODULES = {path.stem: path for path in PACKAGE.glob("*.py")}
SOURCES = {name: path for name, path in MODULES.items() if name != "__init__"}


def _imports(path: Path) -> tuple[set[str], set[str]]:
    """Return the package's own modules and the outside packages a file imports."""
    own, outside = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first, *rest = alias.name.split(".")
                if first == PACKAGE.name:
                    own.update(rest[:1])
                else:
                    outside.add(first)
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            first, *rest = (node.module or "").split(".")
            if node.level:
                own.update([first] if first else names)
            elif first == PACKAGE.name:
                own.update(rest[:1] or names)
            else:
                outside.add(first)
    return own - {"samples"}, outside


def _reaches(name: str) -> set[str]:
    """Return every outside package that importing a module brings in."""
    own, outside = _imports(SOURCES[name])
    return outside.union(*(_reaches(other) for other in own))


def test_reading_of_imports_sees_every_form(tmp_path):
    path = tmp_path / "m.py"
    path.write_text(
        "import a.b\nfrom . import c\nfrom .d import e\nfrom netdyn_utils.f import g\n"
        "from netdyn_utils import h\nimport netdyn_utils.i\n"
        "def late():\n    import j\n"
    )
    assert _imports(path) == ({"c", "d", "f", "h", "i"}, {"a", "j"})


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_module_has_its_place_and_imports_only_from_below(name):
    assert name in LEVEL, f"{name}.py: enter it in the table of this file"
    own, _ = _imports(SOURCES[name])
    wrong = {other for other in own if LEVEL[other] >= LEVEL[name]}
    assert not wrong, f"{name} may not import {wrong}"


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_heavy_packages_stay_where_they_belong(name):
    _, outside = _imports(SOURCES[name])
    wrong = {p for p, homes in ONLY_IN.items() if p in outside and name not in homes}
    assert not wrong, f"{name} may not import {wrong}"


@pytest.mark.parametrize("name", [n for n in (*MEASURES, "plotting") if n in SOURCES])
def test_measures_and_figures_need_no_torch(name):
    assert "torch" not in _reaches(name)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_module_is_short(name):
    lines = SOURCES[name].read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_LINES, f"{name} has {lines} lines: it holds two ideas"


@pytest.mark.parametrize("module", sorted(netdyn_utils._PUBLIC))
def test_public_names_resolve(module):
    assert getattr(netdyn_utils, module) is importlib.import_module(
        f"netdyn_utils.{module}"
    )
    for name in netdyn_utils._PUBLIC[module]:
        assert getattr(netdyn_utils, name) is not None
        assert name in dir(netdyn_utils)


def test_every_public_module_is_on_the_page_of_the_package():
    page = (PACKAGE.parent / "book" / "api.md").read_text(encoding="utf-8")
    listed = set(netdyn_utils._PUBLIC) & set(SOURCES)
    assert {m for m in listed if f"netdyn_utils.{m}\n" not in page} == set()


def test_every_dependency_is_pinned_and_has_its_reason():
    text = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    lists = re.findall(r"^(?:dependencies|book|test) = \[(.*?)^\]", text, re.M | re.S)
    wanted = {
        re.match(r"[\w-]+", line).group().lower()
        for block in lists
        for line in re.findall(r'^\s*"(.+?)"', block, re.M)
    }
    pins = (PACKAGE.parent / "constraints.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([\w-]+)==", pins, re.M))
    reasons = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8").lower()
    assert len(wanted) > 20
    assert wanted - pinned == set()
    assert {name for name in wanted if name not in reasons} == set()


def test_a_record_is_stale_when_any_code_that_computed_it_has_changed():
    from netdyn_utils import interval_runs, trajectory

    # What these do shows in a run's key or manifest, or changes no number.
    told = {"checks", "provenance", "published", "settings", "shapes"}
    for modules in (
        trajectory.COMPUTED_BY,
        trajectory.COMPUTED_BY + interval_runs.COUNTED_BY,
    ):
        called = set().union(*(_imports(MODULES[name])[0] for name in modules))
        assert called - told - {"__init__"} <= set(modules)
