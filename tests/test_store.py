"""A run is found by what it is, computed once, and read back bit for bit."""

import hashlib
import io
import json
import math
import multiprocessing
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdyn_utils.store import (
    DamagedRecordWarning,
    MissingRecordError,
    RecordNotSavedWarning,
    RunSpec,
    RunStore,
    read_record,
)

spawn = multiprocessing.get_context("spawn")
CONFIG = {
    "network": "mlp",
    "learning_rate": 0.1,
    "steps": 10,
    "options": {"widths": (7, 1), "causal": False},
}
SPEC = RunSpec("updates", 1, CONFIG, "d")


class Work:
    """Something to compute, which counts how often it was computed."""

    def __init__(self, **arrays):
        self.arrays, self.times = arrays or {"loss": np.arange(300) / 7}, 0

    def __call__(self):
        self.times += 1
        return self.arrays


def ask(root, work, spec=SPEC, **options):
    return RunStore(Path(root), **options).get(spec, work)


# What a run is


literals = st.one_of(  # numbers as people write them: at most 12 digits
    st.decimals(-(10**6), 10**6, places=5).map(float),
    st.integers(-(10**9), 10**9),
    st.booleans(),
    st.none(),
    st.text(max_size=5),
    st.lists(st.decimals(0, 10, places=4).map(float), max_size=4).map(tuple),
)
configs = st.dictionaries(st.text("abcdef", min_size=1, max_size=6), literals)


def last_bits(value, steps):
    """Return a value whose floats are some units in the last place away."""
    if isinstance(value, tuple):
        return tuple(last_bits(item, steps) for item in value)
    if not isinstance(value, float) or value == 0:
        return value
    for _ in range(abs(steps)):
        value = math.nextafter(value, math.copysign(math.inf, steps))
    return value


@given(configs, st.integers(-8, 8))
def test_the_last_bits_of_floats_do_not_change_a_key(config, steps):
    moved = {name: last_bits(value, steps) for name, value in config.items()}
    one, other = (RunSpec("updates", 1, c, "d") for c in (config, moved))
    assert (one.key, one.name) == (other.key, other.name)


@given(configs, st.data())
def test_any_other_difference_changes_the_key(config, data):
    config = {"steps": 3, **config}
    name = data.draw(st.sampled_from([*config]))
    value = data.draw(literals.filter(lambda v: v != config[name]))
    one = RunSpec("updates", 1, config, "d")
    assert replace(one, config={**config, name: value}).key != one.key
    assert replace(one, config={**config, "another field": 1}).key != one.key
    assert replace(one, kind="intervals").key != one.key
    assert replace(one, data="e").key != one.key


@given(configs, st.data())
def test_a_new_field_at_its_neutral_value_leaves_the_key(config, data):
    value = data.draw(literals)
    later = RunSpec("updates", 1, {**config, "new": value}, "d", {"new": value})
    assert later.key == RunSpec("updates", 1, config, "d").key


def test_the_version_is_not_part_of_the_key():
    assert replace(SPEC, version=2).key == SPEC.key


def test_a_name_says_what_the_run_is_and_is_a_file_name():
    assert SPEC.name == f"updates_mlp_lr0.1_steps10_widths7-1_no-causal_{SPEC.key[:8]}"
    odd = replace(SPEC, config={"control": "a/b: ü" * 99})
    assert len(odd.name) < 200
    assert not set(odd.name) & set("/:\\ ")


@pytest.mark.parametrize("value", [math.nan, math.inf, np.arange(2), {1}])
def test_what_is_no_number_and_no_text_has_no_key(value):
    with pytest.raises(ValueError, match="a configuration holds"):
        _ = replace(SPEC, config={"rate": value}).key


# Computed once, read back


def test_what_was_computed_is_read_the_second_time(tmp_path):
    work = Work()
    first, second = ask(tmp_path, work), ask(tmp_path, work)
    assert work.times == 1
    assert first.manifest == {**second.manifest}
    assert first.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert repr(first) == repr(second)
    needed = {"kind", "key", "version", "config", "data", "commit", "versions"}
    needed |= {"processor", "created", "seconds", "sha256"}
    assert set(second.manifest) == needed


