"""Figures that move: on a static page without a kernel, and live in a notebook."""

from .frames import frame_slider

__all__ = ["frame_slider"]
