"""The parameters a notebook declares, and what a reader may give for them.

The cell tagged ``parameters`` is the declaration, one to a line, as papermill reads it:

    steps: int = 3000  # training steps; in [1, inf)
    source: str = "sample"  # images; in {sample, full}

The name, its type, its default; then a line of help; then, after ``; in``, what values
make sense: an interval or a set. Whatever a reader gives is held against this before a
kernel starts. Nothing here imports anything heavy.
"""

import ast
import difflib
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .checks import shown
from .domains import check, lies_in, split
from .spelling import is_text, read_text, split_list

_LISTS = {"list[int]": "int", "list[float]": "float", "list[str]": "str"}
KINDS = ("int", "float", "bool", "str", *_LISTS)
_WORDS = {"int": "a whole number", "float": "a finite number", "bool": "true or false"}
_MOST = 2**63  # what an array, a seed or a count of steps can hold
_DAMAGE = (  # what reading a file raises that is no notebook, or no longer one
    *(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError),
)


class ParameterError(ValueError):
    """Values that do not fit their declaration; `faults` holds one line for each."""

    def __init__(self, faults: list[str]):
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Parameter:
    """One declared parameter."""

    name: str
    kind: str  # one of KINDS
    default: object
    domain: str = ""  # "[1, inf)", "{sample, full}"; everything if empty
    help: str = ""

    def read(self, value: object) -> object:
        """Return a given value in the declared type.

        Text is read as what the type expects, so that ``1e-3`` means the same in a
        shell and in YAML (whose own rules take it for text).

        Raises
        ------
        ValueError
            The value is not of the type, or not in the domain.

        Examples
        --------
        >>> Parameter("steps", "int", 3, "[1, inf)").read("10_000")
        10000
        >>> Parameter("steps", "int", 3, "[1, inf)").read(0)
        Traceback (most recent call last):
            ...
        ValueError: steps must be in [1, inf), got 0
        """
        if self.kind in _LISTS:
            found = self._read_list(value)
        else:
            found = self._read_one(value, self.kind)
        for item in found if isinstance(found, list) else [found]:
            if self.domain and not lies_in(item, self.domain):
                raise ValueError(
                    f"{self.name} must be in {self.domain}, got {shown(item)}"
                )
        return found

    def _read_list(self, value):
        value = split_list(value) if isinstance(value, str) else value
        if not isinstance(value, list | tuple):
            raise ValueError(f"{self.name} must be a list [a, b], got {shown(value)}")
        return [self._read_one(item, _LISTS[self.kind]) for item in value]

    def _read_one(self, value, kind):
        if kind == "str":
            if not isinstance(value, str):
                got = shown(value)
                raise ValueError(f"{self.name} must be text, got {got}: quote it")
            if not is_text(value):
                raise ValueError(
                    f"{self.name} must be text of UTF-8, got {shown(value)}"
                )
            return value
        found = read_text(value.strip(), kind) if isinstance(value, str) else value
        if kind == "float" and type(found) is int and abs(found) < 1e300:
            found = float(found)
        types = {"int": int, "float": float, "bool": bool}
        fits = type(found) is types[kind]
        if not fits or (kind == "float" and not math.isfinite(found)):
            raise ValueError(f"{self.name} must be {_WORDS[kind]}, got {shown(value)}")
        if kind == "int" and not -_MOST <= found < _MOST:
            raise ValueError(f"{self.name} must be below 2**63, got {shown(value)}")
        return found


