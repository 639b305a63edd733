"""What a caller may hand in, checked at the door, with one clear sentence if not.

Every message says what came, what was expected and what to do. The measures and
the training loop share these checks, so that the same mistake reads the same
everywhere.
"""

import difflib
import math
import reprlib
from collections.abc import Collection
from numbers import Integral, Real

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 60, 60


def shown(value: object) -> str:
    """Return a value as a message shows it: on one line, its middle left out if long.

    >>> shown("ab"), shown("ab" * 100)
    ("'ab'", "'abababababababababababababa...bababababababababababababab'")
    """
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python writes no number of more than some thousand digits
        return f"{type(value).__name__} of too many digits"


def choose(value: str, choices: Collection[str], what: str) -> str:
    """Return `value` if it is one of `choices`; else name them and the nearest.

    >>> choose("mnist", ("mnist", "cifar10"), "data set")
    'mnist'
    >>> choose("mnits", ("mnist", "cifar10"), "data set")
    Traceback (most recent call last):
        ...
    ValueError: unknown data set 'mnits': choose 'mnist' or 'cifar10' \
(did you mean 'mnist'?)
    """
    if value in choices:
        return value
    if not choices:
        raise ValueError(f"unknown {what} {shown(value)}: there is none")
    *head, last = (repr(choice) for choice in choices)
    listed = f"{', '.join(head)} or {last}" if head else last
    near = difflib.get_close_matches(str(value), [str(c) for c in choices], n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(f"unknown {what} {shown(value)}: choose {listed}{hint}")


def positive(value: float, what: str) -> float:
    """Return `value` if it is a finite number above zero.

    >>> positive(float("nan"), "learning rate")
    Traceback (most recent call last):
        ...
    ValueError: learning rate must be a positive finite number, got nan
    """
    real = isinstance(value, Real) and not isinstance(value, bool)
    if not real or not math.isfinite(value) or value <= 0:
        raise ValueError(f"{what} must be a positive finite number, got {value!r}")
    return value


def positive_int(value: int, what: str) -> int:
    """Return `value` if it is a whole number of at least one.

    >>> positive_int(0, "batch size")
    Traceback (most recent call last):
        ...
    ValueError: batch size must be a whole number of at least 1, got 0
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{what} must be a whole number of at least 1, got {value!r}")
    return int(value)
