"""What information and leading directions cost beside the plain way to them."""

import tracemalloc
from functools import partial

import numpy as np
from sklearn.decomposition import PCA

from netdyn_utils.information.mutual_information import bin_numbers, rank_edges
from netdyn_utils.information.window import (
    add_counts,
    count_magnitudes,
    window_edges,
    window_information,
)
from netdyn_utils.principal_direction import alignment, leading_direction

from .timing import Row, ratio, take_turns

FANS = ((50, 784), (50, 50), (50, 50), (50, 50), (10, 50))  # units, fan-in: 47,200
STEPS = 200


def five_layers():
    """Return a window of the MLP 784-50-50-50-50-10: heavy tails, exact zeros."""
    rng, layers = np.random.default_rng(0), []
    for units, fan_in in FANS:
        activations = rng.normal(size=(STEPS, units))
        magnitudes = rng.standard_normal((STEPS, units, fan_in), np.float32) ** 2
        magnitudes *= np.exp(activations[..., None]).astype(np.float32)
        magnitudes[rng.random(magnitudes.shape) < 0.2] = 0
        layers.append((magnitudes, activations))
    return layers


def tiled_counts(magnitudes, activations, x_edges, y_edges):
    """Return the joint counts the plain way: repeat the activations, then count."""
    repeated = np.broadcast_to(activations[..., None], magnitudes.shape)
    pairs = magnitudes.ravel(), repeated.ravel()
    return np.histogram2d(*pairs, bins=(x_edges, y_edges))[0].astype(np.int64)


def joint_counts(magnitudes, activations, x_edges, y_edges):
    """Return them without a repeated value."""
    rows = count_magnitudes(magnitudes, x_edges)
    return add_counts(rows, bin_numbers(activations, y_edges), len(y_edges) - 1)


def joint_histogram(rounds: int = 7) -> list[Row]:
    """Measure the joint counts of all layers against repeated activations."""
    layers = five_layers()
    everything = list(range(len(layers)))
    (x_edges,) = window_edges([m for m, _ in layers], [everything], bins=50)
    repeats = np.concatenate([np.full(a.size, m.shape[2]) for m, a in layers])
    values = np.concatenate([a.ravel() for _, a in layers])
    y_edges = rank_edges(values, bins=50, repeats=repeats)

    def add_up(count):
        return sum(count(m, a, x_edges, y_edges) for m, a in layers)

    rivals = {
        "tiled": partial(add_up, tiled_counts),
        "ours": partial(add_up, joint_counts),
    }
    if not np.array_equal(rivals["tiled"](), rivals["ours"]()):
        raise RuntimeError("the joint counts are not those of the definition")
    peak = {name: peak_bytes(step) for name, step in rivals.items()}
    memory = peak["ours"] / peak["tiled"]
    seconds = take_turns(rivals, block=1, rounds=rounds)
    name = f"joint histogram, {STEPS} steps × 47,200 weights / tiled"
    return [
        ratio(seconds, "ours", "tiled", name, at_most=1 / 10),
        Row("peak memory of it / tiled", memory, (memory, memory), 1 / 20),
    ]


def windows(rounds: int = 7) -> list[Row]:
    """Measure all of a window: edges, counts, six estimates and their null."""
    layers, rng = five_layers(), np.random.default_rng(1)
    rivals = {
        name: partial(window_information, layers, estimator=name, rng=rng)
        for name in ("rank", "linear")
    }
    seconds = take_turns(rivals, block=1, rounds=rounds)
    return [
        Row(
            f"information of a window, {name} bins, 20 permutations",
            *_quartiles(seconds[name]),
            at_most=0.45,
            unit="s",
        )
        for name in rivals
    ]


def directions(rounds: int = 7) -> list[Row]:
    """Measure the leading direction of a window against 100 randomised components."""
    rng = np.random.default_rng(2)
    along = rng.normal(size=(STEPS, 1)) * rng.normal(size=47_200) / 10
    window = (along + rng.normal(size=(STEPS, 47_200))).astype(np.float32)
    pca = PCA(n_components=100, random_state=0)
    rivals = {
        "scikit-learn": lambda: pca.fit(window),
        "ours": lambda: leading_direction(window),
    }
    centred = window - window.mean(0, dtype=float)
    true = np.linalg.svd(centred, full_matrices=False)[2][0]
    off = {
        "ours": 1 - alignment(leading_direction(window), true),
        "scikit-learn": 1 - alignment(pca.fit(window).components_[0], true),
    }
    seconds = take_turns(rivals, block=1, rounds=rounds)
    name = f"leading direction, {STEPS} × 47,200 / scikit-learn PCA(100)"
    return [
        ratio(seconds, "ours", "scikit-learn", name, at_most=1 / 20),
        *(
            Row(
                f"1 − cosine to the float64 SVD, {who}", gap, (gap, gap), limit, unit=""
            )
            for (who, gap), limit in zip(off.items(), (1e-12, None), strict=True)
        ),
    ]


def peak_bytes(step) -> int:
    """Return the most memory that a call held at once, numpy's arrays included."""
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _quartiles(seconds):
    middle, *quartiles = np.quantile(seconds, (0.5, 0.25, 0.75))
    return float(middle), tuple(map(float, quartiles))
