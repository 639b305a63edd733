# %% [markdown]
# # Your model: how does your own network move?
#
# **Question.** The networks of the chapters before this one learn by plain gradient
# descent; momentum and Adam are only controls of [the verdicts](07_claims.ipynb). Hardly
# anybody trains like that. What becomes of the tail under momentum and under Adam, and
# what does it look like in a network of your own?
#
# Run as it stands, this chapter compares three optimizers on the book's MLP. Given a
# file of yours, it writes the same report for your network.

# %% tags=["parameters"]
model: str = ""  # your network, "path/to/file.py:function"; "" is the book's MLP
data: str = ""  # your arrays, "path/to/arrays.npz"; "" is the MNIST sample
optimizer: str = "all"  # one, or all three; in {all, sgd, momentum, adam}
learning_rate: float = 0.1  # of one optimizer, of SGD if all run; in (0, 10]
batch_size: int = 64  # in samples; in [1, inf)
steps: int = 1000  # training steps of each run; in [3, inf)
seed: int = 0  # of weights, batches and dropout; in [0, 4294967295]
log: str = ""  # write a log as well; in {"", tensorboard, wandb}
log_dir: str = "logs"  # where a log goes

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Imports"}
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from tqdm.auto import tqdm

from netdyn_utils import plotting
from netdyn_utils.custom import Task, load_arrays, load_model, open_log
from netdyn_utils.data import load_images
from netdyn_utils.flat_parameters import FlatParameters
from netdyn_utils.intervals import interval_null
from netdyn_utils.metrics import log_metrics
from netdyn_utils.networks import build_model
from netdyn_utils.tails import compare_tails, fit_power_law, local_slope
from netdyn_utils.tracking import IntervalTracker, UpdateTracker
from netdyn_utils.training import OPTIMIZERS, TrainConfig, train_steps
from netdyn_utils.validation import check_choice

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Set-up"}
plotting.use_style()
pd.set_option("display.max_colwidth", None)
LOOK = {"sgd": "#0072B2", "momentum": "#CC79A7", "adam": "#E69F00"}

# %% [markdown]
# ## Definition
#
# The update of parameter $i$ is what changes in it from one step to the next,
#
# $$ \Delta w_i(t) = w_i(t+1) - w_i(t), $$
#
# whatever the optimizer made of the gradient. Plain gradient descent moves by
# $-\eta\, g_i$, with the learning rate $\eta$ and the gradient $g_i$. Momentum moves by
# $-\eta\, m_i$, with a sum of past gradients $m_i(t) = \sum_{s \le t} 0.9^{\,t-s} g_i(s)$.
# Adam divides $\hat m$, a running mean of the gradient (decay $\beta_1$), by the root of
# $\hat v$, that of its square (decay $\beta_2$),
#
# $$ \Delta w_i = -\eta\, \frac{\hat m_i}{\sqrt{\hat v_i} + \epsilon}, $$
#
# both corrected for their start at zero; a tiny $\epsilon$ keeps it from dividing by zero.
# So the scale of the gradient cancels. That has a consequence for the tail. By the
# inequality of Cauchy and Schwarz no step of Adam is longer than
#
# $$ |\Delta w_i| \le c\,\eta, \qquad
# c = \frac{1-\beta_1}{\sqrt{1-\beta_2}} \, \frac{1}{\sqrt{1-\beta_1^2/\beta_2}}, $$
#
# whatever the gradients are. A bounded quantity has no power-law tail beyond its bound.

# %%
beta1, beta2 = 0.9, 0.999  # torch's defaults
bound = (1 - beta1) / np.sqrt(1 - beta2) / np.sqrt(1 - beta1**2 / beta2)
Markdown(f"With the usual betas $c$ = **{bound:.2f}**.")

# %% [markdown]
# ## Three lines around any loop
#
# A network, its data and its optimizer, as anybody would write them:

# %%
torch.manual_seed(seed)
images = load_images("mnist")
net = torch.nn.Sequential(
    torch.nn.Flatten(),
    torch.nn.Linear(784, 32),
    torch.nn.ReLU(),
    torch.nn.Linear(32, 10),
)
sgd = torch.optim.SGD(net.parameters(), lr=0.1)

# %% [markdown]
# And a plain loop. Three lines are ours, two of them here and the fit after it.
# `UpdateTracker` comes from `netdyn_utils.tracking`, `fit_power_law` from
# `netdyn_utils.tails`.

