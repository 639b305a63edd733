"""Image sets: files that are proved before they are used, and tensors in memory.

Nothing is called MNIST or CIFAR-10 before the SHA-256 of each of its arrays agrees,
and nothing falls back to other data: what is not there, or is not right, is an error.
The book's page on the data has sizes, licences and citations.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import numpy as np
import platformdirs
import torch
from torch import Tensor

from ..validation import check_choice

KEYS = ("x_train", "y_train", "x_test", "y_test")  # as in the npz files of Keras
SHA256 = {  # of the bytes of each uint8 array, in the order of KEYS
    ("mnist", "full"): (
        "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
        "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
        "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    ),
    ("mnist", "sample"): (
        "2f7182bf021ffc5c1f62db987487f14d899b5c639f421a80f3095affc09a7db2",
        "2f345bad07338ec537641465e169cc4b7288a44244f251211c7f842641e7d927",
        "170ff6838184f9ec6aaa1bbb5932ed59b7463585418d2da081525165ef21edae",
        "949a3782a9c308bf8ca08ff720810fe1de358fe09887727264c684c785d1ec53",
    ),
    ("cifar10", "full"): (
        "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
        "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
        "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
        "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
    ),
    ("cifar10", "sample"): (
        "c60be474cc3b1f259ec6533177319e08544ec7e5bae0fb92dff084d381b65826",
        "0cbafd4dfb25472c7c0d137ea8e7920f0afa3475882651ef6f8825cb39e748fb",
        "da362006b99671213d1a5d856cab2bedf64d40bad4501630ee60f4ceb2d3ec7f",
        "636a087e604331a0b9dafc94b6e9ade0c9cec72c4400d12473ccdb3e264474c1",
    ),
}
_CIFAR100 = """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl
boy bridge bus butterfly camel can castle caterpillar cattle chair chimpanzee clock
cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox
girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man
maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree
pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road
rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip
turtle wardrobe whale willow_tree wolf woman worm"""
_FASHION = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
SETS = {  # classes, shape of one stored image, class in torchvision.datasets
    "mnist": (tuple("0123456789"), (28, 28), "MNIST"),
    "cifar10": (tuple(_CIFAR10.split()), (32, 32, 3), "CIFAR10"),
    "fashion-mnist": (tuple(_FASHION.split(",")), (28, 28), "FashionMNIST"),
    "cifar100": (tuple(_CIFAR100.split()), (32, 32, 3), "CIFAR100"),
}
SAMPLES = Path(__file__).parent / "samples"


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
    train_inputs: Tensor  # (samples, channels, height, width), in [−1, 1]
    train_targets: Tensor  # (samples,), int64
    test_inputs: Tensor
    test_targets: Tensor
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
        If a full set is not in `root` and cannot be downloaded.

    Examples
    --------
    >>> load_images("mnist", digits=(3, 8)).classes
    ('3', '8')
    """
    check_choice(name, SETS, "data set")
    check_choice(source, ("sample", "full"), "source")
    indices = _class_indices(name, digits)
    arrays, digest = read_arrays(name, source, root)

    classes = tuple(SETS[name][0][k] for k in indices)
    train = _tensors(arrays["x_train"], arrays["y_train"], indices)
    test = _tensors(arrays["x_test"], arrays["y_test"], indices)
    return ImageData(name, source, classes, *train, *test, digest)


def read_arrays(
    name: str, source: str, root: str | os.PathLike | None = None
) -> tuple[dict[str, np.ndarray], str]:
    """Read the four uint8 arrays of a set, checked, and their common digest."""
    arrays, origin = _shipped(name) if source == "sample" else _full(name, root)
    return arrays, _check(arrays, name, source, origin)


def known_digest(name: str, source: str) -> str:
    """Return the common digest of a set whose arrays the package knows."""
    return _common(SHA256[name, source])


