"""A run is found by its question, computed once, and read back bit for bit."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from netdyn_utils.store.runs import RunStore, run_key

CONFIG = {"network": "mlp", "steps": 10, "rate": 0.1, "options": {"widths": [7, 1]}}


class Work:
    """Something to compute, which counts how often it was computed."""

    def __init__(self, **arrays):
        self.arrays, self.times = arrays or {"loss": np.arange(300) / 7}, 0

    def __call__(self):
        self.times += 1
        return self.arrays


def ask(root, work, source="s", **options):
    return RunStore(Path(root), **options).get("updates", CONFIG, "d", source, work)


def test_what_was_computed_is_read_the_second_time(tmp_path):
    work = Work()
    first, second = ask(tmp_path, work), ask(tmp_path, work)
    assert work.times == 1
    assert first.manifest == second.manifest
    assert first.config == second.config == CONFIG
    assert first.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert repr(first) == repr(second)


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
        assert run["array"].dtype == array.dtype
        assert run["array"].shape == array.shape
        assert run["array"].tobytes() == array.tobytes()


def test_a_list_is_an_array_the_first_time_too(tmp_path):
    assert isinstance(ask(tmp_path, Work(loss=[1, 2]))["loss"], np.ndarray)


def test_the_key_does_not_depend_on_the_order_of_a_configuration():
    turned = dict(reversed(CONFIG.items()))
    assert list(turned) != list(CONFIG)
    assert run_key("updates", turned, "d") == run_key("updates", CONFIG, "d")
    read = json.loads(json.dumps(CONFIG))
    assert run_key("updates", read, "d") == run_key("updates", CONFIG, "d")


def test_the_key_depends_on_every_value_on_kind_and_on_data():
    changed = [copy.deepcopy(CONFIG) for _ in range(9)]
    changed[0]["network"] = "MLP"
    changed[1]["steps"] = 11
    changed[2]["steps"] = 10.0
    changed[3]["steps"] = "10"
    changed[4]["rate"] = np.nextafter(0.1, 1).item()
    changed[5]["options"]["widths"] = [1, 7]
    changed[6]["options"]["bias"] = None
    changed[7]["seed"] = 0
    del changed[8]["rate"]
    keys = {run_key("updates", config, "d") for config in (CONFIG, *changed)}
    keys |= {run_key("intervals", CONFIG, "d"), run_key("updates", CONFIG, "e")}
    assert len(keys) == 12


def test_a_configuration_with_nan_has_no_key():
    with pytest.raises(ValueError, match="not JSON compliant"):
        run_key("updates", {"rate": float("nan")}, "d")


def test_objects_are_not_stored(tmp_path):
    with pytest.raises(TypeError, match="'odd' holds objects: give numbers or text"):
        ask(tmp_path, Work(odd=np.array([{}])))
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_a_stale_record_is_computed_again_and_replaced(tmp_path):
    assert ask(tmp_path, Work(loss=[1.0]), source="old")["loss"] == [1.0]
    fresh = ask(tmp_path, Work(loss=[2.0]), source="new")
    assert (fresh["loss"], fresh.stale) == ([2.0], False)
    assert ask(tmp_path, Work(loss=[3.0]), source="new")["loss"] == [2.0]


def test_a_stale_record_of_an_archive_is_returned_and_says_so(tmp_path):
    archive, work = tmp_path / "archive", Work(loss=[2.0])
    ask(archive, Work(loss=[1.0]), source="old")
    for source, stale in (("old", False), ("new", True)):
        run = ask(tmp_path / "runs", work, source, archives=(archive,))
        assert (run["loss"], run.stale, work.times) == ([1.0], stale, 0)
        assert ("stale" in repr(run)) == stale
    assert not (tmp_path / "runs").exists()


def test_where_computing_is_switched_off_only_what_is_there_is_returned(tmp_path):
    work = Work()
    with pytest.raises(LookupError, match=r"no record .* unsetting NETDYN_COMPUTE"):
        ask(tmp_path, work, compute=False)
    ask(tmp_path, Work(loss=[1.0]))
    assert ask(tmp_path, work, compute=False)["loss"] == [1.0]
    with pytest.raises(LookupError):
        ask(tmp_path, work, source="new", compute=False)
    assert work.times == 0


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
