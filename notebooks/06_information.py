# %% [markdown]
# # Information: what do updates know of activity?
#
# **Question.** The paper says that the size of a weight's update and the activity of its
# unit share [information](../book/symbols.md#mutual-information) $I$, that successive updates
# keep a direction to a degree $\beta^*$, and that the product $I \beta^*$ stays the same from one stretch of training to
# the next. Is there information, beyond what the wiring alone gives? And is the product
# conserved, or only smooth?

# %% tags=["parameters"]
source: str = "sample"  # images: those of the package, or all; in {sample, full}
steps: int = 880  # training steps, eleven windows or more; in [220, inf)
window: int = 80  # steps in a window; in [2, inf)
seed: int = 0  # of weights, batches and nulls; in [0, 4294967295]
published_dir: str = ""  # folder of the authors' arrays, to draw them beside ours

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Imports"}
import re
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from netdyn_utils import plotting, widgets
from netdyn_utils.experiments import FIVE_LAYERS, ExperimentConfig, run_information
from netdyn_utils.information import (
    conservation_test,
    mutual_information,
    permutation_test,
)
from netdyn_utils.metrics import log_metrics

plotting.use_style()
rng = np.random.default_rng(seed)

# %% [markdown]
# ## Definition
#
# The mutual information of two variables is what knowing one saves in describing the other,
#
# $$ I(x; y) = \sum_{x, y} p(x, y) \ln \frac{p(x, y)}{p(x)\,p(y)}, $$
#
# in nats: zero for independent variables, and not bounded above. It has to be estimated
# from counts in bins, and that is where it goes wrong. So first the estimators on pairs
# whose information is known: two normal variables with correlation $\rho$ have
# $I = -\frac12 \ln(1-\rho^2)$; two Student variables of $\nu$ degrees of freedom share
# a scale, so that they depend on each other without any correlation.


# %%
def normal_pair(n, rho=0.6):
    x, noise = rng.normal(size=(2, n))
    return x, rho * x + np.sqrt(1 - rho**2) * noise


# %%
def student_pair(n, nu=1):
    return rng.normal(size=(2, n)) / np.sqrt(rng.chisquare(nu, n) / nu)


# %%
n = 200_000
cases = {
    "normal, ρ = 0.6": (normal_pair(n), -np.log(1 - 0.6**2) / 2),
    "independent": (rng.normal(size=(2, n)), 0.0),
    "Student, ν = 1": (student_pair(n), np.log(8 * np.pi) - 3),
}
estimators = {
    "linear bins": {"estimator": "linear", "correction": None},
    "rank bins": {"estimator": "rank"},
    "neighbours": {"estimator": "ksg", "subsample": 5_000, "rng": rng},
}

# %%
table = pd.DataFrame(
    {
        name: {
            "truth": f"{truth:.3f}",
            **{
                how: f"{round(mutual_information(*pair, **options).nats, 3) + 0.0:.3f}"
                for how, options in estimators.items()
            },
        }
        for name, (pair, truth) in cases.items()
    }
).T
table

# %% [markdown]
# Linear bins are the authors' choice: fifty of equal width from the smallest value to the
# largest. In a [heavy-tailed](../book/symbols.md#heavy-tail) pair nearly all values then lie in one bin, and the
# information is gone. Rank bins hold equally many values each; they see it. Nearest
# neighbours are good where distances mean something. They are slow, so only 5,000 of the pairs
# enter, and chance weighs more in their numbers than in the others. They are not used below.
#
# Too few counts make it wrong the other way: independent values seem to share information,
# because chance fills some cells and not others. How much is to be expected follows from the
# number of filled cells. The correction of Miller and Madow subtracts part of it: too little
# where most cells are empty.

# %%
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # 500 pairs are too few, which is the point here
    few = {
        n: mutual_information(*rng.normal(size=(2, n)), estimator="linear")
        for n in (500, 5_000, 50_000)
    }

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "Two independent normal variables, 50 × 50 linear bins, as counted: "
    + ", ".join(f"{found.plug_in:.3f} nats at n = {n:,}" for n, found in few.items())
    + "; with the correction of Miller and Madow: "
    + ", ".join(f"{found.nats:.3f}" for found in few.values())
    + "."
)

