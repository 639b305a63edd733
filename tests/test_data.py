"""Images are what they are called, scaled as torchvision would, or refused."""

from itertools import islice
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch

from netdyn_utils.data import CharText, InMemoryBatches, images, load_images
from netdyn_utils.data.batches import PANGRAM_TEXT


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny_arrays(shape=(28, 28), train=20, test=10):
    """Arrays in the form of a data set, with contents of none."""
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (train, *shape), np.uint8),
        "y_train": (np.arange(train) % 10).astype(np.uint8),
        "x_test": rng.integers(0, 256, (test, *shape), np.uint8),
        "y_test": (np.arange(test) % 10).astype(np.uint8),
    }


# Samples


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_inputs_are_bit_for_bit_those_of_torchvision_transforms(name):
    from torchvision.transforms import Compose, Normalize, ToTensor

    data = load_images(name)
    arrays, _ = images.read_arrays(name, "sample")
    transform = Compose([ToTensor(), Normalize(0.5, 0.5)])
    for k in range(0, 1_000, 50):
        assert torch.equal(data.train_inputs[k], transform(arrays["x_train"][k]))
        assert torch.equal(data.test_inputs[k], transform(arrays["x_test"][k]))
        assert data.train_targets[k] == arrays["y_train"][k]


@pytest.mark.parametrize(
    ("name", "image", "train", "test"),
    [("mnist", (1, 28, 28), 10_000, 2_000), ("cifar10", (3, 32, 32), 5_000, 1_000)],
)
def test_a_sample_has_its_form_and_fills_the_range(name, image, train, test):
    data = load_images(name)
    assert data.train_inputs.shape == (train, *image)
    assert data.test_inputs.shape == (test, *image)
    assert data.train_inputs.is_contiguous()
    assert data.train_targets.dtype == torch.int64
    assert (data.train_inputs.min(), data.train_inputs.max()) == (-1, 1)
    assert data.train_targets.unique().tolist() == list(range(len(data.classes)))
    assert data.verified
    assert data.digest == images.known_digest(name, "sample")


# A choice of classes


def test_digits_keep_the_images_of_these_classes_in_order():
    everything, some = load_images("mnist"), load_images("mnist", digits=(8, 3))
    chosen = (everything.train_targets == 3) | (everything.train_targets == 8)
    assert torch.equal(some.train_inputs, everything.train_inputs[chosen])
    assert some.classes == ("8", "3")
    labels = torch.tensor([int(label) for label in some.classes])
    assert torch.equal(labels[some.train_targets], everything.train_targets[chosen])
    assert some.digest == everything.digest
    assert load_images("cifar10", digits=[0, 9]).classes == ("airplane", "truck")


@pytest.mark.parametrize("digits", [[], [3, 3], [10], [1.5], [True], "38", 3])
def test_digits_that_are_no_choice_of_classes_are_refused(digits):
    with pytest.raises(ValueError, match="distinct whole numbers from 0 to 9"):
        load_images("mnist", digits=digits)


def test_every_set_names_each_of_its_classes_once():
    for name, (classes, *_) in images.SETS.items():
        assert len(set(classes)) == len(classes) == (100 if name == "cifar100" else 10)


