"""A run stands while all it rests on is as it was; if not, the reason is named."""

import json

import pytest
from netdyn_utils.store.provenance import seal
from small_book import TINY, make_book, start, told, wait_for

from netdyn_utils.notebook_params import Job
from netdyn_utils.pairing import pair
from netdyn_utils.rerun import cache, cached, fingerprints, run_notebook, write_manifest


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run that stands, with its book."""
    root = make_book(tmp_path_factory.mktemp("book"), **{"01_tiny": TINY})
    source = root / "notebooks" / "01_tiny.ipynb"
    job = Job(source, root / "out" / source.name, {"steps": 4})
    (parts,) = fingerprints([job], root)
    write_manifest(run_notebook(source, job.output, job.parameters), source, parts)
    return root, job


@pytest.fixture
def why(done):
    """Say why the run does not stand, for parameters and from here on."""
    root, job = done

    def ask(**parameters):
        again = Job(job.source, job.output, parameters or job.parameters)
        (parts,) = fingerprints([again], root)
        run, reason = cached(again, parts)
        assert (run is None) == bool(reason)
        return reason

    assert ask() == ""
    yield ask
    assert ask() == ""


def test_other_parameters_are_another_run(why):
    assert why(steps=5) == "its parameters changed"


def test_other_code_is_another_run_and_other_prose_is_not(done, why):
    root, _ = done
    text = root / "notebooks" / "01_tiny.py"
    text.write_text(TINY + "\n# %% [markdown]\n# More words.\n")
    pair(root / "notebooks")
    assert why() == ""
    text.write_text(TINY.replace("square = steps**2", "square = steps**2 + 0"))
    pair(root / "notebooks")
    assert why() == "its code changed"
    assert why(steps=5) == "its code changed, its parameters changed"
    text.write_text(TINY)
    pair(root / "notebooks")


def test_other_data_are_another_run(done, why, monkeypatch):
    root, _ = done
    (data := root / "data" / "more.npz").parent.mkdir()
    data.write_bytes(b"more")
    assert why() == "the data, the records or their place changed"
    data.unlink()
    data.parent.rmdir()
    monkeypatch.setenv("NETDYN_RESULTS", "elsewhere")
    assert why() == "the data, the records or their place changed"
    monkeypatch.undo()


def test_other_records_are_another_run(done, tmp_path, monkeypatch):
    root, job = done
    monkeypatch.setenv("NETDYN_RESULTS", str(tmp_path))
    (before,) = fingerprints([job], root)
    assert fingerprints([job], root) == [before]
    (tmp_path / "updates-0.json").write_text("{}")
    (after,) = fingerprints([job], root)
    assert {part for part in after if after[part] != before[part]} == {"data"}


def test_another_package_or_python_is_another_run(why, monkeypatch):
    monkeypatch.setattr(cache, "package_digest", lambda: "another")
    assert why() == "netdyn_utils changed"
    monkeypatch.setattr(cache.sys, "version", "4.0")
    assert why() == "netdyn_utils changed, the installed versions changed"
    monkeypatch.undo()


def test_a_changed_output_or_manifest_is_named(done, why):
    _, job = done
    kept = job.output.read_bytes()
    job.output.write_bytes(kept + b" ")
    assert why() == "its last output was changed"
    job.output.unlink()
    assert why() == "its last run cannot be read (FileNotFoundError)"
    job.output.write_bytes(kept)
    manifest = job.output.parent / "run.json"
    whole = manifest.read_text("utf-8")
    for text, reason in (
        (whole.replace('"ok"', '"OK"'), "its last run cannot be read (ValueError)"),
        (seal({**json.loads(whole), "status": "failed"}), "its last run failed"),
        (seal({"status": "ok"}), "its last run cannot be read (KeyError)"),
    ):
        manifest.write_text(text, "utf-8")
        assert why() == reason
    manifest.unlink()
    assert why() == "not run here before"
    manifest.write_text(whole, "utf-8")


def test_the_same_run_twice_at_once_is_run_once(tmp_path):
    root = make_book(tmp_path, **{"01_tiny": TINY})
    first = start(root, "run", "tiny", "-p", "mode=slow")
    wait_for(lambda: list(root.glob("runs/*/01_tiny.log")))
    second = start(root, "run", "tiny", "-p", "mode=slow")
    said = told(second.communicate(timeout=60)[0])
    assert second.returncode == 1
    assert "the same run is at work in" in said
    assert "01_tiny: ok" in told(first.communicate(timeout=60)[0])
    assert first.returncode == 0
