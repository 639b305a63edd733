"""One record on disk: two files that are there whole or not at all.

``<kind>-<key>.npz`` holds the arrays, ``<kind>-<key>.json``, the manifest, the
configuration, where the arrays came from (source digest, versions, threads, wall time),
their checksum and its own. Both are written under other names and then renamed, the
manifest last. Nothing is pickled or unpickled.
"""

import hashlib
import io
import json
import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .provenance import seal, unseal


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


def read_record(path: Path, source: str) -> RunRecord:
    """Read the record of a manifest; ValueError if it is not what was written."""
    kind, _, key = path.stem.rpartition("-")
    try:
        manifest = unseal(path.read_text(encoding="utf-8"))
        if run_key(kind, manifest["config"], manifest["data"]) != key:
            raise ValueError("the manifest is that of another run")
        raw = path.with_suffix(".npz").read_bytes()
        if hashlib.sha256(raw).hexdigest() != manifest["arrays"]:
            raise ValueError("the arrays differ from their checksum")
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            arrays = dict(stored)
        return RunRecord(
            kind, key, arrays, manifest, path, manifest["source"] != source
        )
    except Exception as error:  # a broken zip alone fails in a dozen ways
        raise ValueError(str(error)) from error


def write_record(path: Path, arrays, manifest: dict[str, object]) -> RunRecord:
    """Write a record and return it; its path is None if the disk did not take it.

    Raises
    ------
    TypeError
        If an array holds Python objects: only a pickle could keep them.
    """
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"array {name!r} holds objects: give numbers or text")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    text = seal({**manifest, "arrays": hashlib.sha256(buffer.getvalue()).hexdigest()})
    kind, _, key = path.stem.rpartition("-")
    kept: Path | None = path
    try:
        write_whole({path.with_suffix(".npz"): buffer.getvalue(), path: text.encode()})
    except OSError as error:
        warnings.warn(
            f"the {kind} run was computed but not kept in {path.parent} "
            f"({error.strerror}): free space there, or set NETDYN_RUNS",
            UnkeptRecordWarning,
            stacklevel=3,
        )
        kept = None
    return RunRecord(kind, key, arrays, unseal(text), kept)


def set_aside(path: Path, error: Exception) -> None:
    """Rename a damaged record, so that it is neither believed nor lost."""
    for file in (path, path.with_suffix(".npz")):
        with suppress(OSError):  # missing, or in a folder that is only read
            file.replace(f"{file}.damaged")
    warn_of_damage(path, error)


def warn_of_damage(path: Path, error: Exception) -> None:
    """Name a damaged record, and say where it is now."""
    where = "left there" if path.exists() else f"set aside as {path.name}.damaged"
    warnings.warn(
        f"the record {path.name} is damaged ({error}): {where}, and not used",
        DamagedRecordWarning,
        stacklevel=4,
    )


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """Write files whole or not at all: all are on disk before one gets its name.

    They get their names in the order given, so that the last can vouch for the others.
    """
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