# %% [markdown]
# ## What a pair is, and what chance is
#
# A weight leads to a unit. The pair is the magnitude $|\Delta w|$ of the weight's update at
# a step, and the activation $a$ of that unit at the same step, averaged over ten test
# images of each digit. The network has five layers, 784-50-50-50-50-10.
#
# All weights of a unit share its activation. The pairs of one step, one for each weight, have
# only 210 different activations among them, so knowing $a$ nearly means knowing *which unit it
# is*. If the updates of some units are larger than those of others, for whatever reason,
# $I$ is large. The null must keep that: it exchanges the activations of whole **units**
# within a layer. Exchanging single pairs would break up what belongs together, and
# everything would look significant:

# %%
units, fan_in = 50, 200
scale = np.repeat(rng.lognormal(size=units), fan_in)  # each unit has its own size …
activity = np.repeat(rng.random(units), fan_in)  # … which its activity does not know
sizes = scale * np.abs(rng.normal(size=units * fan_in))
chance = {"permutations": 99, "rng": rng}
by_pair = permutation_test(sizes, activity, **chance)
by_unit = permutation_test(
    sizes, activity, groups=np.repeat(np.arange(units), fan_in), **chance
)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    f"Unrelated by construction, and yet $I$ = {by_pair.nats:.2f} nats. Pairs exchanged: "
    f"{by_pair.null_mean:.2f} nats, p = {by_pair.p_value:.2f}. Units exchanged: "
    f"{by_unit.null_mean:.2f} nats, p = {by_unit.p_value:.2f}."
)

# %% [markdown]
# ## The run
#
# The three settings of the paper, and the fourth that completes them: two learning rates,
# two batch sizes. [This figure](#fig-information) shows their information, as it is and with
# units exchanged.

# %%
settings = {
    f"lr {learning_rate:g}, batch {batch_size}": {
        "learning_rate": learning_rate,
        "batch_size": batch_size,
    }
    for learning_rate, batch_size in ((0.01, 50), (0.01, 500), (0.1, 50), (0.1, 500))
}
runs = {
    name: run_information(
        ExperimentConfig.from_paper(
            "mlp",
            steps,
            seed=seed,
            source=source,
            window=window,
            options=FIVE_LAYERS,
            **setting,
        )
    )
    for name, setting in settings.items()
}
[run.record for run in runs.values()]

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-information", "caption": "Information between magnitude and activation in each window, mean over steps, by the authors' linear bins (left) and by rank bins with correction (right). Solid: as the pairs are; dotted: units exchanged within their layer, mean of the null."}, "image": {"alt": "Two panels of information in nats against the step, one line per setting, each with a dotted line for exchanged units."}, "code_prompt_show": "Code of the figure"}
SHADES = dict(zip(runs, ("#0072B2", "#56B4E9", "#D55E00", "#E69F00"), strict=True))
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.6))
for ax, estimator in zip(axes, ("linear", "rank"), strict=True):
    for name, run in runs.items():
        series = run.information(estimator)
        ax.plot(run.steps, series.nats, color=SHADES[name], label=name)
        ax.plot(run.steps, series.null_mean, ":", color=SHADES[name])
    ax.set_title(f"{estimator} bins", loc="left")
    ax.set(xlabel="step", ylabel="information (nats)", ylim=(0, None))
legend = axes[0].legend(fontsize=8)
plotting.stamp_source(figure, *runs.values())

# %%
late = slice(-5, None)
part = {
    name: np.mean(run.information("linear").null_mean[late])
    / np.mean(run.information("linear").nats[late])
    for name, run in runs.items()
}


# %%
def above_chance(run, estimator="rank"):
    series = run.information(estimator)
    return np.mean(series.excess[late]), 2 * np.mean(series.null_spread[late])


