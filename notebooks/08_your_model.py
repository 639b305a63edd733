# %% [markdown]
# # Your model: are its updates heavy-tailed?
#
# **Question.** The networks of the previous chapters learn by plain gradient descent; momentum and
# Adam are only controls of [the verdicts](07_claims.ipynb). Hardly anybody trains like that. What
# happens to the tail under momentum and under Adam, and what does it look like in a network of your
# own?
#
# By default this chapter compares three optimizers on the book's MLP. If you give it a model file,
# it writes the same report for your network.

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
import io
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
# The update of parameter $i$ is its change from one step to the next,
#
# $$ \Delta w_i(t) = w_i(t+1) - w_i(t), $$
#
# whatever the optimizer does with the gradient. Plain gradient descent moves by $-\eta\, g_i$, with
# the learning rate $\eta$ and the gradient $g_i$. Momentum moves by $-\eta\, m_i$, with a sum of
# past gradients $m_i(t) = \sum_{s \le t} 0.9^{\,t-s} g_i(s)$. Adam divides $\hat m$, a running mean
# of the gradient (decay $\beta_1$), by the root of $\hat v$, a running mean of its square (decay
# $\beta_2$),
#
# $$ \Delta w_i = -\eta\, \frac{\hat m_i}{\sqrt{\hat v_i} + \epsilon}. $$
#
# Both means are corrected for their start at zero, and a tiny $\epsilon$ prevents division by zero.
# So the scale of the gradient cancels. This has a consequence for the tail. By the Cauchy-Schwarz
# inequality no step of Adam is longer than
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


def make_network():
    return torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(784, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 10),
    )


net = make_network()
sgd = torch.optim.SGD(net.parameters(), lr=0.1)

# %% [markdown]
# Two lines before the loop count every update, and one line afterwards fits the tail. The loop
# itself does not change. `UpdateTracker` comes from `netdyn_utils.tracking`, `fit_power_law` from
# `netdyn_utils.tails`.

# %%
tracker = UpdateTracker(net)  # 1: after the model, before the first step
tracker.attach(sgd)  # 2: counts after each step of the optimizer
for _ in range(200):
    batch = torch.randint(len(images.train_inputs), (64,))
    outputs = net(images.train_inputs[batch])
    loss = torch.nn.functional.cross_entropy(outputs, images.train_targets[batch])
    sgd.zero_grad()
    loss.backward()
    sgd.step()

# %%
counted = tracker.histogram("all")
fit = fit_power_law(counted.edges, counted.counts)  # 3: whenever you like
Markdown(f"α = **{fit.alpha:.2f}** ± {fit.sigma:.1g} above {fit.xmin:.2g}")

# %% [markdown]
# Waiting times need a definition of large updates before the loop begins. So they take a second
# pass from the same seed, with a threshold from the first: the size that one in a hundred updates
# reaches. Create `intervals = IntervalTracker(tracker, [threshold])` before the loop, call
# `intervals.update()` after each step, and read `intervals.counts(threshold)` at the end.

# %%
threshold = counted.tail_threshold(0.01)
Markdown(f"One update in a hundred is at least **{threshold:.2g}**.")

# %% [markdown]
# ### Save and resume
#
# The state of a tracker contains only tensors, numbers and texts, so it can be saved in the same
# file as the weights. Here a buffer takes the place of the file.

# %%
file = io.BytesIO()
torch.save([net.state_dict(), tracker.state_dict()], file)

# %% [markdown]
# To resume, build the model and the tracker as before, then load both states. The new tracker
# continues with the same counts.

# %%
file.seek(0)
weights, state = torch.load(file, weights_only=True)
resumed_net = make_network()
resumed_net.load_state_dict(weights)
resumed = UpdateTracker(resumed_net)
resumed.load_state_dict(state)
resumed.steps, np.array_equal(resumed.histogram("all").counts, counted.counts)

# %% [markdown]
# ### In a trainer
#
# A trainer runs the loop for you. With the Hugging Face `Trainer` a callback attaches the tracker:
#
# ```python
# class Track(TrainerCallback):
#     def on_train_begin(self, args, state, control, model, optimizer, **_):
#         self.tracker = UpdateTracker(model)
#         self.tracker.attach(optimizer)
#
#
# track = Track()
# trainer.add_callback(track)
# trainer.train()
# track.tracker.histogram("all")
# ```
#
# [Tracking your own training](../book/tracking.md) has recipes for Lightning and
# Accelerate. It explains what happens with several processes, with gradient accumulation, and when
# the model changes.

