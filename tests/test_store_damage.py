"""A record that is not what was written is named, set aside and never believed."""

import hashlib
import io
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from netdyn_utils.store.provenance import seal
from netdyn_utils.store.runs import DamagedRecordWarning, RunStore

CONFIG = {"network": "mlp", "steps": 10, "rate": 0.1}
FILES = (".npz", ".json")


class Work:
    """Something to compute, which counts how often it was computed."""

    def __init__(self, **arrays):
        self.arrays, self.times = arrays or {"loss": np.arange(300) / 7}, 0

    def __call__(self):
        self.times += 1
        return self.arrays


def ask(root, work, **options):
    return RunStore(Path(root), **options).get("updates", CONFIG, "d", "s", work)


def record(run):
    return [run.path.with_suffix(suffix) for suffix in FILES]


class Trap:
    """Unpickling this leaves a trace."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def forge(run, raw):
    """Replace the arrays of a record, with every checksum in order."""
    arrays, manifest = record(run)
    arrays.write_bytes(raw)
    checksum = hashlib.sha256(raw).hexdigest()
    manifest.write_text(seal({**run.manifest, "arrays": checksum}))


def zipped(**arrays):
    np.savez(buffer := io.BytesIO(), **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["pickle in the npz", "no zip", "broken zip", "npy"])
def test_a_forged_record_is_refused_and_nothing_is_unpickled(tmp_path, kind):
    trace, runs = tmp_path / "trace", tmp_path / "runs"
    np.save(single := io.BytesIO(), np.arange(3))
    raw = {
        "pickle in the npz": zipped(loss=np.array([Trap(trace)])),
        "no zip": b"netdyn",
        "broken zip": b"PK\x03\x04" + bytes(60),
        "npy": single.getvalue(),
    }
    work = Work()
    forge(ask(runs, work), raw[kind])
    with pytest.warns(DamagedRecordWarning, match="is damaged"):
        ask(runs, work)
    assert work.times == 2
    assert not trace.exists()
    with np.load(io.BytesIO(raw["pickle in the npz"]), allow_pickle=True) as stored:
        assert stored["loss"][0] is None  # the trap was a real one
    assert trace.exists()


@pytest.mark.parametrize("suffix", FILES)
def test_every_flipped_byte_is_noticed_and_the_run_computed_again(tmp_path, suffix):
    rng, believed = np.random.default_rng(0), 0
    for _ in range(50):
        work = Work()
        ask(tmp_path, work)
        run = ask(tmp_path, work)
        before, file = work.times, run.path.with_suffix(suffix)
        raw = bytearray(whole := file.read_bytes())
        raw[rng.integers(len(raw))] ^= rng.integers(1, 256)
        file.write_bytes(raw)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            again = ask(tmp_path, work)
        assert again["loss"].tobytes() == run["loss"].tobytes()
        if work.times == before:  # only white space may change unnoticed
            assert suffix == ".json"
            assert repr(json.loads(raw)) == repr(json.loads(whole))
            believed += 1
            continue
        assert [warning.category for warning in caught] == [DamagedRecordWarning]
        assert run.path.name in str(caught[0].message)
        assert (tmp_path / f"{file.name}.damaged").read_bytes() == raw
    assert believed <= 5


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("share", [0, 0.5, 0.99, None], ids=str)
def test_a_short_or_missing_file_is_noticed_and_the_run_computed_again(
    tmp_path, suffix, share
):
    work = Work()
    file = ask(tmp_path, work).path.with_suffix(suffix)
    raw = file.read_bytes()
    file.unlink()
    if share is not None:
        file.write_bytes(raw[: int(share * len(raw))])
    if share is None and suffix == ".json":  # arrays without a manifest: no record
        ask(tmp_path, work)
    else:
        with pytest.warns(DamagedRecordWarning, match=r"json is damaged .* set aside"):
            ask(tmp_path, work)
    assert work.times == 2
    assert ask(tmp_path, work).size > 0
    assert work.times == 2


def test_a_record_under_the_name_of_another_is_refused(tmp_path):
    work, store = Work(), RunStore(tmp_path)
    other = store.get("updates", {**CONFIG, "steps": 11}, "d", "s", Work(loss=[0.0]))
    run = ask(tmp_path, work)
    for source, target in zip(record(other), record(run), strict=True):
        shutil.copy(source, target)
    with pytest.warns(DamagedRecordWarning, match="that of another run"):
        again = ask(tmp_path, work)
    assert np.array_equal(again["loss"], run["loss"])


def test_a_damaged_record_of_an_archive_is_computed_into_the_store(tmp_path):
    archive, work = tmp_path / "archive", Work()
    ask(archive, Work()).path.write_text("{}")
    with pytest.warns(DamagedRecordWarning, match="differs from its checksum"):
        run = ask(tmp_path / "runs", work, archives=(archive,))
    assert (run.path.parent.name, work.times) == ("runs", 1)