# %%
beyond = {name: above_chance(run) for name, run in runs.items()}
above = [name for name, (nats, reach) in beyond.items() if nats > reach]

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "In the last five windows, with the authors' bins, exchanged units still give "
    + ", ".join(f"{share:.0%} ({name})" for name, share in part.items())
    + " of the information. With rank bins what is beyond chance is "
    + ", ".join(
        f"{nats:.2f} ± {reach:.2f} nats ({name})"
        for name, (nats, reach) in beyond.items()
    )
    + ". The ± is two standard deviations of the null in a window: the information "
    f"lies above exchanged units in {len(above)} of {len(runs)} settings. One run each."
)

# %% [markdown]
# ## One step or the whole window?
#
# The paper gives one number for 200 steps. It can be read in two ways: the information of
# the pairs of one step, then the mean over steps; or of all pairs of the window at once.
# The difference is large. Over a window the size of all updates goes up and down with the
# batches, and linear bins must span the largest of them.

# %%
PUBLISHED = {  # means of the 99 windows in the authors' arrays
    "lr 0.01, batch 50": (0.441, 0.204),
    "lr 0.01, batch 500": (0.353, 0.717),
    "lr 0.1, batch 50": (0.499, 0.112),
}


READINGS = {
    "linear, by step": ("linear", "per_step"),
    "linear, by window": ("linear", "pooled"),
    "rank, by step": ("rank", "per_step"),
    "rank, by window": ("rank", "pooled"),
}
means = {
    name: {
        how: run.information(estimator, aggregate=aggregate).nats.mean()
        for how, (estimator, aggregate) in READINGS.items()
    }
    for name, run in runs.items()
}
table = pd.DataFrame(means).T.round(3)
table.insert(0, "published", [PUBLISHED.get(name, ("–",))[0] for name in runs])
table

# %%
off = {
    how: np.mean([abs(means[n][how] / PUBLISHED[n][0] - 1) for n in PUBLISHED])
    for how in READINGS
}
nearest = min(off, key=off.get)
theirs_up = " < ".join(sorted(PUBLISHED, key=lambda name: PUBLISHED[name][0]))
ours_up = " < ".join(sorted(PUBLISHED, key=lambda name: means[name][nearest]))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "Mean distance from the published numbers: "
    + ", ".join(f"{how} {value:.0%}" for how, value in off.items())
    + f". Nearest: **{nearest}**. The settings stand in "
    + (
        "the published order."
        if ours_up == theirs_up
        else f"another order there: {ours_up}; published {theirs_up}."
    )
)

# %% [markdown]
# The figures below use linear bins by step, the reading that came nearest at the authors' 20,000
# steps. Shorter runs, as in the quick profile, have not settled and may read otherwise.
#
# ## Alignment
#
# The **leading direction** of a window is the direction of weight space along which its
# steps vary most, their first principal component. **Alignment** compares it with the one
# of the window before,
#
# $$ \beta^*_t = \left|\cos(\mathbf d_{t-1}, \mathbf d_t)\right|, $$
#
# one for the same direction, zero for a right angle. (The published axis calls it cosine
# distance; the number is the cosine.) It matters what the steps are: the *path*, that is
# the weights themselves as they move through the window; their signed *updates*; or the
# *magnitudes* of these.

# %%
kinds = ("path", "updates", "magnitudes")

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
pd.DataFrame(
    {
        name: {
            "published": f"{PUBLISHED[name][1]:.3f}" if name in PUBLISHED else "–",
            **{kind: f"{run.alignment(kind).mean():.3f}" for kind in kinds},
            "variance along the path's": f"{run.explained('path').mean():.0%}",
        }
        for name, run in runs.items()
    }
).T

# %% [markdown]
# The paper speaks of update directions. At its 20,000 steps it is the direction of the *path*
# whose alignment has the published size and order, so that one is used from here on, first
# in [this figure](#fig-alignment). In shorter runs the path is straighter, and the alignment
# larger.

# %% mystnb={"figure": {"name": "fig-alignment", "caption": "Alignment of the path's leading direction in successive windows, by setting."}, "image": {"alt": "Alignment between 0 and 1 against the step, one line per setting."}}
figure, ax = plt.subplots()
for name, run in runs.items():
    ax.plot(run.steps[1:], run.alignment("path"), color=SHADES[name], label=name)
