"""Where the book's source is public, and what its pages can link there.

A checkout whose remote ``origin`` names a known public host gives each page a button to
edit its source; on some hosts also one for Binder, and on GitHub one for Colab. Any
other checkout has none of these: a page never shows a button that leads nowhere.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from .git import git

# A notebook is edited in the text that it is made from.
_FILE = "{{ file_name | replace('.ipynb', '.py') }}"
# How the theme names each host, and how the host spells "edit this file".
_HOSTS = {
    "github.com": ("GitHub", "{url}/edit/{branch}/{file}"),
    "gitlab.com": ("GitLab", "{url}/-/edit/{branch}/{file}"),
    "bitbucket.org": ("Bitbucket", "{url}/src/{branch}/{file}?mode=edit"),
    "codeberg.org": ("Codeberg", "{url}/_edit/{branch}/{file}"),
}
_ADDRESS = re.compile(
    r"""(?:(?:https?|ssh|git)://(?:[^@/]+@)?(?P<host>[\w.-]+)(?::\d+)?/
      | (?:[\w.-]+@)?(?P<scp>[\w.-]+\.[\w-]+):/?)       # git@host:owner/name
    (?P<path>[\w.~-]+(?:/[\w.~-]+?)+?)(?:\.git)?/?""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Origin:
    """A public repository."""

    host: str  # "github.com"
    path: str  # "owner/name"; GitLab allows groups within groups
    branch: str = "main"

    @property
    def url(self) -> str:
        """The address that a browser shows."""
        return f"https://{self.host}/{self.path}"

    @property
    def install(self) -> str:
        """What pip installs: the package as it stands on the branch."""
        return f"git+{self.url}@{self.branch}"

    @property
    def pages(self) -> str:
        """Where the host shows the site of the repository; nothing if unknown."""
        owner, _, name = self.path.partition("/")
        known = self.host == "github.com"
        return f"https://{owner.lower()}.github.io/{name}/" if known else ""

    @property
    def colab(self) -> bool:
        """Whether Colab opens notebooks of this host."""
        return self.host == "github.com"

    def config(self) -> dict:
        """Return what the site's configuration says of the repository."""
        name, edit = _HOSTS[self.host]
        options: dict = {"use_edit_page_button": True}
        if self.host in ("github.com", "gitlab.com") and self.path.count("/") == 1:
            options |= {
                "repository_url": self.url,
                "repository_branch": self.branch,
                "path_to_docs": "",
                "use_repository_button": True,
                "launch_buttons": {
                    "notebook_interface": "jupyterlab",
                    "binderhub_url": "https://mybinder.org",
                },
            }
        if self.colab:
            options["launch_buttons"]["colab_url"] = "https://colab.research.google.com"
        context = {
            "edit_page_provider_name": name,
            "edit_page_url_template": edit.format(
                url=self.url, branch=self.branch, file=_FILE
            ),
        }
        return {"html_theme_options": options, "html_context": context}


def parse(address: str, branch: str = "main") -> Origin | None:
    """Return the public repository that a remote's address names, if it names one.

    >>> parse("git@github.com:owner/name.git")
    Origin(host='github.com', path='owner/name', branch='main')
    >>> parse("/srv/git/name.git") is None
    True
    """
    found = _ADDRESS.fullmatch(address.strip())
    if found is None:
        return None
    host = (found["host"] or found["scp"]).lower().removeprefix("www.")
    two = found["path"].count("/") == 1 or host == "gitlab.com"
    return Origin(host, found["path"], branch) if host in _HOSTS and two else None


def origin(root: Path) -> Origin | None:
    """Return where the checkout in a folder comes from, if that is public."""
    address = git(root, "remote", "get-url", "origin")
    head = git(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD")
    return parse(address, head.partition("/")[2] or "main")
