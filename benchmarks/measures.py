"""How fast tails are fitted, and what counting intervals costs beside updates."""

import time
from importlib.util import find_spec
from itertools import count, product

import numpy as np

from netdyn_utils.histogram import code_edges
from netdyn_utils.tails.goodness_of_fit import goodness_of_fit
from netdyn_utils.tails.power_law import fit_power_law, fit_power_law_samples
from netdyn_utils.tracking.intervals import IntervalTracker
from netdyn_utils.tracking.updates import UpdateTracker

from .timing import Row, ratio, take_turns
from .tracking import stepper

BILLION = 1_000_000_000


def billion_counts(bins: int = 500):
    """Return edges and counts of 10⁹ draws of a power law above a flat body."""
    edges = code_edges(500, 500 + bins)
    mass = np.where(edges > edges[200], (edges / edges[200]) ** -2.5, 1.0)
    share = -np.diff(mass) + 1e-3 * (edges[:-1] < edges[200])
    return edges, np.random.default_rng(0).multinomial(BILLION, share / share.sum())


def fits() -> list[Row]:
    """Measure one scan and fit, and a bootstrap that repeats the scan."""
    edges, counts = billion_counts()
    scan = take_turns(
        {"scan": lambda: fit_power_law(edges, counts)}, block=5, rounds=15
    )
    fit = fit_power_law(edges, counts)
    begun = time.perf_counter()
    rng = np.random.default_rng(1)
    goodness_of_fit(edges, counts, fit, replicates=1_000, rng=rng)
    bootstrap = time.perf_counter() - begun
    milliseconds = np.multiply(scan["scan"], 1e3)
    middle, *quartiles = np.quantile(milliseconds, (0.5, 0.25, 0.75))
    return [
        Row("scan and fit, 1e9 counts, 500 bins", middle, tuple(quartiles), 20, "ms"),
        Row("1,000 replicates with rescan", bootstrap, (bootstrap, bootstrap), 10, "s"),
    ]


def samples(size: int = 1_000_000) -> list[Row]:
    """Measure the complete scan of a million single values."""
    x = np.random.default_rng(2).pareto(1.5, size) + 1
    seconds = take_turns({"scan": lambda: fit_power_law_samples(x)}, block=1, rounds=3)
    low, middle, high = np.sort(seconds["scan"])
    return [Row(f"scan and fit, {size:,} values", middle, (low, high), 5, "s")]


def against_powerlaw(sizes=(1_000, 10_000), least: int = 20) -> list[Row]:
    """Measure the `powerlaw` package's scan against ours, where it is installed."""
    if not find_spec("powerlaw"):
        print("`powerlaw` is not installed, so that no scan is compared with its own")
        return []
    import powerlaw

    bounds, rows = {"alpha": [1.01, 10]}, []
    for alpha, size in product((2.5, 3.5), sizes):
        x = np.random.default_rng(2).pareto(alpha - 1, size) + 1

        def theirs(x=x):
            fit = powerlaw.Fit(x, verbose=False, parameter_ranges=bounds)
            return fit.power_law.alpha, fit.power_law.xmin

        def ours(x=x):
            fit = fit_power_law_samples(x)
            return fit.alpha, fit.xmin

        seconds = take_turns({"powerlaw": theirs, "ours": ours}, block=1, rounds=2)
        name = f"powerlaw / ours, {size:,} values of alpha {alpha}"
        name += ": {:.3f} above {:.3f} / {:.3f} above {:.3f}".format(*theirs(), *ours())
        rows.append(
            ratio(seconds, "powerlaw", "ours", name, at_most=least, more_is_better=True)
        )
    return rows


def both(shares=(0.01, 0.005), steps: int = 200):
    """Return an observer of updates, and of intervals once it knows thresholds."""

    class Both:
        def __init__(self, model):
            self.tracker, self.intervals = UpdateTracker(model, window=1_000), None
            self.numbers = count(1)

        def update(self):
            self.tracker.update()
            if self.intervals:
                self.intervals.update()
            elif next(self.numbers) == steps:
                seen = self.tracker.histogram()
                thresholds = [seen.tail_threshold(share) for share in shares]
                self.intervals = IntervalTracker(self.tracker, thresholds)

    return Both


def intervals(name: str, block: int, rounds: int, at_most: float) -> list[Row]:
    """Measure a step with updates and two thresholds against a bare one."""
    rivals = {
        "torch": stepper(name, "torch"),
        "watched": stepper(name, "sgd", both(steps=200 if name == "mlp" else 20)),
    }
    for _ in range(250 if name == "mlp" else 25):
        rivals["watched"]()
    seconds = take_turns(rivals, block=block, rounds=rounds)
    title = f"{name} step, updates and two thresholds / torch.optim.SGD"
    return [ratio(seconds, "watched", "torch", title, at_most=at_most)]
