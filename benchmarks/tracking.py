"""What it costs to count every update, against not counting and against keeping all.

"Keeping all" is the way of the published scripts: a DataLoader that transforms every
image anew, a list of |Δw| and of |w| of every step per parameter, `np.save` in bulk.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from netdyn_utils.data import InMemoryBatches, load_images
from netdyn_utils.flat_parameters import FlatParameters
from netdyn_utils.networks import ConvNet, ConvNetConfig, build_model
from netdyn_utils.tracking.updates import UpdateTracker
from netdyn_utils.training import OPTIMIZERS, TrainConfig, train_steps

from .timing import Row, ratio, take_turns

OPTIMIZERS["torch"] = torch.optim.SGD  # with all its options, as readers use it
DATA = {"mlp": "mnist", "convnet": "cifar10"}
FLUSH = {"mlp": 1_000, "convnet": 50}  # steps between two np.save; theirs: 5,000, 200


class Images(Dataset):
    """Images that become PIL objects and tensors one by one, as torchvision's do."""

    def __init__(self, data):
        grey = data.train_inputs.shape[1] == 1
        pixels = ((data.train_inputs + 1) * 127.5).round().to(torch.uint8)
        self.images = pixels.movedim(1, -1).squeeze(-1).numpy()
        self.targets = data.train_targets.tolist()
        half = (0.5,) if grey else (0.5, 0.5, 0.5)
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize(half, half)]
        )

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = Image.fromarray(self.images[index])
        return self.transform(image), self.targets[index]


class KeepEverything:
    """Lists of |Δw| and |w| per parameter, written out and emptied every `flush`."""

    def __init__(self, model, folder: Path, flush: int):
        self.model, self.folder, self.flush, self.steps = model, folder, flush, 0
        self._restart()

    def _restart(self):
        self.before = {n: p.clone().detach() for n, p in self.model.named_parameters()}
        self.lists = {name: ([], []) for name in self.before}

    @torch.no_grad()
    def update(self):
        for name, parameter in self.model.named_parameters():
            change = parameter.clone().detach() - self.before[name]
            changes, weights = self.lists[name]
            changes.append(change.flatten().abs().numpy())
            weights.append(parameter.clone().detach().flatten().numpy())
            self.before[name] = parameter.clone().detach()
        self.steps += 1
        if self.steps % self.flush == 0:
            for name, pair in self.lists.items():
                for kind, rows in zip(("changes", "weights"), pair, strict=True):
                    with (self.folder / f"{name}_{kind}.npy").open("wb") as file:
                        np.save(file, np.vstack(np.array(rows)))
                        # A run writes far more than the page cache holds, so that the
                        # disk's own time is part of it.
                        os.fsync(file.fileno())
            self._restart()


class PublishedConvNet(ConvNet):
    """The same layers in torch's usual layout of images, as the published script."""

    def forward(self, x):
        x = F.max_pool2d(self.bn1(self.conv1(x)).relu(), 2)
        x = F.max_pool2d(self.bn2(self.conv2(x)).relu(), 2)
        return self.fc2(self.fc1(x.flatten(1)).relu())


def stepper(name: str, optimizer: str, watch=None, data=None):
    """Return a function that takes one training step of a fresh network."""
    images = load_images(DATA[name])
    generator = torch.Generator().manual_seed(0)
    if data and name == "convnet":
        model = PublishedConvNet(ConvNetConfig(), generator)
    else:
        model = build_model(name, generator=generator)
    if optimizer == "sgd":
        FlatParameters(model).share_storage()
    observer = watch(model) if watch else None
    pair = images.train_inputs, images.train_targets
    batches = data(images) if data else InMemoryBatches(*pair, 64, generator=generator)
    config = TrainConfig(steps=10**9, learning_rate=0.01, optimizer=optimizer)
    steps = train_steps(model, batches, config)

    def step():
        next(steps)
        if observer:
            observer.update()

    return step


def loader(images):
    """Yield batches for ever, as the published loop draws them."""
    batches = DataLoader(Images(images), batch_size=64, shuffle=True)
    while True:
        yield from batches


def overhead(name: str, block: int, rounds: int, at_most: float) -> list[Row]:
    """Measure a tracked step against a bare one."""
    seconds = take_turns(
        {
            "torch": stepper(name, "torch"),
            "bare": stepper(name, "sgd"),
            "tracked": stepper(name, "sgd", lambda m: UpdateTracker(m, window=1_000)),
        },
        block=block,
        rounds=rounds,
    )
    title = f"{name} step, tracked /"
    return [
        ratio(seconds, "tracked", "torch", f"{title} torch.optim.SGD", at_most=at_most),
        ratio(seconds, "tracked", "bare", f"{title} untracked netdyn", at_most=None),
    ]


def against_keeping(name: str, at_least: float) -> list[Row]:
    """Measure keeping everything against counting, over whole flushes."""
    flush = FLUSH[name]
    with tempfile.TemporaryDirectory() as folder:
        seconds = take_turns(
            {
                "ours": stepper(name, "sgd", lambda m: UpdateTracker(m, window=1_000)),
                "keeping": stepper(
                    name,
                    "torch",
                    lambda m: KeepEverything(m, Path(folder), flush),
                    loader,
                ),
            },
            block=flush,
            rounds=7,
        )
    title = f"{name}, recording everything / ours"
    return [
        ratio(seconds, "keeping", "ours", title, at_most=at_least, more_is_better=True)
    ]


def memory(early: int = 1_000, late: int = 10_000) -> list[Row]:
    """Measure how much memory grows between two steps of one tracked run."""
    code = f"from benchmarks.tracking import grow; print(grow({early}, {late}))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    grown = float(done.stdout.split()[-1])
    name = f"mlp, growth of memory from step {early:,} to {late:,}"
    return [Row(name, grown, (grown, grown), at_most=1.0, unit="MB")]


def grow(early: int, late: int) -> float:
    """Return by how many MB this process grows between two steps."""
    step = stepper("mlp", "sgd", lambda m: UpdateTracker(m, window=1_000))
    for _ in range(early):
        step()
    before = resident()
    for _ in range(late - early):
        step()
    return resident() - before


def resident() -> float:
    """Return the memory that this process holds now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6