# %% [markdown]
# ## A network of your own
#
# Write a file with a function that takes no arguments and returns the network:
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
# and a file with the data, samples along the first axis:
#
# ```python
# np.savez("nets/mine.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
# ```
#
# Integer targets are classes and are learned with cross-entropy; floats are values and are
# learned with mean squared error. You may leave out the test arrays. Then one command, from the
# folder of the book, writes this report for your network:
#
# ```bash
# papermill notebooks/08_your_model.ipynb mine.ipynb \
#   -p model nets/mine.py:build -p data nets/mine.npz \
#   -p optimizer adam -p learning_rate 0.001
# ```
#
# **A model file is code.** It runs with all your rights, so name only files that you would run
# yourself. A data file is read as numbers, and nothing in it is run.

# %%
task = load_arrays(data) if data else Task.of(images)
task

# %% [markdown]
# Every run builds the network again, from the same seed.


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
# Every run starts from the same weights and uses the same batches; only the optimizer differs. The
# learning rates differ, because they mean different things. Momentum adds up about ten gradients,
# so it gets a tenth of SGD's rate. Adam's rate is the length of a step rather than a factor of the
# gradient; it gets a hundredth.

# %%
check_choice(optimizer, ("all", *OPTIMIZERS), "optimizer")
rates = {optimizer: learning_rate}
if optimizer == "all":
    factors = {"sgd": 1, "momentum": 0.1, "adam": 0.01}
    rates = {name: learning_rate * factor for name, factor in factors.items()}

# %%
same = {"steps": steps, "batch_size": batch_size, "seed": seed}
configs = {
    name: TrainConfig(optimizer=name, learning_rate=rate, **same)
    for name, rate in rates.items()
}

# %% [markdown]
# One loop serves all optimizers. It updates the trackers after each step and records the loss.
# With a log, it also writes to that.


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
# The log does not affect training. It is off unless the parameter `log` names one: `tensorboard`
# writes event files, `wandb` an offline run. Both are optional extras, installed from the folder of
# the book with `pip install -e '.[tensorboard]'` or `'.[wandb]'`.

# %%
updates, losses, scores, ends = {}, {}, {}, {}
for name, config in configs.items():
    with open_log(log, log_dir, f"{name}-seed{seed}") as journal:
        network, updates[name], losses[name], _ = train(config, journal)
    ends[name] = FlatParameters(network).to_vector()
    scores[name] = task.evaluate(network)

# %% [markdown]
# The second pass counts the intervals above the threshold of the first. We check that it ends with
# exactly the same weights.

# %%
LARGE_FRACTION = 0.01  # of the updates
counts = {}
for name, config in configs.items():
    threshold = updates[name].histogram().tail_threshold(LARGE_FRACTION)
    network, _, _, watch = train(config, open_log(), threshold)
    if not torch.equal(ends[name], FlatParameters(network).to_vector()):
        raise RuntimeError(
            f"two runs of {name} from seed {seed} ended with different weights, so the "
            "intervals of the second do not belong to the first: use only torch's "
            "generator for random numbers in the model's file"
        )
    counts[name] = watch.counts(threshold)

Markdown(
    f"{len(counts)} of {len(configs)} second passes ended with the same weights, bit for bit."
)


# %% [markdown]
# ## Does it learn?
#
# A tail of updates says little about a network that does not learn, so we look at the loss first, in
# [this figure](#fig-own-loss). Loss and accuracy at the end are measured in evaluation mode, on the
# test data where there are any.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-loss", "caption": "A network that learns has a falling loss. Training loss of each run, averaged over stretches of steps."}, "image": {"alt": "One falling curve of training loss per optimizer on a logarithmic vertical axis."}, "code_prompt_show": "Code of the figure"}
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
evaluated_on = "training" if task.test_inputs is None else "test"
pd.DataFrame(
    {
        name: {
            "learning rate": f"{rates[name]:g}",
            "training loss, first step": f"{losses[name][0]:.3g}",
            f"{evaluated_on} loss, end": f"{score.loss:.3g}",
            "accuracy": f"{score.accuracy:.1%}" if task.is_classification else "–",
        }
        for name, score in scores.items()
    }
).T

# %% [markdown]
# ## The densities
#
# [This figure](#fig-own-density) shows all updates of each run and the
# [power law](../book/symbols.md#power-law) fitted to its tail by likelihood, as in [the chapter on
# tails](03_tails.ipynb).

