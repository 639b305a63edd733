"""Our numbers and the published ones, where the definitions are the same."""

from collections.abc import Iterator
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
from .statistics import Statistics

QUANTITIES = {  # of a row: name, allowed difference, and whether it is a ratio
    "alpha_mle": ("α by likelihood", 0.4, False),
    "alpha_ols": ("α by a line", 0.4, False),
    "max": ("largest update", 1.3, True),
    "I": ("I (nats)", 1.25, True),
    "beta": ("β*", 1.25, True),
    "mean change": ("mean change of the loss", 1.5, True),
}


@dataclass(frozen=True)
class PaperComparison:
    """One number of the paper, and ours run by run."""

    quantity: str
    setting: str
    published: float
    values: tuple[float, ...]
    allowed: float  # difference of the mean that does not matter, or ratio
    is_ratio: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the mean is as near as is allowed.

        >>> PaperComparison("alpha", "mlp", 4.69, (4.5, 4.6), allowed=0.4).agrees
        True
        >>> PaperComparison("max", "mlp", 0.1, (0.2,), 1.3, is_ratio=True).agrees
        False
        """
        mean = np.mean(self.values)
        if self.is_ratio:
            return bool(abs(np.log(mean / self.published)) <= np.log(self.allowed))
        return bool(abs(mean - self.published) <= self.allowed)


def compare_with_paper(statistics: Statistics) -> tuple[PaperComparison, ...]:
    """Return every published number that runs of ours can be compared with."""
    rows = []
    for kind, row, published, setting, statistic in _cases():
        name, allowed, is_ratio = QUANTITIES[kind]
        if row.startswith("transformer"):
            allowed = 0.3
        if values := statistics[setting][statistic]:
            rows += [PaperComparison(name, row, published, values, allowed, is_ratio)]
    return tuple(rows)


def _cases() -> Iterator[tuple[str, str, float, str, str]]:
    """Yield quantity, row of the table, published number, our setting and statistic."""
    for part, values in MLP.items():
        for kind, published in values.items():
            setting = "mlp, rate 0.1"
            yield kind, f"{setting}; {part}", published, setting, f"{kind}, {part}"
    for variant in ("frozen", "bare", "right"):
        for part, values in CONVNET.items():
            row, setting = f"convnet, {variant}, convolutions; {part}", variant
            if part == "early":  # of 10,000 steps: three whole runs have them
                setting, part = f"{variant}, 10,000 steps", "whole"
            for kind, published in values.items():
                statistic = f"convolutions {kind}, {part}"
                yield kind, row, published, f"convnet, {setting}", statistic
    for batch, values in TRANSFORMER.items():
        for mask in ("no mask", "causal"):
            row, kind = f"transformer, {mask}, batch {batch}", "alpha_mle"
            yield kind, row, values[kind], row, f"{kind}, whole"
    for name, values in INTERVALS.items():
        for kind, published in values.items():
            setting = f"intervals of {name}, 1.0%"
            yield kind, f"intervals of {name}, top 1%", published, setting, kind
    for (rate, batch), values in INFORMATION.items():
        row = f"rate {rate:g}, batch {batch}"
        for kind, published in values.items():
            yield kind, row, published, f"information, {row}", kind
    for (epoch, delta), published in LANDSCAPE.items():
        for images in ("test images", "training images"):
            row = f"δ = {delta:+g}, epoch {epoch}, {images}".replace("-", "−")
            setting = f"landscape, epoch {epoch}, {delta:+g}"
            yield "mean change", row, published, setting, f"mean change, {images}"
