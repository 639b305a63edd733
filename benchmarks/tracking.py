"""What it costs to count every update, against not counting and against keeping all.

"Keeping all" is the way of the published scripts: a DataLoader that transforms every
image anew, a list of |Δw| and of |w| of every step per parameter, `np.save` in bulk.
"""

import gc
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from itertools import count, cycle, pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from netdyn_utils.data import InMemoryBatches, load_images
from netdyn_utils.networks import ConvNet, ConvNetConfig, build_model
from netdyn_utils.tracking import IntervalTracker, UpdateTracker
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


def language_model() -> nn.Module:
    """Return a GPT of ten million parameters, without a library."""
    layer = nn.TransformerEncoderLayer(
        320, 5, 1280, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    blocks = nn.TransformerEncoder(layer, 8, enable_nested_tensor=False)
    return nn.Sequential(nn.Embedding(256, 320), blocks, nn.Linear(320, 256))


def small_resnet() -> nn.Module:
    """Return torchvision's ResNet-18 with the stem that 32 × 32 images need."""
    model = torchvision.models.resnet18(num_classes=10)
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return model


def wide() -> nn.Module:
    """Return fifty million weights with little work for each."""
    sizes = (784, 5_000, 9_200, 64, 10)
    layers = [nn.Linear(*pair) for pair in pairwise(sizes)]
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))


class Many(nn.Module):
    """Ten thousand parameters of four weights each."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(2, 2, bias=False) for _ in range(10_000))

    def forward(self, x):
        weights = torch.stack([part.weight for part in self.parts])
        return (weights * x[0, 0]).sum().expand(len(x), 10)


def build(name: str) -> nn.Module:
    """Return one of the book's networks."""
    return build_model(name, generator=torch.Generator().manual_seed(0))


IMAGE, TEXT = (3, 32, 32), (64,)
# Model, shape of an input, batch, steps in turn, rounds, most that tracking may cost,
# and with two thresholds.
PLAIN = {
    "MLP": (partial(build, "mlp"), (1, 28, 28), 64, 200, 21, 1.25, None),
    "ConvNet": (partial(build, "convnet"), IMAGE, 64, 4, 15, 1.10, None),
    "ResNet-18": (small_resnet, IMAGE, 32, 1, 7, 1.05, 1.08),
    "GPT of 10 M": (language_model, TEXT, 8, 1, 11, 1.06, 1.12),
    "50 M, little work": (wide, (784,), 64, 1, 11, 1.15, 1.25),
}


def plain(model, shape, size: int, observe=lambda _: lambda: None):
    """Return a step of the loop in the README, with torch's own optimizer."""
    generator = torch.Generator().manual_seed(0)
    if shape == TEXT:
        inputs = torch.randint(256, (20 * size, *shape), generator=generator)
        targets = inputs
    else:
        inputs = torch.randn(20 * size, *shape, generator=generator)
        targets = torch.randint(10, (20 * size,), generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    update = observe(model)
    batches = cycle(zip(inputs.split(size), targets.split(size), strict=True))

    def step():
        x, y = next(batches)
        optimizer.zero_grad()
        F.cross_entropy(model(x).flatten(0, -2), y.flatten()).backward()
        optimizer.step()
        update()

    return step


def tracked(model):
    """Count every update, with a window that closes now and then."""
    return UpdateTracker(model, window=1_000).update


def with_intervals(model):
    """Count updates, and intervals above two thresholds that few of them reach."""
    tracker = UpdateTracker(model, window=1_000)
    intervals = IntervalTracker(tracker, (1e-3, 2e-3))

    def update():
        tracker.update()
        intervals.update()

    return update


def overhead() -> Iterator[Row]:
    """Measure a tracked step against a bare one, in the loop of the README."""
    for name, (make, shape, size, block, rounds, most, both) in PLAIN.items():
        steps = {"bare": plain(make(), shape, size)}
        steps["tracked"] = plain(make(), shape, size, tracked)
        if both:
            steps["intervals"] = plain(make(), shape, size, with_intervals)
        seconds = take_turns(steps, block=block, rounds=rounds)
        title = f"{name}, a step tracked / bare"
        yield ratio(seconds, "tracked", "bare", title, at_most=most)
        if both:
            title = f"{name}, with two thresholds of intervals / bare"
            yield ratio(seconds, "intervals", "bare", title, at_most=both)
    yield from against_loggers()
    yield from many_tensors()
    yield closing()
    yield from held()


def against_loggers() -> Iterator[Row]:
    """Measure what others add to a step that log all weights, where they are there."""
    make, shape, size, block, *_ = PLAIN["MLP"]
    with tempfile.TemporaryDirectory() as folder:
        loggers = {}
        if find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            writer = SummaryWriter(folder)

            def histograms(model):
                steps = count()

                def update():
                    step = next(steps)
                    for name, parameter in model.named_parameters():
                        writer.add_histogram(name, parameter, step)

                return update

            loggers["TensorBoard's add_histogram"] = histograms
        if find_spec("wandb"):
            import wandb

            options = {"mode": "offline", "dir": folder}
            run = wandb.init(**options, settings=wandb.Settings(silent=True))

            def watch(model):
                run.watch(model, log="parameters", log_freq=1)
                return lambda: run.log({"step": 1})

            loggers["wandb.watch"] = watch
        steps = {"bare": plain(make(), shape, size)}
        steps["ours"] = plain(make(), shape, size, tracked)
        for name, observe in loggers.items():
            steps[name] = plain(make(), shape, size, observe)
        seconds = take_turns(steps, block=block // 4, rounds=9)
        bare = seconds.pop("bare")
        added = {
            name: np.maximum(np.subtract(each, bare), 1e-9)
            for name, each in seconds.items()
        }
        for name in loggers:
            title = f"MLP, time added by ours / by {name}"
            yield ratio(added, "ours", name, title, at_most=0.2)


def many_tensors() -> Iterator[Row]:
    """Measure `update()` of 10,000 small tensors against the step of the optimizer."""
    model = Many()
    model(torch.ones(1, 1)).sum().backward()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    for by in ("layer", "all"):
        tracker = UpdateTracker(model, groups=by)
        steps = {"update": tracker.update, "step": optimizer.step}
        seconds = take_turns(steps, block=3, rounds=7)
        title = f"10,000 tensors, groups {by!r}, update() / the optimizer's step"
        yield ratio(seconds, "update", "step", title, at_most=1.0)


def closing() -> Row:
    """Measure the end of a window of fifty million weights."""
    tracker = UpdateTracker(wide(), window=2)
    times = []
    for _ in range(5):
        tracker.update()
        begun = time.perf_counter()
        tracker.update()
        both = time.perf_counter() - begun
        begun = time.perf_counter()
        tracker.update()
        times.append(both - (time.perf_counter() - begun))
        tracker.update()
    low, middle, high = np.quantile(times, (0.25, 0.5, 0.75))
    return Row("closing a window of 50 M weights", middle, (low, high), 0.5, "s")


def held() -> Iterator[Row]:
    """Measure the bytes that a tracker holds for each parameter."""
    for squares, most in ((True, 16), (False, 6)):
        model = wide()
        loaded = resident()
        tracker = UpdateTracker(model, mean_squares=squares)
        tracker.update()
        size = 1e6 * (resident() - loaded) / tracker.numel
        del model, tracker
        gc.collect()
        title = f"bytes a parameter {'with' if squares else 'without'} mean squares"
        yield Row(title, size, (size, size), most, "bytes")


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
