"""A training run built from the network and the loop, without the experiments."""

import torch

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
