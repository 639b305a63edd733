"""Training by hand: a run without the experiments, and a network without training."""

import numpy as np
import torch
from torch import nn

from netdyn_utils.data import InMemoryBatches, load_images
from netdyn_utils.networks import build_model
from netdyn_utils.training import train_steps


def train_by_hand(config):
    """Return data, MLP and steps of a configuration; nothing is trained yet."""
    data = load_images("mnist", classes=config.digits)
    generator = torch.Generator().manual_seed(config.train.seed)
    widths = (*config.options["widths"][:-1], len(data.classes))
    model = build_model("mlp", generator=generator, widths=widths)
    examples = data.train_inputs, data.train_targets
    batches = InMemoryBatches(*examples, config.train.batch_size, generator=generator)
    return data, model, train_steps(model, batches, config.train)


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


@torch.no_grad()
def shake(model, size=0.1):
    """Change every trainable parameter; return abs of the changes by name."""
    changes = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            before = parameter.detach().clone()
            parameter += size * torch.randn_like(parameter)
            change = (parameter.double() - before.double()).abs().float()
            changes[name] = change.flatten().cpu().numpy()
    return changes


def values(changes):
    return np.concatenate(list(changes.values()))
