"""Several processes count each parameter once, and together what one would count."""

import os
import socket

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from netdyn_utils.tracking.updates import UpdateTracker

STEPS = 4


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3), nn.LayerNorm(3))


def train(model, batches):
    """Train as a user would, with an attached tracker; return the tracker."""
    tracker = UpdateTracker(model, window=3)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    tracker.attach(optimizer)
    for batch in batches:
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
    return tracker


def alone():
    return train(network(), torch.ones(STEPS, 4, 5)).histograms()


def work(rank, kind, port, results):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    model = network()
    if kind == "ddp":
        model = nn.parallel.DistributedDataParallel(model)
    else:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh("cpu", (2,))
        layers = [model[0], model[2]]  # of "mixed" the norm stays on both processes
        for layer in [*layers, model] if kind == "fsdp2" else layers:
            fully_shard(layer, mesh=mesh)
    tracker = train(model, torch.ones(STEPS, 4, 5))
    found = tracker.reduce()
    results.put((rank, tracker.numel, found.to_arrays()))
    dist.destroy_process_group()


def run(kind):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = mp.get_context("spawn")
    results = context.Queue()
    processes = [
        context.Process(target=work, args=(rank, kind, port, results))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ddp", "fsdp2", "mixed"])
def test_two_processes_count_what_one_counts(kind):
    found = run(kind)
    wanted = alone().to_arrays()
    weights = sum(p.numel() for p in network().parameters())
    held = [numel for _, numel, _ in found]
    assert held == [weights] * 2 if kind == "ddp" else sum(held) == weights
    for _, _, arrays in found:
        assert arrays.keys() == wanted.keys()
        for name, array in arrays.items():
            assert np.array_equal(array, wanted[name]), name
