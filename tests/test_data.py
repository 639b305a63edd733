"""Images are what they are called, scaled as torchvision would, or refused."""

from itertools import islice
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch

from netdyn_utils.data import image_files
from netdyn_utils.data.batches import (
    PANGRAM_TEXT,
    CharText,
    InMemoryBatches,
    load_images,
)


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


def shipped_bytes(name):
    return (image_files.SAMPLES / f"{name}.npz").read_bytes()


# Samples


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_inputs_are_bit_for_bit_those_of_torchvision_transforms(name):
    from torchvision.transforms import Compose, Normalize, ToTensor

    data = load_images(name)
    arrays, _ = image_files.read_arrays(name, "sample")
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
    assert data.train_inputs.dtype == torch.float32
    assert data.train_targets.dtype == torch.int64
    assert (data.train_inputs.min(), data.train_inputs.max()) == (-1, 1)
    assert data.train_targets.unique().tolist() == list(range(len(data.classes)))
    assert data.verified
    assert "\n" not in repr(data)


def test_loading_twice_gives_the_same_tensors_and_digest():
    first, second = load_images("mnist"), load_images("mnist")
    assert torch.equal(first.train_inputs, second.train_inputs)
    assert first.digest == second.digest


def test_different_sets_have_different_digests():
    assert load_images("mnist").digest != load_images("cifar10").digest


# A choice of classes


def test_digits_keep_the_images_of_these_classes_in_order():
    everything, some = load_images("mnist"), load_images("mnist", digits=(3, 8))
    chosen = (everything.train_targets == 3) | (everything.train_targets == 8)

    assert torch.equal(some.train_inputs, everything.train_inputs[chosen])
    assert some.classes == ("3", "8")
    labels = torch.tensor([int(label) for label in some.classes])
    assert torch.equal(labels[some.train_targets], everything.train_targets[chosen])


def test_targets_follow_the_order_of_the_digits():
    forth, back = (load_images("mnist", digits=d) for d in ([3, 8], [8, 3]))
    assert torch.equal(forth.train_inputs, back.train_inputs)
    assert torch.equal(forth.train_targets, 1 - back.train_targets)


def test_all_ten_digits_change_nothing_and_the_digest_is_of_the_whole_set():
    everything = load_images("mnist")
    assert torch.equal(
        load_images("mnist", digits=range(10)).test_targets, everything.test_targets
    )
    assert load_images("mnist", digits=[7]).digest == everything.digest


def test_digits_are_class_indices_of_any_ten_class_set():
    assert load_images("cifar10", digits=[0, 9]).classes == ("airplane", "truck")


@pytest.mark.parametrize("digits", [[], [3, 3], [10], [-1], [1.5], [True], "38", 3])
def test_digits_that_are_no_choice_of_classes_are_refused(digits):
    with pytest.raises(ValueError, match="distinct whole numbers from 0 to 9"):
        load_images("mnist", digits=digits)


def test_digits_of_a_hundred_class_set_are_refused():
    with pytest.raises(ValueError, match="cifar100 has 100"):
        load_images("cifar100", "full", digits=[1])


def test_every_set_names_each_of_its_classes_once():
    for name, (classes, *_) in image_files.SETS.items():
        assert len(set(classes)) == len(classes) == (100 if name == "cifar100" else 10)


# What is not the data set is refused


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'mnist'"):
        load_images("mnits")
    with pytest.raises(ValueError, match="unknown source 'ful'"):
        load_images("mnist", "ful")


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar100"])
def test_a_set_without_a_sample_says_so(name):
    with pytest.raises(ValueError, match=f"no sample of {name}.*source='full'"):
        load_images(name)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
@pytest.mark.parametrize("place", [0.02, 0.5, 0.97])
def test_one_flipped_byte_is_refused(name, place, tmp_path):
    damaged = bytearray(shipped_bytes(name))
    damaged[int(place * len(damaged))] ^= 0xFF
    (tmp_path / f"{name}.npz").write_bytes(damaged)

    with pytest.raises(
        ValueError, match=rf"{name}\.npz .*delete it and fetch it again"
    ):
        load_images(name, "full", root=tmp_path)


@pytest.mark.parametrize("kept", [0, 0.001, 0.5, 0.9999])
def test_a_truncated_file_is_refused(kept, tmp_path):
    whole = shipped_bytes("mnist")
    (tmp_path / "mnist.npz").write_bytes(whole[: int(kept * len(whole))])

    with pytest.raises(ValueError, match=r"mnist\.npz can not be read"):
        load_images("mnist", "full", root=tmp_path)


def test_a_damaged_sample_is_refused(tmp_path, monkeypatch):
    (tmp_path / "mnist.npz").write_bytes(shipped_bytes("mnist")[:-1_000])
    monkeypatch.setattr(image_files, "SAMPLES", tmp_path)

    with pytest.raises(ValueError, match="reinstall netdyn"):
        load_images("mnist")


