"""A sweep as a file says it: which notebook, which sets of parameters.

For instance::

    notebook: your_model
    parameters: {steps: 2000}          # the same in every run
    grid:                              # every combination; or `list:` of mappings
      learning_rate: [0.01, 0.1]
      seed: [0, 1, 2]
    show: alpha                        # the recorded number of the heat map
    over: [learning_rate, batch_size]  # its rows and columns

All of it is checked before anything starts.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..checks import choose, shown
from ..notebook_params import (
    ParameterError,
    find_notebook,
    parameters_hash,
    profile_block,
    read_parameters,
    read_yaml,
    validate,
)

_KEYS = ("notebook", "profile", "parameters", "grid", "list", "show", "over")
MOST = 100_000  # runs; more is a slip of the pen


@dataclass(frozen=True)
class Sweep:
    """A notebook and the sets of parameters it is to run with."""

    name: str
    source: Path
    runs: tuple[dict, ...]  # what is given to each run, checked, by name
    varied: tuple[str, ...]  # the parameters that are not the same in all runs
    show: str = ""
    over: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the runs: short digests of what is given to each."""
        return tuple(map(parameters_hash, self.runs))


def read_sweep(root: Path, path: Path) -> Sweep:
    """Read a sweep's file and check every set of parameters.

    Parameters
    ----------
    root : Path
        The folder of the book.
    path : Path
        The file, see the head of this module.

    Raises
    ------
    ParameterError
        With all faults of all sets at once, each once.
    ValueError
        The file cannot be read, or says something else than a sweep.
    """
    told = read_yaml(path)
    for key in told:
        choose(key, _KEYS, f"entry in {path.name}")
    if "notebook" not in told or ("grid" in told) == ("list" in told):
        raise ValueError(f"{path.name} needs `notebook`, and either `grid` or `list`")
    source = find_notebook(root, str(told["notebook"]))
    shared = (
        profile_block(root, told["profile"], source.stem) if "profile" in told else {}
    )
    same = _mapping(told.get("parameters") or {}, "parameters", path)
    shared |= same
    sets = list(_sets(told, path))
    parameters, runs, faults = read_parameters(source), {}, {}
    for given in sets:
        try:
            values = validate(parameters, shared | given)
            kept = {name: values[name] for name in shared | given}
            if parameters_hash(kept) in runs:
                faults[f"{shown(given)} is there twice"] = None
            runs[parameters_hash(kept)] = kept
        except ParameterError as error:
            faults |= dict.fromkeys(error.errors)
    show, over = _map(told, path)
    names = dict.fromkeys(name for given in sets for name in given)
    for name in sorted(names.keys() & same):
        faults[
            f"{shown(name)} is in `parameters`, the same in every run, and varies"
        ] = None
    for name in over:
        if name not in names:
            faults[f"`over` names {name!r}, which does not vary"] = None
    if len(set(over)) < len(over):
        faults[f"`over` names {over[0]!r} twice"] = None
    if faults:
        raise ParameterError(list(faults))
    return Sweep(path.stem, source, tuple(runs.values()), tuple(names), show, over)


def _sets(told: dict, path: Path) -> Iterator[dict]:
    if "list" in told:
        if not isinstance(told["list"], list) or not told["list"]:
            raise ValueError(f"{path.name}: `list` must be a list of mappings")
        if len(told["list"]) > MOST:
            size = f"{len(told['list']):,} runs; at most {MOST:,}"
            raise ValueError(f"{path.name}: a list of {size}")
        for number, given in enumerate(told["list"], 1):
            yield _mapping(given, f"list, entry {number}", path)
        return
    grid = _mapping(told["grid"], "grid", path)
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ValueError(
                f"{path.name}: {shown(name)} in `grid` must be a list [a, b]"
            )
    if not grid:
        raise ValueError(f"{path.name}: `grid` names no parameter to vary")
    size = 1
    for values in grid.values():
        size *= len(values)
    if size > MOST:
        raise ValueError(f"{path.name}: a grid of {size:,} runs; at most {MOST:,}")
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def _map(told: dict, path: Path) -> tuple[str, tuple[str, ...]]:
    """Return what the heat map shows, and over which parameters."""
    show, over = told.get("show") or "", told.get("over") or ()
    if not isinstance(show, str):
        raise ValueError(f"{path.name}: `show` must be a name, got {shown(show)}")
    over = [over] if isinstance(over, str) else over
    names = isinstance(over, list | tuple) and all(isinstance(x, str) for x in over)
    if not names or len(over) > 2:
        raise ValueError(
            f"{path.name}: `over` must be one or two names, got {shown(over)}"
        )
    return show, tuple(over)


def _mapping(value, what: str, path: Path) -> dict:
    if not isinstance(value, dict):
        raise ValueError(f"{path.name}: {what} must be `name: value` lines")
    return {str(key): item for key, item in value.items()}
