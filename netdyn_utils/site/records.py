"""Which stored records a page rests on, and what a reader can take from it."""

import csv
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..recorded import read_recorded
from ..store import unseal
from ..store import RunStore

# As a record prints itself in a notebook: kind, first letters of its key, state.
_SHOWN = re.compile(r"RunRecord\((\w+) ([0-9a-f]{12}), (fresh|stale)\b")
_LARGEST = 5_000_000  # bytes of a record that a page still offers


@dataclass(frozen=True)
class ShownRecord:
    """A record that a notebook has shown."""

    kind: str
    key: str  # its first twelve letters
    state: str  # "fresh", or "stale" if its code has changed since
    path: Path | None = None  # of its manifest, if it is still there
    archived: bool = False  # whether it came with the book

    @property
    def manifest(self) -> dict:
        """What is told of it; nothing if it is gone or damaged."""
        try:
            return unseal(self.path.read_text("utf-8")) if self.path else {}
        except (OSError, ValueError):
            return {}


def shown_records(executed: Path, store: RunStore | None = None) -> list[ShownRecord]:
    """Return the records that an executed notebook shows, in order, each once."""
    store = store or RunStore.default()
    told = re.sub(r"\\n|[\"\s]+", " ", executed.read_text(encoding="utf-8"))
    return [_found(store, *words) for words in dict.fromkeys(_SHOWN.findall(told))]


def _found(store: RunStore, kind: str, key: str, state: str) -> ShownRecord:
    for folder in (*store.archives, store.root):
        for path in sorted(folder.glob(f"{kind}-{key}*.json")):
            return ShownRecord(kind, key, state, path, folder in store.archives)
    return ShownRecord(kind, key, state)


def lay_downloads(run, root: Path, into: Path) -> dict[str, list[Path]]:
    """Copy what a reader may take of a notebook to a folder; return it by its kind.

    Parameters
    ----------
    run : NotebookRun
    root : Path
        The repository: the notebook without outputs, and its text.
    into : Path
        Made if need be. Beside both lie the recorded numbers (CSV) and the arrays of
        the records (NPZ).
    """
    into.mkdir(parents=True, exist_ok=True)
    laid: dict[str, list[Path]] = {"notebook": [], "numbers": [], "arrays": []}
    for suffix in (".ipynb", ".py"):
        source = root / "notebooks" / f"{run.name}{suffix}"
        if source.exists():
            laid["notebook"].append(into / source.name)
            shutil.copy(source, into)
    if numbers := read_recorded(run.output):
        path = into / f"{run.name}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("name", "value"), *numbers.items()])
        laid["numbers"].append(path)
    for record in shown_records(run.output):
        arrays = record.path and record.path.with_suffix(".npz")
        if arrays and arrays.exists() and arrays.stat().st_size <= _LARGEST:
            path = into / f"{record.kind}-{record.key}.npz"
            shutil.copy(arrays, path)
            laid["arrays"].append(path)
    return laid


def run_manifest(run) -> dict:
    """Return what ``run.json`` tells beside an executed notebook; nothing if absent."""
    try:
        told = (run.output.parent / "run.json").read_text(encoding="utf-8")
        return dict(json.loads(told))
    except (OSError, ValueError, json.JSONDecodeError):
        return {}
