"""Figures that a kernel draws anew: by Python, and by the messages of a front end."""

import asyncio
import re
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from jupyter_client.manager import start_new_kernel

mpl.use("Agg")

from netdyn_utils.experiments.updates import UpdatesRun
from netdyn_utils.histogram import LogHistogram, WindowedHistograms
from netdyn_utils.store import RunRecord
from netdyn_utils.tails import compare_tails, fit_power_law
from netdyn_utils.tracking import UpdateTracker
from netdyn_utils.training import TrainConfig, train_steps
from netdyn_utils.widgets import explore_tail, watch_training
from netdyn_utils.widgets.tail_explorer import view_tail

ALT = {"alt": "A density and its fit."}


def pareto(alpha, seed, n=20_000):
    return LogHistogram.of(np.random.default_rng(seed).pareto(alpha - 1, n) + 1)


def two_layers():
    """Return a run with known exponents: two layers in two windows."""
    cells = tuple((pareto(2.0, k), pareto(3.5, 10 + k)) for k in range(2))
    updates = WindowedHistograms(("flat", "steep"), (100, 200), cells)
    return UpdatesRun(RunRecord("updates", "0123456789", {}, {}), updates, updates)


@pytest.fixture(scope="module")
def run():
    return two_layers()


def exponent(live):
    return float(re.search(r"alpha = ([\d.]+)", live.readout.value)[1])


# A stored run.


def test_the_readout_is_the_fit_of_what_the_controls_name(run):
    live = explore_tail(run, **ALT)
    live.range.index = (0, len(live.range.options) - 1)
    for layer, alpha in (("flat", 2.0), ("steep", 3.5)):
        live.layer.value = layer
        live.best.click()
        histogram = run.updates.histogram(layer)
        fit = fit_power_law(histogram.edges, histogram.counts, xmin=live.range.value[0])
        assert str(fit) in live.readout.value
        assert abs(exponent(live) - alpha) < 0.1


def test_every_control_draws_another_figure(run):
    live = explore_tail(run, **ALT)
    low, high = live.range.index
    for change in (
        lambda: setattr(live.layer, "value", "steep"),
        lambda: setattr(live.steps, "index", (1, 2)),
        lambda: setattr(live.range, "index", (low + 4, high)),
        lambda: setattr(live.rivals, "value", ("stretched exponential",)),
    ):
        before = live.picture.value, live.readout.value
        change()
        assert live.picture.value != before[0]
        assert live.readout.value != before[1]


def test_two_handles_on_one_mark_are_one_window(run):
    live = explore_tail(run, **ALT)
    counts = [f"of {20_000 * n * 2:,}" for n in (2, 1)]
    assert counts[0] in live.readout.value
    for mark in (0, 1, 2):
        live.steps.index = (mark, mark)
        assert counts[1] in live.readout.value


def test_an_upper_end_below_the_largest_truncates_the_fit():
    histogram = pareto(2.5, 3)
    whole = view_tail(histogram, 1.0, histogram.edges[-1])
    part = view_tail(histogram, 1.0, 8.0)
    assert (whole.fit.top, part.fit.top, part.fit.xmax) == ("unbounded", "truncated", 8)
    assert abs(part.fit.alpha - 2.5) < 4 * part.fit.sigma
    assert part.fit.n_tail < whole.fit.n_tail


def test_a_range_without_counts_is_told_and_mended_by_the_button(run):
    live = explore_tail(run, **ALT)
    last = len(live.range.options) - 1
    live.range.index = (last, last)
    assert "No fit" in live.readout.value
    assert "<img" in live.picture.value
    live.best.click()
    assert "alpha" in live.readout.value


def test_the_table_names_the_rivals_that_are_drawn(run):
    live = explore_tail(run, **ALT)
    live.rivals.value = ("log-normal",)
    histogram = run.updates.histogram()
    fit = fit_power_law(histogram.edges, histogram.counts, xmin=live.range.value[0])
    rival = compare_tails(histogram.edges, histogram.counts, fit)["log-normal"]
    assert f"<td>{rival.favoured}</td>" in live.readout.value
    assert "exponential" not in live.readout.value


def test_a_page_has_the_figure_and_says_where_its_controls_are(run):
    live = explore_tail(run, **ALT)
    page = live._repr_mimebundle_()["text/html"]
    assert live.picture.value in page
    assert 'alt="A density and its fit."' in page
    assert "running notebook" in page
    assert "widget-view" not in page  # nothing that a page without a kernel would load


