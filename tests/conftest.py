"""What all tests share."""

import signal

import pytest
from chapters import run_chapters, shared_folder

# A shell starts its background jobs with Ctrl-C ignored, and every child inherits that:
# the tests that interrupt a program would wait for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def chapters(tmp_path_factory):
    """Each chapter as it ran in the test profile, once for all tests and workers."""
    return run_chapters(shared_folder(tmp_path_factory))


def pytest_collection_modifyitems(items):
    """Put first what needs the chapters: they take longest, and others can go on."""
    items.sort(key=lambda item: "chapters" not in getattr(item, "fixturenames", ()))
