"""The pins fit every Python that pyproject.toml allows, to its patch releases."""

import functools
import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 cannot read TOML")
ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
SUPPORTED = SpecifierSet(PROJECT["requires-python"])
MINORS = [minor for minor in range(30) if f"3.{minor}.0" in SUPPORTED]
EVERY = (f"3.{minor}.{patch}" for minor in MINORS for patch in range(21))
PYTHONS = list(SUPPORTED.filter(EVERY))
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def _applying(python: str) -> list[Requirement]:
    """Return the pins that pip would use on a Python, such as 3.11.2."""
    short = python.rpartition(".")[0]
    here = {"python_full_version": python, "python_version": short}
    return [p for p in PINS if p.marker is None or p.marker.evaluate(here)]


@functools.cache
def _allowed(pin: Requirement) -> SpecifierSet:
    """Return the Pythons that a pinned release allows; all if it is not installed."""
    try:
        found = importlib.metadata.distribution(pin.name)
    except importlib.metadata.PackageNotFoundError:
        return SpecifierSet()
    known = found.version in pin.specifier and found.metadata.get("Requires-Python")
    return SpecifierSet(known or "")


@pytest.mark.parametrize("python", PYTHONS)
def test_each_python_has_one_pin_a_name_and_the_release_allows_it(python):
    names = sorted(canonicalize_name(pin.name) for pin in _applying(python))
    assert names == sorted({canonicalize_name(pin.name) for pin in PINS})
    assert [pin for pin in _applying(python) if python not in _allowed(pin)] == []


def test_every_declared_package_is_pinned_and_has_its_reason():
    extras = PROJECT["optional-dependencies"].values()
    declared = [*PROJECT["dependencies"], *(name for extra in extras for name in extra)]
    names = {canonicalize_name(Requirement(line).name) for line in declared}
    reasons = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").lower()
    assert names <= {canonicalize_name(pin.name) for pin in PINS}
    told = {name for name in names if name in canonicalize_name(reasons)}
    assert names - told == set()


def test_makefile_and_readme_name_the_pythons_of_the_metadata():
    first, last = MINORS[0], MINORS[-1]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"(3, {first}) <= sys.version_info < (3, {last + 1})" in makefile
    for name in ("Makefile", "README.md", "CONTRIBUTING.md", "book/rerun.md"):
        text = re.sub(r"[\s\\]+", " ", (ROOT / name).read_text(encoding="utf-8"))
        assert f"Python 3.{first} to 3.{last}" in text, name
