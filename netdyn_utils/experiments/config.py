"""What a run is: which network learns which data, how, and how it is watched.

`ExperimentConfig` says it, `run_spec` makes of it what a record is found by, and
`TrainingRun` carries it out: the same steps again and again, bit by bit on one machine,
since everything random comes from one generator in a fixed order.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from tqdm.auto import tqdm

from ..data import CharText, InMemoryBatches, load_images
from ..data.controls import CONTROLS, with_control
from ..data.images import SHA256, known_digest
from ..flat_parameters import FlatParameters
from ..networks import NETWORKS, build_model
from ..store import RunRecord, RunSpec, RunStore
from ..training import StepRecord, TrainConfig, resolve_device, train_steps
from ..validation import check_choice, check_positive_int

DATASET = {"mlp": "mnist", "convnet": "cifar10", "transformer": "text"}
PAPER_SETTINGS = {  # learning rate and batch size of the paper's figures
    "mlp": {"learning_rate": 0.1, "batch_size": 64},
    "convnet": {"learning_rate": 0.01, "batch_size": 64},
    "transformer": {"learning_rate": 0.1, "batch_size": 8},
}
FIVE_LAYERS = {"widths": (784, 50, 50, 50, 50, 10)}  # the MLP of claims three and four
MAX_WINDOW = 1_000  # steps of a window, unless given
# Fields of a run in the order of its key. These are always in it; the others only where
# they differ from the value given here, which is never changed: a field that is added
# later gets the value that all records before it had, and their keys stay.
IDENTITY = ("network", "optimizer", "learning_rate", "batch_size", "steps", "seed")
NEUTRAL = {
    "source": "sample",
    "digits": None,
    "control": "none",
    "freeze_batchnorm_after": None,
    "window": 1_000,
}


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """Which network learns what, how, and how its updates are counted."""

    network: str = "mlp"
    options: Mapping[str, object] = field(default_factory=dict)  # of the network
    source: str = "sample"  # of the images: "sample" ships here, "full" is all
    digits: tuple[int, ...] | None = None  # classes of images; None: all
    control: str = "none"  # what is taken away from the images, see `with_control`
    window: int = 1_000  # steps per window of the histograms
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self):
        check_choice(self.network, NETWORKS, "network")
        check_choice(self.control, CONTROLS, "control")
        check_positive_int(self.window, "window")
        for name in self.options:
            check_choice(
                name,
                NETWORKS[self.network][1].__dataclass_fields__,
                f"option of the {self.network}",
            )
        changed = self.digits or self.source != "sample" or self.control != "none"
        if self.network == "transformer" and changed:
            raise ValueError(
                "the transformer learns text: it has no digits and no control, and its "
                "only source is 'sample'"
            )

    @classmethod
    def from_paper(
        cls,
        network: str,
        steps: int,
        *,
        seed: int = 0,
        windows: int | None = None,
        **changes,
    ) -> "ExperimentConfig":
        """Return the authors' setting of a network, cut to `steps`.

        Parameters
        ----------
        network : "mlp", "convnet" or "transformer"
        steps, seed : int
        windows : int, optional
            How many windows the run is cut into: ten unless given, or more, so that
            none is longer than a thousand steps.
        **changes
            Other values for fields of `TrainConfig` or of `ExperimentConfig`.

        Raises
        ------
        ValueError
            If a network or a field is unknown, or a value makes no sense.

        Examples
        --------
        >>> config = ExperimentConfig.from_paper("transformer", 1_000, batch_size=16)
        >>> config.train.learning_rate, config.train.batch_size, config.window
        (0.1, 16, 100)
        """
        check_choice(network, NETWORKS, "network")
        check_positive_int(steps, "steps")
        own = {f.name for f in fields(cls)} - {"network", "train"}
        ours = {name: changes.pop(name) for name in [*changes] if name in own}
        train = {**PAPER_SETTINGS[network], "steps": steps, "seed": seed, **changes}
        for name in train:
            check_choice(name, TrainConfig.__dataclass_fields__, "setting of a run")
        parts = 10 if windows is None else check_positive_int(windows, "windows")
        window = max(1, -(-steps // parts))
        window = min(window, MAX_WINDOW) if windows is None else window
        return cls(
            network=network, train=TrainConfig(**train), **{"window": window, **ours}
        )

    as_published = from_paper  # its name until version 0.2

    def flat(self) -> dict[str, object]:
        """Return all fields by name, those of training too."""
        ours = {f.name: getattr(self, f.name) for f in fields(self)}
        train = ours.pop("train")
        return {**ours, **{f.name: getattr(train, f.name) for f in fields(train)}}


UpdatesConfig = ExperimentConfig  # its name until version 0.2


def run_spec(
    kind: str,
    version: int,
    config: ExperimentConfig,
    asked: Mapping[str, object] | None = None,
    *,
    neutral: Mapping[str, object] | None = None,
    without: tuple[str, ...] = (),
    data_root=None,
) -> RunSpec:
    """Return what the record of a run is found by.

    Parameters
    ----------
    kind, version
        See `RunSpec`.
    config : ExperimentConfig
    asked : mapping, optional
        What this kind of experiment is asked beside its training.
    neutral : mapping, optional
        Values of `asked` that are left out, see `NEUTRAL`.
    without : tuple of str
        Fields that change nothing in this kind.
    data_root : path, optional
        Folder of the full data sets; only read for sets of unknown digest.
    """
    network = NETWORKS[config.network][1]()
    options = {  # in the order of the network's own fields, without its defaults
        f.name: config.options[f.name]
        for f in fields(network)
        if f.name in config.options
        and _listed(config.options[f.name]) != _listed(getattr(network, f.name))
    }
    values = {**config.flat(), "options": options, **(asked or {})}
    neutral = {"options": {}, **NEUTRAL, **(neutral or {})}
    told = {n: values[n] for n in (*IDENTITY, *neutral) if n not in without}
    told["learning_rate"] = float(told["learning_rate"])
    return RunSpec(kind, version, told, data_digest(config, data_root), neutral)


def stored_run(
    spec: RunSpec,
    compute: Callable[[torch.device], Mapping[str, np.ndarray]],
    store: RunStore | None,
    device: str,
) -> RunRecord:
    """Return the record of a run from a store, computing it there if need be."""
    target = resolve_device(device)
    notes = {"threads": torch.get_num_threads(), "device": target.type}
    return (store or RunStore.default()).get(spec, lambda: compute(target), notes)


class TrainingRun:
    """The training that a configuration describes.

    Parameters
    ----------
    config : ExperimentConfig
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

    def __init__(self, config: ExperimentConfig, data, device):
        self.config, train = config, config.train
        generator = torch.Generator().manual_seed(train.seed)
        self.model = build_model(
            config.network, generator=generator, **_options(config, data)
        ).to(device)
        self._parameters = FlatParameters(self.model).share_storage()
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
        bits = self._parameters.to_vector().cpu().numpy().tobytes()
        return np.frombuffer(hashlib.sha256(bits).digest(), np.uint8)


