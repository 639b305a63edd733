"""How the records of the study stand: fresh, stale or missing."""

from dataclasses import dataclass
from pathlib import Path

from ..store.records import read_record
from ..store.runs import RunRecord, run_key
from .plan import PaperRun


@dataclass(frozen=True)
class Standing:
    """One run and its record."""

    run: PaperRun
    kind: str
    key: str
    word: str  # "fresh", "stale", "missing" or "damaged"
    record: RunRecord | None = None
    fault: str = ""


class _Asked(Exception):
    """Carries what a run would ask a store for."""


class _Listening:
    """A store that hears the question and answers none."""

    def get(self, kind, config, data, source, *_, **__):
        """Raise with the question."""
        raise _Asked(kind, run_key(kind, config, data), source)


def standing(run: PaperRun, folder: Path) -> Standing:
    """Return how the record of a run stands in a folder; nothing is computed.

    Parameters
    ----------
    run : PaperRun
    folder : Path
        ``book/results`` of the repository.
    """
    try:
        run.compute(_Listening())
    except _Asked as asked:
        kind, key, source = asked.args
    path = folder / f"{kind}-{key}.json"
    if not path.exists():
        return Standing(run, kind, key, "missing")
    try:
        record = read_record(path, source)
    except ValueError as error:
        return Standing(run, kind, key, "damaged", fault=str(error))
    return Standing(run, kind, key, "stale" if record.stale else "fresh", record)
