"""The numbers of the paper and its arrays, and ours where the definitions are the same.

Exponents by likelihood (`alpha_mle`) and the means are recomputed from the arrays of
the authors' repository (xinyacheung/Heavytailed_updates_ANN); `alpha_ols` are the
slopes of straight lines on their linear bins.
"""

from dataclasses import dataclass

import numpy as np

from .statistics import Statistics

MLP = {  # rate 0.1, batch 64; steps 0 to 10,000 and 20,000 to 30,000
    "early": {"alpha_mle": 4.69, "alpha_ols": 4.30, "max": 0.106},
    "late": {"alpha_mle": 4.42, "alpha_ols": 4.54, "max": 0.024},
}
CONVNET = {  # rate 0.01, batch 64, both convolutions alone
    "early": {"alpha_mle": 4.87, "alpha_ols": 4.42, "max": 0.012},
    "late": {"alpha_mle": 5.13, "alpha_ols": 4.41},
}
TRANSFORMER = {  # rate 0.1, steps 0 to 1,000, by batch size
    4: {"alpha_mle": 3.25, "alpha_ols": 3.45},
    8: {"alpha_mle": 3.07, "alpha_ols": 3.56},
    16: {"alpha_mle": 2.78, "alpha_ols": 3.45},
}
INTERVALS = {  # top 1 %, recomputed: from the second bin up; by a line, all bins
    "mlp, rate 0.01": {"alpha_mle": 2.33, "alpha_ols": 3.14},
    "convnet, frozen": {"alpha_mle": 2.14},
}
PRINTED_INTERVALS = {"MLP": 2.66, "CNN": 2.45}  # by a line; which bins is not said
INFORMATION = {  # (rate, batch size), means over the windows
    (0.01, 50): {"I": 0.441, "beta": 0.204},
    (0.01, 500): {"I": 0.353, "beta": 0.717},
    (0.1, 50): {"I": 0.499, "beta": 0.112},
}
LANDSCAPE = {  # (epoch, displacement), mean change of the loss in nats
    (50, 0.01): 3.7e-5,
    (100, 0.01): 3.3e-5,
    (50, -0.01): 3.7e-5,
    (100, -0.01): 3.3e-5,
    (50, 1.0): 0.0121,
    (100, 1.0): 0.0115,
    (50, -1.0): 0.0083,
    (100, -1.0): 0.0074,
}
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
