"""How one run of one notebook went, and where it stopped if it did."""

from dataclasses import dataclass, field
from pathlib import Path

from ..declarations import code_cells


@dataclass(frozen=True)
class CellError:
    """Where a notebook stopped, and why, each in one line."""

    cell: int | None  # the n of In [n]; None if no cell was reached
    line: str  # first line of that cell
    message: str  # last line of the traceback


@dataclass(frozen=True)
class NotebookRun:
    """How one run of one notebook went."""

    name: str  # file name without suffix: 01_training
    status: str  # "ok", "failed", "timeout" or "memory"
    seconds: float  # wall time
    output: Path  # the executed notebook, whole or partial
    parameters: dict = field(default_factory=dict)  # the ones given, by name
    error: CellError | None = None
    threads: int | None = None  # that each library of its kernel could use

    def __str__(self) -> str:
        head = f"{self.name}: {self.status} after {self.seconds:.1f} s"
        if self.error is None:
            return head
        where = f"cell {self.error.cell}: {self.error.line}\n  " * bool(self.error.cell)
        return f"{head}\n  {where}{self.error.message}\n  partial: {self.output}"


def find_error(output: Path, last: str) -> CellError:
    """Read from a partial notebook where it stopped; `last` if it does not say why."""
    reached = CellError(None, "", last)
    for number, cell in enumerate(_cells(output), 1):
        line = next(iter("".join(cell["source"]).strip().splitlines()), "")
        for out in cell.get("outputs", ()):
            if out["output_type"] == "error":
                said = f"{out['ename']}: {out['evalue']}".splitlines()[0]
                return CellError(number, line, said)
        # Papermill calls a cell completed even if its kernel died in it.
        if _state(cell) != "pending":
            reached = CellError(number, line, last)
    return reached


def count_cells(output: Path) -> tuple[int, int]:
    """Return how many code cells a run has ended, and how many there are."""
    cells = _cells(output)
    return sum(_state(cell) == "completed" for cell in cells), len(cells)


def _cells(output: Path) -> list[dict]:
    try:  # papermill may be writing it just now, or never have begun
        return code_cells(output)
    except ValueError:
        return []


def _state(cell: dict) -> str:
    return cell.get("metadata", {}).get("papermill", {}).get("status", "pending")
