# %% [markdown]
# # Updates: how far does a weight move in one step?
#
# **Question.** The paper reports that the sizes of single-parameter updates are
# [heavy-tailed](../book/symbols.md#heavy-tail) in three different networks, early and late
# in training. What does the complete distribution look like?
#
# This chapter only counts. [The next chapter](03_tails.ipynb) tests whether a tail that
# looks straight *is* a power law.

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
# and its **magnitude** is $|\Delta w_i(t)|$. We read the weights before and after the step,
# so the definition is the same for every optimizer.
#
# A weight whose unit is silent for a whole batch does not move at all. A logarithmic axis
# has no zero, so exact zeros have their own counter.
#
# ## Counting without rounding
#
# A run of the MLP makes billions of updates. We count them in fixed
# [bins](../book/symbols.md#bin). The leading bits of a floating-point number determine its
# bin: the exponent and three more bits, which gives eight bins per factor of two. Here are
# a few numbers with their bins, numbered from the bin of 1:

# %%
values = np.float32([1.0, 1.1, 1.125, 1.9, 2.0, 4.0])
pd.DataFrame({"value": values, "bin": bin_codes(values) - bin_codes(np.float32(1))})

# %% [markdown]
# No logarithm is computed and nothing is rounded at an edge. All histograms have the same
# bins, so those of any two layers, windows or runs add exactly.

# %%
one, other = (
    LogHistogram.from_values([0.0, 0.5, 1.0]),
    LogHistogram.from_values([0.25, 0.5]),
)
one + other

# %% [markdown]
# ## Three lines around any training loop
#
# `UpdateTracker` counts the updates of a model while it trains. It stores a copy of the
# weights and compares them with the new weights after each step.

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
# We use the runs of the chapter on training, with three batch sizes for the transformer.
# The store finds a run by its configuration, so nothing is computed twice.


# %%
def paper_run(network, steps, **changes):
    return run_updates(
        ExperimentConfig.from_paper(network, steps, seed=seed, **changes)
    )


# %%
transformers = {
    size: paper_run("transformer", transformer_steps, batch_size=size)
    for size in (8, 4, 16)
}
mlp = paper_run(
    "mlp",
    mlp_steps,
    learning_rate=learning_rate,
    batch_size=batch_size,
    source=source,
)
convnet = paper_run("convnet", convnet_steps, source=source)
runs = {"mlp": mlp, "convnet": convnet, "transformer": transformers[8]}
[run.record for run in (mlp, convnet, *transformers.values())]

# %% [markdown]
# ## The MLP, early and late
#
# Bins differ in width, so we divide each count by the width of its bin. The result is the
# [density](../book/symbols.md#density) $p(x)$, the fraction of all updates per unit of $x$.
# Magnitudes span many powers of ten, so both axes are logarithmic. On such axes a
# [power law](../book/symbols.md#power-law) $p(x) \propto x^{-\alpha}$ is a straight line with
# slope $-\alpha$, because $\ln p = -\alpha \ln x + \text{const}$. A density with a
# characteristic scale bends down. Which does [this figure](#fig-mlp-windows) show? Each curve
# is one [window](../book/symbols.md#window), a series of successive steps.

# %% mystnb={"figure": {"name": "fig-mlp-windows", "caption": "A power law would be straight at the large end of a window. Density of update magnitudes of the MLP, all parameters, from the first window of training (light) to the last (dark), normalised including exact zeros."}, "image": {"alt": "One curve per window on logarithmic axes: the density of update magnitudes is flat at small magnitudes and falls steeply at large ones; the windows differ most at the largest magnitudes."}}
axes = plotting.plot_windows(mlp)
plotting.stamp_source(axes, mlp)

# %% [markdown]
# The curves bend over most of their range, and only a part near the large end could pass for
# straight. [The next chapter](03_tails.ipynb) tests that part.
#
# [This figure](#fig-window) shows one layer and one window at a time: move the slider.
# The comb at the left end comes from the number format: a stored weight can take only certain
# values, so its smallest steps have only a few sizes.


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


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-window", "caption": "Where the two curves separate, the distribution changed during training. Density of update magnitudes in one layer of the MLP, in one window (dark) and in the first window (light). The slider selects the window and the menu selects the layer."}, "code_prompt_show": "Code of the figure that moves"}
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
    f"**{late.max:.3g}**, a ratio of {early.max / late.max:.1f}. The magnitudes span "
    f"{min(decades):.0f} decades or more, so a mean or a variance says little about them."
)

# %% [markdown]
# ## Layer by layer
#
# "All parameters" is a mixture. Layers differ in size and in how far their weights move,
# and the largest updates of a pooled histogram may all come from one small layer.
# [This figure](#fig-layers) shows each layer, and the table below lists the numbers for the
# MLP and the ConvNet.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-layers", "caption": "Where layers differ in their update sizes, the pooled density is a mixture. Density of update magnitudes in each layer of the MLP, the ConvNet and the transformer over the whole run. Each curve is normalised by its own count; the transformer's layers run from the first (dark) to the last (light)."}, "image": {"alt": "Three panels on logarithmic axes, one per network, with one density curve per layer."}, "code_prompt_show": "Code of the figure"}
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
pd.Series(zeros, name="fraction of exact zeros").map("{:.1%}".format).to_frame()

