"""Our numbers beside the published ones, where the definitions are the same."""

from dataclasses import dataclass

import numpy as np

from .published_values import (
    CONVNET,
    INFORMATION,
    INTERVALS,
    LANDSCAPE,
    MLP,
    TRANSFORMER,
)
from .statistics import Facts

EXPONENT = 0.4  # how far an exponent may be off
CLOSE_EXPONENT = 0.3  # the same for the transformer
LARGEST_UPDATE = 1.3  # factors, for what is positive
MEAN = 1.25
CHANGE_OF_LOSS = 1.5


@dataclass(frozen=True)
class Agreement:
    """One number of the paper and ours, run by run.

    Parameters
    ----------
    quantity, setting : str
    published : float
    values : tuple of float
        Ours, one for each run.
    allowed : float
        Difference of the mean that counts as none; with `factor`, the ratio.
    factor : bool
    """

    quantity: str
    setting: str
    published: float
    values: tuple[float, ...]
    allowed: float
    factor: bool = False

    @property
    def mean(self) -> float:
        """Return the mean of ours."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float:
        """Return the standard deviation between runs; nan below two."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else np.nan

    @property
    def agrees(self) -> bool:
        """Say whether the mean is as near as is allowed.

        >>> Agreement("alpha", "mlp", 4.69, (4.5, 4.6), allowed=0.4).agrees
        True
        >>> Agreement("largest", "mlp", 0.1, (0.2,), allowed=1.3, factor=True).agrees
        False
        """
        if self.factor:
            return bool(abs(np.log(self.mean / self.published)) <= np.log(self.allowed))
        return abs(self.mean - self.published) <= self.allowed


def agreements_of(facts: Facts) -> tuple[Agreement, ...]:
    """Return every published number that a run can be held against."""
    makers = (_mlp, _convnet, _transformer, _intervals, _information, _landscape)
    rows = (row for make in makers for row in make(facts))
    return tuple(row for row in rows if row.values)


def _mlp(facts: Facts):
    for part, told in MLP.items():
        for fact, theirs in told.items():
            factor = fact == "largest"
            yield Agreement(
                _NAMES[fact],
                f"mlp, rate 0.1; {part}",
                theirs,
                facts["mlp, rate 0.1"][f"{fact}, {part}"],
                LARGEST_UPDATE if factor else EXPONENT,
                factor,
            )


def _convnet(facts: Facts):
    for kind in ("frozen", "bare", "right"):
        for part, told in CONVNET.items():
            # The early numbers are of 10,000 steps: three whole runs have them.
            short = part == "early"
            name = f"convnet, {kind}, 10,000 steps" if short else f"convnet, {kind}"
            for fact, theirs in told.items():
                factor = fact == "largest"
                yield Agreement(
                    _NAMES[fact],
                    f"convnet, {kind}, convolutions; {part}",
                    theirs,
                    facts[name][f"convolutions {fact}, {'whole' if short else part}"],
                    LARGEST_UPDATE if factor else EXPONENT,
                    factor,
                )


def _transformer(facts: Facts):
    for size, told in TRANSFORMER.items():
        for kind in ("no mask", "causal"):
            name = f"transformer, {kind}, batch {size}"
            yield Agreement(
                _NAMES["scanned"],
                name,
                told["scanned"],
                facts[name]["scanned, whole"],
                CLOSE_EXPONENT,
            )


def _intervals(facts: Facts):
    for name, told in INTERVALS.items():
        for fact, theirs in told.items():
            yield Agreement(
                _NAMES[fact],
                f"intervals of {name}, top 1%",
                theirs,
                facts[f"intervals of {name}, 1.0%"][fact],
                EXPONENT,
            )


def _information(facts: Facts):
    for (rate, batch), told in INFORMATION.items():
        name = f"information, rate {rate:g}, batch {batch}"
        for fact, theirs in told.items():
            values = facts[name][fact]
            label = f"rate {rate:g}, batch {batch}"
            yield Agreement(_NAMES[fact], label, theirs, values, MEAN, factor=True)


def _landscape(facts: Facts):
    for (epoch, delta), theirs in LANDSCAPE.items():
        found = facts[f"landscape, epoch {epoch}, {delta:+g}"]
        for images in ("test images", "training images"):
            yield Agreement(
                "mean change of the loss",
                f"δ = {delta:+g}, epoch {epoch}, {images}".replace("-", "−"),
                theirs,
                found[images],
                CHANGE_OF_LOSS,
                factor=True,
            )


_NAMES = {
    "scanned": "α by likelihood",
    "line": "α by a line",
    "largest": "largest update",
    "second bin": "α by likelihood",
    "I": "I (nats)",
    "beta": "β*",
}
