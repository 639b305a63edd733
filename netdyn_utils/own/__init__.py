"""Somebody's own network: a model from a file, its data, and logs beside the loop.

A model file is code. It is run when it is named, with all the rights of whoever names
it, and never otherwise. A data file is numbers: nothing in it is run.
"""

from .array_files import load_arrays
from .logs import open_log, tensorboard_log, wandb_log
from .model_files import load_model
from .tasks import Task

__all__ = [
    "Task",
    "load_arrays",
    "load_model",
    "open_log",
    "tensorboard_log",
    "wandb_log",
]
