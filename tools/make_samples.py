"""Cut the image samples that ship with the package from the full data sets.

    python tools/make_samples.py FOLDER

reads FOLDER/mnist.npz and FOLDER/cifar10.npz, refuses them unless every array has
its canonical SHA-256, and writes the first images of each, in canonical order, to
netdyn_utils/data/samples/. The same arrays give the same file, byte for byte.
"""

import sys
from pathlib import Path

import numpy as np

from netdyn_utils.data import load_images, samples

SIZES = {"mnist": (10_000, 2_000), "cifar10": (5_000, 1_000)}  # train, test images
SAMPLES = Path(samples.__file__).parent


def make_sample(name: str, folder: Path) -> Path:
    """Write the sample of one data set and return its path."""
    load_images(name, "full", root=folder)  # refuses all but the canonical arrays
    sizes = dict(zip(("train", "test"), SIZES[name], strict=True))

    with np.load(folder / f"{name}.npz", allow_pickle=False) as full:
        arrays = {
            f"{axis}_{split}": full[f"{axis}_{split}"][:size]
            for split, size in sizes.items()
            for axis in "xy"
        }

    path = SAMPLES / f"{name}.npz"
    np.savez_compressed(path, **arrays)
    return path


def main(folder: str) -> None:
    """Write every sample, and load each as a reader would."""
    for name in SIZES:
        path = make_sample(name, Path(folder))
        sys.stdout.write(f"{path} ({path.stat().st_size:,} bytes)\n")
        sys.stdout.write(f"{load_images(name)!r}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
