"""The vocabulary of array axes, and names for the arrays that travel far.

`steps` training steps · `windows` windows of steps · `groups` groups of parameters
(a parameter, a layer, or all) · `weights` single parameters · `units` neurons ·
`bins` histogram bins · `samples` inputs or draws · `classes` labels.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

Magnitudes: TypeAlias = Float[np.ndarray, "steps weights"]
"""abs(Δw) of each parameter at each step, in units of the weight."""

BinEdges: TypeAlias = Float[np.ndarray, " bins+1"]
"""Strictly increasing bin edges; bin i is edges[i] ≤ x < edges[i + 1]."""

BinCounts: TypeAlias = Int[np.ndarray, " bins"]
"""How many values fell in each bin, as int64."""
