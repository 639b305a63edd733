"""From executed notebooks to checked pages: stage, build, check.

Sphinx never runs a notebook here. Runs come from `rerun`; what lies in the staging
folder lies at the same path as in the repository, so that links hold in both. A new
site takes the old one's place only when it was built without a warning and every
check passed.
"""

from .archive import pack
from .building import build
from .changes import changed_pages
from .checking import check
from .colophon import rerun_command
from .faults import SiteError
from .staging import stage

__all__ = [
    "SiteError",
    "build",
    "changed_pages",
    "check",
    "pack",
    "rerun_command",
    "stage",
]
