"""Runs on disk, found by what they were asked to compute.

A run's key is the hash of its configuration and of its data. Its record is two files:
``<kind>-<key>.npz`` with the arrays, and ``<kind>-<key>.json``, the manifest, which
holds the configuration, the checksum of the arrays, and where they came from (source
digest, versions, threads, wall time). The manifest is written last and by renaming,
so a record is there whole or not at all. Nothing is ever unpickled.
"""

import hashlib
import io
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_dir

from .provenance import surroundings


@dataclass(frozen=True, eq=False, repr=False)
class RunRecord:
    """What one run left behind.

    Parameters
    ----------
    kind, key : str
        What was computed, and the hash of how.
    arrays : mapping of str to array
    manifest : mapping
        ``config``, ``data``, ``source``, ``versions``, ``threads``, ``seconds`` …
    path : Path or None
        The manifest's file; None if the record could not be kept.
    stale : bool
        Whether the code that computes this kind of run has changed since.
    """

    kind: str
    key: str
    arrays: Mapping[str, np.ndarray]
    manifest: Mapping[str, object]
    path: Path | None = None
    stale: bool = False

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    @property
    def config(self) -> Mapping[str, object]:
        """The configuration as it stands in the manifest."""
        return self.manifest["config"]

    @property
    def size(self) -> int:
        """Bytes on disk, 0 if the record was not kept."""
        if self.path is None:
            return 0
        return sum(file.stat().st_size for file in _pair(self.path))

    def __repr__(self):
        state = "stale" if self.stale else "fresh"
        seconds = self.manifest["seconds"]
        return (
            f"RunRecord({self.kind} {self.key[:12]}, {state}, "
            f"{self.size / 1e3:.0f} KB, {seconds:.1f} s of computing)"
        )


class DamagedRecordWarning(UserWarning):
    """A record on disk is not what its manifest says; it was set aside."""


class UnkeptRecordWarning(UserWarning):
    """A result could not be written to disk; it is there in memory only."""


def run_key(kind: str, config: Mapping[str, object], data: str) -> str:
    """Return the hash of a run: the same question, the same key, on any machine.

    Parameters
    ----------
    kind : str
        What is computed.
    config : mapping
        Plain JSON values; order does not matter, and 1 and 1.0 differ.
    data : str
        Digest of the data.

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
    archives: tuple[Path, ...] = field(default=())
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
            Returns the arrays.
        notes : mapping, optional
            What else the manifest should tell: threads, device.

        Raises
        ------
        OSError
            If the store's folder cannot be written to, before anything is computed.
        LookupError
            If the run is missing and computing is switched off.
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
            arrays = dict(compute())
            manifest = {
                "kind": kind,
                "key": key,
                "config": config,
                "data": data,
                "source": source,
                "seconds": time.perf_counter() - begun,
                **surroundings(),
                **(notes or {}),
            }
            return self._write(kind, key, arrays, manifest)

    @contextmanager
    def _locked(self, stem: str) -> Iterator[None]:
        lock = self.root / f"{stem}.lock"
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

    def _read(self, folder: Path, kind: str, key: str, source: str) -> RunRecord | None:
        path = folder / f"{kind}-{key}.json"
        if not path.exists():
            return None
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            raw = path.with_suffix(".npz").read_bytes()
            if hashlib.sha256(raw).hexdigest() != manifest["arrays"]:
                raise ValueError("the arrays differ from their checksum")
            if run_key(kind, manifest["config"], manifest["data"]) != key:
                raise ValueError("the manifest is that of another run")
            with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
                arrays = dict(stored)
            stale = manifest["source"] != source
            float(manifest["seconds"])
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            _set_aside(path, error)
            return None
        return RunRecord(kind, key, arrays, manifest, path, stale)

    def _write(self, kind, key, arrays, manifest) -> RunRecord:
        path = self.root / f"{kind}-{key}.json"
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        manifest["arrays"] = hashlib.sha256(buffer.getvalue()).hexdigest()
        text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        try:
            _replace(path.with_suffix(".npz"), buffer.getvalue())
            _replace(path, text.encode())
        except OSError as error:
            warnings.warn(
                f"the {kind} run was computed but not kept in {self.root} "
                f"({error.strerror}): free space there, or set NETDYN_RUNS",
                UnkeptRecordWarning,
                stacklevel=3,
            )
            path = None
        return RunRecord(kind, key, arrays, manifest, path)


def _pair(manifest: Path) -> tuple[Path, Path]:
    return manifest, manifest.with_suffix(".npz")


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, also if the machine stops in the middle."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _set_aside(path: Path, error: Exception) -> None:
    """Rename a damaged record, so that it is neither believed nor lost."""
    for file in _pair(path):
        try:
            file.replace(file.with_name(file.name + ".damaged"))
        except OSError:
            continue  # missing, or in a folder that is only read
    warnings.warn(
        f"the record {path.name} is damaged ({error}): set aside as "
        f"{path.name}.damaged, and computed again",
        DamagedRecordWarning,
        stacklevel=4,
    )
