"""A run is found by what it is, computed once, and read back bit for bit."""

import hashlib
import io
import json
import math
import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdyn_utils.store import (
    MissingRecordError,
    RecordWarning,
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


def get(root, work, spec=SPEC, **options):
    return RunStore(Path(root), **options).get(spec, work)


# Keys


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


@settings(deadline=None)
@given(configs, st.integers(-8, 8))
def test_the_last_bits_of_floats_do_not_change_a_key(config, steps):
    moved = {name: last_bits(value, steps) for name, value in config.items()}
    one, other = (RunSpec("updates", 1, c, "d") for c in (config, moved))
    assert (one.key, one.name) == (other.key, other.name)


@settings(deadline=None)
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


@settings(deadline=None)
@given(configs, literals)
def test_a_new_field_at_its_neutral_value_leaves_the_key(config, value):
    later = RunSpec("updates", 1, {**config, "new": value}, "d", {"new": value})
    assert later.key == RunSpec("updates", 1, config, "d").key


def test_a_name_says_what_the_run_is_and_is_a_file_name():
    assert SPEC.name == f"updates_mlp_lr0.1_steps10_widths7-1_no-causal_{SPEC.key[:8]}"
    odd = replace(SPEC, config={"control": "a/b: ü" * 99})
    assert len(odd.name) < 200
    assert not set(odd.name) & set("/:\\ ")


@pytest.mark.parametrize("value", [math.nan, math.inf, np.arange(2), {1}])
def test_a_config_holds_finite_numbers_and_text_only(value):
    with pytest.raises(ValueError, match="configurations have finite"):
        _ = replace(SPEC, config={"rate": value}).key


# Records


@pytest.mark.parametrize(
    "array",
    [
        np.array([0x7FC00001, 0xFFC01234, 1, 1 << 31], np.uint32).view("f4"),
        np.array([5e-324, -0.0, 1 / 3, np.inf]),
        np.asfortranarray(np.arange(6, dtype=">i8").reshape(2, 3)),
        np.array(["fc1", "é", ""]),
        np.zeros((0, 3), np.uint8),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_are_computed_once_and_come_back_bit_for_bit(tmp_path, array):
    work = Work(array=array)
    first, second = get(tmp_path, work), get(tmp_path, work)
    assert work.times == 1
    assert (second["array"].dtype, second["array"].shape) == (array.dtype, array.shape)
    assert second["array"].tobytes() == array.tobytes()
    assert (first.manifest, repr(first)) == (second.manifest, repr(second))
    assert first.size == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_objects_are_not_stored(tmp_path):
    with pytest.raises(TypeError, match="'odd' holds objects: give numbers or text"):
        get(tmp_path, Work(odd=np.array([{}])))
    assert [*tmp_path.iterdir()] == []


def test_a_stale_record_is_computed_again_but_one_of_an_archive_is_marked(tmp_path):
    archive, work = tmp_path / "archive", Work(loss=[2.0])
    get(archive, Work(loss=[1.0]))
    for version, stale in ((1, False), (2, True)):
        spec = replace(SPEC, version=version)
        run = get(tmp_path / "runs", work, spec, archives=(archive,))
        assert (run["loss"], run.stale, work.times) == ([1.0], stale, 0)
        assert ("stale" in repr(run)) == stale
    assert not (tmp_path / "runs").exists()
    for _ in range(2):
        run = get(archive, work, replace(SPEC, version=2))
        assert (run["loss"], run.stale, work.times) == ([2.0], False, 1)


def test_without_computing_only_existing_records_are_returned(tmp_path):
    work = Work()
    with pytest.raises(MissingRecordError, match=r"is not in .* `make results`") as e:
        get(tmp_path / "runs", work, compute=False)
    assert e.value._render_traceback_() == [f"MissingRecordError: {e.value}"]
    assert [*tmp_path.iterdir()] == []
    get(tmp_path, Work(loss=[1.0]))
    assert get(tmp_path, work, compute=False)["loss"] == [1.0]
    with pytest.raises(MissingRecordError):
        get(tmp_path, work, replace(SPEC, version=2), compute=False)
    assert work.times == 0


def test_the_environment_names_the_default_store(monkeypatch):
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


def test_a_forged_record_is_refused_and_nothing_is_unpickled(tmp_path):
    trace, runs = tmp_path / "trace", tmp_path / "runs"
    run = get(runs, Work())
    np.savez(buffer := io.BytesIO(), loss=np.array([Trap(trace)]))
    run.path.with_suffix(".npz").write_bytes(buffer.getvalue())
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    for forged in ({"sha256": sha256}, {"key": "of another run"}):
        run.path.write_text(json.dumps({**run.manifest, **forged}))
        with pytest.raises(ValueError, match="is damaged"):
            read_record(runs, SPEC)
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".npz", ".json"])
@pytest.mark.parametrize("damage", ["flip", "empty", "half"])
def test_a_damaged_record_is_named_and_computed_again(tmp_path, suffix, damage):
    work = Work()
    file = get(tmp_path, work).path.with_suffix(suffix)
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 0x80  # no UTF-8 any more
    size = {"flip": len(raw), "half": len(raw) // 2, "empty": 0}[damage]
    file.write_bytes(raw[:size])
    with pytest.warns(RecordWarning, match="is damaged"):
        get(tmp_path, work)
    assert get(tmp_path, work).size > 0
    assert work.times == 2


def test_a_damaged_record_of_an_archive_is_named_and_computed_or_refused(tmp_path):
    archive, work = tmp_path / "archive", Work()
    get(archive, Work()).path.write_text("{}")
    with pytest.raises(MissingRecordError, match=r"is damaged \(.*make results"):
        get(tmp_path / "runs", work, archives=(archive,), compute=False)
    for _ in range(2):
        with pytest.warns(RecordWarning, match="lacks kind, key"):
            run = get(tmp_path / "runs", work, archives=(archive,))
    assert (run.path.parent.name, work.times) == ("runs", 1)


# Interruptions


def compute_slowly(root, number, asking, begun, go):
    """Get the run as another process does, and wait in the middle of computing."""

    def compute():
        begun.set()
        assert go.wait(60)
        return {"loss": [number]}

    asking.set()
    run = get(root, compute)
    (root / f"answer{number}").write_text(f"{run['loss'][0]:g}")


@pytest.fixture
def start(tmp_path):
    """Start a process that computes; return it with its three events."""
    started = []

    def begin(number):
        events = [spawn.Event() for _ in range(3)]
        process = spawn.Process(target=compute_slowly, args=(tmp_path, number, *events))
        process.start()
        started.append((process, events))  # events must outlive their process
        return process, *events

    yield begin
    for process, _ in started:
        process.kill()
        process.join()


def test_two_processes_that_want_one_run_compute_it_once(tmp_path, start):
    killed, _, begun, _ = start(0)
    assert begun.wait(60)
    killed.kill()  # it leaves nothing, not even a lock
    killed.join(60)
    assert [*tmp_path.iterdir()] == []
    first, _, begun, go = start(1)
    assert begun.wait(60)
    second, asking, begun_too, go_too = start(2)
    assert asking.wait(60)
    go_too.set()
    assert not begun_too.wait(1)  # it waits for the first
    go.set()
    first.join(60)
    second.join(60)
    assert not begun_too.is_set()
    assert [(tmp_path / f"answer{n}").read_text() for n in (1, 2)] == ["1", "1"]


def test_an_interrupted_run_leaves_the_stale_record_as_it_was(tmp_path):
    old = get(tmp_path, Work())

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(tmp_path, interrupted, replace(SPEC, version=2))
    assert get(tmp_path, interrupted).manifest == old.manifest


def test_on_a_full_disk_the_result_is_returned_with_a_warning(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.warns(RecordWarning, match=r"\(No space left on device\)"):
        run = get(tmp_path, Work(loss=[2.0]))
    assert (run["loss"], run.path, run.size) == ([2.0], None, 0)
    assert [*tmp_path.iterdir()] == []


def test_where_nothing_can_be_written_nothing_is_computed(tmp_path):
    (tmp_path / "file").write_text("no folder")
    work = Work()
    for root in (tmp_path / "file" / "runs", Path("/proc/self")):
        with pytest.raises(OSError, match=r"cannot write runs to .* set NETDYN_RUNS"):
            get(root, work)
    assert work.times == 0
