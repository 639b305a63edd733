"""Figures that move: on a static page without a kernel, and live in a notebook."""

from .frames import frame_slider, spread
from .tail_explorer import explore_tail
from .training_explorer import watch_training

__all__ = ["explore_tail", "frame_slider", "spread", "watch_training"]
