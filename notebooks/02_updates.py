# %% [markdown]
# # Updates: how far does a weight move in one step?
#
# **Question.** The paper says that the sizes of single parameter updates are
# [heavy-tailed](../book/symbols.md#heavy-tail), in three different networks, early and late
# in training. What do these sizes look like when not one of them is left out?
#
# This chapter counts; it does not fit. Whether a tail that looks straight *is* a power
# law is a question of its own, with its own tests.

# %% tags=["parameters"]
source: str = "sample"  # images: those of the package, or all; in {sample, full}
learning_rate: float = 0.1  # of the MLP; the others keep theirs; in (0, 10]
batch_size: int = 64  # of the MLP, in images; in [1, inf)
mlp_steps: int = 3000  # training steps of the MLP; in [1, inf)
convnet_steps: int = 320  # training steps of the ConvNet; in [1, inf)
transformer_steps: int = 150  # training steps of the transformer; in [1, inf)
seed: int = 0  # of weights, batches and dropout; in [0, 4294967295]

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Imports"}
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown

from netdyn_utils import plotting, widgets
from netdyn_utils.experiments import ExperimentConfig, run_updates
from netdyn_utils.histogram import LogHistogram, bin_codes
from netdyn_utils.metrics import log_metrics
from netdyn_utils.tracking import UpdateTracker

plotting.use_style()

# %% [markdown]
# ## Definition
#
# The **update** of weight $i$ at step $t$ is the change of its stored value,
#
# $$ \Delta w_i(t) = w_i(t+1) - w_i(t), $$
#
# and its **magnitude** is $|\Delta w_i(t)|$. It is taken from the weights themselves,
# before and after the step, so it means the same for every optimizer.
#
# A weight whose unit is silent for a whole batch does not move at all. Zero has no place
# on a logarithmic axis, so exact zeros have a counter of their own.
#
# ## Counting without rounding
#
# A run of the MLP makes billions of updates. They are counted in fixed
# [bins](../book/symbols.md#bin). The bin of a number is given by the first bits of its own
# floating-point pattern: the exponent and three more bits, which makes eight bins to each
# doubling. Here are a few numbers and their bins, counted from that of 1:

# %%
values = np.float32([1.0, 1.1, 1.125, 1.9, 2.0, 4.0])
pd.DataFrame({"value": values, "bin": bin_codes(values) - bin_codes(np.float32(1))})

# %% [markdown]
# No logarithm is taken and nothing is rounded at an edge. The bins never change, so the
# histograms of any two layers, windows or runs can be added, exactly.

# %%
one, other = (
    LogHistogram.from_values([0.0, 0.5, 1.0]),
    LogHistogram.from_values([0.25, 0.5]),
)
one + other

# %% [markdown]
# ## Three lines around any training loop
#
# `UpdateTracker` does this for a live model. It keeps a copy of the weights, and after
# each step it counts by how much each one moved.