ax.set(xlabel="step", ylabel="alignment β* (|cos|)", ylim=(0, 1))
legend = figure.legend(loc="outside upper center", ncols=2, fontsize=9)
plotting.stamp_source(figure, *runs.values())


# %%
def read_published(kind, name, folder=published_dir):
    if not folder or name not in PUBLISHED:
        return None
    learning_rate, batch_size = settings[name].values()
    stem = f"submission_{kind}_PureSGD_lr{learning_rate:g}_bs{batch_size}.npy"
    path = Path(folder) / stem
    return np.load(path, allow_pickle=False) if path.is_file() else None


# %%
theirs = {name: [read_published(k, name) for k in ("mi", "pca")] for name in runs}
theirs = {n: p for n, p in theirs.items() if all(part is not None for part in p)}

# %% [markdown]
# ## Is the product conserved?
#
# The paper plots $I_{t+1}\beta^*_{t+1}$ against $I_t\beta^*_t$ and finds the points near the
# diagonal. So does any smooth series: what changes slowly is close to where it just was.
# Why a product might be conserved at all is worked out in the theory
# ([equation 8](../book/theory.md#a-conserved-product)), with a gap that is named there. Conservation says
# more. Where $I$ rises $\beta^*$ must fall, and the product must vary
# *less* than it would if the two had nothing to do with each other. [This
# figure](#fig-product) shows the product in the three ways of the paper.

# %%
series = {
    name: (run.information("linear").nats[1:], run.alignment("path"))
    for name, run in runs.items()
}
found = {name: conservation_test(*pair, rng=rng) for name, pair in series.items()}
measured = {name: found[name].product for name in runs}
published = {name: np.prod(pair, axis=0) for name, pair in theirs.items()}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-product", "caption": "The product of information and alignment. Left: in the course of training. Middle: each window against the one before; the dashed line is the diagonal. Right: its change from one window to the next, settings in the legend's order, with median and quartiles; whiskers to 1.5 quartile ranges, larger changes are not drawn. Grey: published, where the folder of the authors' arrays was given."}, "image": {"alt": "Three panels: the product against the step, the product against its value one window before, and box plots of its differences, by setting."}, "code_prompt_show": "Code of the figure"}
figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.6))
for values in published.values():
    axes[1].plot(values[:-1], values[1:], "x", color=plotting.GREY, markersize=3)
for name, values in measured.items():
    axes[0].plot(runs[name].steps[1:], values, color=SHADES[name], label=name)
    axes[1].plot(values[:-1], values[1:], "o", color=SHADES[name], markersize=3)
axes[1].axline((0, 0), slope=1, color="black", linestyle="--", linewidth=1.4)
changes = [np.diff(values) for values in measured.values()]
look = {"showfliers": False, "patch_artist": True, "medianprops": {"color": "black"}}
boxes = axes[2].boxplot(changes, widths=0.6, **look)
for box, name in zip(boxes["boxes"], measured, strict=True):
    box.set_facecolor(SHADES[name])
axes[2].axhline(0, color=plotting.GREY, linewidth=0.8)
axes[2].set_xticks([])
axes[0].set(xlabel="step", ylabel="I β* (nats)", ylim=(0, None))
axes[1].set(xlabel="I β* in a window (nats)", ylabel="in the next (nats)")
axes[2].set(xlabel="setting", ylabel="change of I β* (nats)")
for ax in axes[:2]:
    ax.locator_params(axis="x", nbins=3)
legend = figure.legend(loc="outside upper center", ncols=4, fontsize=9)
plotting.stamp_source(figure, *runs.values())

