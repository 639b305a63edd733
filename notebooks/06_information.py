# %% [markdown]
# # Information: do updates depend on activity?
#
# **Question.** The paper makes three statements. The size of a weight's update and the activity
# of its unit share [information](../book/symbols.md#mutual-information) $I$. Successive updates
# keep their direction to a degree $\beta^*$. And the product $I \beta^*$ stays the same from one
# stretch of training to the next. Is there information beyond what the wiring alone gives? And is
# the product conserved, or only smooth?

# %% tags=["parameters"]
source: str = "sample"  # images: those of the package, or all; in {sample, full}
steps: int = 880  # training steps, eleven windows or more; in [220, inf)
window: int = 80  # steps in a window; in [2, inf)
seed: int = 0  # of weights, batches and nulls; in [0, 4294967295]
published_dir: str = ""  # folder of the authors' arrays, to compare with ours

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Imports"}
import re
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

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
# The mutual information of two variables measures how much one of them says about the other,
#
# $$ I(x; y) = \sum_{x, y} p(x, y) \ln \frac{p(x, y)}{p(x)\,p(y)}, $$
#
# in nats. It is zero for independent variables and has no upper bound. It has to be estimated
# from counts in bins, and there the errors come in. So we first try the estimators on pairs
# whose information is known. Two normal variables with correlation $\rho$ have
# $I = -\frac12 \ln(1-\rho^2)$. Two Student variables with $\nu$ degrees of freedom share a
# scale, so they depend on each other although they are uncorrelated.


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
# Linear bins are the authors' choice: fifty bins of equal width from the smallest value to the
# largest. In a [heavy-tailed](../book/symbols.md#heavy-tail) pair nearly all values then fall into
# one bin, and the information is lost. Rank bins, with equally many values each, recover it.
# The nearest-neighbour estimator works well where distances mean something. It is slow, so it
# gets only 5,000 of the pairs, and its numbers scatter more than the others. We do not use it
# below.
#
# Too few counts cause the opposite error: independent values seem to share information, because
# some cells fill by chance and others do not. The expected bias depends on the number of filled
# cells. The correction of Miller and Madow subtracts part of it, but too little where most cells
# are empty. The table shows two independent normal variables in 50 × 50 linear bins; the truth
# is zero.

# %%
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # 500 pairs are too few, which is the point here
    few = {
        f"n = {n:,}": mutual_information(*rng.normal(size=(2, n)), estimator="linear")
        for n in (500, 5_000, 50_000)
    }
pd.DataFrame(
    {
        n: {"plug-in (nats)": f"{found.plug_in:.3f}", "corrected": f"{found.nats:.3f}"}
        for n, found in few.items()
    }
).T

# %% [markdown]
# ## The pairs and the null model
#
# Each weight leads to a unit. A pair consists of the magnitude $|\Delta w|$ of the weight's
# update at one step and the activation $a$ of that unit at the same step, averaged over ten test
# images of each digit. The network has five layers, 784-50-50-50-50-10.
#
# All weights of a unit share its activation. So the pairs of one step, one for each weight, have
# only 210 different activations, and knowing $a$ nearly means knowing *which unit it is*. If some
# units have larger updates than others, for whatever reason, $I$ is large. The null model must
# keep this: it permutes the activations of whole **units** within a layer. Permuting single pairs
# would separate what belongs together, and everything would look significant:

# %%
units, fan_in = 50, 200
scale = np.repeat(rng.lognormal(size=units), fan_in)  # each unit has its own size …
activity = np.repeat(rng.random(units), fan_in)  # … unrelated to its activity
sizes = scale * np.abs(rng.normal(size=units * fan_in))
options = {"permutations": 99, "rng": rng}
by_pair = permutation_test(sizes, activity, **options)
by_unit = permutation_test(
    sizes, activity, groups=np.repeat(np.arange(units), fan_in), **options
)

pd.DataFrame(
    {
        name: {
            "I (nats)": f"{test.nats:.2f}",
            "null mean": f"{test.null_mean:.2f}",
            "p": f"{test.p_value:.2f}",
        }
        for name, test in (("pairs permuted", by_pair), ("units permuted", by_unit))
    }
).T

