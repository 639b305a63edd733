"""Figures that move: on a static page without a kernel, and live in a notebook."""

from .frames import frame_slider, spread

__all__ = ["frame_slider", "spread"]
