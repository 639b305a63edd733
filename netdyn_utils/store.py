"""Runs on disk: found by what they are, computed once, believed only if they are whole.

A run is described by a `RunSpec`. Its record is two files whose name says what it is:
``updates_mlp_sgd_lr0.1_bs64_steps30000_seed0_full_0123abcd.npz`` holds the arrays, the
``.json`` beside it the manifest: configuration, version, commit, data, libraries,
processor, time, and the SHA-256 of the arrays. Nothing is pickled or unpickled.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_dir

from .validation import check_choice

LIBRARIES = ("netdyn", "numpy", "torch")  # whose versions a manifest names
KEY_LETTERS = 8  # of a key that stand in a file name
_NAME_LETTERS = 150  # of what a file name says, at most
_NEEDED = ("kind", "key", "version", "config", "seconds", "sha256")  # of a manifest
_SHORT = {"learning_rate": "lr", "batch_size": "bs", "freeze_batchnorm_after": "freeze"}
_VALUE_ONLY = ("network", "optimizer", "source", "control")  # need no name beside them


class MissingRecordError(LookupError):
    """A record is not there, or damaged, and may not be computed."""

    def _render_traceback_(self) -> list[str]:
        """Show a reader of a notebook the sentence, not the way to it."""
        return [f"{type(self).__name__}: {self}"]


class DamagedRecordWarning(UserWarning):
    """A record on disk is not what was written."""


class RecordNotSavedWarning(UserWarning):
    """A result could not be written to disk; it is there in memory only."""


@dataclass(frozen=True)
class RunSpec:
    """What a run is: all that its numbers depend on, nothing that a machine computes.

    Parameters
    ----------
    kind : str
        "updates", "intervals", "perturbation" or "information".
    version : int
        Of the numbers of this kind: raised when, and only when, they are meant to
        change. It is not part of the key: a record of another version is stale.
    config : mapping
        All fields that the numbers depend on, in a fixed order. Floats count to 12
        significant digits.
    data : str
        SHA-256 of the data.
    neutral : mapping
        Values at which a field is left out of key and name. A field that is added
        later has here the value of all runs before it, and their keys stay.

    Examples
    --------
    >>> config = {"network": "mlp", "learning_rate": 0.1, "window": 1000}
    >>> RunSpec("updates", 1, config, "d", {"window": 1000}).name
    'updates_mlp_lr0.1_55faf84d'
    >>> RunSpec("updates", 1, {"network": "mlp", "learning_rate": 0.1}, "d").name
    'updates_mlp_lr0.1_55faf84d'
    """

    kind: str
    version: int
    config: Mapping[str, object]
    data: str
    neutral: Mapping[str, object] = field(default_factory=dict)

    @cached_property
    def identity(self) -> dict[str, object]:
        """The fields that stand in key and name."""
        return {
            name: value
            for name, value in self.config.items()
            if name not in self.neutral
            or canonical(value) != canonical(self.neutral[name])
        }

    @cached_property
    def key(self) -> str:
        """Hash of kind, configuration and data, 32 letters; the same on any machine."""
        lines = [self.kind, *(f"{n}={canonical(v)}" for n, v in self.identity.items())]
        text = "\n".join([*lines, f"data={self.data}"])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        """File name of the record, without a suffix."""
        said = [self.kind, *(_readable(*item) for item in self.identity.items())]
        return f"{'_'.join(said)[:_NAME_LETTERS]}_{self.key[:KEY_LETTERS]}"


@dataclass(frozen=True, eq=False, repr=False)
class RunRecord:
    """What one run left behind."""

    name: str  # of its two files, without a suffix
    arrays: Mapping[str, np.ndarray]
    manifest: Mapping[str, object]
    path: Path | None = None  # of the manifest; None if the record was not saved
    stale: bool = False  # whether its numbers are of another version

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    @property
    def kind(self) -> str:
        """What was computed."""
        return self.manifest["kind"]

    @property
    def key(self) -> str:
        """Hash of what the run is."""
        return self.manifest["key"]

    @property
    def config(self) -> Mapping[str, object]:
        """The configuration as the manifest has it."""
        return self.manifest["config"]

    @property
    def size(self) -> int:
        """Bytes on disk, 0 if the record was not saved."""
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
            check_choice(allowed, ("always", "never"), "NETDYN_COMPUTE") == "always",
        )

    def get(
        self,
        spec: RunSpec,
        compute: Callable[[], Mapping[str, np.ndarray]],
        notes: Mapping[str, object] | None = None,
    ) -> RunRecord:
        """Return the record of a run, computing it if it is not there yet.

        Two processes that want the same run compute it once: the second waits. A stale
        record of the store itself is computed again; one of an archive is returned and
        says that it is `stale`.

        Parameters
        ----------
        spec : RunSpec
        compute : callable
            Returns the arrays, of numbers or text.
        notes : mapping, optional
            What else the manifest says: threads, device.

        Raises
        ------
        OSError
            Before anything is computed, if the store's folder cannot be written to.
        MissingRecordError
            If the record is missing or damaged and computing is switched off.
        TypeError
            If an array holds Python objects: only a pickle could keep them.
        """
        damage = ""
        for folder in self.archives:
            try:
                return read_record(folder, spec)
            except FileNotFoundError:
                continue
            except ValueError as error:
                damage = str(error)
                warnings.warn(damage, DamagedRecordWarning, stacklevel=3)
        # Without the lock first: a folder that is only read can still be read from.
        found = self._fresh(spec, quarantine=False)
        if found is None and not self.compute:
            place = self.archives[0] if self.archives else self.root
            raise MissingRecordError(
                f"{damage or f'the record {spec.name} is not in {place.name}'}: "
                "compute it with `make results`, or unset NETDYN_COMPUTE"
            )
        if found is not None:
            return found
        with self._lock(spec):
            return self._fresh(spec) or self._compute(spec, compute, notes or {})

    def _compute(self, spec: RunSpec, compute, notes) -> RunRecord:
        start = time.perf_counter()
        arrays = {name: np.asarray(array) for name, array in compute().items()}
        seconds = time.perf_counter() - start
        return write_record(self.root, spec, arrays, {**notes, "seconds": seconds})

    def _fresh(self, spec: RunSpec, quarantine: bool = True) -> RunRecord | None:
        try:
            record = read_record(self.root, spec)
        except FileNotFoundError:
            return None
        except ValueError as error:
            if quarantine:
                for suffix in (".json", ".npz"):
                    path = self.root / f"{spec.name}{suffix}"
                    with suppress(OSError):
                        path.replace(f"{path}.damaged")
                warnings.warn(str(error), DamagedRecordWarning, stacklevel=4)
            return None
        return None if record.stale else record

    @contextmanager
    def _lock(self, spec: RunSpec) -> Iterator[None]:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise OSError(
                f"cannot write runs to {self.root} ({error.strerror}): set NETDYN_RUNS "
                "to a folder that can be written to"
            ) from error
        place = hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:8]
        with FileLock(_lock_folder() / f"{place}-{spec.key}.lock"):
            yield


def read_record(folder: Path, spec: RunSpec) -> RunRecord:
    """Read a record; FileNotFoundError without one, ValueError if it is damaged."""
    path = folder / f"{spec.name}.json"
    if not path.exists():
        raise FileNotFoundError(path)
    record = open_record(path)
    if record.key != spec.key:
        raise ValueError(
            f"the record {path.name} is damaged (it is that of another run)"
        )
    stale = record.manifest["version"] != spec.version
    return RunRecord(spec.name, record.arrays, record.manifest, path, stale)


def open_record(path: Path) -> RunRecord:
    """Read the record of a manifest, whatever run it is of; ValueError if damaged."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if missing := [name for name in _NEEDED if name not in manifest]:
            raise ValueError(f"the manifest lacks {', '.join(missing)}")
        raw = path.with_suffix(".npz").read_bytes()
        if hashlib.sha256(raw).hexdigest() != manifest["sha256"]:
            raise ValueError("the arrays differ from their checksum")
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            return RunRecord(path.stem, dict(stored), manifest, path)
    except Exception as error:  # a broken zip alone fails in a dozen ways
        raise ValueError(f"the record {path.name} is damaged ({error})") from error


