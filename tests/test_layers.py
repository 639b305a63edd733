"""The package in layers of rooms: a room imports only from rooms of lower layers.

A room is a module or a folder of modules. A new room is entered here. One that has no
place without an arrow pointing sideways or up is two rooms. Inside a room no arrows run
in a circle.
"""

import ast
import importlib
import re
from pathlib import Path

import pytest

import netdyn_utils

PACKAGE = Path(netdyn_utils.__file__).parent
LAYERS = (
    # vocabulary, and checks at the door
    {"shapes", "checks", "domains", "spelling"},
    # what leans on nothing else
    {"layers", "parameters", "data", "principal_direction", "diffusion", "pairs"}
    | {"declarations", "recorded"},
    # records, measures, and networks at work
    {"store", "published", "tails", "information", "models", "training"} | {"profiles"},
    # what stands on measures, and on networks
    {"histogram", "intervals", "perturbation", "rerun", "site"},
    # observers of a live model, somebody's own one, and figures
    {"tracking", "own", "plotting"},
    # whole runs, and figures that move
    {"experiments", "sweeps", "widgets"},
    {"paper"},
    {"commands"},
    {"__main__"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MEASURES = ("histogram", "tails", "intervals", "information")
MEASURES += ("principal_direction", "diffusion")
ONLY_IN = {
    "matplotlib": {
        "plotting",
        "plotting.answers",
        "plotting.explored",
        "plotting.frames",
        "plotting.signing",
    },
    "ipywidgets": {"widgets.frames", "widgets.live"}
    | {"widgets.tail_explorer", "widgets.training_explorer"},
    "papermill": {"rerun.guarded"},
    "threadpoolctl": {"paper.checking"},
    "distributed": {"sweeps.engine"},
    "torchvision": {"data.image_files"},
    "wandb": {"own.logs"},
}
MAX_LINES = 260


def _dotted(path: Path) -> str:
    """Return a module's name within the package: "tails.scan", "tails", "checks"."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    _dotted(path): path
    for path in PACKAGE.rglob("*.py")
    if path.parent.name != "samples" and path != PACKAGE / "__init__.py"
}


def _room(name: str) -> str:
    return name.partition(".")[0]


def _imports(path: Path, name: str) -> tuple[set[str], set[str]]:
    """Return the package's own modules and the outside packages a file imports."""
    own, outside = set(), set()
    folder = [PACKAGE.name, *name.split(".")]
    folder = folder if path.name == "__init__.py" else folder[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = folder[: len(folder) - node.level + 1] if node.level else []
            base = ".".join([*start, *filter(None, [node.module])])
            whole = base == PACKAGE.name  # from . import c
            found = [f"{base}.{a.name}" for a in node.names] if whole else [base]
        else:
            continue
        for full in found:
            first, _, rest = full.partition(".")
            (own if first == PACKAGE.name else outside).add(
                rest if first == PACKAGE.name else first
            )
    return own - {""}, outside


def _reaches(name: str) -> set[str]:
    """Return every outside package that importing a module brings in."""
    left, seen, outside = {name}, set(), set()
    while left:
        module = left.pop()
        seen.add(module)
        own, found = _imports(SOURCES[module], module)
        outside |= found
        left |= (own | ({_room(module)} & set(SOURCES))) - seen  # with a folder's face
    return outside


def test_reading_of_imports_sees_every_form(tmp_path):
    path = tmp_path / "m.py"
    path.write_text(
        "import a.b\nfrom . import c\nfrom .d import e\nfrom netdyn_utils.f import g\n"
        "from netdyn_utils import h\nimport netdyn_utils.i\n"
        "def late():\n    import j\n"
    )
    assert _imports(path, "m") == ({"c", "d", "f", "h", "i"}, {"a", "j"})
    path.write_text("from .c import d\nfrom ..e import f\nfrom ..g.h import i\n")
    assert _imports(path, "room.m") == ({"room.c", "e", "g.h"}, set())


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_room_has_its_place_and_imports_only_from_below(name):
    room = _room(name)
    assert room in LEVEL, f"{room}: enter it in the table of this file"
    own = {_room(other) for other in _imports(SOURCES[name], name)[0]} - {room}
    wrong = {other for other in own if LEVEL[other] >= LEVEL[room]}
    assert not wrong, f"{name} may not import {wrong}"


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_no_imports_run_in_a_circle(name):
    seen, left = set(), _imports(SOURCES[name], name)[0]
    while left:
        other = left.pop()
        assert other != name, f"{name} imports itself in a circle"
        seen.add(other)
        left |= _imports(SOURCES[other], other)[0] - seen


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_heavy_packages_stay_where_they_belong(name):
    _, outside = _imports(SOURCES[name], name)
    wrong = {p for p, homes in ONLY_IN.items() if p in outside and name not in homes}
    assert not wrong, f"{name} may not import {wrong}"


@pytest.mark.parametrize(
    "name", [n for n in sorted(SOURCES) if _room(n) in {*MEASURES, "plotting"}]
)
def test_measures_and_figures_need_no_torch(name):
    assert "torch" not in _reaches(name)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_module_is_short(name):
    lines = SOURCES[name].read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_LINES, f"{name} has {lines} lines: it holds two ideas"


@pytest.mark.parametrize("room", sorted(netdyn_utils._PUBLIC))
def test_public_names_resolve(room):
    found = importlib.import_module(f"netdyn_utils.{room}")
    assert getattr(netdyn_utils, room) is found
    for name in netdyn_utils._PUBLIC[room]:
        assert getattr(netdyn_utils, name) is getattr(found, name)
        assert name in dir(netdyn_utils)


def test_every_public_name_is_described_on_a_page_of_the_package():
    pages = (PACKAGE.parent / "book" / "api").glob("*.md")
    page = "".join(path.read_text(encoding="utf-8") for path in pages)
    for name in netdyn_utils.__all__:
        value = getattr(netdyn_utils, name)
        home = getattr(value, "__module__", "netdyn_utils.experiments.settings")
        assert f":: {home}\n" in page or f":: {home}.{name}" in page, (
            f"{name} in {home}"
        )


def test_every_dependency_is_pinned_and_has_its_reason():
    text = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    names = "dependencies|book|sweep|test|tensorboard|wandb"
    lists = re.findall(rf"^(?:{names}) = \[(.*?)\]$", text, re.M | re.S)
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