# %%
histograms = {name: run.histogram() for name, run in updates.items()}
fits = {name: fit_power_law(h.edges, h.counts) for name, h in histograms.items()}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-density", "caption": "Only a curve that follows its dashed line over a decade or more can be a power law. Density of update magnitudes, all parameters and steps, with the power law fitted to each tail (dashed, black). Dotted: the bound on the steps of Adam, which does not apply to the other curves."}, "image": {"alt": "One density curve per optimizer on logarithmic axes, each with a dashed fitted line; that of Adam ends before a short dotted vertical line."}, "code_prompt_show": "Code of the figure"}
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

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
table = {
    name: {
        "largest update": f"{h.max:.2g}",
        "times the median": f"{h.max / h.median:,.0f}",
        "fraction of Adam's bound": "–",
    }
    for name, h in histograms.items()
}
if "adam" in rates:
    reached = histograms["adam"].max / (bound * rates["adam"])
    table["adam"]["fraction of Adam's bound"] = f"{reached:.0%}"
pd.DataFrame(table).T

# %% [markdown]
# Under Adam the density has a spike at the learning rate. It comes from the first step: both running
# means then contain a single gradient, and every weight with a gradient moves by exactly the
# learning rate.

# %% [markdown]
# ## The local slope
#
# A power law has the same slope over its whole tail. A curve of [this figure](#fig-own-slope) that
# keeps rising is not a power law.

# %% mystnb={"figure": {"name": "fig-own-slope", "caption": "A power law would be a level stretch. Local slope of the density against magnitude, in windows of a factor of two; the band is one standard error."}, "image": {"alt": "One curve of local slope against magnitude per optimizer; a flat stretch would be a power law."}}
figure, ax = plt.subplots()
for name, histogram in histograms.items():
    slope = local_slope(histogram.edges, histogram.counts)
    plotting.plot_local_slope(slope, ax, color=LOOK[name], label=name)
ax.set(xlim=(1e-6, None), ylim=(-1, 10))
legend = ax.legend()
plotting.stamp_source(figure)

# %% [markdown]
# ## Fits and alternative distributions
#
# We fit each tail above an estimated threshold and compare the power law with four alternatives on
# the same counts: an exponential, a stretched exponential, a log-normal, and a power law with a
# cutoff. A short tail hardly distinguishes them. The first and the last third of the run have fits
# of their own: is the exponent stable while the loss falls?


# %%
def better_alternatives(histogram, fit):
    """Return the names of the alternatives that fit clearly better than the power law."""
    found = compare_tails(histogram.edges, histogram.counts, fit).alternatives
    return [one.name for one in found if one.preferred == one.name]


# %%
def tail_row(histogram):
    columns = ("alpha", "better alternatives", "xmin", "in the tail", "decades")
    row = dict.fromkeys(columns, "–")
    try:
        fit = fit_power_law(histogram.edges, histogram.counts)
        better = better_alternatives(histogram, fit)
    except ValueError as reason:  # a layer of few weights has no tail to fit
        return row | {"better alternatives": str(reason).partition(":")[0]}
    names = ", ".join(better).replace("power law with ", "") or "none"
    return row | {
        "alpha": f"{fit.alpha:.2f}\u00a0±\u00a0{fit.sigma:.1g}",
        "better alternatives": names.replace("stretched exponential", "stretched"),
        "xmin": f"{fit.xmin:.2g}",
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

# %% [markdown]
# The errors treat all counts as independent, which updates are not, and each row is a single run.
#
# An estimated threshold may end up far out, with a few hundred of many millions of counts. To
# compare runs, we also fit the same fraction of each: the largest thousandth of all updates.

# %%
xmins = {  # or the last octave, if more than a thousandth of the updates is in its end
    name: min(h.tail_threshold(0.001), h.edges[-9:][0])
    for name, h in histograms.items()
}
largest = {
    name: fit_power_law(h.edges, h.counts, xmin=xmins[name])
    for name, h in histograms.items()
}

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
pd.DataFrame(
    {
        name: {
            "exponent above the estimated xmin": f"{fits[name].alpha:.2f}",
            "of the largest thousandth": f"{f.alpha:.2f} ± {f.sigma:.2g}",
        }
        for name, f in largest.items()
    }
).T

# %% [markdown]
# [The verdicts](07_claims.ipynb) show exponents of momentum and Adam from other runs: those of the
# largest thousandth in the last third of training.
#
# ## Layer by layer
#
# The pool of all layers is a mixture, and its tail can look different from that of each layer. The row
# *all* is the pool.

# %%
layers = {
    f"{name}, {group}": tail_row(run.histogram(group))
    for name, run in updates.items()
    for group in ("all", *run.groups)
}
pd.DataFrame(layers).T

# %% [markdown]
# ## Intervals between large updates
#
# Large updates are the top percent of each run's own updates. Burstiness $B$ is 0 for large updates
# at random times with a constant rate, and near 1 for bursts. Unequal rates alone raise it, so the
# table also gives $B$ of the same weights with shuffled times; the excess is the difference.
# [This figure](#fig-own-intervals) shows the intervals.

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
            "excess": f"{counts[name].burstiness - null.burstiness:+.2f}",
        }
        for name, null in nulls.items()
    }
).T

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-intervals", "caption": "Only intervals above the grey line are more than unequal rates of the weights. Intervals between large updates of the same weight, one panel for each optimizer; grey, dashed: shuffled times."}, "image": {"alt": "One panel per optimizer on logarithmic axes: the probability of an interval falls with its length; a dashed line shows shuffled times."}, "code_prompt_show": "Code of the figure"}
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