def load_data(config: ExperimentConfig, root=None):
    """Return the images or the text that a configuration asks for."""
    if DATASET[config.network] == "text":
        return CharText()
    name = DATASET[config.network]
    data = load_images(name, config.source, classes=config.digits, root=root)
    generator = torch.Generator().manual_seed(config.train.seed)
    return with_control(data, config.control, generator)


def data_digest(config: ExperimentConfig, root=None) -> str:
    """Return the digest of a configuration's data, without reading them if it is known.

    So a stored run is found where the full sets are not.
    """
    name = DATASET[config.network]
    if (name, config.source) in SHA256:
        return known_digest(name, config.source)
    return load_data(config, root).digest


def steps_per_epoch(config: ExperimentConfig, data) -> int:
    """Return how many steps it takes to see all training data once."""
    inputs, _ = _split(data)[0]
    return -(-len(inputs) // (config.train.batch_size or len(inputs)))


def prefixed(prefix: str, arrays) -> dict[str, np.ndarray]:
    """Put `prefix` before every name."""
    return {prefix + name: array for name, array in arrays.items()}


def strip_prefix(arrays, prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays whose names begin with `prefix`, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _listed(value):
    """Return tuples as lists, so that what was read from JSON compares equal."""
    return list(value) if isinstance(value, list | tuple) else value


def _split(data):
    """Return (inputs, targets) to train on and to test on."""
    if isinstance(data, CharText):  # periodic: no part of it is unseen
        return (data.inputs, data.targets), (data.inputs[:500], data.targets[:500])
    train = data.train_inputs, data.train_targets
    return train, (data.test_inputs, data.test_targets)


def _options(config: ExperimentConfig, data) -> dict[str, object]:
    """Fit the network's output to the selected classes."""
    options = dict(config.options)
    if config.network == "mlp":
        widths = options.get("widths", (784, 128, 10))
        options["widths"] = (*widths[:-1], len(data.classes))
    elif config.network == "convnet":
        options["classes"] = len(data.classes)
    return options
