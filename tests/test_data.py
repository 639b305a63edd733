"""Data sets are verified, scaled as torchvision does, or refused."""

from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from netdyn_utils.data import CharText, InMemoryBatches, images, load_images


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_arrays(train=20, test=10):
    """Return random arrays in the form of a data set."""
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (train, 28, 28), np.uint8),
        "y_train": (np.arange(train) % 10).astype(np.uint8),
        "x_test": rng.integers(0, 256, (test, 28, 28), np.uint8),
        "y_test": (np.arange(test) % 10).astype(np.uint8),
    }


@pytest.mark.parametrize(
    ("name", "image", "train", "test"),
    [("mnist", (1, 28, 28), 10_000, 2_000), ("cifar10", (3, 32, 32), 5_000, 1_000)],
)
def test_samples_are_bit_for_bit_scaled_as_by_torchvision(name, image, train, test):
    from torchvision.transforms import Compose, Normalize, ToTensor

    data = load_images(name)
    arrays, _ = images.read_arrays(name, "sample")
    transform = Compose([ToTensor(), Normalize(0.5, 0.5)])
    for k in range(0, 1_000, 50):
        assert torch.equal(data.train_inputs[k], transform(arrays["x_train"][k]))
        assert torch.equal(data.test_inputs[k], transform(arrays["x_test"][k]))
        assert data.train_targets[k] == arrays["y_train"][k]
    assert data.train_inputs.shape == (train, *image)
    assert data.test_inputs.shape == (test, *image)
    assert data.train_inputs.is_contiguous()
    assert (data.train_inputs.min(), data.train_inputs.max()) == (-1, 1)
    assert data.train_targets.unique().tolist() == list(range(len(data.classes)))
    assert data.verified
    assert data.digest == images.known_digest(name, "sample")


def test_classes_select_their_images_in_the_order_of_the_file():
    everything, some = load_images("mnist"), load_images("mnist", classes=(8, 3))
    chosen = (everything.train_targets == 3) | (everything.train_targets == 8)
    assert torch.equal(some.train_inputs, everything.train_inputs[chosen])
    assert some.classes == ("8", "3")
    labels = torch.tensor([8, 3])
    assert torch.equal(labels[some.train_targets], everything.train_targets[chosen])
    assert some.digest == everything.digest
    assert load_images("cifar10", digits=[0, 9]).classes == ("airplane", "truck")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mnits", {}, "did you mean 'mnist'"),
        ("mnist", {"source": "ful"}, "unknown source 'ful'"),
        ("cifar100", {}, "no sample of cifar100.*source='full'"),
        *[("mnist", {"classes": k}, "numbers from 0 to 9") for k in ([], [3, 3], [10])],
    ],
)
def test_unknown_sets_sources_and_classes_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        load_images(name, **options)


def test_one_changed_pixel_is_refused_by_the_name_of_its_array(tmp_path, monkeypatch):
    arrays, _ = images.read_arrays("mnist", "sample")
    arrays["x_test"][5, 14, 14] ^= 1
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match="differs for x_train, y_train, x_test, y_te"):
        load_images("mnist", "full", root=tmp_path)  # nor is the sample the full set
    monkeypatch.setattr(images, "SAMPLES", tmp_path)
    with pytest.raises(ValueError, match=r"differs for x_test: .* reinstall"):
        load_images("mnist")


@pytest.mark.parametrize(
    "change",
    [
        {"x_train": np.zeros((20, 28, 28), np.float32)},
        {"x_train": np.zeros((20, 784), np.uint8)},
        {"y_test": np.zeros(9, np.uint8)},
        {"y_train": np.full(20, 10, np.uint8)},
        {"x_test": np.zeros((0, 28, 28), np.uint8), "y_test": np.zeros(0, np.uint8)},
        {"y_test": np.array([{}], dtype=object)},
    ],
    ids=["floats", "flat", "a label short", "label 10", "nothing", "pickled"],
)
def test_arrays_of_another_form_are_refused(change, tmp_path):
    np.savez(tmp_path / "fashion-mnist.npz", **(random_arrays() | change))
    message = r"are not uint8 images of \(28, 28\)|allow_pickle=False"
    with pytest.raises(ValueError, match=message):
        load_images("fashion-mnist", "full", root=tmp_path)