# %%
tracker = UpdateTracker(net)  # 1: after the model, before the first step
for _ in range(200):
    batch = torch.randint(len(images.train_inputs), (64,))
    outputs = net(images.train_inputs[batch])
    loss = torch.nn.functional.cross_entropy(outputs, images.train_targets[batch])
    sgd.zero_grad()
    loss.backward()
    sgd.step()
    tracker.update()  # 2: after each step

# %%
counted = tracker.histogram("all")
fit = fit_power_law(counted.edges, counted.counts)  # 3: whenever you like
fit.alpha, fit.sigma, fit.xmin

# %% [markdown]
# Waiting times need to know what a large update is before the loop begins. So they take a
# second pass from the same seed, with a threshold from the first: one in a hundred updates
# is at least so large. Again it is three lines:
# `intervals = IntervalTracker(net, [threshold])` before the loop, `intervals.update()` in
# it, `intervals.counts(threshold)` after it. A tracker that is there already will do in
# place of the net; then its own `update()` comes first.

# %%
threshold = counted.tail_threshold(0.01)
Markdown(f"In this loop an update is large if it is at least **{threshold:.2g}**.")

# %% [markdown]
# ## A network of your own
#
# Write a file with a function that takes nothing and returns the network:
#
# ```python
# # nets/mine.py
# from torch import nn
#
#
# def build():
#     return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 3))
# ```
#
# and one with the data, samples along the first axis:
#
# ```python
# np.savez("nets/mine.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
# ```
#
# Targets that are whole numbers are classes, learned by cross entropy; floats are numbers,
# learned by mean squared error. The test arrays may be left out. Then one command, from
# the folder of the book, writes this report for your network:
#
# ```bash
# papermill notebooks/08_your_model.ipynb mine.ipynb \
#   -p model nets/mine.py:build -p data nets/mine.npz \
#   -p optimizer adam -p learning_rate 0.001
# ```
#
# **A model file is code.** It is run because you named it, with all your rights: name only
# files that you would run yourself. A data file is read as numbers, and nothing in it is run.

# %%
task = load_arrays(data) if data else Task.of(images)
task

# %% [markdown]
# The network is built anew for every run, from the same seed.


# %%
def build():
    torch.manual_seed(seed)  # of the weights, and of dropout in the run
    if model:
        return load_model(model)
    inputs = task.train_inputs[0].numel()
    outputs = task.classes or task.train_targets[0].numel()
    generator = torch.Generator().manual_seed(seed)
    return build_model("mlp", widths=(inputs, 128, outputs), generator=generator)


# %%
network = build()
task.check_model(network, batch_size)
FlatParameters(network).numel, [name for name, _ in network.named_children()]

# %% [markdown]
# ## The runs
#
# Every run starts from the same weights and sees the same batches. Only what is made of the
# gradient differs. The learning rates are not the same number, for they do not mean the same:
# momentum adds up about ten gradients, so it gets a tenth of SGD's; Adam's is the length of
# a step rather than a factor of the gradient, and gets a hundredth.

# %%
check_choice(optimizer, ("all", *OPTIMIZERS), "optimizer")
rates = {optimizer: learning_rate}
if optimizer == "all":
    shares = {"sgd": 1, "momentum": 0.1, "adam": 0.01}
    rates = {name: learning_rate * share for name, share in shares.items()}

# %%
same = {"steps": steps, "batch_size": batch_size, "seed": seed}
configs = {
    name: TrainConfig(optimizer=name, learning_rate=rate, **same)
    for name, rate in rates.items()
}

# %% [markdown]
# One loop serves all of them. The trackers stand beside the step, as above; the rest keeps
# the loss and, if there is one, the log.


