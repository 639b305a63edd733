"""Optional TensorBoard or Weights & Biases logging beside the training loop.

Each package is imported when its log is asked for, and needed for nothing else.
"""

import os
from pathlib import Path

import numpy as np

from ..histogram import LogHistogram
from ..validation import check_choice

MAX_BINS = 512  # that Weights & Biases takes


class Log:
    """A log that is off; those that write build on it. It closes as its block ends."""

    def scalars(self, step: int, **values: float) -> None:
        """Note some numbers at a step."""

    def histogram(self, step: int, name: str, histogram: LogHistogram) -> None:
        """Note the distribution of log10 abs(Δw), and the fraction of exact zeros."""
        zeros = histogram.zeros / max(histogram.total, 1)
        self.scalars(step, **{f"{name}/zeros": zeros})
        if histogram.counts.size:
            self._write(step, f"{name}/log10", *log10_bins(histogram))

    def _write(self, step, name, edges, counts): ...

    def __enter__(self):
        return self

    def __exit__(self, *raised): ...


class TensorBoardLog(Log):
    """Event files, by a SummaryWriter."""

    def __init__(self, writer):
        self._writer = writer

    def scalars(self, step: int, **values: float) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def _write(self, step, name, edges, counts):
        middles = (edges[1:] + edges[:-1]) / 2
        self._writer.add_histogram_raw(
            name,
            min=edges[0],
            max=edges[-1],
            num=counts.sum(),
            sum=middles @ counts,
            sum_squares=middles**2 @ counts,
            bucket_limits=edges[1:],
            bucket_counts=counts,
            global_step=step,
        )

    def __exit__(self, *raised):
        self._writer.close()


class WandbLog(Log):
    """A run of Weights & Biases."""

    def __init__(self, run, histogram_type):
        self._run, self._histogram_type = run, histogram_type

    def scalars(self, step: int, **values: float) -> None:
        self._run.log(values, step=step)

    def _write(self, step, name, edges, counts):
        bins = self._histogram_type(np_histogram=(counts.tolist(), edges.tolist()))
        self._run.log({name: bins}, step=step)

    def __exit__(self, *raised):
        self._run.finish(exit_code=1 if raised and raised[0] else 0)


def log10_bins(histogram: LogHistogram) -> tuple[np.ndarray, np.ndarray]:
    """Return edges, as log10, and counts; neighbours merged until all fit in a log."""
    starts = np.arange(0, len(histogram.counts), -(-len(histogram.counts) // MAX_BINS))
    edges = np.append(histogram.edges[starts], histogram.edges[-1])
    return np.log10(edges), np.add.reduceat(histogram.counts, starts)


def open_log(kind: str = "", folder: str | Path = "logs", name: str = "run") -> Log:
    """Return a log of a kind, or one that takes everything and writes nothing.

    Parameters
    ----------
    kind : {"", "tensorboard", "wandb"}
        "" is off. Weights & Biases runs offline.
    folder : str or Path
        Where the files go.
    name : str
        Of this run among the others in the folder.

    Raises
    ------
    ImportError
        If its package is not installed; the message says how to get it.

    Examples
    --------
    >>> with open_log() as log:
    ...     log.scalars(1, loss=0.5)
    """
    check_choice(kind, ("", "tensorboard", "wandb"), "log")
    if kind == "tensorboard":
        return tensorboard_log(Path(folder) / name)
    return wandb_log("netdyn", folder=folder, name=name) if kind else Log()


def tensorboard_log(folder: str | Path) -> Log:
    """Return a log of event files in `folder`, for ``tensorboard --logdir``."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError(_INSTALL.format("tensorboard")) from error
    return TensorBoardLog(SummaryWriter(str(Path(folder).expanduser())))


def wandb_log(
    project: str,
    *,
    folder: str | Path = "logs",
    name: str | None = None,
    mode: str = "offline",
) -> Log:
    """Return a log of Weights & Biases.

    Parameters
    ----------
    project, name : str
        `name` is that of the run.
    folder : str or Path
        Where its folder ``wandb`` is made.
    mode : {"offline", "online", "disabled"}
        Offline nothing is sent: ``wandb sync`` sends a finished run later, and the
        package's reports on itself are turned off by WANDB_ERROR_REPORTING, unless
        that is set, or wandb was imported, before. Code, git state and console are not
        recorded in any mode.
    """
    check_choice(mode, ("offline", "online", "disabled"), "mode of wandb")
    if mode != "online":  # the package reports on itself when it is imported
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        import wandb
    except ImportError as error:
        raise ImportError(_INSTALL.format("wandb")) from error
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    quiet = {"silent": True, "console": "off", "disable_code": True}
    quiet |= {"disable_git": True, "save_code": False, "x_disable_stats": True}
    run = wandb.init(
        project=project,
        name=name,
        dir=str(folder),
        mode=mode,
        reinit="create_new",
        settings=wandb.Settings(**quiet),
    )
    return WandbLog(run, wandb.Histogram)


_INSTALL = (
    "this log needs the package {0}, which is not installed: "
    "pip install 'netdyn[{0}]', or pip install {0}"
)
