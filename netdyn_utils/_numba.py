"""Compiled kernels: kept on disk where there is a place, compiled anew elsewhere."""

from collections.abc import Callable

import numba


def njit(**options: object) -> Callable:
    """Return numba's decorator, without the lock and with a cache if one can be had."""

    def compiled(function: Callable) -> Callable:
        try:
            return numba.njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:  # neither the package nor a home can be written to
            return numba.njit(nogil=True, **options)(function)

    return compiled
