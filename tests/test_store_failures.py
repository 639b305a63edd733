"""Whatever stops a run or its writing, nothing half-written is ever found."""

import errno
import multiprocessing
import resource
import warnings
from pathlib import Path

import numpy as np
import pytest

from netdyn_utils.store.runs import RunStore, UnkeptRecordWarning

spawn = multiprocessing.get_context("spawn")


def ask(root, compute, source="s"):
    return RunStore(Path(root)).get("updates", {}, "d", source, compute)


def kept(root):
    return sorted(path.suffix for path in root.iterdir() if path.suffix != ".lock")


def loss(value=1.0):
    return {"loss": np.full(3, value)}


def compute_slowly(root, number, asked, begun, go):
    """Ask for the run as another process does, and wait in the middle of computing."""

    def compute():
        begun.set()
        assert go.wait(60)
        return loss(number)

    asked.set()
    run = ask(root, compute)
    (root / f"answer{number}").write_text(f"{run['loss'][0]:g}")


@pytest.fixture
def start(tmp_path):
    """Start a process that computes; return it with its three events."""
    started = []

    def begin(number):
        events = [spawn.Event() for _ in range(3)]
        process = spawn.Process(target=compute_slowly, args=(tmp_path, number, *events))
        process.start()
        started.append((process, events))
        return process, *events

    yield begin
    for process, _ in started:
        process.kill()
        process.join()


def test_two_processes_that_want_one_run_compute_it_once(tmp_path, start):
    first, _, begun, go = start(1)
    assert begun.wait(60)
    second, asked, begun_too, go_too = start(2)
    assert asked.wait(60)
    go_too.set()
    assert not begun_too.wait(1)  # it waits for the first
    go.set()
    first.join(60)
    second.join(60)
    assert (first.exitcode, second.exitcode) == (0, 0)
    assert not begun_too.is_set()
    assert [(tmp_path / f"answer{n}").read_text() for n in (1, 2)] == ["1", "1"]


def test_a_killed_run_leaves_nothing_and_the_next_one_computes(tmp_path, start):
    process, _, begun, _ = start(1)
    assert begun.wait(60)
    process.kill()
    process.join(60)
    assert kept(tmp_path) == []
    assert ask(tmp_path, loss)["loss"].tolist() == [1.0] * 3
    assert kept(tmp_path) == [".json", ".npz"]


def test_what_a_killed_writer_left_is_not_believed_and_swept_up(tmp_path):
    manifest = ask(tmp_path, loss).path
    manifest.rename(f"{manifest}.part")
    arrays = manifest.with_suffix(".npz")
    arrays.with_name(f"{arrays.name}.part").write_bytes(b"half")
    assert ask(tmp_path, lambda: loss(2.0))["loss"].tolist() == [2.0] * 3
    assert kept(tmp_path) == [".json", ".npz"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ArithmeticError, MemoryError])
def test_an_interrupted_or_failed_run_leaves_nothing(tmp_path, error):
    def stopped():
        raise error

    with pytest.raises(error):
        ask(tmp_path, stopped)
    assert kept(tmp_path) == []
    assert ask(tmp_path, loss).path.exists()


def test_an_interrupted_run_leaves_the_stale_record_as_it_was(tmp_path):
    old = ask(tmp_path, loss, source="old")

    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(tmp_path, stopped, source="new")
    assert ask(tmp_path, stopped, source="old").manifest == old.manifest


def fill_the_disk(root):
    """Compute more than the quota of this process lets it write."""
    noise = np.random.default_rng(0).random(10_000)
    old = ask(root, loss, source="old")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = ask(root, lambda: {"loss": noise}, source="new")
    (warning,) = caught
    assert warning.category is UnkeptRecordWarning
    assert f"not kept in {root} (File too large): free space" in str(warning.message)
    assert warning.filename == __file__
    assert np.array_equal(run["loss"], noise)
    assert (run.path, run.size) == (None, 0)
    assert kept(root) == [".json", ".npz"]
    assert ask(root, loss, source="old").manifest == old.manifest


def test_on_a_full_disk_the_result_is_returned_and_earlier_records_stay(tmp_path):
    process = spawn.Process(target=fill_the_disk, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_a_disk_that_fills_up_between_the_two_files_breaks_no_record(
    tmp_path, monkeypatch
):
    old = ask(tmp_path, loss, source="old")
    synced = []

    def full(handle):
        synced.append(handle)
        if len(synced) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.warns(UnkeptRecordWarning, match="No space left on device"):
        ask(tmp_path, lambda: loss(2.0), source="new")
    assert kept(tmp_path) == [".json", ".npz"]
    assert ask(tmp_path, loss, source="old").manifest == old.manifest


def test_where_nothing_can_be_written_nothing_is_computed(tmp_path):
    (tmp_path / "file").write_text("no folder")
    computed = []
    for root in (tmp_path / "file", tmp_path / "file" / "runs", Path("/proc/self")):
        with pytest.raises(OSError, match=r"cannot write runs to .* set NETDYN_RUNS"):
            ask(root, lambda: computed.append(1))
    assert computed == []
