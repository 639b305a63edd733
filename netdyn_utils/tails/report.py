"""A file with a column of numbers: its tail, its alternatives and a p-value."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..validation import real_numbers, whole_counts
from .alternatives import TailComparison, compare_tails
from .goodness_of_fit import GoodnessOfFit, goodness_of_fit
from .power_law import TailFit, fit_power_law, fit_power_law_samples


@dataclass(frozen=True)
class FitReport:
    """What one file says: it prints in one screen."""

    source: str
    data: tuple[np.ndarray, np.ndarray]  # edges and counts, or values and counts
    left_out: int  # values that are not positive and finite
    fit: TailFit
    comparison: TailComparison
    test: GoodnessOfFit

    def __str__(self):
        low, high = self.fit.interval()
        what = {"binned": "counts in bins", "continuous": "values"}
        return (
            f"{self.source}: {self.fit.n:,} "
            f"{what.get(self.fit.kind, 'whole numbers')}, {self.left_out:,} left out "
            "(zero, negative or not finite)\n"
            f"{self.fit}\n95% interval at this xmin: {low:.4f} to {high:.4f}\n"
            f"goodness of fit: {self.test}\n{self.comparison}"
        )

    def numbers(self) -> dict:
        """Return everything as plain numbers and words, for JSON: none if infinite."""
        fit = {k: v for k, v in vars(self.fit).items() if not callable(v)}
        rows = []
        for row in self.comparison.alternatives:
            hidden = ("expected", "law")
            rows.append({k: v for k, v in vars(row).items() if k not in hidden})
            rows[-1]["parameters"] = dict(row.parameters)
        test = {k: getattr(self.test, k) for k in ("p", "error", "ks", "replicates")}
        found = {"source": self.source, "left_out": self.left_out, "fit": fit}
        return _plain(found | {"alternatives": rows, "goodness_of_fit": test})


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def fit_file(
    path: str | Path,
    *,
    discrete: bool | None = None,
    xmin: float | None = None,
    xmax: float | None = None,
    replicates: int = 100,
    seed: int = 0,
) -> FitReport:
    """Fit the tail of the numbers in a file, test it, and compare it.

    A .npy or .npz file, or text with commas, semicolons, tabs or blanks. One column or
    one array: single values. Two columns: values and how often each occurs, or edges
    and counts if the last edge has no count; an .npz has them as "edges" and "counts".
    By default values are discrete if all are whole numbers. What is not positive is
    left out and counted.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.txt"
    >>> np.savetxt(path, np.random.default_rng(0).pareto(1.5, 500) + 1)
    >>> report = fit_file(path, xmin=1, replicates=20)
    >>> print(f"{report.fit.alpha:.1f}", report.test.plausible)
    2.4 True
    """
    edges, values, counts = _read(Path(path))
    rng = np.random.default_rng(seed)
    if edges is not None:
        first = int(np.searchsorted(edges, 0.0, "right"))
        left_out, data = int(counts[:first].sum()), (edges[first:], counts[first:])
        upper = {} if xmax is None else {"upper": "truncated", "xmax": xmax}
        fit = fit_power_law(*data, xmin=xmin, **upper)
    else:
        good = np.isfinite(values) & (values > 0)
        if not good.any():
            raise ValueError(
                f"{Path(path).name} has no positive number among its {values.size:,} "
                f"values, of which {np.isnan(values).sum():,} are no numbers"
            )
        left_out, data = int(counts[~good].sum()), (values[good], counts[good])
        if discrete is None:
            discrete = bool((data[0] == np.floor(data[0])).all())
        options = {"xmin": xmin, "xmax": xmax, "discrete": discrete}
        fit = fit_power_law_samples(data[0], counts=data[1], **options)
    compared = compare_tails(*data, fit)
    test = goodness_of_fit(*data, fit, replicates=replicates, rng=rng)
    return FitReport(Path(path).name, data, left_out, fit, compared, test)


def _read(path):
    """Return edges or none, values or none, and counts."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            if {"edges", "counts"} <= {*arrays}:
                edges = real_numbers(arrays["edges"], "edges")
                return edges, None, whole_counts(arrays["counts"])
            if len(arrays) != 1:
                raise ValueError(
                    f"{path.name} holds {[*arrays]}: expected edges and counts, or one "
                    "array of values"
                )
            table = arrays[arrays.files[0]]
    elif path.suffix == ".npy":
        table = np.load(path, allow_pickle=False)
    else:
        table = _read_text(path)
    table = real_numbers(table, "values")
    if table.ndim == 2 and table.shape[1] == 2:
        if np.isnan(table[-1, 1]):
            return table[:, 0], None, whole_counts(table[:-1, 1])
        return None, table[:, 0], whole_counts(table[:, 1])
    if table.ndim > 1 and min(table.shape) != 1:
        raise ValueError(
            f"{path.name} has shape {table.shape}: expected 1 or 2 columns"
        )
    return None, table.ravel(), np.ones(table.size, np.int64)


def _read_text(path):
    """Return the rows of a table, without its header; words are nan."""
    try:
        text = path.read_text(encoding="utf-8")
        separator = next((mark for mark in ",;\t" if mark in text), None)
        lines = [line for line in text.splitlines() if line.strip()]
        table = np.genfromtxt(lines, delimiter=separator, ndmin=2) if lines else []
    except ValueError as error:  # other bytes than text, or rows of unlike length
        raise ValueError(f"{path.name} is no table of numbers: {error}") from error
    header = len(table) and np.isnan(table[0]).all()
    if len(table) == header:
        raise ValueError(f"{path.name} has no numbers: expected 1 or 2 columns of them")
    return table[int(header) :]
