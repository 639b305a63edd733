"""A release is reproducible, and its checksums are those of what is in it."""

import hashlib
import json
import os
import subprocess
import tarfile

import pytest

from netdyn_utils.site import SiteError, pack


def site(folder, names=("index.html", "book/a.html", "_static/b.css")):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<p>{name}</p>")
    return folder


def test_the_same_site_gives_the_same_bytes(tmp_path):
    one = site(tmp_path / "one")
    other = site(tmp_path / "other", ("_static/b.css", "book/a.html", "index.html"))
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    found = []
    for folder in (one, other):
        into = tmp_path / f"{folder.name}-out"
        into.mkdir()
        paths = pack(folder, into, version="1.2", root=tmp_path)
        found.append([(path.name, path.read_bytes()) for path in paths])
    assert found[0] == found[1]
    names = [name for name, _ in found[0]]
    assert names == ["netdyn-site-1.2.tar.gz", "netdyn-site-1.2.json", "SHA256SUMS"]


def test_archive_manifest_and_sums_agree(tmp_path):
    archive, manifest, sums = pack(
        site(tmp_path / "site"), tmp_path, version="1.2", root=tmp_path
    )
    files = json.loads(manifest.read_text())["files"]
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        held = {m.name: tar.extractfile(m).read() for m in members}
    assert [m.name for m in members] == sorted(held)
    assert {f"netdyn-site-1.2/{name}" for name in files} == set(held)
    for name, told in files.items():
        content = held[f"netdyn-site-1.2/{name}"]
        digest = hashlib.sha256(content).hexdigest()
        assert told == {"bytes": len(content), "sha256": digest}
    lines = [line.split() for line in sums.read_text().splitlines()]
    assert lines == [
        [hashlib.sha256(path.read_bytes()).hexdigest(), path.name]
        for path in (archive, manifest)
    ]


def test_archive_tells_the_commit_and_takes_its_time(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    stamp = {**os.environ, "GIT_COMMITTER_DATE": "1700000000 +0000"}
    commit = [*git, "commit", "-q", "--allow-empty", "-m", "x"]
    subprocess.run(commit, check=True, env=stamp)
    archive, manifest, _ = pack(
        site(tmp_path / "site"), tmp_path, version="1", root=tmp_path
    )
    assert len(json.loads(manifest.read_text())["commit"]) == 40
    with tarfile.open(archive) as tar:
        assert {(m.mtime, m.uid, m.mode) for m in tar} == {(1_700_000_000, 0, 0o644)}


def test_without_a_site_there_is_no_release(tmp_path):
    with pytest.raises(SiteError, match="make book"):
        pack(tmp_path, tmp_path, version="1", root=tmp_path)
