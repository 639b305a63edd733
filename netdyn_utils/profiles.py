"""Which notebooks run, and with which parameters: `notebooks/params/PROFILE.yaml`.

A profile has one block per notebook, `01_training: {steps: 100}`; what it leaves out
keeps the notebook's own value. A name that the notebook does not declare is refused
here, before any kernel starts: papermill itself would warn, go on, and show a page
computed with the default.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import yaml

from .checks import choose


@dataclass(frozen=True)
class Job:
    """One notebook to run: from where, to where, with what."""

    source: Path
    output: Path
    parameters: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        """File name without suffix."""
        return self.source.stem


def declared_parameters(notebook: Path) -> tuple[str, ...]:
    """Return the names that the cell tagged ``parameters`` assigns, in order."""
    cells = nbformat.read(notebook, as_version=4).cells
    tagged = [c for c in cells if "parameters" in c.metadata.get("tags", ())]
    names = []
    for statement in (s for cell in tagged for s in ast.parse(cell.source).body):
        if isinstance(statement, ast.AnnAssign):
            names.append(statement.target.id)
        elif isinstance(statement, ast.Assign):
            names.extend(target.id for target in statement.targets)
    return tuple(names)


def plan(root: Path, profile: str, into: Path) -> list[Job]:
    """List the runs of a profile: every notebook of the table of contents.

    Raises ValueError, before any kernel starts, for a profile that does not exist and
    for a notebook or a parameter that nobody declared.
    """
    blocks = _load(root / "notebooks" / "params", profile)
    sources = {source.stem: source for source in _toc_notebooks(root)}
    for source in (s for s in sources.values() if not s.exists()):
        raise ValueError(f"_toc.yml names {source}, which is not there: `make pair`")
    for name, block in blocks.items():
        choose(name, sources, f"notebook in the profile {profile!r}")
        declared = declared_parameters(sources[name])
        for parameter in block:
            if not declared:
                raise ValueError(f"{name} declares no parameters, got {parameter!r}")
            choose(parameter, declared, f"parameter of {name}")
    return [
        Job(source, into / source.name, blocks.get(name, {}))
        for name, source in sources.items()
    ]


def _load(folder: Path, profile: str) -> dict[str, dict]:
    """Return the blocks of a profile by notebook."""
    profiles = sorted(path.stem for path in folder.glob("*.yaml"))
    if not profiles:
        raise ValueError(f"no profiles: {folder} has no .yaml file")
    path = folder / f"{choose(profile, profiles, 'profile')}.yaml"
    blocks = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for name, block in blocks.items():
        if not isinstance(block, dict):
            raise ValueError(f"{path}: {name} must be a block of parameters: {{}}")
    return blocks


def _toc_notebooks(root: Path) -> Iterator[Path]:
    """Yield the notebooks that `_toc.yml` names, in its order."""
    todo = [yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))]
    while todo:
        entry = todo.pop(0)
        if isinstance(entry, list):
            todo[:0] = entry
        elif isinstance(entry, dict):
            if str(entry.get("file", "")).startswith("notebooks/"):
                yield root / f"{entry['file']}.ipynb"
            todo[:0] = [v for v in entry.values() if isinstance(v, list)]
