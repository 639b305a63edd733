"""Where a record came from: the code, the versions and the machine that made it.

A manifest tells it, as JSON that carries its own checksum.
"""

import ast
import hashlib
import io
import json
import os
import platform
import time
import tokenize
from collections.abc import Mapping
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


def seal(manifest: Mapping[str, object]) -> str:
    """Return a manifest as JSON with the checksum of all that it says.

    Examples
    --------
    >>> unseal(seal({"seconds": 1.5}))["seconds"]
    1.5
    >>> unseal(seal({"seconds": 1.5}).replace("1.5", "1.4"))
    Traceback (most recent call last):
        ...
    ValueError: the manifest differs from its checksum
    """
    plain = json.loads(json.dumps(manifest))  # as a reader will find it
    sealed = {**plain, "checksum": _checksum(plain)}
    return json.dumps(sealed, indent=1, sort_keys=True) + "\n"


def unseal(text: str) -> dict[str, object]:
    """Read a manifest; ValueError if it does not say what was sealed."""
    manifest = json.loads(text)
    sealed = isinstance(manifest, dict) and manifest.get("checksum")
    if not sealed or sealed != _checksum(manifest):
        raise ValueError("the manifest differs from its checksum")
    return manifest


def _checksum(manifest: Mapping[str, object]) -> str:
    rest = {name: value for name, value in manifest.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _bare(text: str) -> str:
    # Cut out of the lines themselves: what the parser prints differs between versions
    # of Python, and a record must not look stale for that.
    lines = text.split("\n")  # as the tokenizer counts them
    inside = set()  # rows of strings over several lines: their blanks are code
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        (row, column), (last, _) = token.start, token.end
        if token.type == tokenize.COMMENT:
            lines[row - 1] = lines[row - 1][:column].rstrip()
        elif last > row:
            inside.update(range(row - 1, last))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and _alone(node, lines):
            for row in range(node.lineno - 1, node.end_lineno):
                lines[row] = ""
                inside.discard(row)
    kept = [
        line if row in inside else line.rstrip()
        for row, line in enumerate(lines)
        if row in inside or line.strip()
    ]
    return "\n".join(kept)


def _alone(node: ast.Expr, lines: list[str]) -> bool:
    """Say whether a bare string has its lines for itself, as docstrings do."""
    before = lines[node.lineno - 1][: node.col_offset]
    after = lines[node.end_lineno - 1].encode()[node.end_col_offset :]
    text = getattr(node.value, "value", None)
    return isinstance(text, str) and not before.strip() and not after.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return f"{os.cpu_count()} × {names[0]}" if names else platform.machine()
