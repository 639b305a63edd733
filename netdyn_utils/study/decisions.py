"""The rule that turns numbers into one of four words.

A claim is cut into questions, each with a number and a bound. A run gives the number
once; runs that differ in their seed alone answer together, by the interval of their
mean. The answers are the verdict. Nothing else enters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

LEVEL = 0.95  # of the interval of a mean
LEAST = 3  # runs that may answer at all
_MOST = 4  # decimals
_ALL = 12  # decimals that a number of interest can need
VERDICTS = ("holds", "holds in part", "not decided", "does not hold")


@dataclass(frozen=True)
class Answer:
    """What the runs of one setting say to one question.

    Parameters
    ----------
    question : str
        To be answered with yes or no.
    setting : str
        What the runs have in common.
    values : tuple of float
        The number of each run; nan where a run has none.
    bound : float
        Yes and no part here.
    yes : {"above", "below", "within"}
        The side of the bound that means yes; "within" lies between −bound and bound.
    """

    question: str
    setting: str
    values: tuple[float, ...]
    bound: float
    yes: str = "above"

    @property
    def held(self) -> np.ndarray:
        """Return the numbers that there are."""
        values = np.asarray(self.values, float)
        return values[np.isfinite(values)]

    @property
    def mean(self) -> float:
        """Return the mean over runs; nan without any."""
        return float(self.held.mean()) if self.held.size else float("nan")

    @property
    def spread(self) -> float:
        """Return the standard deviation between runs; nan below two."""
        return float(self.held.std(ddof=1)) if self.held.size > 1 else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the mean, by Student's t.

        >>> low, high = Answer("", "", (1.0, 2.0, 3.0), 0.0).interval
        >>> round(low, 3), round(high, 3)
        (-0.484, 4.484)
        """
        n = self.held.size
        if n < 2:
            return float("nan"), float("nan")
        half = stdtrit(n - 1, (1 + LEVEL) / 2) * self.spread / n**0.5
        return self.mean - float(half), self.mean + float(half)

    @property
    def word(self) -> str:
        """Return "yes" or "no" if the interval lies on one side, otherwise "open".

        >>> Answer("heavy?", "mlp", (0.10, 0.11, 0.09), bound=0.0).word
        'yes'
        >>> Answer("heavy?", "mlp", (0.10, -0.11, 0.09), bound=0.0).word
        'open'
        >>> Answer("steady?", "mlp", (0.8, 0.9), bound=1.0, yes="below").word
        'open'
        >>> Answer("the same?", "mlp", (-0.1, 0.2, 0.1), bound=0.4, yes="within").word
        'open'
        """
        if self.held.size < LEAST:
            return "open"
        low, high = self.interval
        bounds = (-self.bound, self.bound) if self.yes == "within" else (self.bound,)
        if any(low <= bound <= high for bound in bounds):
            return "open"
        if self.yes == "within":
            return "yes" if abs(self.mean) < self.bound else "no"
        return "yes" if (low > self.bound) == (self.yes == "above") else "no"

    def __str__(self):
        """Return the answer as one line."""
        return f"{self.question} {self.setting}: {self.word}, {self.told}"

    @property
    def told(self) -> str:
        """Return mean, spread and number of runs as text.

        >>> Answer("", "", (4.5, 4.8, 4.9), 0.0).told
        '4.73 ± 0.21 (3 runs)'
        """
        number = f"{self.held.size} run{'s' * (self.held.size != 1)}"
        return f"{plus_minus(self.mean, self.spread)} ({number})"


def plus_minus(mean: float, spread: float) -> str:
    """Return a mean with its spread, to two digits of it but at most four decimals.

    A single run has no spread, and its number stands alone.

    >>> plus_minus(4.7333, 0.2082), plus_minus(-0.00123, 0.004), plus_minus(2.0, 0.0)
    ('4.73 ± 0.21', '−0.0012 ± 0.0040', '2.00 ± 0.00')
    >>> plus_minus(0.0372, 1e-5), plus_minus(1e-6, 1e-6)
    ('0.0372 ± 0.0000', '0.00 ± 0.00')
    >>> plus_minus(4.961, float("nan")), plus_minus(1384.0, float("nan"))
    ('4.96', '1384')
    """
    if not np.isfinite(spread):
        told = f"{mean:.0f}" if abs(mean) >= 1000 else f"{mean:.3g}"
        return told.replace("-", "−")
    digits = _digits(spread, mean)
    return f"{_signed(mean, digits)} ± {spread:.{digits}f}"


