"""Typed notebook parameters under their new names; the old modules do the work."""

from .declarations import Parameter as Parameter
from .declarations import ParameterError as ParameterError
from .declarations import as_table as format_table  # noqa: F401
from .declarations import code_cells as code_cells
from .declarations import declared as read_parameters  # noqa: F401
from .declarations import key_of as parameters_hash  # noqa: F401
from .declarations import resolve as validate  # noqa: F401
from .profiles import Job as Job
from .profiles import find_notebook as find_notebook
from .profiles import plan as plan_jobs  # noqa: F401
from .profiles import profile_block as profile_block
from .profiles import read_yaml as read_yaml

ParameterError.errors = property(lambda error: error.faults)
