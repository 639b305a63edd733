# %% [markdown]
# # Intervals: when does a weight move far again?
#
# **Question.** The paper says that the waiting times between large updates of a weight
# follow a power law. Are they longer and burstier than chance would make them, once one
# knows that some weights are moved far often and others hardly ever?

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
# An update is **large** if its magnitude reaches a threshold $\theta$: the lowest edge of a
# bin that at most a given share of all updates of the run reach, one in a hundred or one in
# two hundred. An **interval**
# $\Delta t$ is the number of steps between two successive large updates of the same weight.

# %%
magnitudes = np.array([[0, 9], [5, 0], [0, 0], [7, 9], [6, 0]])  # (steps, weights)
exceedance_intervals(magnitudes, threshold=5)

# %% [markdown]
# The time before a weight's first [large update](../book/symbols.md#large-update) and the time
# after its last are not intervals: one end was not seen. They are
# [censored](../book/symbols.md#censored), counted apart, and left out of every fit.

# %%
counts = IntervalCounts.of(magnitudes, threshold=5)
counts, counts.left_censored, counts.right_censored

# %% [markdown]
# ## Two passes
#
# The threshold is known only after the run. So the run is made twice from the same seed:
# the first pass counts magnitudes and gives the threshold, the second counts intervals.
# Both must end with bit-identical weights; anything else is an error.

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
def row(run, share):
    counts = run.counts(share)
    return {
        "threshold": f"{counts.threshold:.2g}",
        "share above it": f"{counts.exceedance_fraction:.2%}",
        "large updates": f"{counts.exceedances:,}",
        "intervals": f"{counts.total:,}",
        "weights never large": f"{counts.n_never / counts.weights:.0%}",
    }


# %%
pd.DataFrame(
    {
        f"{name}, {share:.1%}": row(run, share)
        for name, run in runs.items()
        for share in run.fractions
    }
).T

# %% [markdown]
# A threshold is an edge of a histogram's bin, so the share that reaches it is known exactly
# and is a little below the one asked for.
#
# ## The null: the same weights, shuffled times
#
# Take each weight's own number of large updates and scatter them evenly over the run. A
# weight with $n$ of them then waits about $T/n$ steps each time ($T$: the steps counted),
# nearly geometrically distributed. Pooled over weights that differ in $n$ this mixture is
# broad: it can look like a power law with no memory in any weight
# ([equation 15](../book/theory.md#waiting-times-a-mixture-of-rates) of the theory). What
# shuffling gives is known exactly, and stands in [this figure](#fig-intervals) beside what
# was counted.

