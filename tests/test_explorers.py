"""Figures that a kernel draws anew: the tail of a run, and a training in progress."""

import asyncio
import re

import matplotlib as mpl
import numpy as np
import pytest
import torch

mpl.use("Agg")

from netdyn_utils.experiments.updates import UpdatesRun
from netdyn_utils.histogram import LogHistogram, WindowedHistograms
from netdyn_utils.store import RunRecord
from netdyn_utils.tails import fit_power_law
from netdyn_utils.tracking import UpdateTracker
from netdyn_utils.training import TrainConfig, train_steps
from netdyn_utils.widgets import explore_tail, training_explorer

ALT = {"alt": "A density and its fit."}


def pareto(alpha, seed):
    return LogHistogram.from_values(
        np.random.default_rng(seed).pareto(alpha - 1, 20_000) + 1
    )


@pytest.fixture(scope="module")
def run():
    """Return a run with known exponents: two layers in two windows."""
    cells = tuple((pareto(2.0, k), pareto(3.5, 10 + k)) for k in range(2))
    updates = WindowedHistograms(("flat", "steep"), (100, 200), cells)
    record = RunRecord("made", {}, {"kind": "updates", "key": "0123456789"})
    return UpdatesRun(record, updates, updates)


def test_the_controls_of_a_tail_choose_what_is_fitted_and_drawn(run):
    live = explore_tail(run, **ALT)
    last = len(live.range.options) - 1
    for layer, alpha in (("flat", 2.0), ("steep", 3.5)):
        live.range.index, live.layer.value = (0, last), layer
        live.best.click()
        histogram = run.updates.histogram(layer)
        fit = fit_power_law(histogram.edges, histogram.counts, xmin=live.range.value[0])
        assert str(fit) in live.readout.value
        assert abs(fit.alpha - alpha) < 4 * fit.sigma
    for change in (
        lambda: setattr(live.steps, "index", (1, 1)),  # on one mark: one window
        lambda: setattr(live.range, "value", (1.0, 8.0)),  # truncates the fit
        lambda: setattr(live.alternatives, "value", ("log-normal",)),
    ):
        before = live.picture.value, live.readout.value
        change()
        assert live.picture.value != before[0]
        assert live.readout.value != before[1]
    assert re.findall("<td>(.*?)</td>", live.readout.value)[::4] == ["log-normal"]
    live.range.index = (last, last)
    assert "No fit" in live.readout.value
    page = live._repr_mimebundle_()["text/html"]
    assert live.picture.value in page
    assert 'alt="A density and its fit."' in page
    assert "running notebook" in page
    assert "widget-view" not in page  # nothing that a page without a kernel would load


def training(steps=60, rate=0.1):
    generator = torch.Generator().manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    x = torch.randn(64, 4, generator=generator)
    batch = x, (x[:, 0] > 0).long()
    config = TrainConfig(steps=steps, learning_rate=rate)
    tracker = UpdateTracker(model, window=20)
    return train_steps(model, [batch] * steps, config), tracker


def test_a_training_goes_on_when_it_is_asked_to_until_it_ends():
    steps, tracker = training()
    live = training_explorer(steps, tracker, every=5, **ALT)
    assert tracker.steps == 0
    live.advance(25)
    assert tracker.steps == 25
    live.layer.value, live.window.value = tracker.groups[-1], "the last window"
    largest = tracker.histogram(tracker.groups[-1], -1).max
    assert f"<td>{largest:.1e}</td>" in live.readout.value

    async def press():
        live.train.value = True
        await asyncio.sleep(0)  # the first stretch
        assert 25 < tracker.steps < 60
        live.train.value = False  # heard while the training goes on
        await live._task
        assert tracker.steps < 60
        live.train.value = True
        await live._task

    asyncio.run(press())
    assert tracker.steps == 60
    assert live.train.disabled


def test_a_training_that_breaks_says_so():
    steps, tracker = training(rate=1e30)
    live = training_explorer(steps, tracker, **ALT).advance(50)
    assert "Training stopped: the loss is" in live.readout.value
    assert "learning rate 1e+30: lower it" in live.readout.value
