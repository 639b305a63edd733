"""Validation of arguments: messages name the value, what was expected, and the fix."""

import difflib
import math
import reprlib
from collections.abc import Collection
from numbers import Integral, Real

MAX_COUNT = 9e18
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 60, 60


def short_repr(value: object) -> str:
    """Return a value as a message shows it: on one line, its middle left out if long.

    >>> short_repr("ab"), short_repr("ab" * 100)
    ("'ab'", "'abababababababababababababa...bababababababababababababab'")
    """
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python writes no number of more than some thousand digits
        return f"{type(value).__name__} of too many digits"


def check_choice(value: str, choices: Collection[str], what: str) -> str:
    """Return `value` if it is one of `choices`; else name them and the nearest.

    >>> check_choice("mnist", ("mnist", "cifar10"), "data set")
    'mnist'
    >>> check_choice("mnits", ("mnist", "cifar10"), "data set")
    Traceback (most recent call last):
        ...
    ValueError: unknown data set 'mnits': choose 'mnist' or 'cifar10' \
(did you mean 'mnist'?)
    """
    if value in choices:
        return value
    if not choices:
        raise ValueError(f"unknown {what} {short_repr(value)}: there is none")
    *head, last = (repr(choice) for choice in choices)
    listed = f"{', '.join(head)} or {last}" if head else last
    near = difflib.get_close_matches(str(value), [str(c) for c in choices], n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(f"unknown {what} {short_repr(value)}: choose {listed}{hint}")


def check_positive(value: float, what: str) -> float:
    """Return `value` if it is a finite number above zero.

    >>> check_positive(float("nan"), "learning rate")
    Traceback (most recent call last):
        ...
    ValueError: learning rate must be a positive finite number, got nan
    """
    real = isinstance(value, Real) and not isinstance(value, bool)
    if not real or not math.isfinite(value) or value <= 0:
        raise ValueError(f"{what} must be a positive finite number, got {value!r}")
    return value


def check_positive_int(value: int, what: str) -> int:
    """Return `value` if it is a whole number of at least one.

    >>> check_positive_int(0, "batch size")
    Traceback (most recent call last):
        ...
    ValueError: batch size must be a whole number of at least 1, got 0
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{what} must be a whole number of at least 1, got {value!r}")
    return int(value)


def check_level(level: float) -> float:
    """Return a level if it lies between 0 and 1."""
    if isinstance(level, Real) and 0 < level < 1:
        return level
    raise ValueError(f"level must lie between 0 and 1, got {level!r}: 0.95, not 95")


def real_numbers(values: object, what: str, single: bool = False):
    """Return values as float64, or as they are if `single` and float32.

    The one door for arrays: text, and what is masked or missing, is refused.

    >>> real_numbers([1, "2"], "values")
    Traceback (most recent call last):
        ...
    ValueError: values must be real numbers, got ['1', '2'] of type <U21
    """
    import numpy as np  # here, for the command line starts without it

    parts = values if isinstance(values, list | tuple) else [values]
    if any(np.ma.is_masked(part) for part in parts):
        raise ValueError(f"{what} are masked in places: leave these out, or fill them")
    values = np.asarray(values)
    if single and values.dtype == np.float32:
        return values
    try:
        if values.dtype.kind in "biufO":
            return values.astype(float)
    except (TypeError, ValueError, OverflowError):
        pass  # an object that is no number
    got = f"{short_repr(values.tolist())} of type {values.dtype}"
    raise ValueError(f"{what} must be real numbers, got {got}")


def whole_counts(counts: object):
    """Return counts as int64 if each is a whole number, zero or above.

    >>> whole_counts([3.0, 0.5])
    Traceback (most recent call last):
        ...
    ValueError: counts must be whole numbers, zero or above, got 0.5 at 1: pass no \
fractions or densities, and count NaN and Inf apart
    """
    import numpy as np

    numbers = real_numbers(counts, "counts")
    bad = ~(np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers)))
    if bad.any():
        raise ValueError(
            f"counts must be whole numbers, zero or above, got {numbers[bad][0]:g} at "
            f"{np.flatnonzero(bad)[0]}: pass no fractions or densities, and count NaN "
            "and Inf apart"
        )
    if numbers.sum() > MAX_COUNT:
        raise ValueError(f"{numbers.sum():.3g} counts are more than 64 bits can add up")
    return np.asarray(counts).astype(np.int64)