def test_one_changed_pixel_is_refused_by_the_name_of_its_array(tmp_path, monkeypatch):
    arrays, _ = image_files.read_arrays("mnist", "sample")
    arrays["x_test"][5, 14, 14] ^= 1
    np.savez(tmp_path / "mnist.npz", **arrays)
    monkeypatch.setattr(image_files, "SAMPLES", tmp_path)

    with pytest.raises(ValueError, match="SHA-256 differs for x_test: reinstall"):
        load_images("mnist")


def test_the_sample_is_not_taken_for_the_full_set(tmp_path):
    (tmp_path / "mnist.npz").write_bytes(shipped_bytes("mnist"))
    with pytest.raises(
        ValueError, match="differs for x_train, y_train, x_test, y_test"
    ):
        load_images("mnist", "full", root=tmp_path)


@pytest.mark.parametrize(
    ("name", "shape"), [("mnist", (28, 28)), ("cifar10", (32, 32, 3))]
)
def test_arrays_of_the_right_form_and_other_contents_are_refused(name, shape, tmp_path):
    np.savez(tmp_path / f"{name}.npz", **tiny_arrays(shape))
    with pytest.raises(ValueError, match=rf"is not {name} \(full\)"):
        load_images(name, "full", root=tmp_path)


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


def test_a_missing_array_is_named(tmp_path):
    arrays = tiny_arrays()
    del arrays["y_test"]
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match=r"KeyError.*y_test"):
        load_images("mnist", "full", root=tmp_path)


def test_pickled_arrays_are_never_loaded(tmp_path):
    arrays = tiny_arrays() | {"y_test": np.array([{}], dtype=object)}
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_images("mnist", "full", root=tmp_path)