# %%
def train(config, journal, threshold=None):
    network = build()
    task.check_model(network, batch_size)
    batches = task.batches(batch_size, torch.Generator().manual_seed(seed))
    tracker = UpdateTracker(network, window=-(-steps // 3))
    watch = IntervalTracker(tracker, [threshold]) if threshold else None
    losses = np.empty(steps)
    run = train_steps(network, batches, config, loss_function=task.loss)
    hidden = bool(os.environ.get("TQDM_DISABLE"))
    for step in tqdm(run, config.optimizer, steps, unit="step", disable=hidden):
        tracker.update()
        if watch:
            watch.update()
        losses[step.step - 1] = step.loss
        if step.step % 100 == 0:
            journal.scalars(step.step, loss=step.loss)
            journal.histogram(step.step, "updates", tracker.histogram())
    return network, tracker.histograms(), losses, watch


# %% [markdown]
# The log stands beside the loop and knows nothing of it. It is off unless the parameter
# `log` names one: `tensorboard` writes event files, `wandb` an offline run. Both are extras,
# installed from the folder of the book by `pip install -e '.[tensorboard]'` or `'.[wandb]'`.

# %%
updates, losses, scores, ends = {}, {}, {}, {}
for name, config in configs.items():
    with open_log(log, log_dir, f"{name}-seed{seed}") as journal:
        network, updates[name], losses[name], _ = train(config, journal)
    ends[name] = FlatParameters(network).to_vector()
    scores[name] = task.evaluate(network)

# %% [markdown]
# The second pass counts the intervals above the threshold of the first. It must end where
# the first ended.

# %%
SHARE = 0.01  # of the updates are large
counts = {}
for name, config in configs.items():
    threshold = updates[name].histogram().tail_threshold(SHARE)
    network, _, _, watch = train(config, open_log(), threshold)
    if not torch.equal(ends[name], FlatParameters(network).to_vector()):
        raise RuntimeError(
            f"two runs of {name} from seed {seed} ended with different weights, so the "
            "intervals of the second do not belong to the first: draw everything "
            "random in the model's file from torch's generator"
        )
    counts[name] = watch.counts(threshold)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    f"{len(counts)} of {len(configs)} second passes ended with the weights of the "
    "first, bit by bit."
)


# %% [markdown]
# ## Does it learn?
#
# A tail of updates says little about a network that does not learn, so first
# [this figure](#fig-own-loss).

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-loss", "caption": "Training loss of each run, a mean over stretches of steps."}, "image": {"alt": "One falling curve of training loss per optimizer on a logarithmic vertical axis."}, "code_prompt_show": "Code of the figure"}
figure, ax = plt.subplots()
for name, values in losses.items():
    stretches = np.array_split(values, min(60, steps))
    ends = np.cumsum([len(part) for part in stretches])
    ax.plot(ends, [part.mean() for part in stretches], color=LOOK[name], label=name)
unit = "nats" if task.is_classification else "mean squared error"
ax.set(xlabel="step", ylabel=f"training loss ({unit})", yscale="log")
legend = ax.legend()
plotting.stamp_source(figure)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
seen = "training" if task.test_inputs is None else "test"
pd.DataFrame(
    {
        name: {
            "learning rate": f"{rates[name]:g}",
            "training loss, first step": f"{losses[name][0]:.3g}",
            f"{seen} loss, end": f"{score.loss:.3g}",
            "right answers": f"{score.accuracy:.1%}" if task.is_classification else "–",
        }
        for name, score in scores.items()
    }
).T

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    f"Loss and answers at the end are those on the {seen} data, in evaluation mode."
)

# %% [markdown]
# ## The densities
#
# [This figure](#fig-own-density) has all updates of each run and the
# [power law](../book/symbols.md#power-law) that likelihood fits to its tail, as in [the
# chapter on tails](03_tails.ipynb).

# %%
histograms = {name: run.histogram() for name, run in updates.items()}
fits = {name: fit_power_law(h.edges, h.counts) for name, h in histograms.items()}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-density", "caption": "Density of update magnitudes, all parameters and steps, with the power law that was fitted to each tail (dashed, black). The dotted line is the bound that no step of Adam can pass; it does not concern the other curves."}, "image": {"alt": "One density curve per optimizer on logarithmic axes, each with a dashed fitted line; that of Adam ends before a short dotted vertical line."}, "code_prompt_show": "Code of the figure"}
figure, ax = plt.subplots()
for name, histogram in histograms.items():
    plotting.plot_tail(histogram, fits[name], ax, color=LOOK[name], label=name)
    ax.lines[-1].set(color="black", zorder=3)  # the fit, on top of its curve
if "adam" in rates:
    look = {"color": LOOK["adam"], "linestyle": ":", "label": "Adam's bound"}
    ax.axvline(bound * rates["adam"], ymin=0.6, **look)  # above the ends of curves
