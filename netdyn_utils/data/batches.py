"""Images and character text as tensors in memory, batched by index.

The book's page on the data has their sizes, licences and citations.
"""

import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from netdyn_utils.checks import choose, positive_int
from netdyn_utils.data.image_files import SETS, SHA256, choose_classes, read_arrays

PANGRAM_TEXT = "thequickbrownfoxjumpsoverthelazydog" * 100


@dataclass(frozen=True, eq=False, repr=False)
class ImageData:
    """Labelled images, ready to train on.

    >>> data = load_images("mnist")
    >>> data.train_inputs.shape, data.train_targets.dtype, data.verified
    (torch.Size([10000, 1, 28, 28]), torch.int64, True)
    """

    name: str
    source: str  # "sample" or "full"
    classes: tuple[str, ...]  # classes[target] is the label of an image
    train_inputs: Float[Tensor, "train channels height width"]  # in [−1, 1]
    train_targets: Int[Tensor, " train"]
    test_inputs: Float[Tensor, "test channels height width"]
    test_targets: Int[Tensor, " test"]
    digest: str  # SHA-256 over those of the four stored arrays, before `digits`

    @property
    def verified(self) -> bool:
        """Whether every array agreed with a SHA-256 that the package knows.

        False for fashion-mnist and cifar100, of which it knows none: torchvision
        checks the MD5 of what it downloads, and an npz is taken at its word.
        """
        return (self.name, self.source) in SHA256

    def __repr__(self):
        return (
            f"ImageData({self.name!r}, {self.source!r}, "
            f"{len(self.train_inputs):,} train + {len(self.test_inputs):,} test, "
            f"{len(self.classes)} classes, sha256 {self.digest[:12]})"
        )


def load_images(
    name: str,
    source: str = "sample",
    *,
    digits: Sequence[int] | None = None,
    root: str | os.PathLike | None = None,
) -> ImageData:
    """Load a data set of images into memory, every array checked.

    Parameters
    ----------
    name : "mnist", "cifar10", "fashion-mnist" or "cifar100"
    source : "sample" or "full"
        "sample", the first images of mnist or cifar10, ships with the package. "full"
        reads `<root>/<name>.npz` (uint8 arrays x_train, y_train, x_test, y_test),
        or else lets torchvision download the set into `root`.
    digits : distinct class indices from 0 to 9, optional
        Keep these classes of a ten-class set; targets follow the order given here.
    root : folder of the full sets
        Default `$NETDYN_DATA`, else `data` in the user's cache folder for netdyn.

    Returns
    -------
    ImageData
        Inputs (samples, channels, height, width), float32 in [−1, 1]: bit for bit
        torchvision's ToTensor and Normalize(0.5, 0.5). Targets int64.

    Raises
    ------
    ValueError
        If an argument is none of the above, or a file is damaged or another set.
    FileNotFoundError
        If a full set is not in `root` and can not be downloaded.

    Examples
    --------
    >>> load_images("mnist", digits=(3, 8)).classes
    ('3', '8')
    """
    choose(name, SETS, "data set")
    choose(source, ("sample", "full"), "source")
    kept = choose_classes(name, digits)
    arrays, digest = read_arrays(name, source, root)

    classes = tuple(SETS[name][0][k] for k in kept)
    train = _tensors(arrays["x_train"], arrays["y_train"], kept)
    test = _tensors(arrays["x_test"], arrays["y_test"], kept)
    return ImageData(name, source, classes, *train, *test, digest)


