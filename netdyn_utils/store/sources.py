"""Which source code a computation rests on, found by reading it.

A stored number is out of date as soon as code behind it has changed. A list of that
code, kept by hand, is sooner or later short of one module, and the number passes for
fresh. So the list is read off the code itself.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Collection, Iterator
from importlib import import_module
from importlib.util import resolve_name

PACKAGE = __name__.partition(".")[0]


def code_behind(*functions: Callable, told: Collection[str] = ()) -> str:
    """Return the source of all in this package that functions rest on.

    Parameters
    ----------
    *functions : callable
        Functions of modules.
    told : collection of str
        Modules of the package, or folders of them, that are left out: what they do is
        told elsewhere or changes no number.

    Returns
    -------
    str
        Of a function's own module only the definitions it reaches; of what these
        import from the package whole modules, and all that those import.

    Examples
    --------
    >>> code = code_behind(code_behind)
    >>> "def " + "_needed" in code, "def " + "seal" in code
    (True, False)
    """
    parts, imported = {}, []
    for function in functions:
        module = function.__module__
        text = _text(module)
        for node in _needed(ast.parse(text), function.__name__):
            imported += _imports(node, module)
            parts[_lines(text, node)] = None
    left_out = tuple(f"{PACKAGE}.{name}." for name in told)
    whole: dict[str, str] = {}
    while imported:
        module = imported.pop()
        if module not in whole and not f"{module}.".startswith(left_out):
            whole[module] = _text(module)
            imported += _imports(ast.parse(whole[module]), module)
    return "\n".join([*parts, *(whole[module] for module in sorted(whole))])


def _text(module: str) -> str:
    return inspect.getsource(import_module(module))


def _lines(text: str, node: ast.stmt) -> str:
    """Return a statement as it is written, its decorators too."""
    first = min(n.lineno for n in [node, *getattr(node, "decorator_list", [])])
    return "\n".join(text.split("\n")[first - 1 : node.end_lineno])


def _needed(tree: ast.Module, name: str) -> list[ast.stmt]:
    """Return the statements of a module that a name in it reaches, in their order."""
    homes = {bound: node for node in tree.body for bound in _binds(node)}
    names, needed = {name}, set()
    while names:
        node = homes.get(names.pop())
        if node is not None and node not in needed:
            needed.add(node)
            names |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return [node for node in tree.body if node in needed]


def _binds(node: ast.stmt) -> list[str]:
    """Return the names that a statement of a module gives a value."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    return []


def _imports(node: ast.AST, module: str) -> Iterator[str]:
    """Yield the modules of this package that a piece of a module imports from."""
    for found in ast.walk(node):
        if isinstance(found, ast.ImportFrom):
            base = "." * found.level + (found.module or "")
            name = resolve_name(base, sys.modules[module].__package__)
            if name.startswith(f"{PACKAGE}."):
                yield name
