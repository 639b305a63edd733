"""Disks that are full, folders that are only read, names that are hard to write."""

import resource
import shutil
import subprocess

import pytest
from netdyn_utils.store.provenance import unseal
from small_book import TINY, environment, make_book, start, told

NAME = "a {b} 'ü' $x; 100%"


def unshared(setup):
    """Return words that run a command where `setup` was done, for it alone."""
    return ("unshare", "-rm", "sh", "-c", f'{setup} && exec "$@"', "sh")


def can_mount(tmp_path):
    """Say whether a folder can be mounted for one command: by root, or who may."""
    if not shutil.which("unshare"):
        return False
    words = unshared(f"mount -t tmpfs -o size=64k tmpfs '{tmp_path}'")
    return subprocess.run([*words, "true"], capture_output=True).returncode == 0


@pytest.fixture
def root(tmp_path):
    """A book of one tiny notebook."""
    return make_book(tmp_path / "book", **{"01_tiny": TINY})


@pytest.fixture
def mountable(tmp_path):
    """Skip where nothing can be mounted."""
    if not can_mount(tmp_path):
        pytest.skip("this system lets nobody mount a small disk here")


def run_on_full_disk(root, taken, *words):
    """Run a command with --out on a disk of some room; tell what is there after it."""
    (out := root / "out").mkdir(exist_ok=True)
    mount = f"mount -t tmpfs -o size=64k tmpfs '{out}'"
    fill = f"head -c {taken} /dev/zero > '{out}/taken'"
    tell = f"code=$?; find '{out}' -type f; exit $code"
    script = f'{mount} && {fill} && "$@"; {tell}'
    before = ("unshare", "-rm", "sh", "-c", script, "sh")
    process = start(root, *words, "--out", out, before=before)
    said = told(process.communicate(timeout=120)[0])
    files = {line.rpartition("/")[2] for line in said.splitlines() if str(out) in line}
    return process.returncode, said, files


@pytest.mark.usefixtures("mountable")
@pytest.mark.parametrize("taken", [65536, 57344, 49152])
def test_a_run_on_a_full_disk_is_a_sentence(root, taken):
    code, said, files = run_on_full_disk(root, taken, "run", "tiny", "--html")
    assert code == 1
    assert "No space left on device" in said
    assert not {name for name in files if name.endswith((".part", ".html"))}


@pytest.mark.usefixtures("mountable")
def test_a_sweep_on_a_full_disk_is_a_sentence(root):
    (root / "plan.yaml").write_text("notebook: tiny\nlist: [{}, {steps: 2}]\n")
    words = ("sweep", "plan.yaml", "--workers", "1")
    code, said, files = run_on_full_disk(root, 32768, *words)
    assert code == 1
    assert "cannot be written: No space left on device" in said
    assert not {name for name in files if name.endswith(".part")}
    assert "run.json" not in files


def small_files(most):
    """Return what lets a process, and all it starts, write no file beyond `most` bytes.

    To whoever writes it is what a full disk is, an OSError in the middle of a file, and
    it needs no rights.
    """
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@pytest.mark.parametrize("most", [0, 700, 3000])
def test_a_run_that_can_write_no_further_is_a_sentence(root, most):
    process = start(root, "run", "tiny", "--html", preexec_fn=small_files(most))
    said = told(process.communicate(timeout=120)[0])
    assert process.returncode == 1
    assert "File too large" in said or "log is cut off: is the disk full?" in said
    names = {path.name for path in (root / "runs").rglob("*")}
    assert not {name for name in names if name.endswith((".part", ".html"))}
    again = start(root, "run", "tiny")  # what was left does not hinder
    said = told(again.communicate(timeout=120)[0])
    assert again.returncode == 0, said


def test_a_sweep_that_can_write_no_further_is_a_sentence(root):
    (root / "plan.yaml").write_text("notebook: tiny\nlist: [{}, {steps: 2}]\n")
    words = ("sweep", "plan.yaml", "--workers", "1")
    process = start(root, *words, preexec_fn=small_files(3000))
    said = told(process.communicate(timeout=120)[0])
    assert process.returncode == 1
    assert "File too large" in said or "log is cut off: is the disk full?" in said
    left = [p for p in (root / "runs").rglob("*") if p.name.endswith(".part")]
    assert left == []
    again = start(root, *words, "--resume")
    said = told(again.communicate(timeout=120)[0])
    assert again.returncode == 0, said


@pytest.mark.usefixtures("mountable")
def test_a_checkout_that_is_only_read_runs_to_another_folder(root, tmp_path):
    bind = f"mount --bind '{root}' '{root}' && mount -o remount,ro,bind '{root}'"
    bind += f" && cd '{root}'"  # the folder as it is mounted now
    only_read = unshared(bind)
    assert subprocess.run([*only_read, "touch", root / "x"]).returncode
    process = start(root, "run", "tiny", before=only_read)
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 1
    assert "cannot be written (Read-only file system): name a folder with --out" in said
    (root / "plan.yaml").write_text("notebook: tiny\nlist: [{}]\n")
    process = start(root, "sweep", "plan.yaml", before=only_read)
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 1
    assert "cannot be written: Read-only file system" in said
    process = start(root, "run", "tiny", "--out", tmp_path / NAME, before=only_read)
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 0, said


def test_hard_names_are_names_like_others(tmp_path):
    root = make_book(tmp_path / NAME, **{"01_tiny": TINY})
    out, store = tmp_path / f"out {NAME}", tmp_path / f"store {NAME}"
    words = ("run", "tiny", "-p", "word={x} ü", "--out", out, "--html")
    variables = environment(NETDYN_RUNS=str(store), PYTHONIOENCODING="ascii")
    process = start(root, *words, env=variables)
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 0, said
    (manifest,) = out.rglob("run.json")
    assert unseal(manifest.read_text("utf-8"))["recorded"]["word"] == "{x} ü"
    assert (manifest.parent / "01_tiny.html").exists()


def test_a_parameter_longer_than_a_command_line_arrives_whole(root):
    (root / "long.yaml").write_text(f"word: {'ab' * 100_000}\n")
    process = start(root, "run", "tiny", "-f", "long.yaml")
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 0, said
    (manifest,) = (root / "runs").rglob("run.json")
    recorded = unseal(manifest.read_text("utf-8"))["recorded"]
    assert recorded["word"] == "ab" * 100_000


def test_a_folder_that_is_gone_is_a_sentence(root):
    gone = root / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD" && exec "$@"'
    process = start(gone, "run", "tiny", before=("sh", "-c", script, "sh"))
    said = told(process.communicate(timeout=60)[0])
    assert process.returncode == 2
    assert "no book" in said
    assert not gone.exists()
