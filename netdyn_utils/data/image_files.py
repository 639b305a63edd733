"""Image sets as files: what each is, and arrays that are proved before they are used.

Nothing is called MNIST or CIFAR-10 before the SHA-256 of each of its arrays agrees,
and nothing falls back to other data: what is not there, or is not right, is an error.
"""

import hashlib
import os
import zlib
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import platformdirs

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
_DAMAGE = (  # what numpy and zipfile raise on bytes that were changed or cut off
    AttributeError,
    BadZipFile,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zlib.error,
)


def read_arrays(
    name: str, source: str, root: str | os.PathLike | None = None
) -> tuple[dict[str, np.ndarray], str]:
    """Read the four uint8 arrays of a set, checked, and their common digest.

    See `netdyn_utils.data.batches.load_images` for the arguments and the errors.

    >>> arrays, digest = read_arrays("cifar10", "sample")
    >>> arrays["x_train"].shape, arrays["y_test"].shape
    ((5000, 32, 32, 3), (1000,))
    """
    arrays, origin = _shipped(name) if source == "sample" else _full(name, root)
    return arrays, _check(arrays, name, source, origin)


def known_digest(name: str, source: str) -> str:
    """Return the common digest of a set whose arrays the package knows.

    >>> known_digest("mnist", "sample") == read_arrays("mnist", "sample")[1]
    True
    """
    return _common(SHA256[name, source])


def choose_classes(name: str, digits: Sequence[int] | None) -> tuple[int, ...]:
    """Return the class indices to keep: `digits` if they can be, or else all.

    >>> choose_classes("mnist", [3, 8])
    (3, 8)
    """
    count = len(SETS[name][0])
    if digits is None:
        return tuple(range(count))
    if count != 10:
        raise ValueError(f"digits picks from ten classes, {name} has {count}: omit it")
    kept = tuple(digits) if isinstance(digits, Iterable) else ()
    whole = all(isinstance(k, Integral) and not isinstance(k, bool) for k in kept)
    if not kept or not whole or len(set(kept) & {*range(10)}) < len(kept):
        raise ValueError(
            "digits must be distinct whole numbers from 0 to 9, at least one, "
            f"such as (3, 8), got {digits!r}"
        )
    return tuple(map(int, kept))


def _shipped(name):
    """The sample in the package, and where it is."""
    if (name, "sample") not in SHA256:
        raise ValueError(f"no sample of {name} ships with netdyn: use source='full'")
    path = SAMPLES / f"{name}.npz"
    return _read_npz(path), path


def _full(name, root):
    """The full arrays from an npz in `root`, else from torchvision; and where it is."""
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
    """The four arrays of an npz; whatever is wrong with the file, one error."""
    try:
        # np.load leaves a file that it opened itself open if it is no zip
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in KEYS}
    except _DAMAGE as error:
        raise ValueError(
            f"{path} can not be read as an npz of {', '.join(KEYS)} "
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