# A training in progress.


def training(steps=60, rate=0.1):
    generator = torch.Generator().manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    x = torch.randn(64, 4, generator=generator)
    batch = x, (x[:, 0] > 0).long()
    config = TrainConfig(steps=steps, learning_rate=rate)
    tracker = UpdateTracker(model, window=20)
    return train_steps(model, [batch] * steps, config), tracker


def test_steps_are_taken_when_they_are_asked_for_and_not_before():
    steps, tracker = training()
    watch = watch_training(steps, tracker, **ALT)
    assert tracker.steps == 0
    watch.advance(25)
    assert tracker.steps == 25
    assert "<td>25</td>" in watch.readout.value
    watch.advance(1_000)
    assert tracker.steps == 60


def test_the_layer_and_the_window_change_what_is_seen():
    steps, tracker = training()
    watch = watch_training(steps, tracker, **ALT).advance(50)
    for change in (
        lambda: setattr(watch.layer, "value", tracker.groups[-1]),
        lambda: setattr(watch.shown, "value", "the last window"),
    ):
        before = watch.picture.value
        change()
        assert watch.picture.value != before
    largest = tracker.histogram(tracker.groups[-1], -1).largest
    assert f"<td>{largest:.1e}</td>" in watch.readout.value


def test_the_button_trains_to_the_end_and_then_rests():
    steps, tracker = training()
    watch = watch_training(steps, tracker, every=20, **ALT)

    async def press():
        watch.train.value = True
        await watch._task

    asyncio.run(press())
    assert tracker.steps == 60
    assert watch.train.disabled
    assert not watch.train.value


def test_a_training_that_breaks_says_so():
    steps, tracker = training(rate=1e30)
    watch = watch_training(steps, tracker, **ALT).advance(50)
    assert "Training stopped: the loss is" in watch.readout.value
    assert "lower the learning rate" in watch.readout.value


# In a kernel, by the messages that JupyterLab sends.

SETUP = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_explorers import ALT, training, two_layers
from netdyn_utils.widgets import explore_tail, watch_training
live = explore_tail(two_layers(), **ALT)
steps, tracker = training(steps=4000)
watch = watch_training(steps, tracker, every=20, **ALT)
print(*(w.model_id for w in (live.layer, live.readout, watch.train, watch.readout)))
"""


class Desk:
    """A kernel and what a front end knows of its widgets."""

    def __init__(self, client):
        self.client, self.heard = client, []

    def run(self, code):
        """Run code as a cell, and return what it printed."""
        said = []

        def hear(message):
            assert message["msg_type"] != "error", message["content"]
            said.append(message["content"].get("text", ""))

        reply = self.client.execute_interactive(code, output_hook=hear, timeout=60)
        assert reply["content"]["status"] == "ok"
        return "".join(said)

    def turn(self, model, **state):
        """Set a control as a front end does."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        content = {"comm_id": model, "data": data}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", content))

    def wait_for(self, model, pattern, seconds=60):
        """Return what a readout says as soon as it holds the pattern."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            message = self.client.get_iopub_msg(timeout=seconds)
            if message["msg_type"] != "comm_msg":
                continue
            content = message["content"]
            value = content["data"].get("state", {}).get("value", "")
            if content["comm_id"] == model and re.search(pattern, str(value)):
                return value
        raise AssertionError(f"never told: {pattern}")


@pytest.fixture
def desk():
    """Start a kernel as a notebook does, and end it."""
    manager, client = start_new_kernel(startup_timeout=120)
    yield Desk(client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_in_a_kernel_the_controls_move_the_figure_and_the_training(desk):
    layer, told, train, progress = desk.run(SETUP).split()[-4:]
    desk.turn(layer, index=2)
    assert "of 40,000 counts" in desk.wait_for(told, r"alpha = 3\.\d")

    desk.turn(train, value=True)
    first = desk.wait_for(progress, r"step</th><td>\d+")
    assert desk.wait_for(progress, r"step</th><td>\d{3,}") != first
    desk.turn(train, value=False)  # heard while the training goes on
    time.sleep(1)
    steps = desk.run("print(tracker.steps)")
    time.sleep(1)
    assert 0 < int(steps) < 4000
    assert desk.run("print(tracker.steps)") == steps
