"""Image data sets as tensors in memory, each array verified by its SHA-256.

There is no fallback: missing or different data are an error. The page on the data has
sizes, licences and citations.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from pathlib import Path

import numpy as np
import platformdirs
import torch
from torch import Tensor

from ..validation import check_choice

KEYS = ("x_train", "y_train", "x_test", "y_test")  # as in the npz files of Keras
SAMPLES = Path(__file__).parent / "samples"
REMEDY = "delete it and fetch it again, or reinstall netdyn if it is a sample"
SETS = json.loads((SAMPLES / "sets.json").read_text("utf-8"))
SHA256 = {  # of the bytes of each uint8 array, in the order of KEYS
    (name, source): tuple(digests[key] for key in KEYS)
    for name, about in SETS.items()
    for source, digests in about["sha256"].items()
}


@dataclass(frozen=True, eq=False, repr=False)
class ImageData:
    """Labelled images, ready to train on."""

    name: str
    source: str  # "sample" or "full"
    classes: tuple[str, ...]  # classes[target] is the label of an image
    train_inputs: Tensor  # (samples, channels, height, width), in [−1, 1]
    train_targets: Tensor  # (samples,), int64
    test_inputs: Tensor
    test_targets: Tensor
    digest: str  # SHA-256 over those of the four stored arrays, before `classes`

    @property
    def verified(self) -> bool:
        """Whether the package knows the SHA-256 of every array, and all agreed."""
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
    classes: Sequence[int] | None = None,
    digits: Sequence[int] | None = None,
    root: str | os.PathLike | None = None,
) -> ImageData:
    """Load a data set of images into memory, every array verified.

    Inputs (samples, channels, height, width) are float32 in [−1, 1], bit for bit those
    of torchvision's ToTensor and Normalize(0.5, 0.5); targets are int64.

    Parameters
    ----------
    name : "mnist", "cifar10", "fashion-mnist" or "cifar100"
    source : "sample" or "full"
        "sample", the first images of mnist or cifar10, ships with the package. "full"
        reads `<root>/<name>.npz` (uint8 arrays x_train, y_train, x_test, y_test), or
        else torchvision downloads the set into `root`.
    classes : sequence of int, optional
        Indices of the classes to keep, in the order of the targets. `digits` is the
        former name.
    root : folder of the full sets
        Default `$NETDYN_DATA`, else `data` in the user's cache folder for netdyn.

    Raises
    ------
    ValueError
        If a file is damaged or another set.
    FileNotFoundError
        If a full set is not in `root` and cannot be downloaded.

    Examples
    --------
    >>> load_images("mnist", classes=(3, 8)).classes
    ('3', '8')
    """
    check_choice(name, SETS, "data set")
    check_choice(source, ("sample", "full"), "source")
    names = SETS[name]["classes"]
    everything = range(len(names))
    chosen = digits if classes is None else classes
    indices = everything if chosen is None else tuple(map(index, chosen))
    if not 0 < len(indices) == len({*indices} & {*everything}):
        raise ValueError(
            f"classes must be distinct whole numbers from 0 to {everything[-1]}, at "
            f"least one, such as (3, 8), got {chosen!r}"
        )
    arrays, digest = read_arrays(name, source, root)
    train = _tensors(arrays["x_train"], arrays["y_train"], indices)
    test = _tensors(arrays["x_test"], arrays["y_test"], indices)
    labels = tuple(names[k] for k in indices)
    return ImageData(name, source, labels, *train, *test, digest)


def read_arrays(
    name: str, source: str, root: str | os.PathLike | None = None
) -> tuple[dict[str, np.ndarray], str]:
    """Return the four uint8 arrays of a set, checked, and their common digest."""
    if source == "full":
        arrays, origin = _read_full(name, root)
    elif (name, "sample") in SHA256:
        arrays, origin = _read_npz(SAMPLES / f"{name}.npz")
    else:
        raise ValueError(f"no sample of {name} ships with netdyn: use source='full'")
    return arrays, _check_arrays(arrays, name, source, origin)


def known_digest(name: str, source: str) -> str:
    """Return the common digest of a set whose arrays the package knows."""
    return hashlib.sha256("".join(SHA256[name, source]).encode()).hexdigest()


def _read_full(name, root):
    """Return the full arrays and their origin, `root` or torchvision."""
    default = platformdirs.user_cache_path("netdyn") / "data"
    root = Path(root or os.environ.get("NETDYN_DATA") or default).expanduser()
    path = root / f"{name}.npz"
    if path.exists():
        return _read_npz(path)

    from torchvision import datasets  # slow to import, and needed here only

    kind = getattr(datasets, SETS[name]["torchvision"])
    try:
        splits = [kind(root, train=train, download=True) for train in (True, False)]
    except (OSError, RuntimeError) as error:
        other = "" if (name, "sample") in SHA256 else " of mnist or cifar10"
        raise FileNotFoundError(
            f"full {name} is not in {root} and torchvision could not fetch it "
            f"({' '.join(str(error).split())}): put it at {path}, set NETDYN_DATA to "
            f"the folder that holds it, or use source='sample'{other}"
        ) from error
    parts = [part for split in splits for part in (split.data, split.targets)]
    arrays = {k: np.asarray(v, np.uint8) for k, v in zip(KEYS, parts, strict=True)}
    return arrays, f"torchvision's {SETS[name]['torchvision']} in {root}"


def _read_npz(path):
    """Return the four arrays of an npz, and its path."""
    try:
        # np.load leaves a file that it opened itself open if it is no zip
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in KEYS}, path
    except Exception as error:  # a changed byte can raise anything
        raise ValueError(
            f"{path} cannot be read as an npz of {', '.join(KEYS)} "
            f"({type(error).__name__}: {error}): {REMEDY}"
        ) from error


def _check_arrays(arrays, name, source, origin) -> str:
    """Return the common digest; ValueError for another form or content."""
    classes, shape = SETS[name]["classes"], tuple(SETS[name]["shape"])
    for x_key, y_key in (KEYS[:2], KEYS[2:]):
        x, y = arrays[x_key], arrays[y_key]
        images = x.dtype == np.uint8 and x.shape[1:] == shape
        labels = images and y.dtype == np.uint8 and y.size == len(x) > 0
        if not labels or y.max() >= len(classes):
            raise ValueError(
                f"{origin}: {x_key} ({x.dtype}, {x.shape}) and {y_key} ({y.dtype}, "
                f"{y.shape}) are not uint8 images of {shape} with a label below "
                f"{len(classes)} for each: {REMEDY}"
            )

    found = [hashlib.sha256(np.ascontiguousarray(arrays[k])).hexdigest() for k in KEYS]
    known = SHA256.get((name, source), found)
    wrong = [k for k, a, b in zip(KEYS, found, known, strict=True) if a != b]
    if wrong:
        raise ValueError(
            f"{origin} is not {name} ({source}), the SHA-256 differs for "
            f"{', '.join(wrong)}: {REMEDY}"
        )
    return hashlib.sha256("".join(found).encode()).hexdigest()


def _tensors(images, labels, classes) -> tuple[Tensor, Tensor]:
    """Return scaled inputs and targets of some classes, in the order of the file."""
    target = np.full(256, -1, np.int64)  # of each label
    target[list(classes)] = range(len(classes))
    targets = target[labels.reshape(-1)]
    images = torch.from_numpy(images[targets >= 0])

    # (N, H, W) or (N, H, W, C) → (N, C, H, W)
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    inputs = images.contiguous().float().div_(255).sub_(0.5).div_(0.5)
    return inputs, torch.from_numpy(targets[targets >= 0])