ax.set(xlim=(1e-8, None))
legend = ax.legend(loc="lower left", fontsize=9)
plotting.stamp_source(figure)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "The largest update: "
    + ", ".join(
        f"{name} {h.max:.2g} ({h.max / h.median:,.0f} times the median)"
        for name, h in histograms.items()
    )
    + "."
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
used = {n: h.max / (bound * rates[n]) for n, h in histograms.items()}
Markdown(
    f"Adam's is {used['adam']:.0%} of what it can be at most. The spike at its "
    "learning rate is the first step: the two means hold one gradient then, and every "
    "weight that has one moves by just that much."
    if "adam" in used
    else ""
)

# %% [markdown]
# ## The local slope
#
# A power law has one slope over its whole tail. A curve of
# [this figure](#fig-own-slope) that goes on climbing has none.

# %% mystnb={"figure": {"name": "fig-own-slope", "caption": "Local slope of the density against magnitude, in windows of a factor of two, with one standard error."}, "image": {"alt": "One curve of local slope against magnitude per optimizer; a flat stretch would be a power law."}}
figure, ax = plt.subplots()
for name, histogram in histograms.items():
    slope = local_slope(histogram.edges, histogram.counts)
    plotting.plot_local_slope(slope, ax, color=LOOK[name], label=name)
ax.set(xlim=(1e-6, None), ylim=(-1, 10))
legend = ax.legend()
plotting.stamp_source(figure)

# %% [markdown]
# ## Fits and rivals
#
# Each tail from its own lower cut, against four rivals on the same counts: an exponential, a
# stretched one, a log-normal, and a power law with a cutoff. A short tail hardly tells them
# apart. The first and the last third of the run have fits of their own: does the exponent
# stay while the loss falls?


# %%
def tail_row(histogram):
    columns = ("alpha", "favoured over it", "above", "in the tail", "decades")
    row = dict.fromkeys(columns, "–")
    try:
        fit = fit_power_law(histogram.edges, histogram.counts)
        rivals = compare_tails(histogram.edges, histogram.counts, fit).alternatives
    except ValueError as reason:  # a layer of few weights has no tail to fit
        return row | {"favoured over it": str(reason).partition(":")[0]}
    better = [rival.name for rival in rivals if rival.preferred == rival.name]
    short = ", ".join(better).replace("power law with ", "")
    return row | {
        "alpha": f"{fit.alpha:.2f}\u00a0±\u00a0{fit.sigma:.1g}",
        "favoured over it": short.replace("stretched exponential", "stretched")
        or "none",
        "above": f"{fit.xmin:.2g}",
        "in the tail": f"{fit.n_tail:,}",
        "decades": f"{np.log10(histogram.max / fit.xmin):.1f}",
    }


# %%
parts = {"whole": None, "first third": 0, "last third": -1}
pd.DataFrame(
    {
        f"{name}, {part}": tail_row(run.histogram(window=window))
        for name, run in updates.items()
        for part, window in parts.items()
    }
).T

# %%
better = {}  # how many rivals are favoured over the power law, of how many
for name, h in histograms.items():
    rivals = compare_tails(h.edges, h.counts, fits[name]).alternatives
    better[name] = sum(rival.preferred == rival.name for rival in rivals), len(rivals)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "Exponents of the whole runs: "
    + ", ".join(
        f"{name} **{f.alpha:.2f}**\u00a0±\u00a0{f.sigma:.2g}"
        for name, f in fits.items()
    )
    + ". A rival is favoured over the pure power law in "
    f"{sum(n > 0 for n, _ in better.values())} of {len(better)} runs. The errors take "
    "every count as independent, which updates are not, and each number stands for one "
    "run."
)

# %% [markdown]
# A fit that seeks its own lower cut may end far out, with a few hundred counts of many
# millions. To compare runs, the same share of each is fitted as well: the largest
# thousandth of all updates, whatever is there.

# %%
cuts = {  # or the last octave, if more than a thousandth lies in its end
    name: min(h.tail_threshold(0.001), h.edges[-9:][0])
    for name, h in histograms.items()
}
largest = {
    name: fit_power_law(h.edges, h.counts, xmin=cuts[name])
    for name, h in histograms.items()
}

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "Exponents of the largest thousandth: "
    + ", ".join(
        f"{name} **{f.alpha:.2f}**\u00a0±\u00a0{f.sigma:.2g}"
        for name, f in largest.items()
    )
    + "."
)