# %%
torch.manual_seed(seed)
model = torch.nn.Linear(20, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
tracker = UpdateTracker(model)  # after the model, before the first step
for _ in range(100):
    loss = (model(torch.randn(8, 20)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    tracker.update()  # the only line in the loop
tracker.histogram("all")

# %% [markdown]
# ## The runs
#
# The same runs as in the chapter on training; the transformer with three batch sizes.
# What is stored is found again by its configuration, so nothing is computed twice.


# %%
def published(network, steps, **changes):
    return run_updates(
        ExperimentConfig.from_paper(network, steps, seed=seed, **changes)
    )


# %%
transformers = {
    size: published("transformer", transformer_steps, batch_size=size)
    for size in (8, 4, 16)
}
mlp = published(
    "mlp",
    mlp_steps,
    learning_rate=learning_rate,
    batch_size=batch_size,
    source=source,
)
convnet = published("convnet", convnet_steps, source=source)
runs = {"mlp": mlp, "convnet": convnet, "transformer": transformers[8]}
[run.record for run in (mlp, convnet, *transformers.values())]

# %% [markdown]
# ## The MLP, early and late
#
# Bins differ in width, so counts are divided by it: what is drawn is the
# [density](../book/symbols.md#density) $p(x)$, the share of all updates per unit of $x$.
# Magnitudes span many powers of ten, so both axes are logarithmic. On such axes a
# [power law](../book/symbols.md#power-law) $p(x) \propto x^{-\alpha}$ is a straight line with
# slope $-\alpha$, for $\ln p = -\alpha \ln x$ and a constant. A density that is cut off by a
# scale bends down. Which of the two is [this figure](#fig-mlp-windows)? Each curve is one
# [window](../book/symbols.md#window), a stretch of successive steps.

# %% mystnb={"figure": {"name": "fig-mlp-windows", "caption": "Density of update magnitudes of the MLP, all parameters, in successive windows of training from the first (light) to the last (dark). Exact zeros count in the total mass."}, "image": {"alt": "One curve per window on logarithmic axes: density of update magnitudes, flat for small ones, falling steeply for large ones; the windows differ most at the largest magnitudes."}}
axes = plotting.plot_windows(mlp)
plotting.stamp_source(axes, mlp)

# %% [markdown]
# Neither, by eye. The curves bend over most of their range, and only a stretch near the large
# end could pass for straight. [The next chapter](03_tails.ipynb) tests that stretch.
#
# [This figure](#fig-window) shows the same by layer, one window at a time: move the slider.
# The comb at the left end is the number format. A stored weight can take only certain
# values, so its smallest steps come in few sizes.


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of one frame"}
def window_frame(k, layer):
    parts = [mlp.updates.histogram(layer, window) for window in (0, k)]
    ax = plotting.plot_density(parts[0], color=plotting.TIME(0.0), label="first window")
    plotting.plot_density(parts[1], ax, color=plotting.TIME(1.0), label="this window")
    ax.legend(loc="lower left")
    return ax


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the caption"}
def window_caption(k, layer):
    part = mlp.updates.histogram(layer, k)
    return f"Median {part.median:.1e}, largest {part.max:.1e}."


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-window", "caption": "Density of update magnitudes in one layer of the MLP, in one window of training (dark) and in the first (light). The slider takes the window, the menu the layer."}, "code_prompt_show": "Code of the figure that moves"}
stops = (0, *mlp.updates.stops)
widgets.static_slider(
    window_frame,
    widgets.evenly_spaced(range(len(mlp.updates.stops)), 6),
    label=lambda k: f"{stops[k]:,} to {stops[k + 1]:,}",
    caption=window_caption,
    description="steps",
    choices=mlp.updates.groups,
    choice="layer",
    alt="Density of update magnitudes in one layer of the MLP, in one window and in the first",
    runs=[mlp],
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
early, late = (mlp.updates.histogram(window=window) for window in (0, -1))
decades = [np.log10(part.max / part.edges[0]) for part in (early, late)]
Markdown(
    f"In the first window the largest update is **{early.max:.3g}**, in the last "
    f"**{late.max:.3g}**, a ratio of {early.max / late.max:.1f}. "
    f"The magnitudes span {decades[0]:.0f} and {decades[1]:.0f} decades, so a mean or a "
    "variance says little about either."
)

# %% [markdown]
# ## Layer by layer
#
# "All parameters" is a mixture. Layers differ in size and in how far their weights move,
# and the largest updates of a pooled histogram may come from one small layer only.
# [This figure](#fig-layers) takes them apart, and the table below has the numbers of the first
# two networks.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-layers", "caption": "Density of update magnitudes by layer over the whole run: MLP, ConvNet and transformer. Each curve is one layer, divided by its own count; the transformer has one for each of its layers, from the first (dark) to the last (light)."}, "image": {"alt": "Three panels on logarithmic axes, one per network, with one density curve per layer."}, "code_prompt_show": "Code of the figure"}
figure, axes = plt.subplots(1, 3, figsize=(8.4, 3.6), sharey=True)
for ax, (name, run) in zip(axes, runs.items(), strict=True):
    groups = run.updates.groups
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(groups)))
    for group, shade in zip(groups, shades, strict=True):
        histogram = run.updates.histogram(group)
        plotting.plot_density(histogram, ax, color=shade, linewidth=1, label=group)
    ax.set_title(name, loc="left")
    if len(groups) <= 6:
        ax.legend(fontsize=8, loc="lower left")
    ax.label_outer()
    ax.set_xticks([1e-13, 1e-8, 1e-3])
plotting.stamp_source(figure, *runs.values())


# %%
def row(histogram):
    return {
        "updates": f"{histogram.total:,}",
        "exact zeros": f"{histogram.zeros / histogram.total:.1%}",
        "median": f"{histogram.median:.1e}",
        "largest": f"{histogram.max:.2e}",
    }


# %%
pd.DataFrame(
    {
        f"{name} {group}": row(run.updates.histogram(group))
        for name, run in (("mlp", mlp), ("convnet", convnet))
        for group in (*run.updates.groups, "all")
    }
).T

# %%
zeros = {
    name: run.updates.histogram().zeros / run.updates.histogram().total
    for name, run in runs.items()
}
most = max(zeros, key=zeros.get)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "Share of updates that are exactly zero: "
    + ", ".join(f"{name} {share:.1%}" for name, share in zeros.items())
    + f". The {most} has the most. A ReLU unit that is silent on a whole batch moves "
    "none of its weights, the row of a character that is not in the batch stays where it "
    "is, and a step below the resolution of the stored number is no step."
)

# %% [markdown]
# ## The transformer and its batch size
#
# A larger batch averages away more of the noise. If the [tail](../book/symbols.md#tail) came
# from that noise alone, it should change with the batch. [This figure](#fig-batches) has
# three batch sizes.

# %% mystnb={"figure": {"name": "fig-batches", "caption": "Density of update magnitudes of the transformer, all parameters, for three batch sizes at the same learning rate: the large end."}, "image": {"alt": "Three density curves on logarithmic axes for batch sizes 4, 8 and 16."}}
figure, ax = plt.subplots()
shades = {4: "#66C2A4", 8: "#238B6B", 16: "#00441B"}
for size in sorted(transformers):
    histogram = transformers[size].updates.histogram()
    plotting.plot_density(histogram, ax, color=shades[size], label=f"batch of {size}")
ax.set(xlim=(1e-6, None), ylim=(None, 1e6))
legend = ax.legend(loc="lower left")
plotting.stamp_source(figure, *transformers.values())

# %%
pooled = {size: transformers[size].updates.histogram() for size in sorted(transformers)}
far = {size: histogram.tail_threshold(0.001) for size, histogram in pooled.items()}
shrinks = far[4] / far[16]
tops = [f"{part.max:#.2g} with batches of {size}" for size, part in pooled.items()]

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "One update in a thousand reaches "
    + ", ".join(f"{edge:#.2g} with batches of {size}" for size, edge in far.items())
    + f". From 4 to 16 that edge of the tail shrinks by a factor of {shrinks:.1f}; noise of "
    "independent samples with a finite variance would shrink by 2. So the tail "
    + ("changes with the batch" if shrinks > 1.2 else "hardly changes with the batch")
    + f". The largest update is {', '.join(tops)}. One run each: the order of three single "
    "runs is not yet a law."
)

