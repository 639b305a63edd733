"""Records of runs on disk: found by what they are, computed once, verified when read.

A record is two files whose name describes the run, such as
``updates_mlp_sgd_lr0.1_bs64_steps30000_seed0_full_0123abcd``: the arrays (``.npz``) and
the manifest (``.json``) with configuration, versions, commit, processor, time, and the
SHA-256 of the arrays. Nothing is pickled or unpickled.
"""

import hashlib
import io
import json
import math
import os
import platform
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_dir

from .validation import check_choice

LIBRARIES = ("netdyn", "numpy", "torch")  # whose versions a manifest names
MAX_NAME = 150  # letters of a file name before those of the key
REQUIRED = ("kind", "key", "version", "config", "seconds", "sha256")  # of a manifest
_SHORT = {"learning_rate": "lr", "batch_size": "bs", "freeze_batchnorm_after": "freeze"}
_VALUE_ONLY = ("network", "optimizer", "source", "control")  # no field name before them


class MissingRecordError(LookupError):
    """A record is missing or damaged, and may not be computed."""

    def _render_traceback_(self) -> list[str]:
        """Show the sentence without a traceback in a notebook."""
        return [f"{type(self).__name__}: {self}"]


class RecordWarning(UserWarning):
    """A record on disk is damaged, or a new one could not be saved."""


@dataclass(frozen=True)
class RunSpec:
    """All that the numbers of a run depend on.

    A field with its value in `neutral` is left out of key and name. A field that is
    added later has there the value of all earlier runs, so their keys stay the same. A
    record of another `version` has the same key and is stale.

    >>> config = {"network": "mlp", "learning_rate": 0.1, "window": 1000}
    >>> RunSpec("updates", 1, config, "d", {"window": 1000}).name
    'updates_mlp_lr0.1_55faf84d'
    """

    kind: str  # "updates", "intervals", "perturbation" or "information"
    version: int  # raised when, and only when, the numbers are meant to change
    config: Mapping[str, object]  # in a fixed order; floats count to 12 digits
    data: str  # SHA-256
    neutral: Mapping[str, object] = field(default_factory=dict)

    @property
    def identity(self) -> dict[str, object]:
        """The fields in key and name."""
        neutral = {name: canonical(value) for name, value in self.neutral.items()}
        config = self.config.items()
        return {n: v for n, v in config if canonical(v) != neutral.get(n)}

    @property
    def key(self) -> str:
        """Hash of kind, configuration and data, 32 letters."""
        fields = [f"{n}={canonical(v)}" for n, v in self.identity.items()]
        text = "\n".join([self.kind, *fields, f"data={self.data}"])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        """File name of the record, without suffix."""
        parts = [self.kind, *(_readable(*item) for item in self.identity.items())]
        return f"{'_'.join(parts)[:MAX_NAME]}_{self.key[:8]}"


@dataclass(frozen=True, eq=False, repr=False)
class RunRecord:
    """Arrays and manifest of one run; ``record[name]`` is an array."""

    name: str  # of its two files, without suffix
    arrays: Mapping[str, np.ndarray]
    manifest: Mapping[str, object]
    path: Path | None = None  # of the manifest; None if the record was not saved
    stale: bool = False  # whether its numbers are of another version

    kind = property(lambda self: self.manifest["kind"])
    key = property(lambda self: self.manifest["key"])
    config = property(lambda self: self.manifest["config"])

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    @property
    def size(self) -> int:
        """Bytes on disk; 0 if not saved."""
        files = [self.path, self.path.with_suffix(".npz")] if self.path else []
        return sum(file.stat().st_size for file in files)

    def __repr__(self):
        state = "stale, " if self.stale else ""
        return (
            f"RunRecord({self.name}, {state}{self.size / 1e3:.0f} KB, "
            f"computed in {self.manifest['seconds']:.1f} s)"
        )