def write_record(
    folder: Path,
    spec: RunSpec,
    arrays: Mapping[str, np.ndarray],
    notes: Mapping[str, object],
) -> RunRecord:
    """Write a record and return it; its path is None if the disk did not take it."""
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"array {name!r} holds objects: give numbers or text")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    manifest = {
        "kind": spec.kind,
        "key": spec.key,
        "version": spec.version,
        "config": _plain(spec.config),
        "data": spec.data,
        "commit": git_commit(),
        **environment_info(),
        **notes,
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    path: Path | None = folder / f"{spec.name}.json"
    try:
        atomic_write(path.with_suffix(".npz"), buffer.getvalue())
        atomic_write(path, manifest_text(manifest).encode())
    except OSError as error:
        warnings.warn(
            f"the run {spec.name} was computed but not saved in {folder} "
            f"({error.strerror}): free space there, or set NETDYN_RUNS",
            RecordNotSavedWarning,
            stacklevel=4,
        )
        path = None
    return RunRecord(spec.name, arrays, manifest, path)


def manifest_text(manifest: Mapping[str, object]) -> str:
    """Return a manifest as the text of its file."""
    return json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"


def atomic_write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def environment_info() -> dict[str, object]:
    """Return versions, processor and time, as a manifest has them."""
    versions = {name: metadata.version(name) for name in LIBRARIES}
    return {
        "versions": {**versions, "python": platform.python_version()},
        "processor": _processor(),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


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
    """Return a value as a key has it: `12 significant digits`, one form for 1 and 1.0.

    >>> canonical(0.1 + 0.2), canonical(1.0), canonical((1, None)), canonical("a")
    ('0.3', '1', '[1,null]', '"a"')
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{n}:{canonical(v)}' for n, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(canonical, value))}]"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a configuration holds finite numbers only, got {value}")
        return f"{value + 0.0:.12g}"  # + 0.0: no −0
    if isinstance(value, bool | int | str | None):
        return json.dumps(value, ensure_ascii=False)
    raise ValueError(f"a configuration holds numbers and text, got {value!r}")


def _readable(name: str, value: object) -> str:
    """Return a field as a file name has it.

    >>> _readable("learning_rate", 0.1), _readable("widths", (784, 10))
    ('lr0.1', 'widths784-10')
    >>> _readable("causal", False), _readable("control", "shuffled labels")
    ('no-causal', 'shuffled-labels')
    """
    if isinstance(value, Mapping):
        return "_".join(_readable(*item) for item in value.items())
    label = "" if name in _VALUE_ONLY else _SHORT.get(name, name.replace("_", "-"))
    if isinstance(value, bool):
        return label if value else f"no-{label}"
    items = value if isinstance(value, list | tuple) else (value,)
    words = ["all" if item is None else canonical(item).strip('"') for item in items]
    text = label + "-".join(words)
    return "".join(c if c.isalnum() or c in ".-" else "-" for c in text)


def _plain(value):
    """Return nested configs as JSON holds them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _lock_folder() -> Path:
    """Return a folder for locks: never that of the records, which may be read-only."""
    places = (Path(user_cache_dir("netdyn")), Path(tempfile.gettempdir()) / "netdyn")
    for place in places:
        with suppress(OSError):
            (place / "locks").mkdir(parents=True, exist_ok=True)
            if os.access(place / "locks", os.W_OK):
                return place / "locks"
    return Path(tempfile.mkdtemp())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return f"{os.cpu_count()} × {names[0]}" if names else platform.machine()
