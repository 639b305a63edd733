"""Buttons lead to where the source is public, and are absent where it is not."""

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from netdyn_utils import site
from netdyn_utils.book.execute import NotebookRun
from netdyn_utils.pairs import pair
from netdyn_utils.site import origin as origins
from netdyn_utils.site.origin import Origin, origin, parse

ROOT = Path(__file__).resolve().parents[1]
HERE = Origin("github.com", "owner/name")


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/owner/name",
        "https://github.com/owner/name.git",
        "https://github.com/owner/name/",
        "https://www.github.com/owner/name.git\n",
        "https://someone:word@github.com/owner/name.git",
        "http://GitHub.com/owner/name",
        "ssh://git@github.com/owner/name.git",
        "ssh://git@github.com:22/owner/name",
        "git://github.com/owner/name.git",
        "git@github.com:owner/name.git",
        "git@github.com:owner/name",
        "github.com:owner/name.git",
    ],
)
def test_every_form_of_an_address_names_the_same_repository(address):
    assert parse(address) == HERE


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/srv/git/name.git",
        "../name",
        "file:///srv/git/name.git",
        r"C:\git\name",
        "https://git.example.org/owner/name.git",
        "git@internal:owner/name.git",
        "https://github.com.example.org/owner/name",
        "https://github.com/name",
        "https://github.com/owner/name/tree/main",
        "https://github.com/owner/name?x=<script>",
    ],
)
def test_what_is_not_public_has_no_origin(address):
    assert parse(address) is None


def test_names_with_dots_and_groups_within_groups():
    assert parse("git@github.com:owner/na.me.git").path == "owner/na.me"
    assert parse("https://gitlab.com/a/b/c.git").path == "a/b/c"
    assert "launch_buttons" not in parse("https://gitlab.com/a/b/c").config()


def repository(folder, address=None):
    run = ["git", "-C", str(folder)]
    subprocess.run([*run, "init", "-q", "-b", "main"], check=True)
    if address:
        subprocess.run([*run, "remote", "add", "origin", address], check=True)
    return run


def test_a_checkout_tells_its_origin_and_the_branch_that_others_see(tmp_path):
    run = repository(tmp_path, "git@github.com:owner/name.git")
    assert origin(tmp_path) == HERE
    head = "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk"
    subprocess.run([*run, "symbolic-ref", *head], check=True)
    assert origin(tmp_path).branch == "trunk"
    (tmp_path / "copy").mkdir()
    assert origin(tmp_path / "copy") is None  # unpacked inside another repository


def test_no_remote_and_no_git_are_no_origin(tmp_path, monkeypatch):
    assert origin(tmp_path) is None
    repository(tmp_path)
    assert origin(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert origin(tmp_path) is None


# A book of one page and one notebook, built by the true Jupyter Book.

TEXT = '# %% [markdown]\n# # Topic\n\n# %% tags=["parameters"]\nx: int = 1\n'
CONFIG = """\
title: T
only_build_toc_files: true
execute: {execute_notebooks: "off"}
launch_buttons: {thebe: false}
sphinx: {recursive_update: true, config: {html_theme_options: {logo: {text: T}}}}
"""
TOC = "format: jb-book\nroot: book/index\nchapters:\n  - file: notebooks/01_topic\n"


class _Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "a":
            self.found.append(dict(attributes).get("href") or "")


def links(tmp_path, address):
    """Build the book from a checkout and return the outgoing links of each page."""
    repository(tmp_path, address)
    (tmp_path / "book").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "book" / "index.md").write_text("# Title\n\nWords.\n")
    (tmp_path / "notebooks" / "01_topic.py").write_text(TEXT)
    pair(tmp_path / "notebooks")
    (tmp_path / "_config.yml").write_text(CONFIG)
    (tmp_path / "_toc.yml").write_text(TOC)
    source = tmp_path / "notebooks" / "01_topic.ipynb"
    run = NotebookRun("01_topic", "ok", 1.0, source, {})
    site.stage([run], tmp_path / "stage", root=tmp_path, profile="test")
    index = site.build(tmp_path / "stage", tmp_path / "site", root=tmp_path)
    pages = {
        name: (index.parent / f"{name}.html").read_text()
        for name in ("book/index", "notebooks/01_topic")
    }
    return pages, {
        name: [link for link in _Links(text).found if link.startswith("http")]
        for name, text in pages.items()
    }


def test_pages_of_a_public_checkout_link_to_files_that_are_there(tmp_path):
    pages, found = links(tmp_path, "git@github.com:owner/name.git")
    url = "https://github.com/owner/name"
    assert f"{url}/edit/main/book/index.md" in found["book/index"]
    topic = found["notebooks/01_topic"]
    assert f"{url}/edit/main/notebooks/01_topic.py" in topic
    assert url in topic
    colab = "https://colab.research.google.com/github/owner/name/blob/main/"
    binder = "https://mybinder.org/v2/gh/owner/name/main?urlpath=lab/tree/"
    for start in (colab, binder, f"{url}/edit/main/"):
        (link,) = (link for link in topic if link.startswith(start))
        assert (tmp_path / link.removeprefix(start)).is_file(), link
    assert not [link for link in found["book/index"] if "colab" in link]
    assert '%pip install -q "git+https://github.com/owner/name@main"' in re.sub(
        r"<[^>]+>", "", pages["notebooks/01_topic"]
    ).replace("&quot;", '"')


def test_pages_of_any_other_checkout_have_no_such_button(tmp_path):
    pages, found = links(tmp_path, "/srv/git/name.git")
    outside = {link for each in found.values() for link in each}
    assert not [a for a in outside if re.search("git|colab|binder", a)], outside
    for text in pages.values():
        assert "source-edit-button" not in text
        assert "launch-buttons" not in text
        assert "pip install" not in text
        assert "download-source-button" in text  # of the site itself


@pytest.mark.slow
@pytest.mark.parametrize("host", sorted(set(origins._HOSTS) - {"github.com"}))
def test_pages_of_other_hosts_are_built_with_their_own_edit_links(tmp_path, host):
    _, found = links(tmp_path, f"https://{host}/owner/name")
    topic = " ".join(found["notebooks/01_topic"])
    assert "01_topic.py" in topic
    assert "colab" not in topic
    assert ("mybinder" in topic) == (host == "gitlab.com")