# %% [markdown]
# Other exponents of momentum and Adam stand in [the verdicts](07_claims.ipynb), in the
# figure of the controls: they are those of the largest thousandth in the last third of other
# runs.
#
# ## Layer by layer
#
# The pool of all layers is a mixture, and its tail can look different from that of each.

# %%
layers = {
    name: {group: tail_row(run.histogram(group)) for group in run.groups}
    for name, run in updates.items()
}
pd.DataFrame(
    {f"{n} {group}": row for n, rows in layers.items() for group, row in rows.items()}
).T

# %%
bent = {}  # of the layers that have a fit: is a rival favoured?
for name, rows in layers.items():
    fitted = [row for row in rows.values() if row["above"] != "–"]
    bent[name] = [row["favoured over it"] != "none" for row in fitted]

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
pool = {name: "yes" if favoured else "no" for name, (favoured, _) in better.items()}
Markdown(
    "Layers in which a rival is favoured, and whether one is for the pool: "
    + ", ".join(
        f"{name} {sum(found)} of {len(found)} (pool: {pool[name]})"
        for name, found in bent.items()
    )
    + "."
)

# %% [markdown]
# ## Intervals between large updates
#
# Large is the top percent of each run's own updates. Burstiness $B$ is 0 for chance at one
# constant rate and near 1 for bursts. Unequal rates alone raise it, so beside it stands $B$
# of the same weights with their times shuffled. [This figure](#fig-own-intervals) has the
# intervals themselves.

# %%
nulls = {
    name: interval_null(found.per_weight, found.steps)
    for name, found in counts.items()
    if found.counts.any()
}

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
pd.DataFrame(
    {
        name: {
            "threshold": f"{counts[name].threshold:.2g}",
            "intervals": f"{counts[name].total:,}",
            "weights never large": f"{counts[name].n_never / counts[name].weights:.0%}",
            "B": f"{counts[name].burstiness:.2f}",
            "B shuffled": f"{null.burstiness:.2f}",
        }
        for name, null in nulls.items()
    }
).T

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-intervals", "caption": "Intervals between large updates of the same weight, one panel for each optimizer, and what shuffled times would give (grey, dashed)."}, "image": {"alt": "One panel per optimizer on logarithmic axes: the probability of an interval falls with its length, with that of shuffled times dashed."}, "code_prompt_show": "Code of the figure"}
width = 2.8 * len(counts) if len(counts) > 1 else plotting.WIDTH
look = {"figsize": (width, 3.3), "squeeze": False, "sharey": True}
figure, axes = plt.subplots(1, len(counts), **look)
floors = []
for ax, (name, found) in zip(axes.flat, counts.items(), strict=True):
    ax.set_title(name, loc="left")
    if name in nulls:
        plotting.plot_intervals(found, nulls[name], ax, color=LOOK[name])
        floors.append(ax.get_ylim()[0])
for ax in axes.flat[1:]:
    ax.set(ylabel=None)
ax.set(ylim=(min(floors, default=1e-6), 1.2))
plotting.stamp_source(figure)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "Burstiness beyond that of unequal rates: "
    + ", ".join(
        f"{name} {counts[name].burstiness - null.burstiness:+.2f}"
        for name, null in nulls.items()
    )
    + "."
    if nulls
    else "No weight was moved far twice, so there is no interval."
)

# %% [markdown]
# ## What becomes of the tail?
#
# A power law needs a tail of a decade or more, and no rival that is favoured over it. Where
# the answer is close, it can turn with the seed, or even with the number of cores, which
# sets the order of the sums and so their last digits.

# %%
spans = {name: np.log10(h.max / fits[name].xmin) for name, h in histograms.items()}
answers = {}
for name, span in spans.items():
    answers[name] = "may be a power law"
    if better[name][0]:
        answers[name] = "is long enough, but better described by a rival"
    if span < 1:
        answers[name] = "is too short to call a law, less than one decade"

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "\n".join(
        f"- Under {name} the tail {answers[name]}. It spans {span:.1f} decades; rivals "
        f"favoured: {better[name][0]} of {better[name][1]}; loss at the end: "
        f"{scores[name].loss:.3g}."
        for name, span in spans.items()
    )
)

