"""Honest timing on a noisy machine: rivals take turns, ratios are taken in pairs."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    value: float
    spread: tuple[float, float]  # quartiles over the rounds
    at_most: float | None  # or at least, if `more_is_better`
    unit: str = "×"
    more_is_better: bool = False

    @property
    def verdict(self) -> str:
        """Say whether the target was met."""
        if self.at_most is None:
            return ""
        met = (
            self.value >= self.at_most
            if self.more_is_better
            else (self.value <= self.at_most)
        )
        return "met" if met else "missed"


def take_turns(
    steps: dict[str, Callable[[], object]], *, block: int, rounds: int
) -> dict[str, list[float]]:
    """Return seconds per call of each rival, one value a round.

    In each round every rival does `block` calls; the order turns round, so that a
    drift of the machine falls on all alike. The first round warms up and is dropped.
    """
    names = list(steps)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(rounds + 1):
        for name in names if round_ % 2 else names[::-1]:
            begun = time.perf_counter()
            for _ in range(block):
                steps[name]()
            if round_:
                seconds[name].append((time.perf_counter() - begun) / block)
    return seconds


def ratio(seconds, one: str, other: str, name: str, **target) -> Row:
    """Return the median over the rounds of the time of `one` over that of `other`."""
    ratios = [a / b for a, b in zip(seconds[one], seconds[other], strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    return Row(name, statistics.median(ratios), (low, high), **target)
