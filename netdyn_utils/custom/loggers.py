"""Optional TensorBoard or Weights & Biases logging beside the training loop."""

import os
from pathlib import Path

import numpy as np

from ..histogram import LogHistogram
from ..validation import check_choice

MAX_BINS = 512  # that Weights & Biases takes


class Log:
    """A log that is off; those that write build on it. It closes as its block ends."""

    def scalars(self, step: int, **values: float) -> None:
        """Write some numbers at a step."""

    def histogram(self, step: int, name: str, histogram: LogHistogram) -> None:
        """Write the distribution of log10 abs(Δw), and the fraction of exact zeros."""
        zeros = histogram.zeros / max(histogram.total, 1)
        self.scalars(step, **{f"{name}/zeros": zeros})
        if histogram.counts.size:
            self._write(step, f"{name}/log10", *log10_bins(histogram))

    def _write(self, step, name, edges, counts): ...

    def __enter__(self):
        return self

    def __exit__(self, *raised): ...


class TensorBoardLog(Log):
    """Event files."""

    def __init__(self, folder, name):
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / name))

    def scalars(self, step, **values):
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def _write(self, step, name, edges, counts):
        middles = (edges[1:] + edges[:-1]) / 2
        moments = counts.sum(), middles @ counts, middles**2 @ counts
        ends = edges[0], edges[-1]
        self._writer.add_histogram_raw(name, *ends, *moments, edges[1:], counts, step)

    def __exit__(self, *raised):
        self._writer.close()


class WandbLog(Log):
    """A run of Weights & Biases, which gets numbers only, no code."""

    def __init__(self, folder, name, mode):
        if mode != "online":  # the package reports on itself when it is imported
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        quiet = {"silent": True, "console": "off", "disable_code": True}
        quiet |= {"disable_git": True, "save_code": False, "x_disable_stats": True}
        self._histogram_type = wandb.Histogram
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "netdyn"),
            **{"name": name, "dir": str(folder), "mode": mode, "reinit": "create_new"},
            settings=wandb.Settings(**quiet),
        )

    def scalars(self, step, **values):
        self._run.log(values, step=step)

    def _write(self, step, name, edges, counts):
        bins = self._histogram_type(np_histogram=(counts.tolist(), edges.tolist()))
        self._run.log({name: bins}, step=step)

    def __exit__(self, *raised):
        self._run.finish(exit_code=1 if raised and raised[0] else 0)


def log10_bins(histogram: LogHistogram) -> tuple[np.ndarray, np.ndarray]:
    """Return log10 of the edges, and counts, of neighbours merged into MAX_BINS."""
    starts = np.arange(0, len(histogram.counts), -(-len(histogram.counts) // MAX_BINS))
    edges = np.append(histogram.edges[starts], histogram.edges[-1])
    return np.log10(edges), np.add.reduceat(histogram.counts, starts)


def open_log(
    kind: str = "", folder: str | Path = "logs", name: str = "run", *, mode="offline"
) -> Log:
    """Return a log of a kind, or one that takes everything and writes nothing.

    Parameters
    ----------
    kind : {"", "tensorboard", "wandb"}
        "" is off.
    folder, name : str
        Where the files go, and the name of this run among the others there.
    mode : {"offline", "online", "disabled"}
        Of Weights & Biases: offline nothing is sent before ``wandb sync``.

    Examples
    --------
    >>> with open_log() as log:
    ...     log.scalars(1, loss=0.5)
    """
    check_choice(kind, ("", "tensorboard", "wandb"), "log")
    folder = Path(folder).expanduser()
    try:
        if kind == "tensorboard":
            return TensorBoardLog(folder, name)
        return WandbLog(folder, name, mode) if kind else Log()
    except ImportError as error:
        raise ImportError(
            f"this log needs the package {kind}, which is not installed: "
            f"pip install 'netdyn[{kind}]', or pip install {kind}"
        ) from error