def mean_and_spread(values: Sequence[float]) -> str:
    """Return mean ± standard deviation of what there is as text.

    >>> mean_and_spread((4.5, 4.8, 4.9)), mean_and_spread((2.0,)), mean_and_spread(())
    ('4.73 ± 0.21', '2', 'no record')
    """
    held = np.asarray([value for value in values if np.isfinite(value)], float)
    if not held.size:
        return "no record"
    return plus_minus(held.mean(), held.std(ddof=1) if held.size > 1 else np.nan)


def from_to(
    interval: tuple[float, float], spread: float, bound: float | None = None
) -> str:
    """Return an interval with as many decimals as a mean with this spread.

    More where an end would otherwise read as the bound that it is not.

    >>> from_to((4.2162, 5.2504), 0.2082), from_to((-8e-6, 2e-5), 1e-5)
    ('4.22 to 5.25', '0.00 to 0.00')
    >>> from_to((0.3987, 0.67), 0.19), from_to((0.3987, 0.67), 0.19, bound=0.4)
    ('0.40 to 0.67', '0.399 to 0.670')
    >>> from_to((0.39996, 0.67), 0.19, bound=0.4)
    '0.39996 to 0.67000'
    """
    digits = _digits(spread, *interval)
    while digits < _ALL and any(round(e, digits) == bound != e for e in interval):
        digits += 1
    return " to ".join(_signed(end, digits) for end in interval)


def _digits(spread: float, *shown: float) -> int:
    """Return decimals for two digits of a spread; two where all would be zeros."""
    if not spread > 0 or not any(round(number, _MOST) for number in (spread, *shown)):
        return 2
    return min(max(1 - int(np.floor(np.log10(spread))), 0), _MOST)


def _signed(number: float, digits: int) -> str:
    """Return a number with a true minus sign, and none before a zero."""
    return f"{round(number, digits) + 0.0:.{digits}f}".replace("-", "−")


def tally(answers: Sequence[Answer]) -> str:
    """Return how many answers say what.

    >>> yes = Answer("?", "a", (1.0, 1.1, 1.2), bound=0)
    >>> no = Answer("?", "b", (-1.0, -1.1, -1.2), bound=0)
    >>> tally([yes, yes]), tally([yes, no, no])
    ('2 yes', '1 yes, 2 no')
    """
    words = [answer.word for answer in answers]
    told = (f"{words.count(w)} {w}" for w in ("yes", "no", "open") if w in words)
    return ", ".join(told)


def verdict(answers: Sequence[Answer]) -> str:
    """Return the word for a claim from the answers to its questions.

    Parameters
    ----------
    answers : sequence of Answer
        At least one.

    Returns
    -------
    str
        "holds" if all say yes, "does not hold" if all say no, "holds in part" if some
        say yes, "not decided" otherwise.

    Raises
    ------
    ValueError
        Without answers.

    Examples
    --------
    >>> yes = Answer("?", "a", (1.0, 1.1, 1.2), bound=0)
    >>> no = Answer("?", "b", (-1.0, -1.1, -1.2), bound=0)
    >>> verdict([yes, yes]), verdict([yes, no]), verdict([no, no])
    ('holds', 'holds in part', 'does not hold')
    >>> verdict([no, Answer("?", "c", (1.0,), bound=0)])
    'not decided'
    """
    if not answers:
        raise ValueError("a verdict needs at least one answer, got none")
    words = {answer.word for answer in answers}
    if words == {"yes"}:
        return "holds"
    if words == {"no"}:
        return "does not hold"
    return "holds in part" if "yes" in words else "not decided"
