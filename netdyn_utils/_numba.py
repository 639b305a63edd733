"""Compiled kernels, cached on disk where a folder can be written to."""

from collections.abc import Callable

import numba
from numba import types
from numba.extending import intrinsic


def njit(**options: object) -> Callable:
    """Return numba's decorator, without the GIL, and with a cache if possible."""

    def compiled(function: Callable) -> Callable:
        try:
            return numba.njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:  # neither the package nor a home can be written to
            return numba.njit(nogil=True, **options)(function)

    return compiled


def _pointer_to(kind: types.Type) -> Callable:
    """Return a function for kernels that makes an address a pointer to numbers."""

    @intrinsic
    def pointer(_, _address):
        def generate(context, builder, signature, arguments):
            pointer_type = context.get_value_type(signature.return_type)
            return builder.inttoptr(arguments[0], pointer_type)

        return types.CPointer(kind)(types.int64), generate

    return pointer


float32_at, float64_at = _pointer_to(types.float32), _pointer_to(types.float64)
carray = numba.carray