def test_root_goes_before_the_environment(tmp_path, monkeypatch):
    (other := tmp_path / "other").mkdir()
    for folder, size in ((tmp_path, 20), (other, 30)):
        np.savez(folder / "fashion-mnist.npz", **random_arrays(train=size))
    monkeypatch.setenv("NETDYN_DATA", str(tmp_path))
    for root, size in ((None, 20), (other, 30)):
        data = load_images("fashion-mnist", "full", root=root)
        assert len(data.train_inputs) == size
        assert not data.verified  # the package knows no digest of this set


def test_a_failed_download_says_what_to_do(tmp_path, monkeypatch):
    def fetch(*_, **__):
        raise OSError("no\nroute")

    monkeypatch.setattr("torchvision.datasets.MNIST", fetch)
    with pytest.raises(FileNotFoundError, match="no route") as caught:
        load_images("mnist", "full", root=tmp_path)
    message = str(caught.value)
    assert f"put it at {tmp_path / 'mnist'}.npz, set NETDYN_DATA" in message
    assert message.endswith("or use source='sample'")


def test_a_download_gives_what_the_npz_of_the_same_arrays_gives(tmp_path, monkeypatch):
    arrays = random_arrays()

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


def test_windows_read_as_the_text_and_targets_as_the_text_one_character_on():
    text = CharText("to be or not to be", length=5)
    for k in range(len(text)):
        assert text.decode(text.inputs[k]) == text.text[k : k + 5]
        assert text.decode(text.targets[k]) == text.text[k + 1 : k + 6]
    with pytest.raises(ValueError, match=f"0 to {len(text.alphabet) - 1}"):
        text.decode([0, -1])
    with pytest.raises(ValueError, match="longer text or a smaller length"):
        CharText("abc", length=3)


def test_the_pangram_has_the_authors_size_and_is_one_copy_in_memory():
    text = CharText()
    assert len(text.alphabet) == 26
    assert text.inputs.shape == text.targets.shape == (3_450, 50)
    assert text.inputs.data_ptr() + 8 == text.targets.data_ptr()


def pairs(samples=10):
    """Return inputs that determine their targets."""
    targets = torch.arange(samples)
    return torch.stack([targets, -targets], dim=1).float(), targets


@pytest.mark.parametrize(("size", "steps"), [(1, 10), (4, 3), (5, 2), (10, 1)])
def test_an_epoch_holds_every_sample_once_and_keeps_pairs_together(size, steps):
    state = torch.get_rng_state()
    epoch = [*islice(InMemoryBatches(*pairs(), size, generator=seeded()), steps)]
    assert torch.equal(torch.get_rng_state(), state)
    assert sorted(torch.cat([targets for _, targets in epoch]).tolist()) == [*range(10)]
    assert all(torch.equal(inputs[:, 0].long(), targets) for inputs, targets in epoch)
    assert [len(targets) for _, targets in epoch[:-1]] == [size] * (steps - 1)


def test_the_same_seed_gives_the_same_batches_and_each_epoch_another_order():
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


@pytest.mark.parametrize(
    ("count", "size", "generator", "message"),
    [
        (10, 2.5, seeded(), "batch size must be a whole number"),
        (10, 11, seeded(), "batch size 11 is larger than the data"),
        (9, 3, seeded(), "10 inputs and 9 targets"),
        (10, 3, None, r"pass a torch\.Generator"),
    ],
)
def test_batches_that_cannot_be_made_are_refused(count, size, generator, message):
    inputs, targets = pairs()
    with pytest.raises(ValueError, match=message):
        InMemoryBatches(inputs, targets[:count], size, generator=generator)