def test_a_lone_array_is_no_data_set(tmp_path):
    with (tmp_path / "mnist.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="can not be read as an npz"):
        load_images("mnist", "full", root=tmp_path)


# Full sets


def test_a_set_without_known_digests_is_read_and_called_unverified(tmp_path):
    arrays = tiny_arrays()
    np.savez(tmp_path / "fashion-mnist.npz", **arrays)
    data = load_images("fashion-mnist", "full", root=tmp_path)

    assert not data.verified
    assert torch.equal(data.test_targets, torch.from_numpy(arrays["y_test"]).long())
    arrays["x_test"][0, 0, 0] ^= 1
    np.savez(tmp_path / "fashion-mnist.npz", **arrays)
    assert load_images("fashion-mnist", "full", root=tmp_path).digest != data.digest


def test_the_environment_names_the_folder_and_the_argument_goes_before_it(
    tmp_path, monkeypatch
):
    np.savez(tmp_path / "fashion-mnist.npz", **tiny_arrays())
    monkeypatch.setenv("NETDYN_DATA", str(tmp_path))
    assert len(load_images("fashion-mnist", "full").train_inputs) == 20

    (tmp_path / "other").mkdir()
    np.savez(tmp_path / "other" / "fashion-mnist.npz", **tiny_arrays(train=30))
    data = load_images("fashion-mnist", "full", root=tmp_path / "other")
    assert len(data.train_inputs) == 30


@pytest.mark.parametrize("failure", [URLError("no route"), RuntimeError("no\nroute")])
@pytest.mark.parametrize(
    ("name", "kind", "remedy"),
    [
        ("mnist", "MNIST", "or use source='sample'"),
        ("cifar100", "CIFAR100", "or take mnist or cifar10 with source='sample'"),
    ],
)
def test_a_failed_download_names_three_remedies(
    failure, name, kind, remedy, tmp_path, monkeypatch
):
    def fetch(*_, **__):
        raise failure

    monkeypatch.setattr(f"torchvision.datasets.{kind}", fetch)
    with pytest.raises(FileNotFoundError, match="no route") as caught:
        load_images(name, "full", root=tmp_path)

    message = str(caught.value)
    assert f"put it at {tmp_path / name}.npz, set NETDYN_DATA" in message
    assert message.endswith(remedy)
    assert "\n" not in message


def downloads(arrays):
    """A stand-in for a class of torchvision.datasets that has fetched `arrays`."""

    def fetch(_root, *, train, download):
        assert download
        split = "train" if train else "test"
        targets = torch.from_numpy(arrays[f"y_{split}"]).long()  # as torchvision has it
        return SimpleNamespace(data=arrays[f"x_{split}"], targets=targets)

    return fetch


def test_a_download_gives_what_the_npz_of_the_same_arrays_gives(tmp_path, monkeypatch):
    arrays = tiny_arrays()
    monkeypatch.setattr("torchvision.datasets.FashionMNIST", downloads(arrays))
    fetched = load_images("fashion-mnist", "full", root=tmp_path)
    np.savez(tmp_path / "fashion-mnist.npz", **arrays)
    read = load_images("fashion-mnist", "full", root=tmp_path)

    assert torch.equal(fetched.train_inputs, read.train_inputs)
    assert torch.equal(fetched.train_targets, read.train_targets)
    assert fetched.digest == read.digest


def test_a_download_of_other_contents_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.MNIST", downloads(tiny_arrays()))
    with pytest.raises(ValueError, match=r"torchvision's MNIST in .* is not mnist"):
        load_images("mnist", "full", root=tmp_path)


# Character text


def test_the_pangram_has_3500_characters_26_of_them_different():
    text = CharText()
    assert len(PANGRAM_TEXT) == 3_500
    assert text.alphabet == "abcdefghijklmnopqrstuvwxyz"
    assert text.inputs.shape == text.targets.shape == (3_450, 50)
    assert len(text) == 3_450
    assert text.inputs.dtype == text.targets.dtype == torch.int64


def test_windows_read_as_the_text_and_targets_as_the_text_one_character_on():
    text = CharText("to be or not to be", length=5)
    for k in range(len(text)):
        assert text.decode(text.inputs[k]) == text.text[k : k + 5]
        assert text.decode(text.targets[k]) == text.text[k + 1 : k + 6]


def test_windows_share_the_memory_of_one_copy_of_the_text():
    text = CharText()
    assert text.inputs.stride() == (1, 1)
    assert text.inputs.untyped_storage().nbytes() == 8 * len(text.text)
    assert text.inputs.data_ptr() + 8 == text.targets.data_ptr()


def test_the_digest_is_of_the_text_and_not_of_the_window():
    assert CharText("abcdef", 2).digest == CharText("abcdef", 3).digest
    assert CharText("abcdef", 2).digest != CharText("abcdeg", 2).digest
    assert "\n" not in repr(CharText("a\nb", 1))


def test_a_text_without_a_next_character_is_refused():
    assert len(CharText("abcd", length=3)) == 1
    with pytest.raises(ValueError, match="longer text or a smaller length"):
        CharText("abc", length=3)
    with pytest.raises(ValueError, match="length must be a whole number"):
        CharText("abc", length=0)


@pytest.mark.parametrize("index", [-1, 3])
def test_an_index_outside_the_alphabet_is_refused(index):
    with pytest.raises(ValueError, match="0 to 2"):
        CharText("abc", length=1).decode([0, index])


# Batches


def pairs(samples=10):
    """Inputs that tell their targets: a batch that mixes them up would show."""
    targets = torch.arange(samples)
    return torch.stack([targets, -targets], dim=1).float(), targets


@pytest.mark.parametrize(("size", "steps"), [(1, 10), (4, 3), (5, 2), (10, 1)])
def test_an_epoch_holds_every_sample_once_and_keeps_pairs_together(size, steps):
    batches = InMemoryBatches(*pairs(), size, generator=seeded())
    epoch = list(islice(batches, batches.steps_per_epoch))

    assert len(epoch) == steps
    assert sorted(torch.cat([targets for _, targets in epoch]).tolist()) == [*range(10)]
    assert all(torch.equal(inputs[:, 0].long(), targets) for inputs, targets in epoch)
    assert [len(targets) for _, targets in epoch[:-1]] == [size] * (steps - 1)


def test_the_same_seed_gives_the_same_batches_over_epochs_and_another_does_not():
    def order(seed):
        batches = InMemoryBatches(*pairs(50), 8, generator=seeded(seed))
        return torch.cat([targets for _, targets in islice(batches, 21)]).tolist()

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_each_epoch_has_an_order_of_its_own():
    batches = iter(InMemoryBatches(*pairs(50), 50, generator=seeded()))
    assert not torch.equal(next(batches)[1], next(batches)[1])


def test_batches_draw_from_their_generator_only():
    state = torch.get_rng_state()
    next(iter(InMemoryBatches(*pairs(), 4, generator=seeded())))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_full_batch_is_the_data_itself_without_a_copy():
    inputs, targets = pairs()
    batches = InMemoryBatches(inputs, targets, None)
    assert batches.steps_per_epoch == 1
    for x, y in islice(batches, 3):
        assert x is inputs
        assert y is targets


def test_windows_of_text_can_be_batched():
    text = CharText()
    batches = InMemoryBatches(text.inputs, text.targets, 8, generator=seeded())
    inputs, targets = next(iter(batches))
    assert torch.equal(inputs[:, 1:], targets[:, :-1])


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "8", float("nan")])
def test_a_batch_size_that_counts_nothing_is_refused(size):
    with pytest.raises(ValueError, match="batch size must be a whole number"):
        InMemoryBatches(*pairs(), size, generator=seeded())


def test_batches_that_can_not_be_made_are_refused():
    inputs, targets = pairs()
    with pytest.raises(ValueError, match="batch size 11 is larger than the data"):
        InMemoryBatches(inputs, targets, 11, generator=seeded())
    with pytest.raises(ValueError, match="10 inputs and 9 targets"):
        InMemoryBatches(inputs, targets[:9], 3, generator=seeded())
    with pytest.raises(ValueError, match="at least one"):
        InMemoryBatches(inputs[:0], targets[:0], None)
    with pytest.raises(ValueError, match=r"pass a torch\.Generator"):
        InMemoryBatches(inputs, targets, 3)