def _class_indices(name, digits):
    """Return the class indices to keep: `digits` if they can be, or else all."""
    count = len(SETS[name][0])
    if digits is None:
        return tuple(range(count))
    if count != 10:
        raise ValueError(f"digits picks from ten classes, {name} has {count}: omit it")
    chosen = tuple(digits) if isinstance(digits, Iterable) else ()
    whole = all(isinstance(k, Integral) and not isinstance(k, bool) for k in chosen)
    if not chosen or not whole or len(set(chosen) & {*range(10)}) < len(chosen):
        raise ValueError(
            "digits must be distinct whole numbers from 0 to 9, at least one, "
            f"such as (3, 8), got {digits!r}"
        )
    return tuple(map(int, chosen))


def _shipped(name):
    """Return the sample in the package, and its path."""
    if (name, "sample") not in SHA256:
        raise ValueError(f"no sample of {name} ships with netdyn: use source='full'")
    path = SAMPLES / f"{name}.npz"
    return _read_npz(path), path


def _full(name, root):
    """Return the full arrays from `root`, else from torchvision, and their origin."""
    default = platformdirs.user_cache_path("netdyn") / "data"
    root = Path(root or os.environ.get("NETDYN_DATA") or default).expanduser()
    path = root / f"{name}.npz"
    if path.exists():
        return _read_npz(path), path

    from torchvision import datasets  # slow to import, and needed here only

    kind = SETS[name][2]
    try:
        train = getattr(datasets, kind)(root, train=True, download=True)
        test = getattr(datasets, kind)(root, train=False, download=True)
    except (OSError, RuntimeError) as error:
        ships = (name, "sample") in SHA256
        other = "use" if ships else "take mnist or cifar10 with"
        raise FileNotFoundError(
            f"full {name} is not in {root} and torchvision could not fetch it "
            f"({' '.join(str(error).split())}): put it at {path}, set NETDYN_DATA to "
            f"the folder that holds it, or {other} source='sample'"
        ) from error
    parts = (train.data, train.targets, test.data, test.targets)
    arrays = {k: np.asarray(v, np.uint8) for k, v in zip(KEYS, parts, strict=True)}
    return arrays, f"torchvision's {kind} in {root}"


def _read_npz(path):
    """Return the four arrays of an npz; whatever is wrong with the file, one error."""
    try:
        # np.load leaves a file that it opened itself open if it is no zip
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in KEYS}
    except Exception as error:  # a changed byte can raise anything
        raise ValueError(
            f"{path} cannot be read as an npz of {', '.join(KEYS)} "
            f"({type(error).__name__}: {error}): {_remedy(path)}"
        ) from error


def _check(arrays, name, source, origin):
    """Refuse arrays of another form or content; return the digest of all four."""
    classes, shape, _ = SETS[name]
    for split in ("train", "test"):
        x, y = arrays[f"x_{split}"], arrays[f"y_{split}"]
        images = x.dtype == np.uint8 and x.shape[1:] == shape
        labels = images and y.dtype == np.uint8 and y.size == len(x) > 0
        if not labels or y.max() >= len(classes):
            raise ValueError(
                f"{origin}: x_{split} ({x.dtype}, {x.shape}) and y_{split} ({y.dtype}, "
                f"{y.shape}) are not uint8 images of {shape} with a label below "
                f"{len(classes)} for each: {_remedy(origin)}"
            )

    found = [hashlib.sha256(np.ascontiguousarray(arrays[k])).hexdigest() for k in KEYS]
    known = SHA256.get((name, source), found)
    wrong = [k for k, a, b in zip(KEYS, found, known, strict=True) if a != b]
    if wrong:
        raise ValueError(
            f"{origin} is not {name} ({source}), the SHA-256 differs for "
            f"{', '.join(wrong)}: {_remedy(origin)}"
        )
    return _common(found)


def _common(digests):
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _remedy(origin):
    shipped = isinstance(origin, Path) and origin.parent == SAMPLES
    return "reinstall netdyn" if shipped else "delete it and fetch it again"


def _tensors(images, labels, classes):
    """Return scaled inputs and targets of some classes, in the order of the file."""
    target = np.full(256, -1, np.int64)  # of each label
    target[list(classes)] = range(len(classes))
    targets = target[labels.reshape(-1)]
    images = torch.from_numpy(images[targets >= 0])

    # (N, H, W) or (N, H, W, C) → (N, C, H, W)
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    inputs = images.contiguous().float().div_(255).sub_(0.5).div_(0.5)
    return inputs, torch.from_numpy(targets[targets >= 0])
