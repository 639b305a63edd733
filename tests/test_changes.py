"""What git says of the pages: when each last changed, and which a branch changes."""

import subprocess

import pytest

from netdyn_utils.site import SiteError, changed_pages
from netdyn_utils.site.changes import last_changed, sources

TOC = """\
root: book/index
parts:
  - chapters:
      - file: book/api
      - file: notebooks/01_topic
        sections:
          - file: notebooks/02_other
"""
FILES = {
    "_toc.yml": TOC,
    "book/index.md": "# The front\n",
    "book/api.md": "# The package\n\n.. automodule:: netdyn_utils.part\n"
    ".. automodule:: netdyn_utils.room\n",
    "netdyn_utils/part.py": "x = 1\n",
    "netdyn_utils/other.py": "x = 1\n",
    "netdyn_utils/room/part.py": "x = 1\n",
    "notebooks/01_topic.py": '# %% [markdown]\n# # Topic: what is "it"?\n',
    "notebooks/01_topic.ipynb": "{}",
    "notebooks/02_other.py": "# %% [markdown]\n# # Other\n",
}


def git(root, *words, day="2026-01-02"):
    when = {f"GIT_{who}_DATE": f"{day}T12:00:00Z" for who in ("AUTHOR", "COMMITTER")}
    who = ("-c", "user.name=A", "-c", "user.email=a@b")
    command = ("git", "-C", str(root), *who, *words)
    subprocess.run(command, check=True, env=when | {"PATH": "/usr/bin:/bin"})


def write(root, day, **texts):
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(root, "add", ".")
    git(root, "commit", "-qm", "Words", day=day)


@pytest.fixture
def root(tmp_path):
    """A book in git, written on the second of January."""
    root = tmp_path / "book of é"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    write(root, "2026-01-02", **FILES)
    return root


def test_a_page_comes_from_its_text_and_from_what_it_shows(root):
    found = sources(root)
    assert list(found) == [
        "book/index",
        "book/api",
        "notebooks/01_topic",
        "notebooks/02_other",
    ]
    assert found["notebooks/01_topic"] == ("notebooks/01_topic.py",)
    described = ("netdyn_utils/part.py", "netdyn_utils/room")
    assert found["book/api"] == ("book/api.md", *described)


def test_each_page_has_the_day_of_its_last_commit(root):
    write(root, "2026-03-04", **{"notebooks/02_other.py": "# # Another\n"})
    write(root, "2026-05-06", **{"netdyn_utils/part.py": "x = 2\n"})
    write(root, "2026-05-07", **{"netdyn_utils/other.py": "x = 2\n"})
    assert last_changed(root) == {
        "book/index": "2026-01-02",
        "book/api": "2026-05-06",
        "notebooks/01_topic": "2026-01-02",
        "notebooks/02_other": "2026-03-04",
    }


def test_no_day_is_told_outside_of_git_or_without_the_history(root, tmp_path):
    write(root, "2026-03-04", **{"notebooks/02_other.py": "# # Another\n"})
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{root}", "shallow")
    assert last_changed(tmp_path / "shallow") == {}
    git(tmp_path, "clone", "-q", f"file://{root}", "whole")
    assert last_changed(tmp_path / "whole") == last_changed(root)
    (tmp_path / "whole" / ".git").rename(tmp_path / "away")
    assert last_changed(tmp_path / "whole") == {}


def test_a_page_that_is_not_yet_committed_has_no_day(root):
    (root / "_toc.yml").write_text(TOC + "  - file: book/new\n")
    (root / "book" / "new.md").write_text("# New\n")
    assert "book/new" not in last_changed(root)


def test_the_pages_of_a_branch_are_those_whose_source_it_changes(root):
    git(root, "checkout", "-qb", "branch")
    write(root, "2026-03-04", **{"notebooks/01_topic.py": '# # Topic: "é"\n'})
    git(root, "checkout", "-q", "main")
    write(root, "2026-03-05", **{"notebooks/02_other.py": "# # Not of the branch\n"})
    git(root, "checkout", "-q", "branch")
    told = changed_pages(root, "main")
    assert '- Topic: "é" (`notebooks/01_topic.py`)' in told
    assert "02_other" not in told
    assert "package" not in told
    git(root, "merge", "-q", "--no-edit", "main")  # as a pull request is checked out
    assert changed_pages(root, "HEAD^2") == told


def test_a_change_of_the_package_says_what_it_may_do(root):
    write(root, "2026-03-04", **{"netdyn_utils/part.py": "x = 2\n", "README.md": "a"})
    told = changed_pages(root, "HEAD^1")
    assert "- The package (`book/api.md`)" in told
    assert "The package changed in 1 file: any figure may look otherwise." in told


def test_a_branch_that_changes_no_page_says_so(root):
    write(root, "2026-03-04", **{"README.md": "a"})
    assert changed_pages(root, "HEAD^1").endswith("\n\nNone.")


def test_an_unknown_commit_is_named(root):
    with pytest.raises(SiteError, match="git knows no commit 'mian'"):
        changed_pages(root, "mian")
