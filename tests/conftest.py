"""What all tests share."""

import signal

# A shell starts its background jobs with Ctrl-C ignored, and every child inherits that:
# the tests that interrupt a program would wait for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# These take minutes: they begin first, so that no worker waits for another at the end.
LONGEST = ("test_browser", "test_solutions", "test_sweep_faults", "test_sweep")
LONGEST += ("test_rerun", "test_kills", "test_facts", "test_chapters")


def pytest_collection_modifyitems(items):
    """Put the files that take longest in front; the others keep their order."""
    rank = {f"{name}.py": at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))