# %%
nulls = {
    (name, share): interval_null(run.counts(share).per_weight, run.counts(share).steps)
    for name, run in runs.items()
    for share in run.fractions
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-intervals", "caption": "Intervals between large updates of the same weight, all layers, for two thresholds (coloured), and what shuffled times would give for the larger share (grey, dashed)."}, "image": {"alt": "Two panels on logarithmic axes, MLP and ConvNet: the probability of an interval falls over several decades, with that of shuffled times dashed."}, "code_prompt_show": "Code of the figure"}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.5))
for ax, (name, run) in zip(axes, runs.items(), strict=True):
    for share, shade in zip(run.fractions, (1.0, 0.5), strict=True):
        null = nulls[name, share] if share == run.fractions[0] else None
        colour = (plotting.COLOURS[name], shade)
        counts = run.counts(share)
        plotting.plot_intervals(
            counts, null, ax, color=colour, label=f"top {share:.1%}"
        )
    ax.set_title(name, loc="left")
    ax.legend(fontsize=8)
plotting.stamp_source(figure, *runs.values())

# %% [markdown]
# How large is large? [This figure](#fig-threshold) has a short run of the MLP, with more
# thresholds than the two above.

# %%
shares = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
few = ExperimentConfig.from_paper(
    "mlp", min(mlp_steps, 500), seed=seed, source="sample", **settings
)
short = run_intervals(few, fractions=shares, store=RunStore(RunStore.default().root))
chance = {
    share: interval_null(short.counts(share).per_weight, short.counts(share).steps)
    for share in shares
}


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of one frame"}
def threshold_frame(share):
    look = {"color": plotting.COLOURS["mlp"], "label": f"top {share:.1%}"}
    ax = plotting.plot_intervals(short.counts(share), chance[share], **look)
    ax.legend()
    return ax


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the caption"}
def threshold_caption(share):
    counts = short.counts(share)
    return (
        f"From |Δw| = {counts.threshold:.2g} on, {counts.total:,} intervals; burstiness "
        f"{counts.burstiness:.2f}, of shuffled times {chance[share].burstiness:.2f}."
    )


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-threshold", "caption": "Intervals between large updates in a short run of the MLP, all layers, and what shuffled times would give (grey, dashed). The slider takes the share of all updates that counts as large. A spike means that many weights were moved far at the same two steps."}, "code_prompt_show": "Code of the figure that moves"}
widgets.static_slider(
    threshold_frame,
    shares,
    label="top {:.1%}".format,
    caption=threshold_caption,
    description="large updates",
    alt="Probability of an interval between large updates, and that of shuffled times",
    runs=[short],
)

# %% [markdown]
# ## Burstiness and memory
#
# With mean $\mu$ and standard deviation $\sigma$ of the intervals, **burstiness** is
#
# $$ B = \frac{\sigma - \mu}{\sigma + \mu}, $$
#
# −1 for a clock, 0 for chance at one constant rate, near 1 for bursts. **Memory** $M$ is the
# correlation of successive intervals of a weight (Goh and Barabási 2008). Unequal rates
# alone raise both, so each is shown beside its value for shuffled times.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
pd.DataFrame(
    {
        f"{name}, {share:.1%}": {
            "B": f"{runs[name].counts(share).burstiness:.2f}",
            "B shuffled": f"{null.burstiness:.2f}",
            "M": f"{runs[name].counts(share).memory_coefficient:.2f}",
            "M shuffled": f"{null.memory_coefficient:.2f}",
        }
        for (name, share), null in nulls.items()
    }
).T

# %%
beyond = {
    name: {
        s: run.counts(s).burstiness - nulls[name, s].burstiness for s in run.fractions
    }
    for name, run in runs.items()
}
excess = {name: found[runs[name].fractions[0]] for name, found in beyond.items()}

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "Burstiness beyond that of unequal rates: "
    + "; ".join(
        f"{name} "
        + ", ".join(f"{value:+.2f} (top {share:.1%})" for share, value in found.items())
        for name, found in beyond.items()
    )
    + ". One run each."
)

# %% [markdown]
# ## Is it a power law?
#
# Intervals are whole numbers, so the likelihood is that of the zeta distribution,
# $P(\Delta t) \propto \Delta t^{-\alpha}$ for $\Delta t = x_{\min}, x_{\min}+1, \dots$ Its rivals
# are those of the [last chapter](03_tails.ipynb) in whole numbers (the geometric law takes the
# place of the exponential) and the shuffled times themselves. Beside it stands the authors'
# way: linear bins, a line on logarithmic axes, here from the second bin to the twentieth from
# the end.


# %%
def linear_line(counts, bins=50):
    edges = np.linspace(1, counts.lengths[-1] + 1, bins + 1)
    held = np.histogram(counts.lengths, edges, weights=counts.counts)[0].astype(int)
    return ols_exponent(edges, held, trim=(1, 20))


# %%
def left_out(counts, bins=50):
    first = 1 + counts.lengths[-1] / bins
    return counts.counts[counts.lengths < first].sum() / counts.total


# %%
groups = [(name, group) for name in runs for group in ("all", *runs[name].groups)]
fits, comparisons = {}, {}
for name, group in groups:
    counts = runs[name].counts(None, group)
    if np.count_nonzero(counts.counts) > 10:  # a layer without intervals has no fit
        fits[name, group] = fit_discrete_power_law(counts)
        null = interval_null(counts.per_weight, counts.steps)
        fit = fits[name, group]
        comparisons[name, group] = compare_intervals(counts, fit, null=null)