@pytest.mark.parametrize(
    "array",
    [
        np.array([0x7FC00001, 0xFFC01234, 1, 1 << 31], np.uint32).view("f4"),
        np.array([5e-324, -0.0, 1 / 3, np.inf]),
        np.asfortranarray(np.arange(6, dtype=">i8").reshape(2, 3)),
        np.array(["fc1", "é", ""]),
        np.array(True),
        np.zeros((0, 3), np.uint8),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_come_back_bit_for_bit(tmp_path, array):
    work = Work(array=array)
    for run in (ask(tmp_path, work), ask(tmp_path, work)):
        assert (run["array"].dtype, run["array"].shape) == (array.dtype, array.shape)
        assert run["array"].tobytes() == array.tobytes()


def test_objects_are_not_stored(tmp_path):
    with pytest.raises(TypeError, match="'odd' holds objects: give numbers or text"):
        ask(tmp_path, Work(odd=np.array([{}])))
    assert [*tmp_path.iterdir()] == []


def test_a_stale_record_is_computed_again_and_replaced(tmp_path):
    assert ask(tmp_path, Work(loss=[1.0]))["loss"] == [1.0]
    new = replace(SPEC, version=2)
    fresh = ask(tmp_path, Work(loss=[2.0]), new)
    assert (fresh["loss"], fresh.stale) == ([2.0], False)
    assert ask(tmp_path, Work(loss=[3.0]), new)["loss"] == [2.0]


def test_a_stale_record_of_an_archive_is_returned_and_says_so(tmp_path):
    archive, work = tmp_path / "archive", Work(loss=[2.0])
    ask(archive, Work(loss=[1.0]))
    for version, stale in ((1, False), (2, True)):
        spec = replace(SPEC, version=version)
        run = ask(tmp_path / "runs", work, spec, archives=(archive,))
        assert (run["loss"], run.stale, work.times) == ([1.0], stale, 0)
        assert ("stale" in repr(run)) == stale
    assert not (tmp_path / "runs").exists()


def test_where_computing_is_switched_off_only_what_is_there_is_returned(tmp_path):
    work = Work()
    with pytest.raises(MissingRecordError, match=r"is not in .* `make results`") as e:
        ask(tmp_path / "runs", work, compute=False)
    assert e.value._render_traceback_() == [f"MissingRecordError: {e.value}"]
    assert [*tmp_path.iterdir()] == []  # not even a lock
    ask(tmp_path, Work(loss=[1.0]))
    assert ask(tmp_path, work, compute=False)["loss"] == [1.0]
    with pytest.raises(MissingRecordError):
        ask(tmp_path, work, replace(SPEC, version=2), compute=False)
    assert work.times == 0


def test_a_folder_that_is_only_read_can_be_read_from(tmp_path):
    ask(tmp_path, Work())
    before = sorted(tmp_path.iterdir())
    ask(tmp_path / "other", Work(), archives=(tmp_path,))
    ask(tmp_path, Work(), compute=False)
    assert sorted(tmp_path.iterdir()) == before


def test_the_default_store_is_the_one_that_the_environment_names(monkeypatch):
    for name in ("NETDYN_RUNS", "NETDYN_RESULTS", "NETDYN_COMPUTE"):
        monkeypatch.delenv(name, raising=False)
    plain = RunStore.default()
    assert (plain.root.name, plain.archives, plain.compute) == ("runs", (), True)
    monkeypatch.setenv("NETDYN_RUNS", "~/mine")
    monkeypatch.setenv("NETDYN_RESULTS", "book/results")
    monkeypatch.setenv("NETDYN_COMPUTE", "never")
    named = RunStore(Path.home() / "mine", (Path("book/results"),), compute=False)
    assert RunStore.default() == named


# Damage


class Trap:
    """Unpickling this leaves a trace."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def zipped(**arrays):
    np.savez(buffer := io.BytesIO(), **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["pickle in the npz", "no zip", "npy"])
def test_a_forged_record_is_refused_and_nothing_is_unpickled(tmp_path, kind):
    trace, runs, work = tmp_path / "trace", tmp_path / "runs", Work()
    np.save(single := io.BytesIO(), np.arange(3))
    raw = {
        "pickle in the npz": zipped(loss=np.array([Trap(trace)])),
        "no zip": b"netdyn",
        "npy": single.getvalue(),
    }[kind]
    run = ask(runs, work)
    run.path.with_suffix(".npz").write_bytes(raw)
    sha256 = hashlib.sha256(raw).hexdigest()
    run.path.write_text(json.dumps({**run.manifest, "sha256": sha256}))
    with pytest.warns(DamagedRecordWarning, match="is damaged"):
        ask(runs, work)
    assert work.times == 2
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".npz", ".json"])
@pytest.mark.parametrize("damage", ["flip", "empty", "half", "gone"])
def test_damage_is_noticed_and_the_run_computed_again(tmp_path, suffix, damage):
    work = Work()
    file = ask(tmp_path, work).path.with_suffix(suffix)
    raw = bytearray(file.read_bytes())
    file.unlink()
    if damage == "flip":
        raw[len(raw) // 2] ^= 1 if suffix == ".npz" else 0x80  # no UTF-8 any more
    if damage != "gone":
        size = {"flip": len(raw), "half": len(raw) // 2, "empty": 0}[damage]
        file.write_bytes(raw[:size])
    if (damage, suffix) == ("gone", ".json"):  # arrays without a manifest: no record
        ask(tmp_path, work)
    else:
        with pytest.warns(DamagedRecordWarning, match="is damaged"):
            ask(tmp_path, work)
        assert [*tmp_path.glob("*.damaged")]
    assert work.times == 2
    assert ask(tmp_path, work).size > 0
    assert work.times == 2


def test_a_record_under_the_name_of_another_is_refused(tmp_path):
    other = replace(SPEC, config={**CONFIG, "steps": 11})
    ask(tmp_path, Work(loss=[0.0]), other)
    for suffix in (".npz", ".json"):
        there, here = (tmp_path / f"{s.name}{suffix}" for s in (other, SPEC))
        shutil.copy(there, here)
    with pytest.raises(ValueError, match="of another run"):
        read_record(tmp_path, SPEC)
    with pytest.warns(DamagedRecordWarning):
        assert len(ask(tmp_path, Work())["loss"]) == 300


def test_a_damaged_record_of_an_archive_is_named_and_computed_or_refused(tmp_path):
    archive, work = tmp_path / "archive", Work()
    ask(archive, Work()).path.write_text("{}")
    with pytest.warns(DamagedRecordWarning, match="lacks kind, key"):
        run = ask(tmp_path / "runs", work, archives=(archive,))
    assert (run.path.parent.name, work.times) == ("runs", 1)
    with (
        pytest.warns(DamagedRecordWarning),
        pytest.raises(MissingRecordError, match=r"is damaged \(.*make results"),
    ):
        ask(tmp_path / "none", work, archives=(archive,), compute=False)


# Whatever stops a run or its writing, nothing half-written is ever found


def compute_slowly(root, number, asked, begun, go):
    """Ask for the run as another process does, and wait in the middle of computing."""

    def compute():
        begun.set()
        assert go.wait(60)
        return {"loss": [number]}

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
    assert [*tmp_path.iterdir()] == []
    assert ask(tmp_path, Work()).path.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ArithmeticError])
def test_an_interrupted_run_leaves_the_stale_record_as_it_was(tmp_path, error):
    old = ask(tmp_path, Work())

    def stopped():
        raise error

    with pytest.raises(error):
        ask(tmp_path, stopped, replace(SPEC, version=2))
    assert ask(tmp_path, stopped).manifest == old.manifest


def test_on_a_full_disk_the_result_is_returned_and_said_to_be_unsaved(
    tmp_path, monkeypatch
):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.warns(RecordNotSavedWarning, match=r"\(No space left on device\)"):
        run = ask(tmp_path, Work(loss=[2.0]))
    assert (run["loss"], run.path, run.size) == ([2.0], None, 0)
    assert [*tmp_path.iterdir()] == []


def test_where_nothing_can_be_written_nothing_is_computed(tmp_path):
    (tmp_path / "file").write_text("no folder")
    work = Work()
    for root in (tmp_path / "file", tmp_path / "file" / "runs", Path("/proc/self")):
        with pytest.raises(OSError, match=r"cannot write runs to .* set NETDYN_RUNS"):
            ask(root, work)
    assert work.times == 0
