"""Ask git about the repository of the book."""

import subprocess
from pathlib import Path


def git(root: Path, *words: str) -> str:
    """Return what git answers; nothing if it does not, or `root` is not its own."""
    if not (root / ".git").exists():  # an unpacked copy inside another repository
        return ""
    try:
        command = ("git", "-C", str(root), *words)
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return run.stdout.strip()
