"""The package keeps its layers; its public names resolve and are described."""

import importlib
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import netdyn_utils

ROOT = Path(__file__).parents[1]


def test_imports_keep_to_the_contracts_of_pyproject():
    broken = lint_imports(str(ROOT / "pyproject.toml"), no_cache=True)
    assert broken == EXIT_STATUS_SUCCESS, "`make lint` prints which import is wrong"


@pytest.mark.parametrize("module", sorted(netdyn_utils._PUBLIC))
def test_public_names_resolve_and_are_described(module):
    home = importlib.import_module(f"netdyn_utils.{module}")
    pages = (ROOT / "book" / "api").glob("*.md")
    described = "".join(page.read_text(encoding="utf-8") for page in pages)
    for name in netdyn_utils._PUBLIC[module]:
        value = getattr(netdyn_utils, name)
        assert value is getattr(home, name)
        source = getattr(value, "__module__", "netdyn_utils.experiments.config")
        assert f":: {source}\n" in described or f":: {source}.{name}" in described, name
