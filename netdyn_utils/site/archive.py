"""Pack a site for a release, so that the same site gives the same bytes."""

import gzip
import hashlib
import json
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from .faults import SiteError

_EARLIEST = 315_532_800  # 1980: what every format of archive can tell


def pack(site: Path, into: Path, *, version: str, root: Path) -> tuple[Path, ...]:
    """Write the archive of a site, its manifest and their checksums.

    Names are sorted, and time, owner and mode are the same for every file, so that two
    who build the same pages can compare their archives by one checksum.

    Parameters
    ----------
    site : Path
        What `build` made.
    into : Path
        Folder of the three files.
    version : str
        Of the release; part of the names.
    root : Path
        The repository: its commit is named, and gives the time of every file.

    Returns
    -------
    tuple of Path
        ``netdyn-site-VERSION.tar.gz``, ``netdyn-site-VERSION.json`` with the size and
        the SHA-256 of every file of the site, and ``SHA256SUMS`` of both.
    """
    if not (site / "index.html").is_file():
        raise SiteError(f"no site in {site}: `make book` builds it")
    name = f"netdyn-site-{version}"
    commit, seconds = _commit(root)
    files = {
        path.relative_to(site).as_posix(): path.read_bytes()
        for path in sorted(site.rglob("*"))
        if path.is_file()
    }
    manifest = {
        "version": version,
        "commit": commit,
        "files": {
            file: {"bytes": len(content), "sha256": _digest(content)}
            for file, content in files.items()
        },
    }
    archive, told, sums = (
        into / each for each in (f"{name}.tar.gz", f"{name}.json", "SHA256SUMS")
    )
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for file, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{name}/{file}")
            entry.size, entry.mtime, entry.mode = len(content), seconds, 0o644
            tar.addfile(entry, BytesIO(content))
    told.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    lines = [f"{_digest(path.read_bytes())}  {path.name}\n" for path in (archive, told)]
    sums.write_text("".join(lines), encoding="utf-8")
    return archive, told, sums


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _commit(root: Path) -> tuple[str, int]:
    """Return the commit of a repository and its time."""
    command = ("git", "-C", str(root), "log", "-1", "--format=%H %ct")
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "", _EARLIEST
    commit, seconds = run.stdout.split()
    return commit, int(seconds)