# %% [markdown]
# ## What counting costs
#
# The published scripts keep every magnitude and every weight of every step, in single
# precision, and write them to disk. A histogram keeps neither.


# %%
def cost(run):
    everything = 2 * 4 * run.parameters * run.updates.stops[-1]  # |Δw| and w, float32
    return {
        "updates counted": f"{run.updates.histogram().total:.2e}",
        "recording everything": f"{everything / 1e9:,.1f} GB",
        "this record": f"{run.record.size / 1e3:,.0f} KB",
        "ratio": f"{everything / max(run.record.size, 1):,.0f}",
    }


# %%
pd.DataFrame({name: cost(run) for name, run in runs.items()}).T

# %% [markdown]
# ## The numbers of this run
#
# What a program reads from this notebook, whoever ran it.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the record"}
log_metrics(
    {f"largest_{name}": r.updates.histogram().max for name, r in runs.items()}
    | {f"zeros_{name}": share for name, share in zeros.items()},
    largest_mlp_first_window=early.max,
    largest_mlp_last_window=late.max,
)

# %% [markdown]
# ## What would refute it
#
# The claim of heavy tails would fall if the densities bent down like those of a normal or
# exponential law as soon as all updates are counted. A curve that looks straight is *not*
# enough to confirm it: a [log-normal](../book/symbols.md#log-normal) looks straight over
# several decades, and a pool of Gaussian weights with unequal variances does so too. Fits,
# [rivals](../book/symbols.md#rival) and [nulls](../book/symbols.md#null) decide.
#
# ## Limits
#
# - Pooling parameters mixes scales: a heavy pooled tail need not be a heavy tail of any
#   one parameter in time.
# - Updates of one step share a batch and updates of one weight follow each other, so
#   billions of counts are far fewer independent observations.
# - In single precision a weight $w$ cannot move by less than about $10^{-7}\,|w|$: the
#   smallest bins show the number format.
#
# ## Exercises
#
# **1.** Take a learning rate of 0.01. Do the densities shift only, or change shape?
#
# <details><summary>Solution</summary>
#
# ```python
# slow = published("mlp", mlp_steps, learning_rate=learning_rate / 10, source=source)
# ax = plotting.plot_density(mlp.updates.histogram(), label="as above")
# plotting.plot_density(slow.updates.histogram(), ax, label="a tenth of the rate")
# ax.legend()
# ```
#
# If each step were only shorter, the curve would move left by a factor of ten and up by as
# much. But after as many steps the slower network is also less far in its training. Compare
# windows with the same *loss* before you speak of shape.
#
# </details>
#
# **2.** Count the first 100 steps in windows of ten. Is the tail there from the start?
#
# <details><summary>Solution</summary>
#
# ```python
# first = published("mlp", 100, window=10, source=source)
# plotting.plot_windows(first)
# [f"{first.updates.histogram(window=k).max:.2g}" for k in (0, -1)]
# ```
#
# The wide range of magnitudes is there in the first ten steps, from initial weights drawn at
# random: nothing has organized itself yet. A tail that early is a fact about gradients of
# layered networks.
#
# </details>
#
# **3.** Wrap `UpdateTracker` around an Adam run. What happens to the largest updates?
#
# <details><summary>Solution</summary>
#
# ```python
# model = torch.nn.Linear(20, 1)
# optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
# tracker = UpdateTracker(model)
# for _ in range(100):
#     optimizer.zero_grad()
#     (model(torch.randn(8, 20)) ** 2).mean().backward()
#     optimizer.step()
#     tracker.update()
# tracker.histogram("all").max
# ```
#
# Adam divides each update by the size of recent gradients of the same weight, so none is much
# larger than the learning rate. The large end of the histogram is cut off, whatever the
# gradients do.
#
# </details>
#
# **4.** The transformer's density has a hump below $10^{-10}$. Find the parameters that
# make it. (What does a softmax do with a constant that is added to all its inputs?)
#
# <details><summary>Solution</summary>
#
# ```python
# from netdyn_utils.data import CharText, InMemoryBatches
# from netdyn_utils.networks import build_model
# from netdyn_utils.training import TrainConfig, train_steps
#
# generator, text = torch.Generator().manual_seed(seed), CharText()
# model = build_model("transformer", generator=generator)
# batches = InMemoryBatches(text.inputs, text.targets, 8, generator=generator)
# tracker = UpdateTracker(model, groups="parameter")
# for _ in train_steps(model, batches, TrainConfig(steps=20, learning_rate=0.1)):
#     tracker.update()
# tiny = {
#     name: h.counts[h.edges[1:] < 1e-10].sum() / max(h.total, 1)
#     for name, h in ((name, tracker.histogram(name)) for name in tracker.groups)
# }
# print(sorted(tiny.items(), key=lambda pair: -pair[1])[:4])
# ```
#
# The biases of attention come first. One third of `qkv.bias` belongs to the keys, and a bias
# $b$ of the keys adds the same number, $q \cdot b$, to every input of one softmax. A softmax
# does not notice that, so the true gradient is exactly zero, and what is counted is the
# rounding of float32.
#
# </details>
#
# ## Summary
#
# Every update of every parameter was counted, exactly, in a record of kilobytes. The sizes
# span many decades. Their densities bend over most of that range and end in a steep fall,
# which differs by layer and window. Whether this tail is a power law is open until it is
# tested.