@dataclass(frozen=True, repr=False)
class CharText:
    """Windows of `length` characters and the same one character on: predict the next.

    The default text is the pangram of Zhang & Tang (2025), without spaces, 100 times.
    It is periodic, so a held-out part would hold nothing new: there is no test split.
    ValueError if the text has no window with a next character.

    >>> text = CharText("abracadabra", length=4)
    >>> text.inputs.shape, text.decode(text.inputs[0]), text.decode(text.targets[0])
    (torch.Size([7, 4]), 'abra', 'brac')
    """

    text: str = PANGRAM_TEXT
    length: int = 50

    def __post_init__(self):
        positive_int(self.length, "length")
        if len(self.text) <= self.length:
            raise ValueError(
                f"a text of {len(self.text)} characters has no window of {self.length} "
                "with a next character: take a longer text or a smaller length"
            )

    def __len__(self):
        return len(self.text) - self.length

    def __repr__(self):
        return (
            f"CharText({len(self):,} sequences of {self.length} characters, alphabet "
            f"of {len(self.alphabet)}, sha256 {self.digest[:12]})"
        )

    @cached_property
    def alphabet(self) -> str:
        """The characters used, sorted; an index is a place in it."""
        return "".join(sorted(set(self.text)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the text in UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def _indices(self):
        return torch.tensor([self.alphabet.index(character) for character in self.text])

    @property
    def inputs(self) -> Int[Tensor, "sequences length"]:
        """Every window but the last, as a view of one copy of the text in memory."""
        return self._indices[:-1].unfold(0, self.length, 1)

    @property
    def targets(self) -> Int[Tensor, "sequences length"]:
        """The windows of `inputs`, one character on."""
        return self._indices[1:].unfold(0, self.length, 1)

    def decode(self, indices: Iterable[int]) -> str:
        """Return the characters at `indices`; ValueError outside the alphabet."""
        places, size = [int(k) for k in indices], len(self.alphabet)
        if not all(0 <= k < size for k in places):
            raise ValueError(f"indices must lie in 0 to {size - 1}, got {places}")
        return "".join(self.alphabet[k] for k in places)


class InMemoryBatches:
    """Batches (inputs, targets) without end, in a new random order each epoch.

    As in a shuffling DataLoader an epoch's last batch holds what is left; but a batch
    is one gather per tensor. Each `iter` starts an epoch and draws on from where the
    generator stands: the same seed gives the same batches.

    Parameters
    ----------
    inputs, targets : tensors of equal first axis (samples), on one device
    batch_size : samples per step, at most all; None is the whole set as it stands
    generator : draws the order; on any device; needed unless `batch_size` is None

    Raises
    ------
    ValueError
        If the lengths differ, are zero, or do not fit the batch size.

    Examples
    --------
    >>> from itertools import islice
    >>> x, y = torch.zeros(10, 3), torch.arange(10)
    >>> batches = InMemoryBatches(x, y, 4, generator=torch.Generator().manual_seed(0))
    >>> [len(targets) for _, targets in islice(batches, batches.steps_per_epoch)]
    [4, 4, 2]
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        batch_size: int | None,
        *,
        generator: torch.Generator | None = None,
    ):
        samples = len(inputs)
        if not 0 < samples == len(targets):
            received = f"{samples} inputs and {len(targets)} targets"
            raise ValueError(f"got {received}: expected as many of each, at least one")
        if batch_size is not None and positive_int(batch_size, "batch size") > samples:
            raise ValueError(
                f"batch size {batch_size} is larger than the data ({samples} samples): "
                "lower it, or pass None for the whole set"
            )
        if batch_size is not None and generator is None:
            raise ValueError("pass a torch.Generator as generator: it draws the order")
        self.inputs, self.targets = inputs, targets
        self.batch_size, self.generator = batch_size and int(batch_size), generator

    @property
    def steps_per_epoch(self) -> int:
        """Batches until every sample was seen once."""
        return math.ceil(len(self.inputs) / (self.batch_size or len(self.inputs)))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while self.batch_size is None:
            yield self.inputs, self.targets

        samples, home = len(self.inputs), self.generator.device
        while True:
            order = torch.randperm(samples, generator=self.generator, device=home)
            for index in order.to(self.inputs.device).split(self.batch_size):
                # half the time of inputs[index]: 55 µs for 64 CIFAR-10 images, not 119
                yield self.inputs.index_select(0, index), self.targets[index]


def _tensors(images, labels, kept):
    """Scaled inputs and targets of the classes kept, in the order of the file."""
    place = np.full(256, -1, np.int64)  # of a label among the classes kept
    place[list(kept)] = range(len(kept))
    targets = place[labels.reshape(-1)]
    images = torch.from_numpy(images[targets >= 0])

    # (N, H, W) or (N, H, W, C) → (N, C, H, W)
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    inputs = images.contiguous().float().div_(255).sub_(0.5).div_(0.5)
    return inputs, torch.from_numpy(targets[targets >= 0])