# %% [markdown]
# ## The numbers of this run
#
# What a program reads from this notebook, whoever ran it.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the record"}
log_metrics(
    {f"alpha_{name}": fit.alpha for name, fit in fits.items()}
    | {f"alpha_largest_{name}": fit.alpha for name, fit in largest.items()}
    | {f"sigma_{name}": fit.sigma for name, fit in fits.items()}
    | {f"tail_{name}": fit.n_tail for name, fit in fits.items()}
    | {f"largest_{name}": h.max for name, h in histograms.items()}
    | {f"loss_{name}": score.loss for name, score in scores.items()}
    | {f"burstiness_{name}": counts[name].burstiness for name in nulls}
)

# %% [markdown]
# ## What would refute it
#
# The claim at stake is that heavy tails belong to learning, not to one optimizer.
#
# - A tail that is there under SGD and gone under Adam, at equal loss: then it is made by
#   the scale of the gradients, which Adam divides out.
# - An exponent that moves from the first to the last third by more than between seeds.
# - Burstiness no higher than that of shuffled times.
#
# What this run has to say to the first:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    f"The tail spans {spans['sgd']:.1f} decades under SGD and {spans['adam']:.1f} under "
    f"Adam, at losses of {scores['sgd'].loss:.3g} and {scores['adam'].loss:.3g}. It takes "
    "more seeds, and steps until the losses are equal, to tell whether that is the rule."
    if {"sgd", "adam"} <= spans.keys()
    else "It needs runs of SGD and of Adam, and here they are not both."
)

# %% [markdown]
# ## Limits
#
# - One seed and one learning rate for each optimizer. A longer or a shorter step is another
#   experiment; repeat it with `seed` and `learning_rate` before you conclude.
# - The lower cut that fits best may leave a handful of counts. A tail that is a tiny share
#   of all updates, or spans a fraction of a decade, is no finding whatever its exponent.
# - Adam's tail must end below its bound; how near it came stands below
#   [the densities](#the-densities). A fit reports an exponent all the same.
# - Under momentum and Adam successive updates of a weight share gradients, so large updates
#   follow each other at once: short intervals are in part the memory of the optimizer.
# - Anything in your file that draws from another generator than torch's makes two passes
#   differ, and the chapter stops there.
# - Nothing is stored: the store cannot know when code outside the book has changed.
#
# ## Exercises
#
# **1.** Give Adam the learning rate 0.01 in place of 0.001. How does the bound move, and how
# the largest update?
#
# <details><summary>Solution</summary>
#
# Run with `optimizer="adam"` and `learning_rate=0.01`. The bound is proportional to the
# learning rate, so it is ten times as far out. The largest update moves too, but need not
# keep its share of the bound: that share depends on how unevenly in time the gradients of a
# weight come, and so on the path that training takes. It is printed below the densities.
#
# </details>
#
# **2.** How much of the burstiness under momentum is the optimizer's own memory? Hint: feed
# it gradients without memory.
#
# <details><summary>Solution</summary>
#
# Noise in place of the gradients has none:
#
# ```python
# for momentum in (0, 0.9):
#     net = build()
#     noise = torch.optim.SGD(net.parameters(), lr=0.1, momentum=momentum)
#     large = 0.26 / (1 - momentum**2) ** 0.5  # about the top percent
#     intervals = IntervalTracker(net, [large])
#     for _ in range(300):
#         for parameter in net.parameters():
#             parameter.grad = torch.randn_like(parameter)
#         noise.step()
#         intervals.update()
#     found = intervals.counts(large)
#     shuffled = interval_null(found.per_weight, found.steps)
#     print(momentum, found.burstiness, shuffled.burstiness)
# ```
#
# Without momentum, $B$ is that of shuffled times. What it exceeds them by with momentum is
# the optimizer's doing alone.
#
# </details>
#
# **3.** Which parameter makes the largest updates of your network?
#
# <details><summary>Solution</summary>
#
# ```python
# tracker = UpdateTracker(net, groups="parameter")
# ...
# max(tracker.groups, key=lambda group: tracker.histogram(group).max)
# ```
#
# </details>
#
# ## Summary
#
# Three lines around a loop count every update of any network under any optimizer, and a
# second pass their waiting times. With a file of your own the same page is a report on your
# network: whether it learns, how its updates are distributed, what the tail could be, and
# what chance alone would give.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "What became of the tail in this run: "
    + "; ".join(f"under {name} it {answer}" for name, answer in answers.items())
    + ". That is one seed and one learning rate for each optimizer."
)
