"""The parameters that a notebook declares, and the profiles that give them values.

The cell tagged ``parameters`` declares one parameter a line, as papermill reads it:

    steps: int = 3000  # training steps; in [1, inf)
    source: str = "sample"  # images; in {sample, full}

A profile, `notebooks/params/PROFILE.yaml`, has one block for each notebook, such as
`01_training: {steps: 100}`. Values are validated before a kernel starts, because
papermill only warns of a wrong name. This module imports nothing slow.
"""

import ast
import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from .metrics import code_cells
from .validation import check_choice, short_repr

_MEANING = {"int": "a whole number", "float": "a finite number", "str": "text"}
_MEANING |= {f"list[{k}]": f"a list [a, b], each {v}" for k, v in _MEANING.items()}
_MEANING["bool"] = "true or false"
_LIMITS = {
    "int": {"ge": -(2**63), "lt": 2**63},  # what an array, a seed or a counter holds
    "float": {"allow_inf_nan": False},
    "str": {"pattern": r"^[^\x00]*$"},  # excludes surrogates too
}
_RANGE = re.compile(r"(?:^|;)\s*in\s+([\[({].*[\])}])\s*$")
_INTERVAL = re.compile(r"([\[(])([^,]+),([^,]+)([\])])")


class ParameterError(ValueError):
    """Values of the wrong type or range; `errors` has one line for each."""

    def __init__(self, errors: list[str]):
        super().__init__("\n".join(errors))
        self.errors = errors


@dataclass(frozen=True)
class Parameter:
    """One declared parameter."""

    name: str
    kind: str  # "int", "list[float]", ...
    default: object
    range: str = ""  # "[1, inf)", "{sample, full}"; everything if empty
    help: str = ""

    def parse(self, value: object) -> object:
        """Return a value in the declared type, parsed if it is text."""
        from pydantic_core import ValidationError

        parsed, is_text = value, isinstance(value, str)
        if is_text and self.kind.startswith("list"):
            with suppress(Exception):  # the validator says that this is no list
                parsed = _load_yaml(value)
        elif is_text and self.kind == "bool":
            parsed = {"true": True, "false": False}.get(value.strip().lower(), value)
        strict = not (is_text and self.kind in ("int", "float"))
        validator = _validator(self.kind, self.range)
        try:
            return validator.validate_python(parsed, strict=strict)
        except ValidationError:
            meaning = _MEANING[self.kind] + f" in {self.range}" * bool(self.range)
            quote = ": quote it" * (self.kind == "str" and not is_text)
            message = f"{self.name} must be {meaning}, got {short_repr(value)}{quote}"
            raise ValueError(message) from None


@cache
def _validator(kind: str, interval: str):
    """Return pydantic's validator of a type and a range."""
    from pydantic_core import SchemaValidator, core_schema

    one = kind.removeprefix("list[").removesuffix("]")
    limits, number = dict(_LIMITS.get(one, {})), int if one == "int" else float
    try:
        if one == "str" and interval[:1] + interval[-1:] == "{}":
            words = [word.strip().strip('"') for word in interval[1:-1].split(",")]
            schema = core_schema.literal_schema(words)
        else:
            if interval:
                opening, low, high, closing = _INTERVAL.fullmatch(interval).groups()
                if "inf" not in low:
                    limits["ge" if opening == "[" else "gt"] = number(low)
                if "inf" not in high:
                    limits["le" if closing == "]" else "lt"] = number(high)
            schema = getattr(core_schema, f"{one}_schema")(**limits)
    except (AttributeError, TypeError, ValueError) as error:
        message = f"{interval} is neither an interval nor, for text, a set {{a, b}}"
        raise ValueError(message) from error
    return SchemaValidator(schema if one == kind else core_schema.list_schema(schema))


def read_parameters(notebook: Path) -> tuple[Parameter, ...]:
    """Return the parameters of a notebook, with the values of its run if it was run."""
    # Papermill replaces the injected cell of an earlier run, or keeps it if no value is
    # given. So always give papermill every value that `validate` returns.
    code: dict[str, list[str]] = {"parameters": [], "injected-parameters": []}
    for cell in code_cells(notebook):
        for tag in code.keys() & cell["metadata"]["tags"]:
            code[tag].append(cell["source"])
    for tag, cells in code.items():
        if len(cells) > 1:
            found = f"{notebook.name}: {len(cells)} cells tagged `{tag}`"
            raise ValueError(f"{found}, and papermill uses the first only: keep one")
    source, injected = ("".join(cells) for cells in code.values())
    try:
        given = {
            line.targets[0].id: ast.literal_eval(line.value)
            for line in ast.parse(injected).body
        }
        lines = [line for line in source.splitlines() if ast.parse(line).body]
        declared = map(_declaration, lines)
        return tuple(
            replace(p, default=p.parse(given.get(p.name, p.default))) for p in declared
        )
    except (SyntaxError, ValueError, AttributeError, RecursionError, MemoryError) as e:
        reason = e or "too deep to read"
        raise ValueError(f"{notebook.name}, cell of parameters: {reason}") from e