# %% [markdown]
# [This figure](#fig-plane) goes window by window. If the product were conserved, the points of
# a setting would move along its dashed line.


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of one frame"}
def plane_frame(k):
    figure, ax = plt.subplots()
    recent = slice(max(k - 10, 0), k)
    for name, (nats, aligned) in series.items():
        shade = SHADES[name]
        ax.plot(
            nats[recent], aligned[recent], "o", markersize=4, color=shade, alpha=0.4
        )
        look = {"markersize": 10, "markeredgecolor": "white", "zorder": 5}
        ax.plot(nats[k], aligned[k], "o", color=shade, label=name, **look)
        along = np.linspace(max(nats.min(), 1e-3), nats.max())
        ax.plot(along, measured[name].mean() / along, "--", color=shade, linewidth=1.4)
    ax.set(xlabel="information I (nats)", ylabel="alignment β*", ylim=(0, 1.05))
    figure.legend(loc="outside upper center", ncols=2, fontsize=9)
    return figure


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the caption"}
def plane_caption(k):
    products = ", ".join(f"{values[k]:.3f} ({n})" for n, values in measured.items())
    return f"I β* in nats: {products}."


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-plane", "caption": "Information and alignment by setting: the window that ends at the slider's step (large) and the ten before it (small). On a dashed line the product is that of the setting's mean."}, "code_prompt_show": "Code of the figure that moves"}
ends = next(iter(runs.values())).steps[1:]
widgets.static_slider(
    plane_frame,
    widgets.evenly_spaced(range(len(ends))),
    label=lambda k: f"{ends[k]:,}",
    caption=plane_caption,
    description="step",
    alt="Alignment against information of a window and the ten before it, by setting",
    runs=list(runs.values()),
)


# %%
def row(result):
    null = result.autoregressive
    return {
        "product": f"{result.product.mean():.3f}",
        "change": f"{round(result.difference_mean, 4) + 0.0:+.4f} "
        f"± {result.difference_sd:.4f}",
        "lag correlation": f"{result.lag_correlation:.2f}",
        "lag, by chance": f"{null.lag_correlation.low:.2f} to "
        f"{null.lag_correlation.high:.2f}",
        "spread of I": f"{result.information_spread:.2f}",
        "spread of β*": f"{result.alignment_spread:.2f}",
        "spread of I β*": f"{result.relative_spread:.2f}",
        "spread, by chance": f"{null.relative_spread.low:.2f} to "
        f"{null.relative_spread.high:.2f}",
        "Spearman I, β*": f"{result.spearman:+.2f}",
    }


# %%
pd.DataFrame({name: row(result) for name, result in found.items()})

# %% [markdown]
# The lag correlation is that of a window's product with the next one's; a spread is a
# standard deviation over the mean; Spearman's is a correlation of ranks. "By chance" are
# ranges of two independent series that are each as smooth as the measured one: 95 % of
# series that are drawn by chance and remember their last value as well as the measured one
# does (first-order autoregressive). A lag correlation inside its range says
# that the diagonal is smoothness. One above its range says that the product changes more slowly
# than the model of chance, for instance because both parts fall at first: a trend, not
# conservation. Only the spread can show that: one below its range would be conservation.

# %%
smaller = [n for n, r in found.items() if r.autoregressive.p_value < 0.05]
shuffled = [n for n, r in found.items() if r.shuffled.p_value < 0.05]
steadier = [n for n, r in found.items() if r.relative_spread < r.information_spread]
lags = {n: (r.lag_correlation, r.autoregressive) for n, r in found.items()}
slower = [n for n, (r, null) in lags.items() if r > null.lag_correlation.high]
inside = [
    n
    for n, (r, null) in lags.items()
    if null.lag_correlation.low <= r <= null.lag_correlation.high
]

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    f"The lag correlation lies inside its range in {len(inside)} of {len(found)} "
    f"settings and above it in {len(slower)}. The product varies less than independent smooth "
    f"series in {len(smaller)} of {len(found)} settings"
    + (f" ({', '.join(smaller)})" if smaller else "")
    + f", less than shuffled windows in {len(shuffled)}, and less than $I$ alone in "
    f"{len(steadier)}. Each is one run of {len(next(iter(measured.values())))} windows."
)

