"""A network that is built by a function in somebody's own file.

The file is code, and it is run: only when its path was given, and with the rights of
whoever gave it. Nothing is searched for, and nothing is installed.
"""

import hashlib
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from torch import nn

EXPECTED = 'expected "path/to/file.py:function", for instance "nets/mine.py:build"'


def load_model(source: str) -> nn.Module:
    """Run the file that is named and return the network that its function builds.

    Parameters
    ----------
    source : str
        ``"path/to/file.py:function"``. The path may begin with ``~``; a relative one
        counts from the current folder. The function, or class, takes no arguments.
        The part after the last colon names it.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If `source` has another form, the file cannot be run, has no such function, or
        the function raises or returns something else.

    Notes
    -----
    The file is run anew at each call. It may import what lies in its own folder, as a
    script may. What is random in the function draws from torch's global generator:
    call ``torch.manual_seed`` before, and the weights are the same each time.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "mine.py"
    >>> code = "from torch import nn\\ndef build():\\n    return nn.Linear(3, 2)\\n"
    >>> _ = path.write_text(code)
    >>> load_model(f"{path}:build")
    Linear(in_features=3, out_features=2, bias=True)
    """
    path, name = _split(source)
    with _folder_first(path.parent):
        build = _function(_run(path), path, name)
        try:
            model = build()
        except (Exception, SystemExit) as error:
            raise ValueError(
                f"{name}() in {path} raised {_told(error, path)}: it is called "
                "without arguments and must return a torch.nn.Module"
            ) from error
    if isinstance(model, nn.Module):
        return model
    got = f"the class {model.__name__}" if isinstance(model, type) else _kind(model)
    raise ValueError(
        f"{name}() in {path} returned {got}: it must return a torch.nn.Module, built"
    )


def _split(source: str) -> tuple[Path, str]:
    """Return the file, which is there, and the name of the function."""
    before, colon, name = str(source).rpartition(":")
    if not (before and colon and name.isidentifier()):
        raise ValueError(f"model={source!r} names no function in a file: {EXPECTED}")
    path = Path(before).expanduser().absolute()
    if path.is_dir():
        raise ValueError(f"{path} is a folder: {EXPECTED}")
    if not path.exists():
        raise FileNotFoundError(
            f"there is no file {path}: give the model's path from the current folder, "
            f"{Path.cwd()}, or in full"
        )
    return path, name


def _run(path: Path) -> ModuleType:
    """Run a file as a module of its own."""
    digest = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()
    module = ModuleType(f"netdyn_own_{digest[:12]}")
    module.__file__ = str(path)
    # Compiled from the text: Python's cache of compiled files would write into
    # somebody's folder, and miss an edit that keeps size and second.
    sys.modules[module.__name__] = module  # dataclasses and pickle look there
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise ValueError(
            f"{path} could not be run, it raised {_told(error, path)}: run it by "
            "itself, with this Python, until it passes"
        ) from error
    return module


def _function(module: ModuleType, path: Path, name: str) -> Callable:
    found = getattr(module, name, None)
    if callable(found):
        return found
    own = [
        key
        for key, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    ]
    kind = "no" if found is None else f"{_kind(found)}, and no function,"
    raise ValueError(
        f"{path} has {kind} {name!r}: it defines {', '.join(own) or 'no function'}; "
        f"{EXPECTED}"
    )


@contextmanager
def _folder_first(folder: Path) -> Iterator[None]:
    """Let the file import its neighbours, as a script may."""
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


def _told(error: BaseException, path: Path) -> str:
    """Return an error in one line, with the place in the file where it began."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    if isinstance(error, SyntaxError) and error.lineno:
        lines = [error.lineno]
    first = (str(error).strip().splitlines() or [""])[0]
    words = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return words + (f" (line {lines[-1]})" if lines else "")


def _kind(value) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
