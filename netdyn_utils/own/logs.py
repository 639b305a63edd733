"""Logs that stand beside the loop: TensorBoard or Weights & Biases, if wanted.

A log takes scalars and histograms, and closes itself as a context manager::

    with open_log("tensorboard", "logs") as log:
        for step in train_steps(model, batches, config):
            tracker.update()
            log.scalars(step.step, loss=step.loss)

Neither package is needed for anything else: each is imported when it is asked for.
"""

import os
from pathlib import Path
from typing import Protocol

import numpy as np

from ..checks import choose
from ..histogram import LogHistogram

KINDS = ("", "tensorboard", "wandb")
MOST_BINS = 512  # that Weights & Biases takes


class Log(Protocol):
    """What every log can do; it closes when its ``with`` block ends."""

    def scalars(self, step: int, **values: float) -> None:
        """Note some numbers at a step."""

    def histogram(self, step: int, name: str, histogram: LogHistogram) -> None:
        """Note the distribution of log10 abs(Δw), and the share of exact zeros.

        A linear axis would show one bar: the magnitudes span many decades.
        """

    def __enter__(self) -> "Log": ...

    def __exit__(self, *raised) -> None: ...


def open_log(kind: str = "", folder: str | Path = "logs", name: str = "run") -> Log:
    """Return a log of a kind, or one that takes everything and writes nothing.

    Parameters
    ----------
    kind : "", "tensorboard" or "wandb"
        "" is off.
    folder : str or Path
        Where the files go. Weights & Biases runs offline.
    name : str
        Of this run among the others in the folder.

    Raises
    ------
    ValueError
        If the kind is another one.
    ImportError
        If its package is not installed; the message says how to get it.

    Examples
    --------
    >>> with open_log() as log:
    ...     log.scalars(1, loss=0.5)
    """
    choose(kind, KINDS, "log")
    folder = Path(folder).expanduser()
    if kind == "tensorboard":
        return tensorboard_log(folder / name)
    if kind == "wandb":
        return wandb_log("netdyn", folder=folder, name=name)
    return _NoLog()


def tensorboard_log(folder: str | Path) -> Log:
    """Return a log that writes event files into `folder`, for ``tensorboard --logdir``.

    Raises
    ------
    ImportError
        If tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise _missing("tensorboard") from error
    return _TensorBoardLog(SummaryWriter(str(Path(folder).expanduser())))


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
    project : str
    folder : str or Path
        Where its folder ``wandb`` is made.
    name : str, optional
        Of the run.
    mode : "offline", "online" or "disabled"
        Offline nothing is sent: ``wandb sync`` sends a finished run later, and the
        package's reports on itself are turned off by WANDB_ERROR_REPORTING, unless
        that is set, or wandb was imported, before. Code, git state and console are not
        recorded in any mode.

    Raises
    ------
    ValueError
        If the mode is another one.
    ImportError
        If wandb is not installed.
    """
    choose(mode, ("offline", "online", "disabled"), "mode of wandb")
    if mode != "online":  # the package reports on itself when it is imported
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        import wandb
    except ImportError as error:
        raise _missing("wandb") from error
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
    return _WandbLog(run, wandb.Histogram)


class _NoLog:
    """A log that is off."""

    def scalars(self, step: int, **values: float) -> None:
        pass

    def histogram(self, step: int, name: str, histogram: LogHistogram) -> None:
        pass

    def __enter__(self):
        return self

    def __exit__(self, *raised) -> None:
        pass


class _TensorBoardLog(_NoLog):
    def __init__(self, writer):
        self._writer = writer

    def scalars(self, step: int, **values: float) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def histogram(self, step: int, name: str, histogram: LogHistogram) -> None:
        self.scalars(step, **{f"{name}/zeros": _zeros(histogram)})
        edges, counts = _decades(histogram)
        if not counts.size:
            return
        middles = (edges[1:] + edges[:-1]) / 2
        self._writer.add_histogram_raw(
            f"{name}/log10",
            min=edges[0],
            max=edges[-1],
            num=counts.sum(),
            sum=middles @ counts,
            sum_squares=middles**2 @ counts,
            bucket_limits=edges[1:],
            bucket_counts=counts,
            global_step=step,
        )

    def __exit__(self, *raised) -> None:
        self._writer.close()


class _WandbLog(_NoLog):
    def __init__(self, run, histogram):
        self._run, self._histogram = run, histogram

    def scalars(self, step: int, **values: float) -> None:
        self._run.log(values, step=step)

    def histogram(self, step: int, name: str, histogram: LogHistogram) -> None:
        values = {f"{name}/zeros": _zeros(histogram)}
        edges, counts = _decades(histogram)
        if counts.size:
            both = counts.tolist(), edges.tolist()
            values[f"{name}/log10"] = self._histogram(np_histogram=both)
        self._run.log(values, step=step)

    def __exit__(self, *raised) -> None:
        self._run.finish(exit_code=1 if raised and raised[0] else 0)


def _zeros(histogram: LogHistogram) -> float:
    return histogram.zeros / max(histogram.total, 1)


def _decades(histogram: LogHistogram) -> tuple[np.ndarray, np.ndarray]:
    """Return edges, as log10, and counts; neighbours merged until all fit in a log."""
    edges, counts = histogram.edges, histogram.counts
    if not counts.size:
        return edges, counts
    merged = -(-counts.size // MOST_BINS)
    starts = np.arange(0, counts.size, merged)
    edges = np.append(edges[:-1][starts], edges[-1])
    return np.log10(edges), np.add.reduceat(counts, starts)


def _missing(package: str) -> ImportError:
    return ImportError(
        f"this log needs the package {package}, which is not installed: "
        f"pip install 'netdyn[{package}]', or pip install {package}"
    )
