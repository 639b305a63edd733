"""The rule that turns statistics into a verdict.

A question has a statistic, one value a run, and a bound. The confidence interval of the
mean over the runs of a setting decides it; all decisions together give the verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

LEVEL = 0.95  # of the interval of a mean
MIN_RUNS = 3  # fewer decide nothing
MAX_DECIMALS = 4
DECISIONS = {"yes": "holds", "no": "does not hold", "inconclusive": "not decided"}


@dataclass(frozen=True)
class Answer:
    """The answer of the runs of one setting to one question."""

    question: str
    setting: str
    values: tuple[float, ...]  # one for each run; only finite ones remain
    bound: float
    alternative: str = "above"  # what is yes; or "below", or "within" ± bound

    def __post_init__(self):
        finite = tuple(value for value in self.values if np.isfinite(value))
        object.__setattr__(self, "values", finite)

    @property
    def mean(self) -> float:
        """Mean over runs; nan without any."""
        return float(np.mean(self.values)) if self.values else float("nan")

    @property
    def spread(self) -> float:
        """Standard deviation between runs; nan below two."""
        return standard_deviation(self.values)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean, by Student's t; nan below two runs."""
        n = len(self.values)
        half = stdtrit(n - 1, (1 + LEVEL) / 2) * self.spread / max(n, 1) ** 0.5
        return self.mean - float(half), self.mean + float(half)

    @property
    def decision(self) -> str:
        """Return "yes" or "no" if the interval excludes the bound, or "inconclusive".

        >>> Answer("heavy?", "mlp", (0.10, 0.11, 0.09), bound=0.0).decision
        'yes'
        """
        (low, high), bound = self.interval, self.bound
        bounds = (-bound, bound) if self.alternative == "within" else (bound,)
        if len(self.values) < MIN_RUNS or any(low <= b <= high for b in bounds):
            return "inconclusive"
        is_yes = {
            "above": low > bound,
            "below": high < bound,
            "within": abs(self.mean) < bound,
        }
        return "yes" if is_yes[self.alternative] else "no"


def verdict(answers: Sequence[Answer]) -> str:
    """Return "holds", "partly supported", "not decided" or "does not hold"."""
    if not answers:
        raise ValueError("a verdict needs at least one answer, got none")
    decisions = {answer.decision for answer in answers}
    if len(decisions) == 1:
        return DECISIONS[decisions.pop()]
    return "partly supported" if "yes" in decisions else "not decided"


def count_decisions(answers: Sequence[Answer]) -> str:
    """Return the number of answers with each decision, as "1 yes, 2 no"."""
    decisions = [answer.decision for answer in answers]
    return ", ".join(f"{decisions.count(d)} {d}" for d in DECISIONS if d in decisions)


def standard_deviation(values: Sequence[float]) -> float:
    """Return the standard deviation between runs; nan below two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def mean_and_spread(values: Sequence[float]) -> str:
    """Return mean ± standard deviation of the finite values as text.

    >>> mean_and_spread((4.5, 4.8, 4.9)), mean_and_spread((2.0,)), mean_and_spread(())
    ('4.73 ± 0.21', '2', 'no record')
    """
    finite = [value for value in values if np.isfinite(value)]
    if not finite:
        return "no record"
    return plus_minus(np.mean(finite), standard_deviation(finite))


def plus_minus(mean: float, spread: float) -> str:
    """Return a mean with its spread: two digits of the spread, at most four decimals.

    >>> plus_minus(4.7333, 0.2082), plus_minus(-0.00123, 0.004), plus_minus(2.0, 0.0)
    ('4.73 ± 0.21', '−0.0012 ± 0.0040', '2.00 ± 0.00')
    >>> plus_minus(0.0372, 1e-5), plus_minus(1e-6, 1e-6)
    ('0.0372 ± 0.0000', '0.00 ± 0.00')
    >>> plus_minus(4.961, float("nan")), plus_minus(1384.0, float("nan"))  # one run
    ('4.96', '1384')
    """
    if not np.isfinite(spread):
        text = f"{mean:.0f}" if abs(mean) >= 1000 else f"{mean:.3g}"
        return text.replace("-", "−")
    decimals = _decimals(spread, mean)
    return f"{_fixed(mean, decimals)} ± {spread:.{decimals}f}"


def format_interval(interval: tuple[float, float], spread: float, bound=None) -> str:
    """Return an interval, with more decimals if an end would be rounded to the bound.

    >>> format_interval((0.3987, 0.67), 0.19, bound=0.4)
    '0.399 to 0.670'
    """
    decimals = _decimals(spread, *interval)
    while decimals < 12 and any(round(e, decimals) == bound != e for e in interval):
        decimals += 1
    return " to ".join(_fixed(end, decimals) for end in interval)


def _decimals(spread: float, *numbers: float) -> int:
    """Return the decimals for two digits of a spread; two if all would be zeros."""
    if not spread > 0 or not any(round(x, MAX_DECIMALS) for x in (spread, *numbers)):
        return 2
    return min(max(1 - int(np.floor(np.log10(spread))), 0), MAX_DECIMALS)


def _fixed(number: float, decimals: int) -> str:
    """Return a number with a true minus sign, and none before a zero."""
    return f"{round(number, decimals) + 0.0:.{decimals}f}".replace("-", "−")