@dataclass(frozen=True)
class RunStore:
    """A folder of records, and archives that are only read."""

    root: Path  # where new records go
    archives: tuple[Path, ...] = ()  # searched first: records that came with the book
    compute: bool = True  # whether a missing run may be computed

    @classmethod
    def default(cls) -> "RunStore":
        """Open the store that the environment names.

        ``NETDYN_RUNS`` is the folder of new records (by default in the user's cache),
        ``NETDYN_RESULTS`` an archive, ``NETDYN_COMPUTE=never`` forbids computing.
        """
        root = os.environ.get("NETDYN_RUNS") or Path(user_cache_dir("netdyn")) / "runs"
        archive = os.environ.get("NETDYN_RESULTS")
        compute = os.environ.get("NETDYN_COMPUTE") or "always"
        return cls(
            Path(root).expanduser(),
            (Path(archive).expanduser(),) if archive else (),
            check_choice(compute, ("always", "never"), "NETDYN_COMPUTE") == "always",
        )

    def get(
        self,
        spec: RunSpec,
        compute: Callable[[], Mapping[str, np.ndarray]],
        notes: Mapping[str, object] | None = None,
    ) -> RunRecord:
        """Return the record of a run; ``compute()`` gives its arrays if it is missing.

        Of two processes on one machine that want a run, one computes and the other
        waits. A stale record of `root` is computed again; one of an archive is returned
        with `stale` set. The manifest also has `notes`.

        Raises `MissingRecordError` if the record is missing or damaged and computing is
        switched off, OSError before computing if `root` cannot be written to, and
        TypeError if an array has Python objects.
        """
        record, damage = self._find(spec)
        if record is None and self.compute:
            with self._lock(spec):
                record, damage = self._find(spec)  # another process may have made it
                if record is None:
                    start = time.perf_counter()
                    arrays = {name: np.asarray(a) for name, a in compute().items()}
                    seconds = time.perf_counter() - start
                    notes = {**(notes or {}), "seconds": seconds}
                    record = write_record(self.root, spec, arrays, notes)
        if record is None:
            folder = (*self.archives, self.root)[0].name
            raise MissingRecordError(
                f"{damage or f'the record {spec.name} is not in {folder}'}: "
                "compute it with `make results`, or unset NETDYN_COMPUTE"
            )
        if damage:
            warnings.warn(damage, RecordWarning, stacklevel=2)
        return record

    def _find(self, spec) -> tuple[RunRecord | None, str]:
        """Return a record that can be used, and what is wrong with a damaged one."""
        damage = ""
        for folder in (*self.archives, self.root):
            try:
                record = read_record(folder, spec)
            except FileNotFoundError:
                continue
            except ValueError as error:
                damage = damage or str(error)
                continue
            if not record.stale or folder in self.archives:
                return record, damage
        return None, damage

    def _lock(self, spec) -> FileLock:
        """Return a lock on a run; its file is not in `root`, which may be committed."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise OSError(
                f"cannot write runs to {self.root} ({error.strerror}): set NETDYN_RUNS "
                "to a folder that can be written to"
            ) from error
        # The user's own cache is part of the name: nobody can open another's lock.
        name = f"{user_cache_dir('netdyn')} {self.root.resolve()} {spec.key}"
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        return FileLock(Path(tempfile.gettempdir(), f"netdyn-{digest}.lock"))


def read_record(folder: Path, spec: RunSpec) -> RunRecord:
    """Read a record; FileNotFoundError if there is none, ValueError if damaged."""
    path = folder / f"{spec.name}.json"
    if not path.exists():
        raise FileNotFoundError(path)
    record = open_record(path)
    if record.key != spec.key:
        raise ValueError(f"the record {path.name} is damaged (it has another key)")
    return replace(record, stale=record.manifest["version"] != spec.version)


def open_record(path: Path) -> RunRecord:
    """Read the record of a manifest, of any run; ValueError if it is damaged."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if missing := [name for name in REQUIRED if name not in manifest]:
            raise ValueError(f"the manifest lacks {', '.join(missing)}")
        raw = path.with_suffix(".npz").read_bytes()
        if hashlib.sha256(raw).hexdigest() != manifest["sha256"]:
            raise ValueError("the arrays differ from their checksum")
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            return RunRecord(path.stem, dict(stored), manifest, path)
    except Exception as error:  # a broken zip alone fails in a dozen ways
        raise ValueError(f"the record {path.name} is damaged ({error})") from error


