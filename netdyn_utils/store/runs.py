"""Runs on disk, found by what they were asked to compute.

A run's key is the hash of its configuration and of its data; its record lies under
that name, see `records`. Whoever asks for the same run gets the record.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_dir

from ..checks import choose
from .provenance import surroundings
from .records import (
    DamagedRecordWarning,
    RunRecord,
    UnkeptRecordWarning,
    read_record,
    run_key,
    set_aside,
    warn_of_damage,
    write_record,
    write_whole,
)

__all__ = [
    "DamagedRecordWarning",
    "RunRecord",
    "RunStore",
    "UnkeptRecordWarning",
    "run_key",
]


@dataclass(frozen=True)
class RunStore:
    """A folder of records, and behind it folders that are only read.

    Parameters
    ----------
    root : Path
        Where new records go.
    archives : tuple of Path
        Looked into first: records that came with the book.
    compute : bool
        Whether a missing run may be computed; False makes it an error.
    """

    root: Path
    archives: tuple[Path, ...] = ()
    compute: bool = True

    @classmethod
    def default(cls) -> "RunStore":
        """Open the store that the environment names.

        ``NETDYN_RUNS`` is the folder of new records (else the user's cache folder),
        ``NETDYN_RESULTS`` an archive, ``NETDYN_COMPUTE=never`` forbids computing.
        """
        root = os.environ.get("NETDYN_RUNS") or Path(user_cache_dir("netdyn")) / "runs"
        archive = os.environ.get("NETDYN_RESULTS")
        allowed = os.environ.get("NETDYN_COMPUTE") or "always"
        return cls(
            Path(root).expanduser(),
            (Path(archive).expanduser(),) if archive else (),
            choose(allowed, ("always", "never"), "NETDYN_COMPUTE") == "always",
        )

    def get(
        self,
        kind: str,
        config: Mapping[str, object],
        data: str,
        source: str,
        compute: Callable[[], Mapping[str, np.ndarray]],
        notes: Mapping[str, object] | None = None,
    ) -> RunRecord:
        """Return the record of a run, computing it if it is not there yet.

        Two processes that want the same run compute it once: the second waits. A
        record of the store itself whose source digest differs is computed again; one
        of an archive is returned and says that it is `stale`.

        Parameters
        ----------
        kind, config, data
            See `run_key`.
        source : str
            Digest of the code that computes.
        compute : callable
            Returns the arrays, of numbers or text.
        notes : mapping, optional
            What else the manifest should tell: threads, device.

        Raises
        ------
        OSError
            Before anything is computed, if the store's folder cannot be written to.
        LookupError
            If the run is missing and computing is switched off.
        TypeError
            If an array holds Python objects: only a pickle could keep them.
        """
        key = run_key(kind, config, data)
        name = f"{kind}-{key}.json"
        for path in (folder / name for folder in self.archives):
            try:
                if path.exists():
                    return read_record(path, source)
            except ValueError as error:
                warn_of_damage(path, error)
        path = self.root / name
        # Without the lock first: a folder that is only read can still be read from.
        if found := self._fresh(path, source, lambda *_: None):
            return found
        with self._locked(path.with_suffix(".lock")):
            if found := self._fresh(path, source, set_aside):
                return found
            if not self.compute:
                raise LookupError(
                    f"no record of this {kind} run ({key[:12]}): compute it with "
                    "`make results`, or allow computing by unsetting NETDYN_COMPUTE"
                )
            begun = time.perf_counter()
            arrays = {name: np.asarray(array) for name, array in compute().items()}
            told = {**(notes or {}), "seconds": time.perf_counter() - begun}
            named = {"kind": kind, "key": key, "config": config, "data": data}
            manifest = {**told, **surroundings(), **named, "source": source}
            return write_record(path, arrays, manifest)

    def adopt(self, files: Mapping[str, bytes]) -> None:
        """Keep records that another machine computed, given as files by name.

        Raises
        ------
        OSError
            If the store's folder cannot be written to.
        """
        for name in files:
            path = self.root / name
            arrays = path.with_suffix(".npz")
            if path.suffix != ".json" or arrays.name not in files:
                continue
            with self._locked(path.with_suffix(".lock")):
                write_whole({arrays: files[arrays.name], path: files[name]})

    @staticmethod
    def _fresh(path: Path, source: str, if_damaged) -> RunRecord | None:
        try:
            record = read_record(path, source) if path.exists() else None
        except ValueError as error:
            if_damaged(path, error)
            return None
        return None if record is None or record.stale else record

    @contextmanager
    def _locked(self, lock: Path) -> Iterator[None]:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise OSError(
                f"cannot write runs to {self.root} ({error.strerror}): set NETDYN_RUNS "
                "to a folder that can be written to"
            ) from error
        with FileLock(lock):
            yield