def _declaration(line: str) -> Parameter:
    """Read one line `name: type = default  # help; in range`."""
    try:
        (statement,) = ast.parse(line).body
        default = ast.literal_eval(statement.value)
        typed = isinstance(statement, ast.AnnAssign)
        kind = ast.unparse(statement.annotation) if typed else type(default).__name__
        if kind == "list" and default:
            kind = f"list[{type(default[0]).__name__}]"
        (target,) = [statement.target] if typed else statement.targets
        name, _ = target.id, _MEANING[kind]
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        form = f"`name: type = literal` in one line, type one of {', '.join(_MEANING)}"
        raise ValueError(f"expected {form}, got: {line}") from error
    after = line.encode()[statement.end_col_offset :]  # ast counts bytes
    comment = after.decode().partition("#")[2].strip()
    found = _RANGE.search(comment)
    text, interval = (comment[: found.start()], found[1]) if found else (comment, "")
    return Parameter(name, kind, default, interval, text)


def validate(parameters: tuple[Parameter, ...], given: Mapping) -> dict[str, object]:
    """Return the value of every parameter; ParameterError lists all errors."""
    known, errors = {p.name: p for p in parameters}, []
    values = {p.name: p.default for p in parameters}
    for name, value in given.items():
        try:
            values[name] = known[check_choice(name, known, "parameter")].parse(value)
        except ValueError as error:
            errors.append(str(error))
    if errors:
        raise ParameterError(errors)
    return values


def format_table(parameters: tuple[Parameter, ...]) -> str:
    """Return the parameters as lines in columns: name, type, default, range, help."""
    rows = [("name", "type", "default", "range", "help")]
    rows += [(p.name, p.kind, repr(p.default), p.range, p.help) for p in parameters]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [zip(row, widths, strict=True) for row in rows]
    return "\n".join("  ".join(c.ljust(w) for c, w in line).rstrip() for line in lines)


def parameters_hash(values: Mapping[str, object]) -> str:
    """Return a hash of eight letters; floats count with 12 digits."""
    text = json.dumps(dict(values))  # further digits depend on the machine
    rounded = json.loads(text, parse_float=lambda x: float(f"{float(x):.12g}"))
    text = json.dumps(rounded, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Job:
    """A notebook to run: source, output and parameters."""

    source: Path
    output: Path
    parameters: dict = field(default_factory=dict)  # given: the others keep defaults

    @property
    def name(self) -> str:
        """File name without suffix."""
        return self.source.stem


def plan_jobs(root: Path, profile: str, into: Path) -> list[Job]:
    """Return the validated runs of a profile, one for each notebook of the book."""
    blocks = _read_profile(root, profile)
    toc = json.dumps(read_yaml(root / "_toc.yml"))  # its files at any depth:
    chapters = re.findall(r'"file": "notebooks/([^"]+)"', toc)
    for name in blocks:
        check_choice(name, chapters, f"notebook in the profile {profile!r}")
    errors, jobs = [], []
    for name in chapters:
        source, block = root / "notebooks" / f"{name}.ipynb", blocks.get(name, {})
        try:
            values = validate(read_parameters(source), block)
        except ParameterError as error:
            errors += [f"{name}: {line}" for line in error.errors]
        else:
            given = {key: values[key] for key in block}
            jobs.append(Job(source, into / name / source.name, given))
    if errors:
        raise ParameterError(errors)
    return jobs


def find_notebook(root: Path, name: str) -> Path:
    """Return a notebook by name or path: ``tails``, ``03_tails``, ``a/file.ipynb``."""
    if name.endswith(".ipynb"):
        with suppress(OSError, RuntimeError, ValueError):  # ~nobody, too long, a NUL
            if (path := Path(name).expanduser()).is_file():
                return path
        raise ValueError(f"there is no file {short_repr(name)}")
    paths = sorted((root / "notebooks").glob("*.ipynb"))
    topics = {path: path.stem.partition("_")[2] or path.stem for path in paths}
    found = [path for path in paths if name in (path.stem, topics[path])]
    if len(found) > 1:
        stems = " or ".join(path.stem for path in found)
        raise ValueError(f"{name!r} can be {stems}: give the whole name")
    return found[0] if found else Path(check_choice(name, topics.values(), "notebook"))


def profile_block(root: Path, profile: str, name: str) -> dict:
    """Return the values that a profile gives to one notebook, unchecked."""
    return _read_profile(root, profile).get(name, {})


def read_yaml(path: Path) -> dict:
    """Return the mapping in a YAML file; a name given twice is refused."""
    try:
        found = _load_yaml(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # on tags that do not fit, nearly anything
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}," if mark else ""
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ValueError(f"{path}{line} is not valid YAML: {reason}") from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        found = short_repr(found)
        raise ValueError(f"{path} must hold `name: value` lines, got {found}")
    return found


def _load_yaml(text: str):
    """Read YAML 1.2, in which 1e-3 is a number and 1:30 is text; run no tag."""
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text)


def _read_profile(root: Path, profile: str) -> dict[str, dict]:
    """Return the blocks of a profile by notebook."""
    folder = root / "notebooks" / "params"
    profiles = sorted(path.stem for path in folder.glob("*.yaml"))
    path = folder / f"{check_choice(profile, profiles, 'profile')}.yaml"
    blocks = read_yaml(path)
    for name in (name for name in blocks if not isinstance(blocks[name], dict)):
        raise ValueError(f"{path}: {name!r} must be a block of parameters: {{}}")
    return blocks