# %% [markdown]
# Size and activity are unrelated here by construction. Permuting pairs reports information all
# the same; permuting units does not.
#
# ## The run
#
# We run the three settings of the paper and a fourth that completes them: two learning rates,
# two batch sizes. [This figure](#fig-information) shows their information, as it is and with
# units permuted.

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

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-information", "caption": "Information above the dotted line is more than the identity of units. Information between magnitude and activation in each window, mean over steps, with the authors' linear bins (left) and with corrected rank bins (right). Solid: observed pairs; dotted: units permuted within their layer, mean of the null."}, "image": {"alt": "Two panels of information in nats against the step, one line per setting, each with a dotted line for permuted units."}, "code_prompt_show": "Code of the figure"}
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
late = slice(-5, None)  # the last five windows


def late_row(run):
    linear, rank = run.information("linear"), run.information("rank")
    identity = np.mean(linear.null_mean[late]) / np.mean(linear.nats[late])
    excess, margin = np.mean(rank.excess[late]), 2 * np.mean(rank.null_spread[late])
    return {
        "linear bins: null / observed": f"{identity:.0%}",
        "rank bins: excess (nats)": f"{excess:.2f} ± {margin:.2f}",
        "above the null": "yes" if excess > margin else "no",
    }


# %%
table = pd.DataFrame({name: late_row(run) for name, run in runs.items()}).T
above = (table["above the null"] == "yes").sum()
table

# %% [markdown]
# The table averages over the last five windows, one run for each setting. The first column is the
# fraction of the information that remains when units are permuted. The ± is two standard
# deviations of the null in one window; an excess above it counts as information beyond the
# identity of units.
#
# ## One step or the whole window?
#
# The paper gives one number for 200 steps, and it can be computed in two ways: from the pairs of
# each step, averaged over the steps, or from all pairs of the window at once. The two differ a
# lot. Within a window the size of all updates varies from batch to batch, and linear bins must
# span the largest of them.

# %%
PUBLISHED = {  # means of the 99 windows in the authors' arrays
    "lr 0.01, batch 50": (0.441, 0.204),
    "lr 0.01, batch 500": (0.353, 0.717),
    "lr 0.1, batch 50": (0.499, 0.112),
}


VARIANTS = {
    "linear, by step": ("linear", "per_step"),
    "linear, by window": ("linear", "pooled"),
    "rank, by step": ("rank", "per_step"),
    "rank, by window": ("rank", "pooled"),
}
means = {
    name: {
        how: run.information(estimator, aggregate=aggregate).nats.mean()
        for how, (estimator, aggregate) in VARIANTS.items()
    }
    for name, run in runs.items()
}
table = pd.DataFrame(means).T.round(3)
table.insert(0, "published", [PUBLISHED.get(name, ("–",))[0] for name in runs])
table

# %%
off = {
    how: np.mean([abs(means[n][how] / PUBLISHED[n][0] - 1) for n in PUBLISHED])
    for how in VARIANTS
}
nearest = min(off, key=off.get)
published_order = " < ".join(sorted(PUBLISHED, key=lambda name: PUBLISHED[name][0]))
our_order = " < ".join(sorted(PUBLISHED, key=lambda name: means[name][nearest]))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    f"On average *{nearest}* comes nearest to the published numbers: it is off by "
    f"{off[nearest]:.0%}, and it orders the settings as "
    + ("published." if our_order == published_order else f"{our_order}.")
)

# %% [markdown]
# The figures below use linear bins by step, the variant that comes nearest at the authors' 20,000
# steps. Shorter runs, as in the quick profile, are still changing fast and may differ.
#
# ## Alignment
#
# The **leading direction** of a window is the direction of weight space along which its
# steps vary most, their first principal component. The **alignment** compares it with that
# of the previous window,
#
# $$ \beta^*_t = \left|\cos(\mathbf d_{t-1}, \mathbf d_t)\right|. $$
#
# It is one for the same direction and zero for a right angle. (The axis of the published figure
# says cosine distance; the number is the cosine.) The result depends on what we call the steps:
# the *path*, which is the weights themselves as they move through the window, their signed
# *updates*, or the *magnitudes* of the updates.

# %%
kinds = ("path", "updates", "magnitudes")

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
pd.DataFrame(
    {
        name: {
            "published": f"{PUBLISHED[name][1]:.3f}" if name in PUBLISHED else "–",
            **{kind: f"{run.alignment(kind).mean():.3f}" for kind in kinds},
            "variance along the path": f"{run.explained('path').mean():.0%}",
        }
        for name, run in runs.items()
    }
).T