# What is not the data set is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mnits",), "did you mean 'mnist'"),
        (("mnist", "ful"), "unknown source 'ful'"),
        (("cifar100",), "no sample of cifar100.*source='full'"),
    ],
)
def test_what_there_is_not_is_told_what_there_is(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_images(*arguments)


def flipped(data):
    data[len(data) // 2] ^= 0xFF
    return data


@pytest.mark.parametrize(
    "damage", [flipped, lambda data: data[:-1_000], lambda data: data[:0]]
)
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_damaged_file_is_refused(name, damage, tmp_path, monkeypatch):
    whole = (images.SAMPLES / f"{name}.npz").read_bytes()
    (tmp_path / f"{name}.npz").write_bytes(damage(bytearray(whole)))
    with pytest.raises(ValueError, match=rf"{name}\.npz .*delete it and fetch it ag"):
        load_images(name, "full", root=tmp_path)
    monkeypatch.setattr(images, "SAMPLES", tmp_path)
    with pytest.raises(ValueError, match="reinstall netdyn"):
        load_images(name)


def test_one_changed_pixel_is_refused_by_the_name_of_its_array(tmp_path, monkeypatch):
    arrays, _ = images.read_arrays("mnist", "sample")
    arrays["x_test"][5, 14, 14] ^= 1
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match="differs for x_train, y_train, x_test, y_te"):
        load_images("mnist", "full", root=tmp_path)  # nor is the sample the full set
    monkeypatch.setattr(images, "SAMPLES", tmp_path)
    with pytest.raises(ValueError, match="SHA-256 differs for x_test: reinstall"):
        load_images("mnist")


@pytest.mark.parametrize(
    "change",
    [
        {"x_train": np.zeros((20, 28, 28), np.float32)},
        {"x_train": np.zeros((20, 784), np.uint8)},
        {"y_test": np.zeros(9, np.uint8)},
        {"y_train": np.full(20, 10, np.uint8)},
        {"x_test": np.zeros((0, 28, 28), np.uint8), "y_test": np.zeros(0, np.uint8)},
    ],
    ids=["floats", "flat", "a label short", "label 10", "nothing"],
)
def test_arrays_of_another_form_are_refused(change, tmp_path):
    np.savez(tmp_path / "fashion-mnist.npz", **(tiny_arrays() | change))
    with pytest.raises(ValueError, match=r"are not uint8 images of \(28, 28\)"):
        load_images("fashion-mnist", "full", root=tmp_path)


def test_pickled_arrays_are_never_loaded_and_a_missing_one_is_named(tmp_path):
    arrays = tiny_arrays() | {"y_test": np.array([{}], dtype=object)}
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_images("mnist", "full", root=tmp_path)
    del arrays["y_test"]
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match=r"KeyError.*y_test"):
        load_images("mnist", "full", root=tmp_path)


# Full sets


def test_the_environment_names_the_folder_and_the_argument_goes_before_it(
    tmp_path, monkeypatch
):
    np.savez(tmp_path / "fashion-mnist.npz", **tiny_arrays())
    monkeypatch.setenv("NETDYN_DATA", str(tmp_path))
    first = load_images("fashion-mnist", "full")
    assert len(first.train_inputs) == 20
    assert not first.verified  # the package knows no digest of this set

    (tmp_path / "other").mkdir()
    np.savez(tmp_path / "other" / "fashion-mnist.npz", **tiny_arrays(train=30))
    data = load_images("fashion-mnist", "full", root=tmp_path / "other")
    assert len(data.train_inputs) == 30
    assert data.digest != first.digest


@pytest.mark.parametrize("failure", [URLError("no route"), RuntimeError("no\nroute")])
def test_a_failed_download_names_three_remedies(failure, tmp_path, monkeypatch):
    def fetch(*_, **__):
        raise failure

    monkeypatch.setattr("torchvision.datasets.MNIST", fetch)
    with pytest.raises(FileNotFoundError, match="no route") as caught:
        load_images("mnist", "full", root=tmp_path)
    message = str(caught.value)
    assert f"put it at {tmp_path / 'mnist'}.npz, set NETDYN_DATA" in message
    assert message.endswith("or use source='sample'")
    assert "\n" not in message


def test_a_download_gives_what_the_npz_of_the_same_arrays_gives(tmp_path, monkeypatch):
    arrays = tiny_arrays()

    def fetch(_root, *, train, download):
        assert download
        split = "train" if train else "test"
        targets = torch.from_numpy(arrays[f"y_{split}"]).long()  # as torchvision has it
        return SimpleNamespace(data=arrays[f"x_{split}"], targets=targets)

    monkeypatch.setattr("torchvision.datasets.FashionMNIST", fetch)
    monkeypatch.setattr("torchvision.datasets.MNIST", fetch)
    fetched = load_images("fashion-mnist", "full", root=tmp_path)
    np.savez(tmp_path / "fashion-mnist.npz", **arrays)
    read = load_images("fashion-mnist", "full", root=tmp_path)
    assert torch.equal(fetched.train_inputs, read.train_inputs)
    assert torch.equal(fetched.train_targets, read.train_targets)
    assert fetched.digest == read.digest
    with pytest.raises(ValueError, match=r"torchvision's MNIST in .* is not mnist"):
        load_images("mnist", "full", root=tmp_path)