# %% [markdown]
# The table has the lower threshold. A rival's column names the law that is favoured. The ±
# takes every interval as independent, which they are not: seeds differ by far more (see
# [the verdicts](07_claims.ipynb)).

# %%
BRIEF = {"power law with cutoff": "cutoff", "shuffled times": "shuffled"}

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
pd.DataFrame(
    {
        f"{name} {group}": {
            "alpha": f"{fit.alpha:.2f} ± {fit.sigma:.1g}",
            "from": f"{fit.xmin:.0f}",
            "in the tail": f"{fit.n_tail:,}",
            **{
                BRIEF.get(rival.name, rival.name): BRIEF.get(
                    rival.preferred, rival.preferred
                )
                for rival in comparisons[name, group].alternatives
            },
        }
        for (name, group), fit in fits.items()
    }
).T

# %%
pooled = {name: fits[name, "all"] for name in runs if (name, "all") in fits}
drawn = {name: linear_line(runs[name].counts()).alpha for name in pooled}

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "All layers together, likelihood against line: "
    + ", ".join(
        f"{name} {fit.alpha:.2f} (from {fit.xmin:.0f} steps) against {drawn[name]:.2f}"
        for name, fit in pooled.items()
    )
    + ". The line leaves out the first bin, where "
    + ", ".join(f"{left_out(runs[name].counts()):.1%} ({name})" for name in pooled)
    + " of the intervals lie; the likelihood, from $x_{\\min}$ on, leaves out "
    + ", ".join(
        f"{1 - fit.n_tail / fit.n:.1%} ({name})" for name, fit in pooled.items()
    )
    + "."
)

# %%
higher = {}
for name in pooled:
    counts = runs[name].counts(runs[name].fractions[-1])
    if np.count_nonzero(counts.counts) > 10:
        higher[name] = fit_discrete_power_law(counts)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "With the higher threshold the exponent of all layers is "
    + ", ".join(
        f"{fit.alpha:.2f} (from {fit.xmin:.0f} steps) in place of "
        f"{pooled[name].alpha:.2f} ({name})"
        for name, fit in higher.items()
    )
    + ". One run each."
)

# %%
against = [
    f"{name} {group}"
    for (name, group), table in comparisons.items()
    if any(rival.preferred == rival.name for rival in table.alternatives)
]

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    f"In {len(against)} of {len(comparisons)} cases a rival is favoured over the pure "
    "power law" + (f" ({', '.join(against)})." if against else ".")
)

# %% [markdown]
# ## Drift of the weights and of what they represent
#
# While the loss stays where it is, weights may go on moving. Is that a random walk, and does
# what the network computes move along? The mean squared displacement of the weights after a
# lag $\tau$ is
#
# $$ \mathrm{MSD}(\tau) = \left\langle (w_i(t+\tau) - w_i(t))^2 \right\rangle
# \sim \tau^{\gamma}. $$
#
# A random walk has $\gamma = 1$, straight motion $\gamma = 2$. Beside it: by how much the
# [activations](../book/symbols.md#activation) on a fixed batch of images differ after $\tau$
# steps, relative to their size. Both are in [this figure](#fig-drift).

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-drift", "caption": "Mean squared displacement of the weights against lag (left) and relative distance of the activations on a fixed batch (right), one marker for each layer; MLP solid, ConvNet dashed."}, "image": {"alt": "Left: mean squared displacement against lag on logarithmic axes. Right: distance of activations against lag, one line per layer."}, "code_prompt_show": "Code of the figure"}
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
def pace(found):
    if found.low <= 1 <= found.high:
        return "not decided"
    return "slower" if found.high < 1 else "faster"


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
pd.DataFrame(
    {
        f"{name} {group}": {
            "γ": f"{found.gamma:.2f}",
            f"{found.level:.0%} interval": f"{found.low:.2f} to {found.high:.2f}",
            "than a random walk": pace(found),
        }
        for (name, group), found in exponents.items()
    }
).T

