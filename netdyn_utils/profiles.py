"""Which notebooks run, and with which parameters: `notebooks/params/PROFILE.yaml`.

A profile has one block per notebook, `01_training: {steps: 100}`; what it leaves out
keeps the notebook's own value. A name that the notebook does not declare, or a value
that does not fit, is refused here, before any kernel starts: papermill itself would
warn, go on, and show a page computed with the default.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from .checks import choose, shown
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
        There is none of that name, the nearest one is named; or more than one.
    """
    with suppress(OSError, RuntimeError, ValueError):  # no path: ~nobody, too long
        path = Path(name).expanduser()
        if path.suffix == ".ipynb" and path.is_file():
            return path
    sources = {path.stem: path for path in sorted((root / "notebooks").glob("*.ipynb"))}
    if name in sources:
        return sources[name]
    if not sources:
        raise ValueError(f"no notebook in {root / 'notebooks'}: `make pair` makes them")
    short: dict[str, list[str]] = {}
    for stem in sources:
        short.setdefault(stem.partition("_")[2] or stem, []).append(stem)
    first, *more = short[choose(name, list(short), "notebook")]
    if more:
        raise ValueError(f"{name!r} can be {' and '.join([first, *more])}: choose one")
    return sources[first]


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
            raise ValueError(f"{path}: {name!r} must be a block of parameters: {{}}")
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
    except (yaml.YAMLError, *_DAMAGE) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"{path} is no YAML that can be read: {told}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold `name: value` lines, got {shown(found)}")
    return {str(name): value for name, value in found.items()}


class _Strict(yaml.SafeLoader):
    """Safe loading that takes no name twice in a mapping."""

    def construct_mapping(self, node, deep=False):
        """Build one mapping."""
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        keys = [key for key, _ in pairs if key.tag != _MERGE]
        for key in keys:
            if not isinstance(key, yaml.ScalarNode):
                _refuse("a name must be a word", key)
        names = [str(self.construct_object(key)) for key in keys]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            _refuse(f"given twice: {', '.join(sorted(twice))}", node)
        return super().construct_mapping(node, deep)

    def construct_number(self, node):
        """Build one number, if it is the one that a person reads."""
        text = self.construct_scalar(node)
        if ":" in text:
            _refuse(f"{text} would be read as minutes and seconds: quote it", node)
        if re.fullmatch(r"[-+]?0[0-7_]*[1-7][0-7_]*", text):
            plain = text.lstrip("+-0_")
            _refuse(f"{text} could be {plain} or {int(plain, 8)}: write one", node)
        kind = "int" if node.tag == _INT else "float"
        return getattr(yaml.SafeLoader, f"construct_yaml_{kind}")(self, node)


def _refuse(why: str, node: yaml.Node):
    raise yaml.constructor.ConstructorError(None, None, why, node.start_mark)


_MERGE, _INT, _FLOAT = (f"tag:yaml.org,2002:{x}" for x in ("merge", "int", "float"))
for _tag in (_INT, _FLOAT):
    _Strict.add_constructor(_tag, _Strict.construct_number)
_DAMAGE = (  # what PyYAML raises besides its own errors, on tags that do not fit
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
    RecursionError,
)


def _toc_notebooks(root: Path) -> Iterator[Path]:
    """Yield the notebooks that `_toc.yml` names, in its order."""
    todo: list = [read_yaml(root / "_toc.yml")]
    while todo:
        entry = todo.pop(0)
        if isinstance(entry, list):
            todo[:0] = entry
        elif isinstance(entry, dict):
            if str(entry.get("file", "")).startswith("notebooks/"):
                yield root / f"{entry['file']}.ipynb"
            todo[:0] = [v for v in entry.values() if isinstance(v, list)]