# Character text


def test_windows_read_as_the_text_and_targets_as_the_text_one_character_on():
    text = CharText("to be or not to be", length=5)
    for k in range(len(text)):
        assert text.decode(text.inputs[k]) == text.text[k : k + 5]
        assert text.decode(text.targets[k]) == text.text[k + 1 : k + 6]
    with pytest.raises(ValueError, match=f"0 to {len(text.alphabet) - 1}"):
        text.decode([0, -1])


def test_the_pangram_is_one_copy_in_memory():
    text = CharText()
    assert len(PANGRAM_TEXT) == 3_500
    assert text.alphabet == "abcdefghijklmnopqrstuvwxyz"
    assert text.inputs.shape == text.targets.shape == (3_450, 50)
    assert text.inputs.untyped_storage().nbytes() == 8 * len(text.text)
    assert text.inputs.data_ptr() + 8 == text.targets.data_ptr()
    assert CharText("abcdef", 2).digest == CharText("abcdef", 3).digest
    assert CharText("abcdef", 2).digest != CharText("abcdeg", 2).digest


def test_a_text_without_a_next_character_is_refused():
    assert len(CharText("abcd", length=3)) == 1
    with pytest.raises(ValueError, match="longer text or a smaller length"):
        CharText("abc", length=3)


# Batches


def pairs(samples=10):
    """Inputs that tell their targets: a batch that mixes them up would show."""
    targets = torch.arange(samples)
    return torch.stack([targets, -targets], dim=1).float(), targets


@pytest.mark.parametrize(("size", "steps"), [(1, 10), (4, 3), (5, 2), (10, 1)])
def test_an_epoch_holds_every_sample_once_and_keeps_pairs_together(size, steps):
    state = torch.get_rng_state()
    batches = InMemoryBatches(*pairs(), size, generator=seeded())
    epoch = list(islice(batches, steps))
    assert sorted(torch.cat([targets for _, targets in epoch]).tolist()) == [*range(10)]
    assert all(torch.equal(inputs[:, 0].long(), targets) for inputs, targets in epoch)
    assert [len(targets) for _, targets in epoch[:-1]] == [size] * (steps - 1)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_same_seed_gives_the_same_batches_and_each_epoch_an_order_of_its_own():
    def order(seed):
        batches = InMemoryBatches(*pairs(50), 8, generator=seeded(seed))
        return torch.cat([targets for _, targets in islice(batches, 14)]).tolist()

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert order(1)[:50] != order(1)[50:]


def test_the_full_batch_is_the_data_itself_without_a_copy():
    inputs, targets = pairs()
    for x, y in islice(InMemoryBatches(inputs, targets, None), 3):
        assert x is inputs
        assert y is targets


@pytest.mark.parametrize("size", [0, 2.5, True, "8"])
def test_a_batch_size_that_counts_nothing_is_refused(size):
    with pytest.raises(ValueError, match="batch size must be a whole number"):
        InMemoryBatches(*pairs(), size, generator=seeded())


def test_batches_that_cannot_be_made_are_refused():
    inputs, targets = pairs()
    with pytest.raises(ValueError, match="batch size 11 is larger than the data"):
        InMemoryBatches(inputs, targets, 11, generator=seeded())
    with pytest.raises(ValueError, match="10 inputs and 9 targets"):
        InMemoryBatches(inputs, targets[:9], 3, generator=seeded())
    with pytest.raises(ValueError, match=r"pass a torch\.Generator"):
        InMemoryBatches(inputs, targets, 3)
