# %% [markdown]
# # Intervals: when does a weight move far again?
#
# **Question.** The paper reports that the waiting times between large updates of a weight
# follow a power law. Are they longer and burstier than chance would make them, given that some
# weights have large updates far more often than others?

# %% tags=["parameters"]
source: str = "sample"  # images: those of the package, or all; in {sample, full}
learning_rate: float = 0.1  # of the MLP; the ConvNet keeps its own; in (0, 10]
batch_size: int = 64  # of the MLP, in images; in [1, inf)
mlp_steps: int = 3000  # training steps of the MLP; in [10, inf)
convnet_steps: int = 320  # training steps of the ConvNet; in [10, inf)
start: int = 0  # step where the counting begins, at a window's edge; in [0, inf)
seed: int = 0  # of weights, batches and dropout; in [0, 4294967295]

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Imports"}
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from netdyn_utils import plotting, widgets
from netdyn_utils.experiments import ExperimentConfig, run_intervals
from netdyn_utils.intervals import (
    IntervalCounts,
    compare_intervals,
    exceedance_intervals,
    fit_discrete_power_law,
    interval_null,
)
from netdyn_utils.metrics import log_metrics
from netdyn_utils.store import RunStore
from netdyn_utils.tails import ols_exponent

plotting.use_style()

# %% [markdown]
# ## Definition
#
# An update is **large** if its magnitude reaches a threshold $\theta$. The threshold is the
# lowest bin edge that at most a given fraction of all updates in the run reach: one in a hundred
# or one in two hundred. An **interval** $\Delta t$ is the number of steps between two
# successive large updates of the same weight.

# %%
magnitudes = np.array([[0, 9], [5, 0], [0, 0], [7, 9], [6, 0]])  # (steps, weights)
exceedance_intervals(magnitudes, threshold=5)

# %% [markdown]
# The time before a weight's first [large update](../book/symbols.md#large-update) and the time
# after its last one are not intervals, because one end is unknown. They are
# [censored](../book/symbols.md#censored): we count them separately and exclude them from every
# fit.

# %%
counts = IntervalCounts.of(magnitudes, threshold=5)
counts, counts.left_censored, counts.right_censored

# %% [markdown]
# ## Two passes
#
# The threshold is known only after the run, so we run the training twice from the same seed.
# The first pass counts magnitudes and determines the threshold, and the second pass counts
# intervals. Both passes must end with bit-identical weights; otherwise the run fails with an
# error.

# %%
settings = {"learning_rate": learning_rate, "batch_size": batch_size}
configs = {
    "mlp": ExperimentConfig.from_paper(
        "mlp", mlp_steps, seed=seed, source=source, **settings
    ),
    "convnet": ExperimentConfig.from_paper(
        "convnet", convnet_steps, seed=seed, source=source
    ),
}
runs = {name: run_intervals(config, start=start) for name, config in configs.items()}
[run.record for run in runs.values()]


# %%
def row(run, fraction):
    counts = run.counts(fraction)
    return {
        "threshold": f"{counts.threshold:.2g}",
        "fraction above": f"{counts.exceedance_fraction:.2%}",
        "large updates": f"{counts.exceedances:,}",
        "intervals": f"{counts.total:,}",
        "weights never large": f"{counts.n_never / counts.weights:.0%}",
    }


# %%
pd.DataFrame(
    {
        f"{name}, {fraction:.1%}": row(run, fraction)
        for name, run in runs.items()
        for fraction in run.fractions
    }
).T

# %% [markdown]
# A threshold is a bin edge of a histogram, so the fraction that reaches it is known exactly. It is
# slightly below the nominal fraction.
#
# ## The null model: the same weights, shuffled times
#
# Place each weight's large updates uniformly at random over the run. A weight with $n$ large
# updates in $T$ steps then waits about $T/n$ steps each time, with a nearly geometric
# distribution. Pooled over weights with different $n$, these distributions form a broad mixture,
# which can look like a power law although no weight has any memory
# ([equation 15](../book/theory.md#waiting-times-a-mixture-of-rates) of the theory).
# [This figure](#fig-intervals) compares the data with the exact result of shuffling.


# %%
def shuffled(counts):
    return interval_null(counts.per_weight, counts.steps)


