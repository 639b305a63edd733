"""A sweep on Dask: what it writes, what it keeps, what it runs again."""

import csv
import hashlib
import json
import re

import psutil
import pytest
from netdyn_utils.store.provenance import seal, unseal
from small_book import TINY, environment, family, make_book, start, told, wait_for

from netdyn_utils.store import RunStore

PLAN = """notebook: tiny
parameters: {word: "a <b> 'ü'"}
grid: {steps: [2, 13], rate: [0.1, 1.0]}
show: square
over: [steps, rate]
"""


class Sweep:
    """A sweep that ran, with what it said, and whom it listened to."""

    def __init__(self, root):
        self.root, self.out = root, root / "out {x} ü" / "plan"

    def __call__(self, *words):
        process = start(
            self.root, "sweep", "plan.yaml", "--out", self.out.parent, *words
        )
        self.said, _ = process.communicate(timeout=240)
        self.code = process.returncode
        return told(self.said)

    def table(self):
        with (self.out / "results.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Four runs, two of which fail, in a folder of braces, blanks and accents."""
    root = make_book(tmp_path_factory.mktemp("a {b} ö"), **{"01_tiny": TINY})
    (root / "plan.yaml").write_text(PLAN, encoding="utf-8")
    (done := Sweep(root))("--workers", "2")
    return done


def test_a_failing_run_stops_no_other_and_is_told(sweep):
    assert sweep.code == 1
    assert "4 to run, 0 done before" in sweep.said
    assert "2 of 4 runs failed:" in sweep.said
    rows = sweep.table()
    assert [row["status"] for row in rows] == ["ok", "ok", "failed", "failed"]
    assert {row["error"] for row in rows[2:]} == {
        "cell 3: ZeroDivisionError: division by zero"
    }
    assert [row["square"] for row in rows] == ["4", "4", "", ""]
    assert [row["rate"] for row in rows] == ["0.1", "1.0", "0.1", "1.0"]
    assert [row["rate (recorded)"] for row in rows] == ["0.1", "1.0", "", ""]
    assert {row["word"] for row in rows} == {"a <b> 'ü'"}


def test_every_run_has_its_manifest_notebook_and_page(sweep):
    for row in sweep.table():
        folder = sweep.out / row["run"]
        told_of = unseal((folder / "run.json").read_text("utf-8"))
        assert told_of["given"]["word"] == "a <b> 'ü'"
        assert told_of["parameters"]["digits"] == [3, 8]
        assert (folder / "01_tiny.ipynb").exists()
        assert (folder / "01_tiny.html").exists() == (row["status"] == "ok")
        if row["status"] == "ok":
            raw = (folder / "01_tiny.ipynb").read_bytes()
            assert told_of["digest"] == hashlib.sha256(raw).hexdigest()
    left = [path.name for path in sweep.out.rglob("*.part")]
    assert left == []


def test_the_page_links_what_is_there_and_shows_the_map(sweep):
    page = (sweep.out / "index.html").read_text("utf-8")
    links = re.findall(r'href="([^"]+)"', page)
    found = [link for link in links if not link.startswith("data:")]
    assert len(found) == 3
    assert all((sweep.out / link).exists() for link in found)
    assert "square over steps × rate" in page
    assert "2 of 4 runs are done" in page


def test_a_folder_with_runs_is_refused_and_resumed(sweep):
    assert "holds runs of this sweep: --resume goes on" in sweep()
    assert sweep.code == 1
    # One run is damaged, one was of another package; the failed two are run again.
    one, two, *_ = [sweep.out / row["run"] for row in sweep.table()]
    raw = bytearray((one / "01_tiny.ipynb").read_bytes())
    raw[len(raw) // 2] ^= 1
    (one / "01_tiny.ipynb").write_bytes(raw)
    manifest = json.loads((two / "run.json").read_text("utf-8"))
    manifest["fingerprint"]["package"] = "another"
    (two / "run.json").write_text(seal({**manifest, "recorded": {"square": 5}}))
    said = sweep("--resume", "--workers", "1")
    assert f"{one.name}: to run, its last output was changed" in said
    assert f"{two.name}: to run, netdyn_utils changed" in said
    assert said.count("to run, its last run failed") == 2
    assert [row["square"] for row in sweep.table()] == ["4", "4", "", ""]


COMPUTING = """# %% tags=["parameters"]
n: int = 1

# %%
from netdyn_utils.store import RunStore
RunStore.default().get("k", {"n": n}, "d", "s", lambda: {"x": [n + 0.5]})
"""


def test_records_that_runs_computed_come_home(tmp_path):
    root = make_book(tmp_path / "book", **{"01_computing": COMPUTING})
    (root / "plan.yaml").write_text("notebook: computing\ngrid: {n: [1, 2]}\n")
    home = tmp_path / "home"
    words = ("sweep", "plan.yaml", "--workers", "1")
    process = start(root, *words, env=environment(NETDYN_RUNS=str(home)))
    said = told(process.communicate(timeout=240)[0])
    assert process.returncode == 0, said
    for n in (1, 2):  # there, and not computed again
        run = RunStore(home).get("k", {"n": n}, "d", "s", lambda: pytest.fail("again"))
        assert run["x"].tolist() == [n + 0.5]
    kept = {path.name for path in (root / "runs").rglob("*.*")}
    assert not {name for name in kept if name.startswith("k-")}


def test_everything_listens_to_this_machine_only(tmp_path):
    root = make_book(tmp_path, **{"01_tiny": TINY})
    (root / "plan.yaml").write_text("notebook: tiny\nlist: [{mode: slow}]\n")
    process = start(root, "sweep", "plan.yaml", "--workers", "1")
    try:
        wait_for(
            lambda: any("ipykernel" in " ".join(_line(p)) for p in family(process.pid))
        )
        addresses = [
            c.laddr.ip
            for member in family(process.pid)
            for c in _connections(member)
            if c.status == psutil.CONN_LISTEN
        ]
        second = Sweep(root)
        second.out = root / "runs" / "plan"
        assert "another sweep is at work in" in second()
        assert second.code == 1
        assert "1/1 " in told(process.communicate(timeout=120)[0])
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert len(addresses) >= 3
    assert set(addresses) <= {"127.0.0.1", "::1"}


def _line(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _connections(process):
    try:
        return process.net_connections("tcp")
    except psutil.Error:
        return []