# %% [markdown]
# The paper speaks of update directions. At its 20,000 steps the alignment of the *path* has the
# published size and order, so we use the path from here on, first in
# [this figure](#fig-alignment). In shorter runs the path is straighter, and the alignment larger.

# %% mystnb={"figure": {"name": "fig-alignment", "caption": "At one, successive windows point the same way; at zero, at right angles. Alignment of the path's leading direction in successive windows, by setting."}, "image": {"alt": "Alignment between 0 and 1 against the step, one line per setting."}}
figure, ax = plt.subplots()
for name, run in runs.items():
    ax.plot(run.steps[1:], run.alignment("path"), color=SHADES[name], label=name)
ax.set(xlabel="step", ylabel="alignment β* (|cos|)", ylim=(0, 1))
legend = figure.legend(loc="outside upper center", ncols=2, fontsize=9)
plotting.stamp_source(figure, *runs.values())


# %%
def read_published(kind, name, folder=published_dir):
    learning_rate, batch_size = settings[name].values()
    stem = f"submission_{kind}_PureSGD_lr{learning_rate:g}_bs{batch_size}.npy"
    path = Path(folder) / stem
    return np.load(path, allow_pickle=False) if folder and path.is_file() else None


# %%
theirs = {name: [read_published(k, name) for k in ("mi", "pca")] for name in PUBLISHED}
theirs = {n: pair for n, pair in theirs.items() if all(x is not None for x in pair)}

# %% [markdown]
# ## Is the product conserved?
#
# The paper plots $I_{t+1}\beta^*_{t+1}$ against $I_t\beta^*_t$ and finds the points near the
# diagonal. Any smooth series does the same, because what changes slowly stays close to its last
# value. The theory derives why a product might be conserved at all
# ([equation 8](../book/theory.md#a-conserved-product)) and names the gap in the argument.
# Conservation says more than smoothness. Where $I$ rises, $\beta^*$ must fall, and the product
# must vary *less* than it would if the two were unrelated. [This figure](#fig-product) shows the
# product in the three ways of the paper.

# %%
series = {
    name: (run.information("linear").nats[1:], run.alignment("path"))
    for name, run in runs.items()
}
tests = {name: conservation_test(*pair, rng=rng) for name, pair in series.items()}
measured = {name: test.product for name, test in tests.items()}
published = {name: np.prod(pair, axis=0) for name, pair in theirs.items()}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-product", "caption": "Points near the diagonal only show that the series is smooth, not that the product is conserved. Left: the product of information and alignment during training. Middle: each window against the previous one; dashed: the diagonal. Right: its change from one window to the next, settings in the order of the legend, with median and quartiles; whiskers reach 1.5 quartile ranges, and larger changes are left out. Grey: published, if the folder of the authors' arrays is given."}, "image": {"alt": "Three panels: the product against the step, the product against its value one window before, and box plots of its differences, by setting."}, "code_prompt_show": "Code of the figure"}
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
axes[1].set(xlabel="I β* in a window (nats)", ylabel="in the next window (nats)")
axes[2].set(xlabel="setting", ylabel="change of I β* (nats)")
for ax in axes[:2]:
    ax.locator_params(axis="x", nbins=3)
legend = figure.legend(loc="outside upper center", ncols=4, fontsize=9)
plotting.stamp_source(figure, *runs.values())

# %% [markdown]
# [This figure](#fig-plane) shows one window after another. If the product were conserved, the
# points of a setting would move along its dashed line.


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


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-plane", "caption": "A conserved product would keep the points on the dashed lines, where the product equals the setting's mean. Information and alignment by setting: the window that ends at the slider's step (large) and the ten before it (small)."}, "code_prompt_show": "Code of the figure that moves"}
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
def row(test):
    null = test.autoregressive
    lag, spread = null.lag_correlation, null.relative_spread
    difference = round(test.difference_mean, 4) + 0.0  # no minus zero
    return {
        "product": f"{test.product.mean():.3f}",
        "change": f"{difference:+.4f} ± {test.difference_sd:.4f}",
        "lag correlation": f"{test.lag_correlation:.2f}",
        "lag correlation, null": f"{lag.low:.2f} to {lag.high:.2f}",
        "spread of I": f"{test.information_spread:.2f}",
        "spread of β*": f"{test.alignment_spread:.2f}",
        "spread of I β*": f"{test.relative_spread:.2f}",
        "spread of I β*, null": f"{spread.low:.2f} to {spread.high:.2f}",
        "Spearman I, β*": f"{test.spearman:+.2f}",
    }