# %%
nulls = {
    (name, fraction): shuffled(run.counts(fraction))
    for name, run in runs.items()
    for fraction in run.fractions
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-intervals", "caption": "Only what differs from the grey line is more than unequal rates of the weights. Intervals between large updates of the same weight, all layers, for two thresholds (coloured), and for shuffled times at the lower threshold (grey, dashed)."}, "image": {"alt": "Two panels on logarithmic axes, MLP and ConvNet: the probability of an interval falls over several decades; a dashed line shows shuffled times."}, "code_prompt_show": "Code of the figure"}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.5))
for ax, (name, run) in zip(axes, runs.items(), strict=True):
    for fraction, shade in zip(run.fractions, (1.0, 0.5), strict=True):
        null = nulls[name, fraction] if fraction == run.fractions[0] else None
        look = {
            "color": (plotting.COLOURS[name], shade),
            "label": f"top {fraction:.1%}",
        }
        plotting.plot_intervals(run.counts(fraction), null, ax, **look)
    ax.set_title(name, loc="left")
    ax.legend(fontsize=8)
plotting.stamp_source(figure, *runs.values())

# %% [markdown]
# How does the result depend on the threshold? [This figure](#fig-threshold) shows a short run of
# the MLP with more thresholds.

# %%
fractions = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
short_config = ExperimentConfig.from_paper(
    "mlp", min(mlp_steps, 500), seed=seed, source="sample", **settings
)
store = RunStore(RunStore.default().root)
short = run_intervals(short_config, fractions=fractions, store=store)
short_nulls = {fraction: shuffled(short.counts(fraction)) for fraction in fractions}


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of one frame"}
def threshold_frame(fraction):
    look = {"color": plotting.COLOURS["mlp"], "label": f"top {fraction:.1%}"}
    ax = plotting.plot_intervals(short.counts(fraction), short_nulls[fraction], **look)
    ax.legend()
    return ax


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the caption"}
def threshold_caption(fraction):
    counts, null = short.counts(fraction), short_nulls[fraction]
    return (
        f"Threshold |Δw| = {counts.threshold:.2g}: {counts.total:,} intervals, burstiness "
        f"{counts.burstiness:.2f}, and {null.burstiness:.2f} for shuffled times."
    )


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-threshold", "caption": "A higher threshold gives longer intervals. Intervals between large updates in a short run of the MLP, all layers, and for shuffled times (grey, dashed). The slider selects the fraction of all updates that count as large. At a spike, many weights had large updates at the same two steps."}, "code_prompt_show": "Code of the figure that moves"}
widgets.static_slider(
    threshold_frame,
    fractions,
    label="top {:.1%}".format,
    caption=threshold_caption,
    description="large updates",
    alt="Probability of an interval between large updates, observed and for shuffled times",
    runs=[short],
)

# %% [markdown]
# ## Burstiness and memory
#
# With mean $\mu$ and standard deviation $\sigma$ of the intervals, **burstiness** is
#
# $$ B = \frac{\sigma - \mu}{\sigma + \mu}, $$
#
# which is −1 for a clock, 0 for random events at one constant rate, and near 1 for bursts.
# **Memory** $M$ is the correlation of successive intervals of a weight (Goh and Barabási 2008).
# Unequal rates alone raise both, so the table compares each with its value for shuffled times.

# %%
bursts = {
    (name, fraction): runs[name].counts(fraction).burstiness - null.burstiness
    for (name, fraction), null in nulls.items()
}
excess = {name: bursts[name, run.fractions[0]] for name, run in runs.items()}

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
pd.DataFrame(
    {
        f"{name}, {fraction:.1%}": {
            "B": f"{runs[name].counts(fraction).burstiness:.2f}",
            "B shuffled": f"{null.burstiness:.2f}",
            "difference": f"{bursts[name, fraction]:+.2f}",
            "M": f"{runs[name].counts(fraction).memory_coefficient:.2f}",
            "M shuffled": f"{null.memory_coefficient:.2f}",
        }
        for (name, fraction), null in nulls.items()
    }
).T

# %% [markdown]
# ## Is it a power law?
#
# Intervals are whole numbers, so we use the likelihood of the zeta distribution,
# $P(\Delta t) \propto \Delta t^{-\alpha}$ for $\Delta t = x_{\min}, x_{\min}+1, \dots$ The
# alternatives are the discrete versions of those in the [last chapter](03_tails.ipynb), with the
# geometric distribution in place of the exponential, and the shuffled times themselves.


# %%
def fit_intervals(counts):
    if np.count_nonzero(counts.counts) > 10:  # too few for a fit otherwise
        return fit_discrete_power_law(counts)
    return None


# %%
groups = [(name, group) for name in runs for group in ("all", *runs[name].groups)]
fits, comparisons = {}, {}
for name, group in groups:
    counts = runs[name].counts(None, group)
    if fit := fit_intervals(counts):
        fits[name, group] = fit
        comparison = compare_intervals(counts, fit, null=shuffled(counts))
        comparisons[name, group] = comparison

# %% [markdown]
# The table uses the lower threshold. For each alternative it names the preferred distribution.
# The standard errors treat all intervals as independent, which they are not: seeds differ by far
# more (see [the verdicts](07_claims.ipynb)).

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
SHORT = {"power law with cutoff": "cutoff", "shuffled times": "shuffled"}
table = {}
for key, fit in fits.items():
    others = comparisons[key].alternatives
    table[" ".join(key)] = {
        "alpha": f"{fit.alpha:.2f} ± {fit.sigma:.1g}",
        "xmin": f"{fit.xmin:.0f}",
        "in the tail": f"{fit.n_tail:,}",
        **{other.name: SHORT.get(other.preferred, other.preferred) for other in others},
    }
pd.DataFrame(table).T.rename(columns=SHORT)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
rejected = [
    key
    for key, comparison in comparisons.items()
    if any(other.preferred == other.name for other in comparison.alternatives)
]
Markdown(
    f"In {len(rejected)} of {len(comparisons)} cases an alternative fits significantly "
    "better than the power law."
)

# %% [markdown]
# The authors use linear bins and fit a line to the logarithmic counts. We do the same with all
# layers together and omit the first bin and the last 20. The next table compares this line with
# the likelihood fit, which omits all intervals below $x_{\min}$.


# %%
def fit_line(counts, bins=50):
    edges = np.linspace(1, counts.lengths[-1] + 1, bins + 1)
    binned = np.histogram(counts.lengths, edges, weights=counts.counts)[0].astype(int)
    return ols_exponent(edges, binned, trim=(1, 20))


# %%
def first_bin_fraction(counts, bins=50):
    end = 1 + counts.lengths[-1] / bins
    return counts.counts[counts.lengths < end].sum() / counts.total


# %%
def exponent_column(name):
    run, fit = runs[name], pooled[name]
    higher = fit_intervals(run.counts(run.fractions[-1]))
    return {
        "α by likelihood": f"{fit.alpha:.2f}",
        "omitted by the likelihood": f"{1 - fit.n_tail / fit.n:.1%}",
        "α of the line": f"{fit_line(run.counts()).alpha:.2f}",
        "omitted in the first bin": f"{first_bin_fraction(run.counts()):.1%}",
        "α, higher threshold": f"{higher.alpha:.2f}" if higher else "none",
    }


# %%
pooled = {name: fits[name, "all"] for name in runs if (name, "all") in fits}
pd.DataFrame({name: exponent_column(name) for name in pooled})

# %% [markdown]
# Each exponent describes only the intervals that its fit uses.
#
# ## Drift of the weights and of what they represent
#
# Weights can keep moving while the loss no longer changes. Is this motion a random walk, and does
# the function of the network change with it? The mean squared displacement of the weights after
# a lag $\tau$ is
#
# $$ \mathrm{MSD}(\tau) = \left\langle (w_i(t+\tau) - w_i(t))^2 \right\rangle
# \sim \tau^{\gamma}. $$
#
# A random walk has $\gamma = 1$, and straight motion has $\gamma = 2$. [This figure](#fig-drift)
# shows the displacement, and how far the [activations](../book/symbols.md#activation) on a fixed
# batch of images change in $\tau$ steps, relative to their size.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-drift", "caption": "Weights and activations that drift have distances that grow with the lag. Left: mean squared displacement of the weights. Right: relative distance of the activations on a fixed batch. One marker per layer; MLP solid, ConvNet dashed."}, "image": {"alt": "Left: mean squared displacement against lag on logarithmic axes. Right: distance of activations against lag. One line per layer."}, "code_prompt_show": "Code of the figure"}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 4))
for (name, run), dash in zip(runs.items(), ("-", "--"), strict=True):
    drift = run.drift
    looks = {
        layer: {"color": plotting.COLOURS[name], "linestyle": dash, "marker": marker}
        | {"markersize": 4, "linewidth": 1, "label": f"{name} {layer}"}
        for layer, marker in zip(drift.layers, "osv^Dx", strict=False)
    }
    for layer, look in looks.items():
        axes[0].loglog(drift.lags, np.nanmean(drift.squares(layer), axis=0), **look)
    for index, layer in enumerate(drift.active):
        distance = np.nanmean(drift.distance[:, :, index], axis=0)
        axes[1].semilogx(drift.lags, distance, **looks[layer])
axes[0].set(xlabel="lag τ (steps)", ylabel="mean squared displacement")
axes[1].set(xlabel="lag τ (steps)", ylabel="relative distance of activations")
handles = axes[0].get_lines()
figure.legend(handles=handles, loc="outside upper center", ncols=4, fontsize=8)
plotting.stamp_source(figure, *runs.values())

# %%
exponents = {
    (name, group): run.drift.exponent(group)
    for name, run in runs.items()
    for group in ("all", *run.drift.layers)
}


# %%
def pace(drift):
    if drift.low <= 1 <= drift.high:
        return "inconclusive"
    return "slower" if drift.high < 1 else "faster"


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
pd.DataFrame(
    {
        f"{name} {group}": {
            "γ": f"{drift.gamma:.2f}",
            f"{drift.level:.0%} interval": f"{drift.low:.2f} to {drift.high:.2f}",
            "than a random walk": pace(drift),
        }
        for (name, group), drift in exponents.items()
    }
).T

# %% [markdown]
# The confidence interval comes from parts of the run. If it lies below 1, the weights move more
# slowly than in a random walk: successive steps partly cancel. If it lies above 1, steps partly
# continue in one direction. "All" gives every weight the same weight, so the largest layer
# dominates.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
layers = [pace(drift) for (_, group), drift in exponents.items() if group != "all"]
Markdown(
    f"Of {len(layers)} layers, {layers.count('slower')} move more slowly than a random "
    f"walk and {layers.count('faster')} move faster."
)

# %% [markdown]
# ## The numbers of this run
#
# A program can read these numbers from the executed notebook.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the record"}
log_metrics(
    {f"alpha_{name}": fit.alpha for name, fit in pooled.items()}
    | {f"sigma_{name}": fit.sigma for name, fit in pooled.items()}
    | {f"burstiness_excess_{name}": value for name, value in excess.items()}
    | {f"gamma_{name}": exponents[name, "all"].gamma for name in runs}
)

# %% [markdown]
# ## What would refute it
#
# - Intervals that follow the shuffled curve: then the waiting times only show that weights have
#   unequal rates.
# - Alternatives that fit better than the power law in every layer.
# - An exponent that depends on the threshold.
#
# Each of these contradicts one reading of the claim. [The verdicts](07_claims.ipynb) test all of
# them with several seeds.
#
# ## Limits
#
# - A run of $T$ steps truncates long intervals, so all counts fall off near $T$, and a fitted
#   cutoff partly reflects this. The null model is truncated in the same way.
# - The rate of a weight changes during training. Shuffling over the whole run removes this
#   change too, so part of the excess burstiness may be due to drifting rates.
# - The weights of one unit move together, so the counts are far from independent.
#
# ## Exercises
#
# **1.** Count only the second half of the run. Does the excess burstiness remain?
#
# <details><summary>Solution</summary>
#
# ```python
# half = configs["mlp"].window * (mlp_steps // 2 // configs["mlp"].window)
# later = run_intervals(configs["mlp"], start=half).counts()
# print(f"whole run {excess['mlp']:+.3f}")
# print(f"second half {later.burstiness - shuffled(later).burstiness:+.3f}")
# ```
#
# If the second number is smaller, part of the excess came from rates that change during training,
# because shuffling over the whole run removes this change. The rest needs another explanation.
#
# </details>
#
# **2.** Shuffle the times with `shuffle_times` and fit a power law to the result.
#
# <details><summary>Solution</summary>
#
# ```python
# from netdyn_utils.intervals import shuffle_times
#
# counts = runs["mlp"].counts()
# sample = shuffle_times(counts.per_weight, counts.steps, np.random.default_rng(seed))
# for name, each in (("observed", counts), ("shuffled", sample)):
#     print(name, fit_discrete_power_law(each))
# ```
#
# The shuffled times of a weight have no memory and no bursts, and yet the fit returns an exponent
# for both. This is [the mixture of rates](../book/theory.md#waiting-times-a-mixture-of-rates):
# an exponent alone does not distinguish the two.
#
# </details>
#
# **3.** Which layer contains the weights without any large update?
#
# <details><summary>Solution</summary>
#
# ```python
# for name, run in runs.items():
#     whole = run.counts().total
#     for group in run.groups:
#         counts = run.counts(None, group)
#         never, part = counts.n_never / counts.weights, counts.total / whole
#         print(f"{name} {group}: {never:.1%} never large, {part:.1%} of all intervals")
# ```
#
# All layers have the same threshold, so a layer with small updates has many weights that never
# reach it. The first fully connected layer contains most of the weights. Where it also
# contributes most of the intervals, "all layers" is nearly that layer alone.
#
# </details>
#
# ## Summary
#
# We counted the intervals between large updates of every weight exactly and compared them with
# shuffled times of the same weights. The result of this run:

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
preferred = [each["shuffled times"].preferred for each in comparisons.values()]
Markdown(
    f"Burstiness exceeds that of shuffled times by at most {max(bursts.values()):.2f}. For "
    f"long intervals the power law fits better than shuffled times in "
    f"{preferred.count('power law')} of {len(preferred)} cases (single layers, or all "
    f"layers together), and shuffled times fit better in "
    f"{preferred.count('shuffled times')}."
)

# %% [markdown]
# [The verdicts](07_claims.ipynb) repeat these comparisons with several seeds.
