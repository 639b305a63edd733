"""How one run of one notebook went, and where it stopped if it did."""

from dataclasses import dataclass, field
from pathlib import Path

from ..declarations import code_cells, declared, resolve


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
    note: str = ""  # shown at the top of the page

    def __str__(self) -> str:
        head = f"{self.name}: {self.status} after {self.seconds:.1f} s"
        if self.error is None:
            return head
        where = f"cell {self.error.cell}: {self.error.line}\n  " * bool(self.error.cell)
        return f"{head}\n  {where}{self.error.message}\n  {self._rest}"

    @property
    def _rest(self) -> str:
        """Say where more is to be read: if no cell was reached, in the log only."""
        if self.error.cell is None:
            return f"log: {self.output.with_suffix('.log')}"
        return f"partial: {self.output}"


def find_error(output: Path, last: str) -> CellError:
    """Read from a partial notebook where it stopped; `last` if it does not say why."""
    reached = CellError(None, "", last)
    for number, cell in enumerate(_cells(output), 1):
        line = next(iter("".join(cell["source"]).strip().splitlines()), "")
        for out in cell.get("outputs", ()):
            if out["output_type"] == "error":
                said = f"{out['ename']}: {out['evalue']}".splitlines()[0]
                return CellError(number, line, said)
        # Papermill calls all cells completed if their kernel dies, or never lives.
        if _told(cell, "start_time"):
            reached = CellError(number, line, last)
    return reached


def count_cells(output: Path) -> tuple[int, int]:
    """Return how many code cells a run has ended, and how many there are."""
    cells = _cells(output)
    return sum(_told(cell, "status") == "completed" for cell in cells), len(cells)


def find_shortfall(output: Path, parameters: dict) -> CellError | None:
    """Say what a run that ended well did not do; None if it did all it was asked."""
    try:
        resolve(declared(output), parameters)
    except ValueError as error:  # edited after it was looked at
        return CellError(None, "", f"not what was asked: {error}".splitlines()[0])
    cells = _cells(output)
    if all(_told(cell, "start_time") for cell in cells):
        return None
    left = find_error(output, "")
    words = f"ended before its last cell, {left.cell} of {len(cells)}"
    return CellError(left.cell, left.line, f"{words}: {left.message}".rstrip(": "))


def _cells(output: Path) -> list[dict]:
    try:  # papermill may be writing it just now, or never have begun
        return code_cells(output)
    except ValueError:
        return []


def _told(cell: dict, what: str) -> str | None:
    """Return what papermill tells of a cell."""
    return cell.get("metadata", {}).get("papermill", {}).get(what)
