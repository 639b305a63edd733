"""Where a record came from: the code, the versions and the machine that made it."""

import ast
import hashlib
import io
import os
import platform
import time
import tokenize
from importlib import metadata
from pathlib import Path

VERSIONED = ("netdyn", "numpy", "torch")


def source_digest(*sources: str) -> str:
    """Return the hash of what source code does: comments, docstrings, blanks left out.

    Parameters
    ----------
    *sources : str
        Python source texts, in order.

    Examples
    --------
    >>> source_digest("x = 1  # why") == source_digest("x = 1")
    True
    >>> source_digest("x = 1") == source_digest("x = 2")
    False
    """
    total = hashlib.sha256()
    for text in sources:
        total.update(_bare(text).encode())
    return total.hexdigest()


def surroundings() -> dict[str, object]:
    """Return versions, processor and time, as a manifest keeps them."""
    versions = {name: metadata.version(name) for name in VERSIONED}
    return {
        "versions": {**versions, "python": platform.python_version()},
        "processor": _processor(),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _bare(text: str) -> str:
    # Cut out of the lines themselves: what the parser prints differs between versions
    # of Python, and a record must not look stale for that.
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            for row in range(node.lineno - 1, node.end_lineno):
                lines[row] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return f"{os.cpu_count()} × {names[0]}" if names else platform.machine()
