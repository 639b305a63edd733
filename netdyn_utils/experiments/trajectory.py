"""A configuration at work: its data, its network and its steps, the same bits anew.

Everything random in a run comes from one generator, in a fixed order. So a run that
was made once can be made again, and watched for something else.
"""

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from tqdm.auto import tqdm

from ..data.batches import CharText, InMemoryBatches, load_images
from ..data.controls import with_control
from ..models import build_model
from ..parameters import FlatParameters
from ..store.provenance import source_digest
from ..store.sources import code_behind
from ..training import StepRecord, train_steps
from .settings import DATA_OF, UpdatesConfig

# What these rooms do shows in a run's key or manifest, or changes no number.
TOLD = ("checks", "experiments.settings", "published", "shapes", "store")


class Trajectory:
    """The training run that a configuration describes.

    Parameters
    ----------
    config : UpdatesConfig
    data : Images or CharText
        What `load_data` gives for it.
    device : torch.device

    Attributes
    ----------
    model : torch.nn.Module
        As it is before the first step; its parameters lie in one block of memory.
    train_set, test_set : list of Tensor
        Inputs and targets, on the device.
    """

    def __init__(self, config: UpdatesConfig, data, device):
        self.config, train = config, config.train
        generator = torch.Generator().manual_seed(train.seed)
        self.model = build_model(
            config.network, generator=generator, **_options(config, data)
        ).to(device)
        self._parameters = FlatParameters(self.model).bind()
        self.train_set, self.test_set = (
            [part.to(device) for part in pair] for pair in _split(data)
        )
        self._batches = InMemoryBatches(
            *self.train_set, train.batch_size, generator=generator
        )

    def steps(self) -> Iterator[StepRecord]:
        """Train, yield after each step, and show a bar where somebody watches."""
        train = self.config.train
        watched = sys.stderr.isatty() or "ipykernel" in sys.modules
        hidden = not watched or bool(os.environ.get("TQDM_DISABLE"))
        label = f"{self.config.network}, learning rate {train.learning_rate:g}"
        with tqdm(total=train.steps, desc=label, unit="step", disable=hidden) as bar:
            for step in train_steps(self.model, self._batches, train):
                bar.update()
                yield step

    def digest(self) -> np.ndarray:
        """Return the SHA-256 of the parameters as they are, uint8, shape (32,)."""
        bits = self._parameters.vector().cpu().numpy().tobytes()
        return np.frombuffer(hashlib.sha256(bits).digest(), np.uint8)


def load_data(config: UpdatesConfig, root=None):
    """Return the images or the text that a configuration asks for."""
    if DATA_OF[config.network] == "text":
        return CharText()
    name = DATA_OF[config.network]
    data = load_images(name, config.source, digits=config.digits, root=root)
    generator = torch.Generator().manual_seed(config.train.seed)
    return with_control(data, config.control, generator)


def steps_per_epoch(config: UpdatesConfig, data) -> int:
    """Return how many steps it takes to see all training data once."""
    inputs, _ = _split(data)[0]
    return -(-len(inputs) // (config.train.batch_size or len(inputs)))


def source_of(*computes) -> str:
    """Digest the code behind a kind of run: its functions, and all they call."""
    return source_digest(code_behind(*computes, told=TOLD))


def plain(value):
    """Return nested configs as JSON holds them, so that the key survives a reading.

    >>> plain({"widths": (784, np.int64(10))})
    {'widths': [784, 10]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def prefixed(prefix: str, arrays) -> dict[str, np.ndarray]:
    """Put `prefix` before every name."""
    return {prefix + name: array for name, array in arrays.items()}


def within(arrays, prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays whose names begin with `prefix`, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _split(data):
    """Return (inputs, targets) to train on and to test on."""
    if isinstance(data, CharText):  # periodic: no part of it is unseen
        return (data.inputs, data.targets), (data.inputs[:500], data.targets[:500])
    train = data.train_inputs, data.train_targets
    return train, (data.test_inputs, data.test_targets)


def _options(config: UpdatesConfig, data) -> dict[str, object]:
    """Fit the network's output to the selected classes."""
    options = dict(config.options)
    if config.network == "mlp":
        widths = options.get("widths", (784, 128, 10))
        options["widths"] = (*widths[:-1], len(data.classes))
    elif config.network == "convnet":
        options["classes"] = len(data.classes)
    return options
