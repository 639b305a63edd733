"""Configuration of an experiment, the record it is stored in, and its training run.

One generator draws everything random, in a fixed order: the same configuration trains
the same network, bit for bit, on one machine.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from tqdm.auto import tqdm

from ..data import CharText, InMemoryBatches, load_images
from ..data.controls import CONTROLS, with_control
from ..data.images import SHA256, known_digest
from ..flat_parameters import FlatParameters
from ..networks import NETWORKS, build_model
from ..store import RunRecord, RunSpec, RunStore, canonical
from ..training import StepRecord, TrainConfig, resolve_device, train_steps
from ..validation import check_choice, check_positive_int

DATASET = {"mlp": "mnist", "convnet": "cifar10", "transformer": "text"}
PAPER_HYPERPARAMETERS = {
    "mlp": {"learning_rate": 0.1, "batch_size": 64},
    "convnet": {"learning_rate": 0.01, "batch_size": 64},
    "transformer": {"learning_rate": 0.1, "batch_size": 8},
}
FIVE_LAYERS = {"widths": (784, 50, 50, 50, 50, 10)}  # the MLP of claims three and four
MAX_WINDOW = 1_000  # steps, unless `window` is given
# A key consists of these fields, in this order, and of those that differ from DEFAULTS.
# Never change a value here, or keys change. A new field gets the value that it had in
# all earlier records.
KEY_FIELDS = ("network", "optimizer", "learning_rate", "batch_size", "steps", "seed")
DEFAULTS = {
    "options": {},
    "source": "sample",
    "digits": None,
    "control": "none",
    "freeze_batchnorm_after": None,
    "window": 1_000,
}


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """Network, data, training, and the windows in which its updates are counted."""

    network: str = "mlp"
    options: Mapping[str, object] = field(default_factory=dict)  # of the network
    source: str = "sample"  # of the images: "sample" ships here, "full" is all
    digits: tuple[int, ...] | None = None  # classes of images; None: all
    control: str = "none"  # manipulation of the images, see `with_control`
    window: int = MAX_WINDOW  # steps per window of the histograms
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self):
        check_choice(self.network, NETWORKS, "network")
        check_choice(self.control, CONTROLS, "control")
        check_positive_int(self.window, "window")
        known = NETWORKS[self.network][1].__dataclass_fields__
        for name in self.options:
            check_choice(name, known, f"option of the {self.network}")
        changed = self.digits or self.source != "sample" or self.control != "none"
        if self.network == "transformer" and changed:
            raise ValueError(
                "the transformer learns text: it takes no digits and no control, and "
                "its only source is 'sample'"
            )

    @classmethod
    def from_paper(
        cls, network: str, steps: int, *, seed=0, windows: int | None = None, **changes
    ) -> "ExperimentConfig":
        """Return the authors' setting of a network for `steps` steps.

        Without `windows` there are ten, or more so that none exceeds 1,000 steps.
        `changes` are other fields of `TrainConfig` or `ExperimentConfig`; ValueError if
        one is unknown or out of its range.

        >>> config = ExperimentConfig.from_paper("transformer", 1_000, batch_size=16)
        >>> config.train.learning_rate, config.train.batch_size, config.window
        (0.1, 16, 100)
        """
        check_choice(network, NETWORKS, "network")
        parts = check_positive_int(10 if windows is None else windows, "windows")
        window = -(-check_positive_int(steps, "steps") // parts)  # rounded up
        window = min(window, MAX_WINDOW) if windows is None else window
        train = {**PAPER_HYPERPARAMETERS[network], "steps": steps, "seed": seed}
        other = {"window": window}
        for name, value in changes.items():
            (other if name in cls.__dataclass_fields__ else train)[name] = value
        for name in train:
            check_choice(name, TrainConfig.__dataclass_fields__, "setting of a run")
        return cls(network=network, train=TrainConfig(**train), **other)

    as_published = from_paper  # former name

    def flat(self) -> dict[str, object]:
        """Return all fields by name, with those of training."""
        values = {**vars(self), **vars(self.train)}
        del values["train"]
        return values


UpdatesConfig = ExperimentConfig  # former name


@dataclass(frozen=True)
class Experiment:
    """A kind of experiment, each of whose records is computed once."""

    kind: str
    version: int  # raised when, and only when, the numbers are meant to change
    defaults: Mapping[str, object] = field(default_factory=dict)  # of its options
    check: Callable[..., None] | None = None  # raises for impossible options
    unused: tuple[str, ...] = ()  # fields that its numbers do not depend on

    def spec(self, config: ExperimentConfig, **options) -> RunSpec:
        """Return the specification of the record of a configuration and options."""
        options = {**self.defaults, **options}
        if self.check:
            self.check(config, **options)
        plain = vars(NETWORKS[config.network][1]())
        changed = {  # in the order of the network's fields
            name: config.options[name]
            for name, value in plain.items()
            if canonical(config.options.get(name, value)) != canonical(value)
        }
        values = {**config.flat(), **options, "options": changed}
        values["learning_rate"] = float(values["learning_rate"])
        defaults = {**DEFAULTS, **self.defaults}
        names = [n for n in (*KEY_FIELDS, *defaults) if n not in self.unused]
        values = {name: values[name] for name in names}
        data = DATASET[config.network], config.source
        digest = known_digest(*data) if data in SHA256 else CharText().digest
        return RunSpec(self.kind, self.version, values, digest, defaults)

    def record(
        self, compute, config, *, store=None, device="auto", data_root=None, **options
    ) -> RunRecord:
        """Return a record; ``compute(training, **options)`` if it is missing."""
        spec = self.spec(config, **options)
        target, options = resolve_device(device), {**self.defaults, **options}

        def arrays():
            training = TrainingRun(config, load_data(config, data_root), target)
            return compute(training, **options)

        return (store or RunStore.default()).get(spec, arrays, machine(target))


def machine(device: torch.device) -> dict[str, object]:
    """Return what a manifest says of torch and its device."""
    return {"threads": torch.get_num_threads(), "device": device.type}


class TrainingRun:
    """The training that a configuration describes, on `data` from `load_data`."""

    def __init__(self, config: ExperimentConfig, data, device: torch.device):
        self.config, self.device = config, device
        options = dict(config.options)
        if config.network == "mlp":  # one output for each selected class
            widths = options.get("widths", (784, 128, 10))
            options["widths"] = (*widths[:-1], len(data.classes))
        elif config.network == "convnet":
            options["classes"] = len(data.classes)
        generator = torch.Generator().manual_seed(config.train.seed)
        model = build_model(config.network, generator=generator, **options)
        self.model = model.to(device)
        self._parameters = FlatParameters(self.model)
        if isinstance(data, CharText):  # periodic: no part of it is unseen
            train = data.inputs, data.targets
            test = data.inputs[:500], data.targets[:500]
        else:
            train = data.train_inputs, data.train_targets
            test = data.test_inputs, data.test_targets
        self.train_set = [part.to(device) for part in train]  # inputs and targets
        self.test_set = [part.to(device) for part in test]
        size = config.train.batch_size
        self._batches = InMemoryBatches(*self.train_set, size, generator=generator)
        examples = len(self.train_set[0])
        self.steps_per_epoch = -(-examples // (size or examples))

    def steps(self, number: int | None = None) -> Iterator[StepRecord]:
        """Train, and yield after each step; people at a terminal see a progress bar."""
        train = replace(self.config.train, steps=number or self.config.train.steps)
        interactive = sys.stderr.isatty() or "ipykernel" in sys.modules
        hidden = not interactive or bool(os.environ.get("TQDM_DISABLE"))
        label = f"{self.config.network}, learning rate {train.learning_rate:g}"
        with tqdm(total=train.steps, desc=label, unit="step", disable=hidden) as bar:
            for step in train_steps(self.model, self._batches, train):
                bar.update()
                yield step

    def digest(self) -> np.ndarray:
        """SHA-256 of the current parameters, uint8, shape (32,)."""
        bits = self._parameters.to_vector().cpu().numpy().tobytes()
        return np.frombuffer(hashlib.sha256(bits).digest(), np.uint8)


def load_data(config: ExperimentConfig, root=None):
    """Return the images or the text of a configuration."""
    name = DATASET[config.network]
    if name == "text":
        return CharText()
    data = load_images(name, config.source, classes=config.digits, root=root)
    generator = torch.Generator().manual_seed(config.train.seed)
    return with_control(data, config.control, generator)


def prefixed(prefix: str, arrays) -> dict[str, np.ndarray]:
    """Put `prefix` before every name."""
    return {prefix + name: array for name, array in arrays.items()}


def strip_prefix(arrays, prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays whose names begin with `prefix`, without it."""
    size = len(prefix)
    return {n[size:]: array for n, array in arrays.items() if n.startswith(prefix)}