# %% [markdown]
# The interval is from stretches of the run. Where it lies below 1 weights move apart more
# slowly than in a random walk: steps partly undo each other. Where it lies above 1 they partly
# go on in one direction. "All" weighs each weight alike, so the largest layer counts most.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
walks = [pace(exponents[name, "all"]) for name in runs]
layers = [pace(found) for (_, group), found in exponents.items() if group != "all"]
Markdown(
    "Is that a random walk? All weights together: "
    + ", ".join(f"{word} ({name})" for name, word in zip(runs, walks, strict=True))
    + f". Of {len(layers)} layers {layers.count('slower')} are slower and "
    f"{layers.count('faster')} faster; {layers.count('not decided')} are not decided."
)

# %% [markdown]
# ## The numbers of this run
#
# What a program reads from this notebook, whoever ran it.

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
# - Intervals that follow the shuffled curve: then the waiting times tell only that weights
#   have unequal rates.
# - Rivals that are favoured over the power law in every layer.
# - An exponent that depends on the threshold.
#
# One of these speaks against one reading of the claim. A verdict counts all its questions and
# all seeds: [the verdicts](07_claims.ipynb) say which have come about.
#
# ## Limits
#
# - A window of $T$ steps cuts long intervals: counts fall below any law near $T$, and part
#   of a fitted cutoff is that. The null is cut in the same way.
# - The rate of a weight changes in training. Shuffling over the whole run destroys that
#   too, so part of the excess burstiness may be a rate that drifts.
# - Weights of one unit are moved together, so the counts are far from independent.
#
# ## Exercises
#
# **1.** Count the second half of the run only. Does the burstiness beyond chance stay?
#
# <details><summary>Solution</summary>
#
# ```python
# half = configs["mlp"].window * (mlp_steps // 2 // configs["mlp"].window)
# later = run_intervals(configs["mlp"], start=half).counts()
# chance = interval_null(later.per_weight, later.steps)
# print(f"whole run {excess['mlp']:+.3f}")
# print(f"second half {later.burstiness - chance.burstiness:+.3f}")
# ```
#
# Where the second number is the smaller one, part of the excess came from rates that change
# as the network learns, which shuffling over the whole run destroys. What remains needs
# another reason.
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
# drawn = shuffle_times(counts.per_weight, counts.steps, np.random.default_rng(seed))
# for name, each in (("measured", counts), ("shuffled", drawn)):
#     print(name, fit_discrete_power_law(each))
# ```
#
# The shuffled times have no memory and no bursts, and yet the fit gives an exponent as readily
# as for the measured ones. That is [the mixture of rates](../book/theory.md#waiting-times-a-mixture-of-rates):
# an exponent alone does not tell the two apart.
#
# </details>
#
# **3.** Which layer has the weights that are never large?
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
# One threshold holds for all layers. The first fully connected layer holds most of the
# weights, so it may also give most of the intervals: compare the rows of the table above;
# "all layers" is then nearly that layer alone.
#
# </details>
#
# ## Summary
#
# Intervals between large updates were counted exactly, for every weight, beside what the same
# weights would give by chance.

# %%
nearer = [each["shuffled times"].preferred for each in comparisons.values()]
excesses = [value for found in beyond.values() for value in found.values()]

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    f"In this run burstiness differs from that of shuffled times by "
    f"{min(excesses):+.2f} to {max(excesses):+.2f}. For the long intervals, the power "
    f"law is nearer than shuffled times in {nearer.count('power law')} of "
    f"{len(nearer)} cases, layers alone or all together; shuffled times are nearer in "
    f"{nearer.count('shuffled times')}."
)

# %% [markdown]
# Whether that holds for other seeds is a question for [the verdicts](07_claims.ipynb).