def declared(notebook: Path) -> tuple[Parameter, ...]:
    """Return the parameters that a notebook declares, in order.

    Parameters
    ----------
    notebook : Path
        An ``.ipynb``; its cell tagged ``parameters`` is read, and nothing run.

    Raises
    ------
    ValueError
        Not a notebook; a line that is no declaration; a type that is none of `KINDS`; a
        default that does not fit its own declaration.
    """
    found = []
    for cell in code_cells(notebook):
        if "parameters" not in cell.get("metadata", {}).get("tags", ()):
            continue
        source = "".join(cell["source"])
        try:
            found += [_of(statement, source) for statement in ast.parse(source).body]
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            told = error or "too deep to read"
            raise ValueError(f"{notebook.name}, cell of parameters: {told}") from error
    names = [parameter.name for parameter in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{notebook.name}: {name} is declared twice")
    return tuple(found)


def code_cells(notebook: Path) -> list[dict]:
    """Return the code cells of a notebook file; ValueError if it is none."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        found = [cell for cell in cells if cell["cell_type"] == "code"]
        for cell in found:
            "".join(cell["source"])
            if not isinstance(cell.get("metadata", {}).get("tags", []), list):
                raise TypeError("the tags of a cell are no list")
        return found
    except _DAMAGE as error:
        kind = type(error).__name__
        raise ValueError(f"{notebook} is not a notebook ({kind}: {error})") from error


def _of(statement: ast.stmt, source: str) -> Parameter:
    line = source.splitlines()[statement.lineno - 1]
    if statement.end_lineno != statement.lineno:
        raise ValueError(f"a declaration takes one line: {line}")
    typed = isinstance(statement, ast.AnnAssign) and statement.value is not None
    if typed:
        target, kind = statement.target, ast.unparse(statement.annotation)
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, kind = statement.targets[0], ""
    else:
        raise ValueError(f"a line is no declaration `name: type = value`: {line}")
    default = ast.literal_eval(statement.value)
    kind = kind or _kind_of(default)
    if not isinstance(target, ast.Name) or kind not in KINDS:
        raise ValueError(f"expected `name: type = value`, type one of {KINDS}: {line}")
    after = line.encode()[statement.end_col_offset :].decode()
    words = after.partition("#")[2].strip()
    told, domain = split(words)
    found = Parameter(target.id, kind, default, domain, told)
    if domain:
        try:
            check(domain, numbers=_LISTS.get(kind, kind) in ("int", "float"))
        except ValueError as error:
            raise ValueError(f"{found.name}: {error}") from error
    found.read(default)
    return found


def _kind_of(default) -> str:
    if isinstance(default, list) and default:
        return f"list[{type(default[0]).__name__}]"
    return type(default).__name__


def resolve(
    parameters: tuple[Parameter, ...], given: Mapping[str, object]
) -> dict[str, object]:
    """Return the value of every declared parameter: the given one, else its default.

    Raises
    ------
    ParameterError
        With all faults at once: names that are not declared, each with the nearest one
        that is; values of another type, or out of range.

    Examples
    --------
    >>> steps = Parameter("steps", "int", 3, "[1, inf)")
    >>> resolve((steps,), {"steps": "7"})
    {'steps': 7}
    >>> resolve((steps,), {"stepz": 7, "steps": -1})
    Traceback (most recent call last):
        ...
    netdyn_utils.declarations.ParameterError: unknown parameter 'stepz' (did you mean \
'steps'?)
    steps must be in [1, inf), got -1
    """
    known = {parameter.name: parameter for parameter in parameters}
    faults, found = [], {name: p.default for name, p in known.items()}
    for name, value in given.items():
        if name in known:
            try:
                found[name] = known[name].read(value)
            except ValueError as error:
                faults.append(str(error))
            continue
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        none = "" if known else ": the notebook declares none"
        faults.append(f"unknown parameter {shown(name)}{hint}{none}")
    if faults:
        raise ParameterError(faults)
    return found


def as_table(parameters: tuple[Parameter, ...]) -> str:
    """Return the parameters as lines in columns: name, type, default, range, help.

    >>> print(as_table((Parameter("steps", "int", 3, "[1, inf)", "of training"),)))
    name   type  default  range     help
    steps  int   3        [1, inf)  of training
    """
    rows = [("name", "type", "default", "range", "help")]
    rows += [(p.name, p.kind, repr(p.default), p.domain, p.help) for p in parameters]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def key_of(values: dict[str, object]) -> str:
    """Return eight letters that stand for a set of parameters.

    >>> key_of({"steps": 3})
    '6f35973e'
    """
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
