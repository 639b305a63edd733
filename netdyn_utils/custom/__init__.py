"""User-supplied models and data, and optional TensorBoard or W&B logging."""

from .loggers import open_log
from .task import Task, load_arrays, load_model

__all__ = ["Task", "load_arrays", "load_model", "open_log"]