# %%
lines = [
    f"{name}: {conservation_test(*pair, rng=rng)}" for name, pair in theirs.items()
]
told = "The authors' arrays are not part of this book; this page was made without them."
if lines:
    told = f"The authors' arrays: {'; '.join(lines)}."
Markdown(told)

# %% [markdown]
# ## The numbers of this run
#
# What a program reads from this notebook, whoever ran it.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the record"}
short = {name: re.sub(r"\W+", "_", name) for name in runs}
log_metrics(
    {
        f"information_{how}_{short[name]}": run.information(how).nats.mean()
        for name, run in runs.items()
        for how in ("linear", "rank")
    }
    | {f"alignment_{short[n]}": run.alignment().mean() for n, run in runs.items()}
)

# %% [markdown]
# ## What would refute it
#
# - Information no larger than with units exchanged: then updates know which unit they belong
#   to, not how active it is.
# - A product that spreads as much as that of independent series, or more than $I$ alone: then
#   nothing is conserved, and the diagonal shows that training is slow.
# - A product whose level depends on learning rate and batch size: then it is no constant of
#   learning, though it may be one of a run.
#
# One of these speaks against one reading of the claim. A verdict counts all its questions and
# all seeds: [the verdicts](07_claims.ipynb) say which have come about.
#
# ## Limits
#
# - Which steps, which direction and which bins the published numbers come from is not said.
#   The readings above were chosen because they come nearest in size, which is not proof; nor
#   need the order of the settings be the published one.
# - One seed for each setting. Trends over a run make two series correlate by accident.
# - Exchanging units keeps the layers apart. That one layer is more active and moves less
#   counts as information in both the estimate and its null.
# - Every twentieth step is read where steps are read one by one.
#
# ## Exercises
#
# **1.** Take `information("rank", layer="fc3")` of a run. Does a single layer know its
# activity?
#
# <details><summary>Solution</summary>
#
# ```python
# run = next(iter(runs.values()))
# for layer in ("all", *run.layers):
#     series = run.information("rank", layer=layer)
#     chance = series.null_mean.mean()
#     print(f"{layer}: {series.nats.mean():.3f} nats, by chance {chance:.3f}")
# ```
#
# A layer of 50 units has 50 different activations. The value for exchanged units is large for
# the same reason as in the pool, and what is above it is what the layer knows. Part of the
# pool's excess can be the order of the layers themselves.
#
# </details>
#
# **2.** Take the alignment of the signed updates in place of the path. What happens to
# the product?
#
# <details><summary>Solution</summary>
#
# ```python
# for name, run in runs.items():
#     information = run.information("linear").nats[1:]
#     for kind in ("path", "updates"):
#         print(name, kind, conservation_test(information, run.alignment(kind), rng=rng))
# ```
#
# Spread and correlation of the product change with the reading of "direction", and so may
# the verdict. That is a reason to state which one was taken.
#
# </details>
#
# **3.** Lengthen the window five times. Which of $I$ and $\beta^*$ changes?
#
# <details><summary>Solution</summary>
#
# ```python
# name, setting = next(iter(settings.items()))
# longer = run_information(
#     ExperimentConfig.from_paper(
#         "mlp", steps, seed=seed, source=source, window=5 * window,
#         options=FIVE_LAYERS, **setting,
#     )
# )
# for run in (runs[name], longer):
#     print(run.information("linear").nats.mean(), run.alignment("path").mean())
# ```
#
# $I$ is a mean over single steps and should hardly move. $\beta^*$ compares stretches of the
# path, and longer ones have more time to turn. A product of the two cannot be the same at
# every length of window unless both are.
#
# </details>
#
# ## Summary
#
# Information and product were measured in every window, the one beside what the identity of
# units alone gives, the other beside independent series of the same smoothness.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    f"In these runs the information lies above that of exchanged units in {len(above)} "
    f"of {len(runs)} settings at the end. The product varies less than independent smooth "
    f"series in {len(smaller)} of {len(found)}, and less than the information alone in "
    f"{len(steadier)}."
)

# %% [markdown]
# Each setting is one run. What several seeds say is in [the verdicts](07_claims.ipynb).