# %% [markdown]
# Exact zeros have three causes. A ReLU unit that is silent for a whole batch moves none of its
# weights. The embedding of a character that is not in the batch does not move. And a step
# smaller than the resolution of the stored number changes nothing.

# %% [markdown]
# ## The transformer and its batch size
#
# A larger batch averages out more of the gradient noise. If the
# [tail](../book/symbols.md#tail) came from that noise alone, it should change with the batch
# size. [This figure](#fig-batches) compares three batch sizes.

# %% mystnb={"figure": {"name": "fig-batches", "caption": "A curve that ends further left has smaller updates at its large end. Large end of the density of update magnitudes of the transformer, all parameters, for three batch sizes at the same learning rate."}, "image": {"alt": "Three density curves on logarithmic axes, for batch sizes 4, 8 and 16, which fall steeply at large magnitudes."}}
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
thresholds = {size: part.tail_threshold(0.001) for size, part in pooled.items()}
maxima = {size: part.max for size, part in pooled.items()}
table = pd.DataFrame({"threshold of the top 0.1%": thresholds, "largest": maxima})
table.rename_axis("batch size").map("{:#.2g}".format)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
ratio = thresholds[4] / thresholds[16]
Markdown(
    "From batches of 4 to batches of 16 the threshold of the top 0.1% falls by a factor of "
    f"{ratio:.1f}. Averaging the noise of independent samples with a finite variance would "
    "give a factor of 2. Each batch size has one run, so the order may be chance."
)

# %% [markdown]
# ## What counting costs
#
# The published scripts write every magnitude and every weight of every step to disk, in
# single precision. A histogram stores only its counts.


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
# A program can read these numbers from the executed notebook.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the record"}
log_metrics(
    {f"largest_{name}": r.updates.histogram().max for name, r in runs.items()}
    | {f"zeros_{name}": fraction for name, fraction in zeros.items()},
    largest_mlp_first_window=early.max,
    largest_mlp_last_window=late.max,
)

# %% [markdown]
# ## What would refute it
#
# The claim of heavy tails would be wrong if the densities, once all updates are counted, fell
# off like a normal or an exponential distribution. A curve that looks straight does *not*
# confirm it: a [log-normal](../book/symbols.md#log-normal) looks straight over several
# decades, and so does a pool of Gaussian steps with unequal variances. The decision needs
# fits, [alternative distributions](../book/symbols.md#alternative-distribution) and
# [null models](../book/symbols.md#null-model).
#
# ## Limits
#
# - Pooling mixes scales: a heavy pooled tail does not imply that any single parameter has a
#   heavy tail over time.
# - Updates in one step share a batch, and successive updates of one weight are correlated.
#   Billions of counts therefore contain far fewer independent observations.
# - In single precision a weight $w$ cannot move by less than about $10^{-7}\,|w|$, so the
#   smallest bins show the number format.
#
# ## Exercises
#
# **1.** Use a tenth of the learning rate. Do the densities only shift, or do they change
# shape?
#
# <details><summary>Solution</summary>
#
# ```python
# slow = paper_run("mlp", mlp_steps, learning_rate=learning_rate / 10, source=source)
# ax = plotting.plot_density(mlp.updates.histogram(), label="as above")
# plotting.plot_density(slow.updates.histogram(), ax, label="a tenth of the rate")
# ax.legend()
# ```
#
# If each step were just ten times shorter, the curve would move left and up by a factor of
# ten. But after the same number of steps the slower network is also less trained. Compare
# windows with the same *loss* before you draw conclusions about the shape.
#
# </details>
#
# **2.** Count the first 100 steps in windows of ten. Does the tail exist from the start?
#
# <details><summary>Solution</summary>
#
# ```python
# first = paper_run("mlp", 100, window=10, source=source)
# plotting.plot_windows(first)
# [f"{first.updates.histogram(window=k).max:.2g}" for k in (0, -1)]
# ```
#
# The first ten steps already have the wide range of magnitudes, with random initial weights,
# before anything could organize itself. Such an early tail is a property of the gradients of
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
# Adam divides each update by the size of recent gradients of the same weight, so no update is
# much larger than the learning rate. This truncates the large end of the histogram, whatever
# the gradients are.
#
# </details>
#
# **4.** The transformer's density has a hump below $10^{-10}$. Which parameters cause it?
# (What does a softmax do with a constant that is added to all its inputs?)
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
# The biases of the attention layers come first. One third of `qkv.bias` belongs to the keys,
# and a bias $b$ of the keys adds the same number, $q \cdot b$, to every input of a softmax. A
# softmax ignores such a constant, so the true gradient is exactly zero, and the counted
# updates are float32 rounding errors.
#
# </details>
#
# ## Summary
#
# We counted every update of every parameter exactly, in records of a few kilobytes. The sizes
# span many decades. Their densities bend over most of this range and fall steeply at the large
# end, differently in each layer and window. The next chapter tests whether this tail is a
# power law.
