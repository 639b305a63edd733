"""Figures that move: on a static page without a kernel, and live in a notebook."""

from .explorers import explore_tail, training_explorer
from .static_slider import evenly_spaced, frame_slider, static_slider

spread, watch_training = evenly_spaced, training_explorer  # former names

__all__ = ["evenly_spaced", "explore_tail", "static_slider", "training_explorer"]
__all__ += ["frame_slider"]  # former name
