"""Draw the figure of the README: the MLP's updates at the authors' size.

    NETDYN_DATA=... python tools/make_figure.py

Trains for 30,000 steps on the full MNIST, or reads the stored run.
"""

from pathlib import Path

from netdyn_utils import plotting
from netdyn_utils.experiments import ExperimentConfig, run_updates

TARGET = Path(__file__).parents[1] / "book" / "_static" / "updates.svg"

plotting.use_style()
run = run_updates(ExperimentConfig.from_paper("mlp", 30_000, source="full", windows=30))
axes = plotting.plot_windows(run)
axes.set_title(f"MLP on MNIST, {run.parameters:,} parameters", loc="left")
axes.set_xlim(left=1e-8)  # below, only multiples of the rounding are left
axes.figure.savefig(TARGET, metadata={"Date": None})
