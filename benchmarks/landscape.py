"""What one displaced weight costs, beside a forward pass over all images."""

import os
from pathlib import Path

import numpy as np
import torch

from netdyn_utils.data import InMemoryBatches, load_images
from netdyn_utils.networks import build_model
from netdyn_utils.perturbation.scan import loss_under_displacement, perturbation_scan
from netdyn_utils.training import TrainConfig, train_steps

from .timing import Row, ratio, take_turns

WIDTHS = (784, 50, 50, 50, 50, 10)
DELTAS = (0.01, 1.0)


def images() -> tuple[torch.Tensor, torch.Tensor, str]:
    """Return the 60,000 images of MNIST, or noise of their shape, and which it is."""
    root = os.environ.get("NETDYN_DATA")
    if root and (Path(root) / "mnist.npz").exists():
        data = load_images("mnist", "full", root=root)
        return data.train_inputs, data.train_targets, "MNIST"
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(60_000, 1, 28, 28, generator=generator) * 2 - 1
    return noise, torch.randint(10, (60_000,), generator=generator), "noise"


def perturbations(weights: int = 100, rounds: int = 5, steps: int = 500) -> list[Row]:
    """Measure one ΔL of the 5-layer MLP against a forward pass, and its error."""
    inputs, targets, name = images()
    generator = torch.Generator().manual_seed(0)
    model = build_model("mlp", widths=WIDTHS, generator=generator)
    batches = InMemoryBatches(inputs, targets, 64, generator=generator)
    for _ in train_steps(model, batches, TrainConfig(steps=steps)):
        pass

    def scan(layer):
        return perturbation_scan(
            model,
            inputs,
            targets,
            deltas=DELTAS,
            weights_per_layer={layer: weights},
            generator=torch.Generator().manual_seed(1),
        )

    layers = [layer for layer, _ in model.named_children()]
    with torch.no_grad():
        rivals = {layer: lambda layer=layer: scan(layer) for layer in layers}
        seconds = take_turns(
            {"forward": lambda: model(inputs), **rivals}, block=1, rounds=rounds
        )
    count = 2 * len(DELTAS) * weights
    for layer in layers:
        seconds[layer] = [second / count for second in seconds[layer]]
    each = zip(*(seconds[layer] for layer in layers), strict=True)
    seconds["mean"] = [sum(one) / len(layers) for one in each]
    title = f"5-layer MLP, {name}, one ΔL of 60,000 images"
    error = max(_error(model, inputs, targets, scan(layer)) for layer in layers)
    return [
        ratio(seconds, "mean", "forward", f"{title} / float32 forward", at_most=1 / 10),
        *(
            ratio(seconds, layer, "forward", f"{title}, {layer}", at_most=None)
            for layer in layers
        ),
        Row(f"{title}: largest error", error, (error, error), 1e-9, "nats"),
    ]


def _error(model, inputs, targets, response, checked: int = 2) -> float:
    """Return the largest difference from the definition, over a few of the weights."""
    name = f"{response.layers[0]}.weight"
    base = loss_under_displacement(model, inputs, targets, name=name, index=0, delta=0)
    errors = [
        loss_under_displacement(
            model, inputs, targets, name=name, index=int(response.index[k]), delta=delta
        )
        - base
        - response.changes(delta)[k]
        for k in np.linspace(0, len(response.index) - 1, checked).astype(int)
        for size in DELTAS
        for delta in (size, -size)
    ]
    return float(np.abs(errors).max())
