"""Compiled kernels, cached on disk where a folder can be written to."""

from collections.abc import Callable

import numba


def njit(**options: object) -> Callable:
    """Return numba's decorator, without the GIL, and with a cache if possible."""

    def compiled(function: Callable) -> Callable:
        try:
            return numba.njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:  # neither the package nor a home can be written to
            return numba.njit(nogil=True, **options)(function)

    return compiled