# %% [markdown]
# ## What happens to the tail?
#
# A power law needs a tail of at least a decade, and no alternative may fit clearly better. Where
# the answer is close, it can change with the seed, and even with the number of cores, because that
# sets the order of the sums and so their last digits.


# %%
def answer(name):
    if spans[name] < 1:
        return "too short, less than a decade"
    if better_alternatives(histograms[name], fits[name]):
        return "long enough, but an alternative fits better"
    return "possibly a power law"


spans = {name: np.log10(h.max / fits[name].xmin) for name, h in histograms.items()}
answers = {
    name: {
        "the tail is": answer(name),
        "decades": f"{span:.1f}",
        "loss at the end": f"{scores[name].loss:.3g}",
    }
    for name, span in spans.items()
}
pd.DataFrame(answers).T

# %% [markdown]
# ## The metrics of this run
#
# A run of this notebook also saves its main numbers for programs.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the metrics"}
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
# The claim is that heavy tails belong to learning, not to one optimizer.
#
# - The tail exists under SGD and disappears under Adam, at equal loss. Then it comes from the scale
#   of the gradients, which Adam divides out. The table above compares the optimizers of this run.
#   A general answer needs more seeds, and steps until the losses are equal.
# - The exponent changes from the first to the last third by more than between seeds.
# - The burstiness is no higher than that of shuffled times.
#
# ## Limits
#
# - There is one seed and one learning rate for each optimizer. Another learning rate is another
#   experiment; vary `seed` and `learning_rate` before you conclude anything.
# - The estimated threshold may leave a handful of counts. A tail that is a tiny fraction of all
#   updates, or spans a fraction of a decade, is not a finding, whatever its exponent.
# - Adam's tail must end below its bound; the table below [the densities](#the-densities) shows how
#   near it came. A fit reports an exponent all the same.
# - Under momentum and Adam successive updates of a weight share gradients, so large updates follow
#   each other directly. Short intervals are partly the memory of the optimizer.
# - If your model file uses another random generator than torch's, the two passes differ, and the
#   notebook stops there.
# - Nothing is stored, because the store cannot know when code outside the book has changed.
#
# ## Exercises
#
# **1.** Give Adam the learning rate 0.01 instead of 0.001. How does the bound change, and how does
# the largest update?
#
# <details><summary>Solution</summary>
#
# Run with `optimizer="adam"` and `learning_rate=0.01`. The bound is proportional to the
# learning rate, so it becomes ten times as large. The largest update grows too, but need not stay
# at the same fraction of the bound. That fraction depends on how unevenly in time the gradients of a
# weight arrive, and so on the path of training. The table below the densities gives it.
#
# </details>
#
# **2.** How much of the burstiness under momentum comes from the optimizer's own memory? Hint: give
# it gradients without memory.
#
# <details><summary>Solution</summary>
#
# Replace the gradients by noise:
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
# Without momentum, $B$ equals that of shuffled times. With momentum, the excess comes from the
# optimizer alone.
#
# </details>
#
# **3.** Which parameter of your network has the largest updates?
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
# Three lines around a loop count every update of any network under any optimizer, and a second pass
# counts the waiting times. With a file of your own, this page is a report on your network: whether
# it learns, how its updates are distributed, which distributions fit the tail, and what chance
# alone would give. The table [above](#what-happens-to-the-tail) has the answer for this run, which
# is one seed and one learning rate for each optimizer.
