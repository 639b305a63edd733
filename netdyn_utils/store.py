"""Runs on disk, found by what they were asked to compute.

A run's key is the hash of its configuration and of its data. Its record is two files:
``<kind>-<key>.npz`` with the arrays, and ``<kind>-<key>.json``, the manifest, with the
configuration, where the arrays came from (source digest, versions, threads, wall time),
their checksum and its own. Both are written under other names and then renamed, the
manifest last: a record is there whole or not at all. Nothing is pickled or unpickled.
"""

import hashlib
import io
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_dir

from .provenance import seal, surroundings, unseal


@dataclass(frozen=True, eq=False, repr=False)
class RunRecord:
    """What one run left behind."""

    kind: str  # what was computed
    key: str  # the hash of how
    arrays: Mapping[str, np.ndarray]
    manifest: Mapping[str, object]  # config, data, source, versions, seconds, notes …
    path: Path | None = None  # of the manifest; None if the record was not kept
    stale: bool = False  # whether the code that computes it has changed since

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    @property
    def config(self) -> Mapping[str, object]:
        """The configuration as it stands in the manifest."""
        return self.manifest["config"]

    @property
    def size(self) -> int:
        """Bytes on disk, 0 if the record was not kept."""
        files = [self.path, self.path.with_suffix(".npz")] if self.path else []
        return sum(file.stat().st_size for file in files)

    def __repr__(self):
        state = "stale" if self.stale else "fresh"
        return (
            f"RunRecord({self.kind} {self.key[:12]}, {state}, "
            f"{self.size / 1e3:.0f} KB, {self.manifest['seconds']:.1f} s of computing)"
        )


class DamagedRecordWarning(UserWarning):
    """A record on disk is not what was written; it was set aside."""


class UnkeptRecordWarning(UserWarning):
    """A result could not be written to disk; it is there in memory only."""


def run_key(kind: str, config: Mapping[str, object], data: str) -> str:
    """Return the hash of a run: the same question, the same key, on any machine.

    Parameters
    ----------
    kind, data : str
        What is computed, and the digest of the data.
    config : mapping
        Plain JSON values; order does not matter, and 1 and 1.0 differ.

    Examples
    --------
    >>> run_key("updates", {"steps": 10}, "d")[:12]
    '049485ca2fc2'
    """
    question = {"kind": kind, "config": config, "data": data}
    text = json.dumps(question, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


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
        return cls(
            Path(root).expanduser(),
            (Path(archive).expanduser(),) if archive else (),
            os.environ.get("NETDYN_COMPUTE") != "never",
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
        for folder in self.archives:
            record = self._read(folder, kind, key, source)
            if record:
                return record
        with self._locked(f"{kind}-{key}"):
            record = self._read(self.root, kind, key, source)
            if record and not record.stale:
                return record
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
            return self._write(kind, key, arrays, manifest)

    @contextmanager
    def _locked(self, stem: str) -> Iterator[None]:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise OSError(
                f"cannot write runs to {self.root} ({error.strerror}): set NETDYN_RUNS "
                "to a folder that can be written to"
            ) from error
        with FileLock(self.root / f"{stem}.lock"):
            yield

    def _read(self, folder: Path, kind: str, key: str, source: str) -> RunRecord | None:
        path = folder / f"{kind}-{key}.json"
        if not path.exists():
            return None
        try:
            manifest = unseal(path.read_text(encoding="utf-8"))
            if run_key(kind, manifest["config"], manifest["data"]) != key:
                raise ValueError("the manifest is that of another run")
            raw = path.with_suffix(".npz").read_bytes()
            if hashlib.sha256(raw).hexdigest() != manifest["arrays"]:
                raise ValueError("the arrays differ from their checksum")
            with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
                arrays = dict(stored)
            stale = manifest["source"] != source
            return RunRecord(kind, key, arrays, manifest, path, stale)
        except Exception as error:  # whichever it is, this is not what was written
            _set_aside(path, error)
            return None

    def _write(self, kind, key, arrays, manifest) -> RunRecord:
        for name, array in arrays.items():
            if array.dtype.hasobject:
                raise TypeError(f"array {name!r} holds objects: give numbers or text")
        path = self.root / f"{kind}-{key}.json"
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        manifest["arrays"] = hashlib.sha256(buffer.getvalue()).hexdigest()
        text = seal(manifest)
        try:
            _replace({path.with_suffix(".npz"): buffer.getvalue(), path: text.encode()})
        except OSError as error:
            warnings.warn(
                f"the {kind} run was computed but not kept in {self.root} "
                f"({error.strerror}): free space there, or set NETDYN_RUNS",
                UnkeptRecordWarning,
                stacklevel=3,
            )
            path = None
        return RunRecord(kind, key, arrays, unseal(text), path)


def _replace(contents: Mapping[Path, bytes]) -> None:
    """Write files whole or not at all: all are on disk before one gets its name."""
    parts = {path: path.with_name(f"{path.name}.part") for path in contents}
    try:
        for path, part in parts.items():
            with part.open("wb") as file:
                file.write(contents[path])
                file.flush()
                os.fsync(file.fileno())
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _set_aside(path: Path, error: Exception) -> None:
    """Rename a damaged record, so that it is neither believed nor lost."""
    for file in (path, path.with_suffix(".npz")):
        with suppress(OSError):  # missing, or in a folder that is only read
            file.replace(f"{file}.damaged")
    where = "left there" if path.exists() else f"set aside as {path.name}.damaged"
    warnings.warn(
        f"the record {path.name} is damaged ({error}): {where}, and not used",
        DamagedRecordWarning,
        stacklevel=4,
    )
