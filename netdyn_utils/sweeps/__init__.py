"""One notebook over many sets of parameters, on Dask: this machine or a cluster."""

from .plans import Sweep, read_sweep

__all__ = ["Sweep", "read_sweep"]
