"""Which notebooks run, and with which parameters: `notebooks/params/PROFILE.yaml`.

A profile has one block per notebook, `01_training: {steps: 100}`; what it leaves out
keeps the notebook's own value. A name that the notebook does not declare, or a value
that does not fit, is refused here, before any kernel starts: papermill itself would
warn, go on, and show a page computed with the default.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from .checks import choose
from .declarations import ParameterError, declared, resolve


@dataclass(frozen=True)
class Job:
    """One notebook to run: from where, to where, with what."""

    source: Path
    output: Path
    parameters: dict = field(default_factory=dict)  # given: the others keep defaults

    @property
    def name(self) -> str:
        """File name without suffix."""
        return self.source.stem


def plan(root: Path, profile: str, into: Path) -> list[Job]:
    """List the runs of a profile: every notebook of the table of contents.

    Raises ValueError, before any kernel starts, for a profile that does not exist and
    for a notebook or a parameter that nobody declared.
    """
    blocks = _load(root / "notebooks" / "params", profile)
    sources = {source.stem: source for source in _toc_notebooks(root)}
    for source in (s for s in sources.values() if not s.exists()):
        raise ValueError(f"_toc.yml names {source}, which is not there: `make pair`")
    faults, jobs = [], []
    for name in blocks:
        choose(name, sources, f"notebook in the profile {profile!r}")
    for name, source in sources.items():
        block = blocks.get(name, {})
        try:
            values = resolve(declared(source), block)
        except ParameterError as error:
            faults += [f"{name}: {fault}" for fault in error.faults]
            continue
        jobs.append(
            Job(source, into / name / source.name, {k: values[k] for k in block})
        )
    if faults:
        raise ParameterError(faults)
    return jobs


def find_notebook(root: Path, name: str) -> Path:
    """Return the notebook that a reader means: ``tails``, ``03_tails`` or a path.

    Raises
    ------
    ValueError
        There is none of that name; the nearest one is named.
    """
    path = Path(name).expanduser()
    if path.suffix == ".ipynb" and path.is_file():
        return path
    sources = {path.stem: path for path in sorted((root / "notebooks").glob("*.ipynb"))}
    if name in sources:
        return sources[name]
    short = {stem.partition("_")[2] or stem: path for stem, path in sources.items()}
    return short[choose(name, list(short), "notebook")]


def profile_block(root: Path, profile: str, name: str) -> dict:
    """Return what a profile says about one notebook, as it stands in the file."""
    return _load(root / "notebooks" / "params", profile).get(name, {})


def _load(folder: Path, profile: str) -> dict[str, dict]:
    """Return the blocks of a profile by notebook."""
    profiles = sorted(path.stem for path in folder.glob("*.yaml"))
    if not profiles:
        raise ValueError(f"no profiles: {folder} has no .yaml file")
    path = folder / f"{choose(profile, profiles, 'profile')}.yaml"
    blocks = read_yaml(path)
    for name, block in blocks.items():
        if not isinstance(block, dict):
            raise ValueError(f"{path}: {name} must be a block of parameters: {{}}")
    return blocks


def read_yaml(path: Path) -> dict:
    """Return the mapping in a YAML file; nothing in it is ever run.

    Raises
    ------
    ValueError
        No such file, no YAML, no mapping, or a name given twice (of which YAML's own
        readers silently take the last).
    """
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), _Strict)  # a SafeLoader
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"{path} is no YAML that can be read: {told}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold `name: value` lines, got {found!r:.60}")
    return {str(name): value for name, value in found.items()}


class _Strict(yaml.SafeLoader):
    """Safe loading that takes no name twice in a mapping."""

    def construct_mapping(self, node, deep=False):
        """Build one mapping."""
        names = [key.value for key, _ in node.value if key.tag != _MERGE]
        twice = {str(name) for name in names if names.count(name) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"given twice: {', '.join(sorted(twice))}", node.start_mark
            )
        return super().construct_mapping(node, deep)


_MERGE = "tag:yaml.org,2002:merge"


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