# %%
pd.DataFrame({name: row(test) for name, test in tests.items()})

# %% [markdown]
# The lag correlation compares the product of a window with the next one's. A spread is a
# standard deviation divided by the mean. Spearman's coefficient is a correlation of ranks. The
# null model is two independent series that are each as smooth as the observed one (first-order
# autoregressive); the table gives its central 95 %. A lag correlation inside that range says that
# smoothness alone explains the diagonal. A value above it says that the product changes more slowly
# than the null, for instance because both parts fall at first. That is a trend, not conservation.
# Only the spread can show conservation, by lying below its range.


# %%
def count(condition):
    return f"{sum(map(condition, tests.values()))} of {len(tests)}"


varies_less = {
    "independent smooth series": count(lambda t: t.autoregressive.p_value < 0.05),
    "shuffled windows": count(lambda t: t.shuffled.p_value < 0.05),
    "the information alone": count(lambda t: t.relative_spread < t.information_spread),
}
pd.DataFrame({"settings in which the product varies less than": varies_less})

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code for the authors' arrays"}
if theirs:
    published_tests = {n: conservation_test(*p, rng=rng) for n, p in theirs.items()}
    rows = {f"{n}, published": row(test) for n, test in published_tests.items()}
    display(pd.DataFrame(rows))

# %% [markdown]
# ## The metrics of this run
#
# A run of this notebook also saves its main numbers for programs.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the metrics"}
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
# - The information is no larger than with units permuted. Then an update depends on which unit it
#   belongs to, not on how active the unit is.
# - The product spreads as much as that of independent series, or more than $I$ alone. Then nothing
#   is conserved, and the diagonal only shows that training is slow.
# - The level of the product depends on learning rate and batch size. Then it is no constant of
#   learning, though it may be a constant of one run.
#
# Each of these speaks against one reading of the claim. A verdict counts all questions and all
# seeds; [the verdicts](07_claims.ipynb) show which of them occurred.
#
# ## Limits
#
# - The paper does not say which steps, which direction and which bins its numbers come from. We
#   chose the variants that come nearest in size, which is no proof. The order of the settings
#   need not agree either.
# - There is one seed for each setting. Trends over a run make two series correlate by accident.
# - Permuting units keeps the layers apart. If one layer is more active and moves less, that counts
#   as information in both the estimate and its null.
# - Where the analysis uses single steps, it takes every twentieth one.
#
# ## Exercises
#
# **1.** Take `information("rank", layer="fc3")` of a run. Do the updates of a single layer
# depend on its activity?
#
# <details><summary>Solution</summary>
#
# ```python
# run = next(iter(runs.values()))
# for layer in ("all", *run.layers):
#     series = run.information("rank", layer=layer)
#     null = series.null_mean.mean()
#     print(f"{layer}: {series.nats.mean():.3f} nats, null {null:.3f}")
# ```
#
# A layer of 50 units has 50 different activations. The null value is large for the same reason
# as in the pool; only the excess over it is information of the layer. Part of the pool's excess
# may come from differences between the layers.
#
# </details>
#
# **2.** Use the alignment of the signed updates instead of the path. What happens to the
# product?
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
# Spread and correlation of the product change with the choice of direction, and so may the
# verdict. That is why the choice has to be stated.
#
# </details>
#
# **3.** Make the window five times as long. Which of $I$ and $\beta^*$ changes?
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
# $I$ is a mean over single steps and should hardly change. $\beta^*$ compares stretches of the
# path, and longer stretches have more time to turn. The product cannot be the same at every
# window length unless both factors are.
#
# </details>
#
# ## Summary
#
# We measured the information and the product in every window. We compared the information with
# permuted units, and the product with independent series of the same smoothness.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    f"At the end of these runs the information exceeds that of permuted units in {above} "
    f"of {len(runs)} settings. The product varies less than independent smooth series in "
    f"{varies_less['independent smooth series']} settings, and less than the information "
    f"alone in {varies_less['the information alone']}."
)

# %% [markdown]
# Each setting is one run. [The verdicts](07_claims.ipynb) use several seeds.
