"""Figures that move: on a static page without a kernel, and live in a notebook."""

from .explorers import explore_tail, training_explorer
from .static_slider import evenly_spaced, frame_slider

# Their names until version 0.2.
spread, watch_training = evenly_spaced, training_explorer

__all__ = ["evenly_spaced", "explore_tail", "frame_slider", "training_explorer"]
