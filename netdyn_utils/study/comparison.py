"""Our numbers and the published ones, where the definitions are the same."""

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
        """Whether the mean is within what is allowed.

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

    def add(row, setting, numbers, statistic="{}"):
        for kind, published in numbers.items():
            name, allowed, is_ratio = QUANTITIES[kind]
            allowed = 0.3 if row.startswith("transformer") else allowed
            if values := statistics[setting][statistic.format(kind)]:
                found = row, published, values, allowed, is_ratio
                rows.append(PaperComparison(name, *found))

    for part, numbers in MLP.items():
        add(f"mlp, rate 0.1; {part}", "mlp, rate 0.1", numbers, f"{{}}, {part}")
    for variant in ("frozen", "bare", "right"):
        for part, numbers in CONVNET.items():
            setting, name = f"convnet, {variant}", part
            if part == "early":  # of 10,000 steps: three whole runs have them
                setting, name = f"{setting}, 10,000 steps", "whole"
            row = f"convnet, {variant}, convolutions; {part}"
            add(row, setting, numbers, f"convolutions {{}}, {name}")
    for batch, numbers in TRANSFORMER.items():
        for mask in ("no mask", "causal"):
            row = f"transformer, {mask}, batch {batch}"
            add(row, row, {"alpha_mle": numbers["alpha_mle"]}, "{}, whole")
    for name, numbers in INTERVALS.items():
        add(f"intervals of {name}, top 1%", f"intervals of {name}, 1.0%", numbers)
    for (rate, batch), numbers in INFORMATION.items():
        row = f"rate {rate:g}, batch {batch}"
        add(row, f"information, {row}", numbers)
    for (epoch, delta), published in LANDSCAPE.items():
        for images in ("test images", "training images"):
            row = f"δ = {delta:+g}, epoch {epoch}, {images}".replace("-", "−")
            setting = f"landscape, epoch {epoch}, {delta:+g}"
            add(row, setting, {"mean change": published}, f"{{}}, {images}")
    return tuple(rows)
