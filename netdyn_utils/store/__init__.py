"""Runs on disk: arrays, what was asked for, and where they came from.

A record is found again by the hash of what was asked for; nothing that is damaged or
half-written is ever taken for one.
"""

from .provenance import source_digest, surroundings
from .records import RunRecord
from .runs import RunStore, run_key

__all__ = [
    "RunRecord",
    "RunStore",
    "run_key",
    "source_digest",
    "surroundings",
]
