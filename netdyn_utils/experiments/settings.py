"""What a run is: which network learns which data, how, and how it is watched."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..checks import choose, positive_int
from ..data.controls import CONTROLS
from ..models import NETWORKS
from ..training import TrainConfig

DATA_OF = {"mlp": "mnist", "convnet": "cifar10", "transformer": "text"}
PUBLISHED = {  # learning rate and batch size of the paper's figures
    "mlp": {"learning_rate": 0.1, "batch_size": 64},
    "convnet": {"learning_rate": 0.01, "batch_size": 64},
    "transformer": {"learning_rate": 0.1, "batch_size": 8},
}
FIVE_LAYERS = {"widths": (784, 50, 50, 50, 50, 10)}  # the MLP of claims three and four
OWN = (
    "options",
    "source",
    "digits",
    "control",
    "window",
)  # settings beside those of training


@dataclass(frozen=True, kw_only=True)
class UpdatesConfig:
    """Which network learns what, how, and how its updates are counted."""

    network: str = "mlp"
    options: Mapping[str, object] = field(default_factory=dict)  # of the network
    source: str = "sample"  # of the images: "sample" ships here, "full" is all
    digits: tuple[int, ...] | None = None  # classes of images; None: all
    control: str = "none"  # what is taken away from the images, see `with_control`
    window: int = 1_000  # steps per window of the histograms
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self):
        choose(self.network, NETWORKS, "network")
        choose(self.control, CONTROLS, "control")
        positive_int(self.window, "window")
        changed = self.digits or self.source != "sample" or self.control != "none"
        if self.network == "transformer" and changed:
            raise ValueError(
                "the transformer learns text: it has no digits and no control, and its "
                "only source is 'sample'"
            )

    @classmethod
    def as_published(
        cls, network: str, steps: int, *, seed: int = 0, windows: int = 10, **changes
    ) -> "UpdatesConfig":
        """Return the authors' setting of a network, cut to `steps`.

        Parameters
        ----------
        network : "mlp", "convnet" or "transformer"
        steps, seed : int
        windows : int
            How many windows the run is cut into.
        **changes
            Other values for fields of `TrainConfig` or of `UpdatesConfig`.

        Examples
        --------
        >>> config = UpdatesConfig.as_published("transformer", 1_000, batch_size=16)
        >>> config.train.learning_rate, config.train.batch_size, config.window
        (0.1, 16, 100)
        """
        choose(network, NETWORKS, "network")
        positive_int(steps, "steps")
        ours = {name: changes.pop(name) for name in [*changes] if name in OWN}
        train = {**PUBLISHED[network], "steps": steps, "seed": seed, **changes}
        for name in train:
            choose(name, TrainConfig.__dataclass_fields__, "setting of a run")
        window = max(1, -(-steps // positive_int(windows, "windows")))
        return cls(
            network=network, train=TrainConfig(**train), **{"window": window, **ours}
        )