def write_record(folder: Path, spec: RunSpec, arrays, notes) -> RunRecord:
    """Write a record and return it; its path is None if it could not be saved."""
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"array {name!r} holds objects: give numbers or text")
    np.savez_compressed(buffer := io.BytesIO(), **arrays)
    manifest = {
        **{name: getattr(spec, name) for name in ("kind", "key", "version")},
        "config": json.loads(manifest_text(spec.config)),
        "data": spec.data,
        "commit": git_commit(),
        **environment_info(),
        **notes,
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    path = folder / f"{spec.name}.json"
    try:
        atomic_write(path.with_suffix(".npz"), buffer.getvalue())
        atomic_write(path, manifest_text(manifest).encode())
    except OSError as error:
        warnings.warn(
            f"the run {spec.name} was computed but not saved in {folder} "
            f"({error.strerror}): free space there, or set NETDYN_RUNS",
            RecordWarning,
            stacklevel=3,
        )
        path = None
    return RunRecord(spec.name, arrays, manifest, path)


def manifest_text(manifest: Mapping[str, object]) -> str:
    """Return a manifest as JSON; numpy's scalars become numbers."""
    options = {"indent": 1, "ensure_ascii": False, "default": lambda x: x.item()}
    return json.dumps(manifest, **options) + "\n"


def atomic_write(path: Path, content: bytes) -> None:
    """Write a file completely or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def environment_info() -> dict[str, object]:
    """Return versions, processor and time for a manifest."""
    processor = platform.processor() or platform.machine()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line for line in lines if "model name" in line)
        processor = f"{os.cpu_count()} × {model.partition(':')[2].strip()}"
    versions = {name: metadata.version(name) for name in LIBRARIES}
    return {
        "versions": {**versions, "python": platform.python_version()},
        "processor": processor,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def environment_changes(then: Mapping, now: Mapping) -> str:
    """Return what differs between the machines of two manifests, the code aside."""
    before, after = (
        {n: manifest.get(n) for n in ("processor", "threads", "device")}
        | {n: v for n, v in manifest.get("versions", {}).items() if n != "netdyn"}
        for manifest in (then, now)
    )
    pairs = ((name, old, after[name]) for name, old in before.items())
    return ", ".join(f"{n} {old} → {new}" for n, old, new in pairs if old != new)


@cache
def git_commit(folder: Path = Path(__file__).parent) -> str | None:
    """Return the commit of a checkout, with "+" if it has changes; None outside one."""
    command = ("git", "-C", str(folder), "describe", "--always", "--abbrev=12")
    try:
        run = subprocess.run([*command, "--dirty=+"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.decode().strip()


def canonical(value: object) -> str:
    """Return the text of a value in a key: floats to 12 digits, 1.0 as 1.

    >>> canonical(0.1 + 0.2), canonical(1.0), canonical((1, None)), canonical("a")
    ('0.3', '1', '[1,null]', '"a"')
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{n}:{canonical(v)}' for n, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(canonical, value))}]"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value + 0.0:.12g}"  # + 0.0: no −0
    if isinstance(value, bool | int | str | None):
        return json.dumps(value, ensure_ascii=False)
    raise ValueError(f"configurations have finite numbers and text, got {value!r}")


def _readable(name: str, value: object) -> str:
    """Return the text of a field in a file name, such as `lr0.1` or `no-causal`."""
    if isinstance(value, Mapping):
        return "_".join(_readable(*item) for item in value.items())
    label = "" if name in _VALUE_ONLY else _SHORT.get(name, name.replace("_", "-"))
    if isinstance(value, bool):
        return label if value else f"no-{label}"
    items = value if isinstance(value, list | tuple) else (value,)
    words = ["all" if item is None else canonical(item).strip('"') for item in items]
    text = label + "-".join(words)
    return "".join(c if c.isalnum() or c in ".-" else "-" for c in text)
