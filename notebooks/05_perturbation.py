# %% [markdown]
# # Perturbation: one weight at a time
#
# **Question.** The paper moves single weights of a trained network and measures how much the
# loss changes. It calls the loss landscape *exponentially* [rugged](../book/symbols.md#ruggedness)
# for small displacements and *power-law* rugged for large ones: over the weights, the sizes of
# the change follow an exponential distribution in the first case and a power law in the
# second. There is no minibatch noise in either. Do we find the same, and what makes the
# difference?

# %% tags=["parameters"]
source: str = "sample"  # images: those of the package, or all; in {sample, full}
learning_rate: float = 0.01  # of the five-layer MLP; in (0, 0.5]
batch_size: int = 50  # in images; in [1, inf)
first_epoch: int = 15  # passes through the data before measuring; in [1, inf)
last_epoch: int = 30  # and before measuring again; in [2, inf)
weights_per_layer: int = 150  # weights displaced in each layer; in [40, inf)
curve_weights: int = 40  # weights in each layer for the scaling curve; in [40, inf)
seed: int = 0  # of weights, batches, and weights to displace; in [0, 4294967295]
published_dir: str = ""  # folder of the authors' arrays, to compare with ours

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Imports"}
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display
from matplotlib.colors import LogNorm

from netdyn_utils import plotting, widgets
from netdyn_utils.experiments import FIVE_LAYERS, ExperimentConfig, run_perturbation
from netdyn_utils.histogram import LogHistogram
from netdyn_utils.metrics import log_metrics
from netdyn_utils.networks import build_model
from netdyn_utils.perturbation import loss_under_displacement, perturbation_scan
from netdyn_utils.tails import (
    compare_tails,
    crossover_delta,
    exponential_mixture,
    fit_power_law,
    fit_power_law_samples,
    power_law_or_exponential,
)

plotting.use_style()
rng = np.random.default_rng(seed)

# %% [markdown]
# ## Definition
#
# Displace one weight $w_k$ by $\delta$ and leave all others where they are:
#
# $$ \Delta L_k(\delta) = L(\mathbf w + \delta\,\mathbf e_k) - L(\mathbf w), $$
#
# where $L$ is the mean cross-entropy over *all* training images, in double precision and in
# evaluation mode. So there is no minibatch noise. We keep the sign of the change and move
# every weight both ways. The change then has an antisymmetric (*odd*) and a symmetric (*even*)
# part:
#
# $$
# \begin{aligned}
# \underbrace{\tfrac12\left[\Delta L_k(\delta) - \Delta L_k(-\delta)\right]}_{\text{odd}}
# &\approx \delta\,\frac{\partial L}{\partial w_k}, \\
# \underbrace{\tfrac12\left[\Delta L_k(\delta) + \Delta L_k(-\delta)\right]}_{\text{even}}
# &\approx \frac{\delta^2}{2}\frac{\partial^2 L}{\partial w_k^2}.
# \end{aligned}
# $$
#
# This is Taylor's series ([equation 9](../book/theory.md#one-displaced-weight) of the theory). It
# holds as far as the loss is smooth.
#
# In plain code: copy the network, move the weight, run all images, and subtract.

# %%
small = build_model("mlp", widths=(4, 3, 2), generator=torch.Generator().manual_seed(1))
x = torch.randn(20, 4, generator=torch.Generator().manual_seed(2))
y = (x[:, 0] > 0).long()
move = {"name": "fc1.weight", "index": 5}
before, after = (
    loss_under_displacement(small, x, y, **move, delta=delta) for delta in (0.0, 0.01)
)
round(after - before, 10)

# %% [markdown]
# `perturbation_scan` gives the same numbers for many weights at once. One weight changes the
# input of one unit. For images in which that unit stays inactive, nothing else has to be
# computed; for the others, the scan propagates only the *change* through the later layers.

# %%
response = perturbation_scan(
    small,
    x,
    y,
    deltas=[0.01],
    weights_per_layer={"fc1": 12},
    generator=torch.Generator(),
)
Markdown(f"The two differ by {response.changes(0.01)[5] - (after - before):.0e} nats.")

# %% [markdown]
# That is rounding.
#
# ## The run
#
# We train a multilayer perceptron with five layers, 784-50-50-50-50-10, on MNIST, and measure
# twice: after `first_epoch` and after `last_epoch` epochs. Both times we displace the same
# weights, a random sample of every layer. (The authors measure after 50 and after 100 epochs.)

# %%
config = ExperimentConfig.from_paper(
    "mlp",
    steps=1,  # the epochs say how long
    seed=seed,
    source=source,
    options=FIVE_LAYERS,
    learning_rate=learning_rate,
    batch_size=batch_size,
)

# %%
epochs = (first_epoch, last_epoch)
run = run_perturbation(
    config,
    epochs=epochs,
    weights_per_layer=weights_per_layer,
    curve_weights=curve_weights,
)
run.record

# %%
pd.DataFrame(
    run.tests[:, 1:],
    index=[f"epoch {epoch:.0f}" for epoch in run.tests[:, 0]],
    columns=["training loss (nats)", "test loss (nats)", "test accuracy"],
).round(4)

# %% [markdown]
# ## Three single weights
#
# Before any statistics, [this figure](#fig-one-weight) shows three weights, ranked by the change
# of the loss at the largest displacement: the first, one in the top tenth, and the median.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-one-weight", "caption": "Where a curve follows its dashed line, the loss changes in proportion to the displacement. Left: near zero, with the straight line that the smallest displacement predicts (dashed). Right: the full range; the vertical axis is linear up to a thousandth and logarithmic beyond. The legend names the layer of each weight."}, "image": {"alt": "Two panels, change of the loss against displacement for three weights: nearly straight lines for small displacements, bent curves for large ones."}, "code_prompt_show": "Code of the figure"}
curve = run.curves[last_epoch]
order = np.argsort(np.abs(curve.response[-2]).max(axis=0))
chosen = [order[-1], order[int(0.9 * len(order))], order[len(order) // 2]]
displaced = np.concatenate([-curve.deltas[::-1], [0], curve.deltas])
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4))
names = {"largest": "#D55E00", "top tenth": "#0072B2", "median": plotting.GREY}
for ax, reach in zip(axes, (0.1, curve.deltas[-1]), strict=True):
    near = np.abs(displaced) <= reach
    for k, (name, colour) in zip(chosen, names.items(), strict=True):
        minus, plus = curve.response[::-1, 1, k], curve.response[:, 0, k]
        change = np.concatenate([minus, [0], plus])
        label = f"{name} ({curve.layers[curve.layer[k]]})"
        ax.plot(displaced[near], change[near], ".-", color=colour, label=label)
        if reach < 1:
            slope = curve.gradient(curve.deltas[0])[k]
            ax.plot(displaced[near], slope * displaced[near], "--", color=colour)
    ax.set(xlabel="displacement δ (weight)", ylabel="change of the loss ΔL (nats)")
    ax.locator_params(axis="x", nbins=5)
axes[1].set_yscale("symlog", linthresh=1e-3)
legend = axes[0].legend(fontsize=8)
plotting.stamp_source(figure, run)

# %% [markdown]
# ## Small and large displacements
#
# The published figures show $|\Delta L|$ for $\delta = \pm 0.01$ on semi-logarithmic axes and
# for $\delta = \pm 1$ on doubly logarithmic ones. A straight line means an exponential
# distribution in the first case and a power law in the second. [This figure](#fig-survival)
# shows the fraction of weights above each value, which needs no bins.

# %%
TINTS = {"-": ("#F0B385", "#D55E00"), "--": ("#85BBDC", "#0072B2")}  # light, dark
STEM = "MNIST-5mlp-perturb{sign}_ep{epoch}_perturb{size:g}_lr0.01_optiPureSGD_"
THEIR_EPOCHS = dict(zip(epochs, (50, 100), strict=True))  # of the authors' arrays


def read_published(delta, epoch, folder=published_dir):
    sign = "-minus" if delta < 0 else ""
    stem = STEM.format(sign=sign, epoch=THEIR_EPOCHS[epoch], size=abs(delta))
    path = Path(folder) / f"{stem}lossvariance.npy"
    if folder and path.is_file():
        return np.load(path, allow_pickle=False).ravel()
    return None


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-survival", "caption": "A straight line on the left is an exponential distribution, a straight line on the right a power law. Fraction of the displaced weights whose change of the loss exceeds the value on the horizontal axis, all layers: small displacements (left) and large ones (right). Light: first measurement; dark: last; dashed: negative displacements; grey: published, if its folder is given."}, "image": {"alt": "Left: fraction of weights above a change of the loss, semi-logarithmic. Right: the same for large displacements on doubly logarithmic axes."}, "code_prompt_show": "Code of the figure"}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.7))
for ax, size in zip(axes, (0.01, 1.0), strict=True):
    for delta, line in ((size, "-"), (-size, "--")):
        for epoch, colour in zip(epochs, TINTS[line], strict=True):
            changes = np.abs(run.responses[epoch].changes(delta))
            look = {"color": colour, "label": f"δ = {delta:+g}, epoch {epoch}"}
            plotting.plot_survival(changes, ax, linestyle=line, **look)
            theirs = read_published(delta, epoch)
            if theirs is not None:
                plotting.plot_survival(theirs, ax, color=plotting.GREY, linewidth=0.8)
    ax.set(
        xlabel="change of the loss |ΔL| (nats)", xscale="linear" if size < 1 else "log"
    )
    ax.legend(fontsize=7)
axes[1].set_xlim(1e-5, None)
_ = axes[1].set_ylim(0.5 / len(changes), 1.2)
plotting.stamp_source(figure, run)

# %%
PUBLISHED = {  # mean |ΔL| of the authors' arrays, first and second measurement
    0.01: (3.7e-5, 3.3e-5),
    -0.01: (3.7e-5, 3.3e-5),
    1.0: (1.21e-2, 1.15e-2),
    -1.0: (8.3e-3, 7.4e-3),
}


# %%
def mean_change(response, delta):
    layers = [
        np.abs(response.changes(delta, layer)).mean() for layer in response.layers
    ]
    return np.mean(layers)  # every layer counts alike, as in the published files


# %%
means = pd.DataFrame(
    {
        f"δ = {delta:+g}, epoch {epoch}": {
            "training images": mean_change(run.responses[epoch], delta),
            "test images": mean_change(run.held_out[epoch], delta),
            "published": theirs,
        }
        for delta, pair in PUBLISHED.items()
        for epoch, theirs in zip(epochs, pair, strict=True)
    }
).T
means.map("{:.2g}".format)

# %%
off = np.exp(np.abs(np.log(means.div(means["published"], axis=0))).mean())

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "The table shows the mean $|\\Delta L|$ in nats; the published values are for epochs "
    "50 and 100. Ours differ from them by a typical factor of "
    f"{off['training images']:.2g} on training images and {off['test images']:.2g} on "
    "test images."
)

# %% [markdown]
# The paper does not say on which images its values were measured. It matters: on the training
# images the gradient shrinks as they are fitted, on other images it does not. Everything
# below uses the training images, because training minimises their loss.
#
# In this table every layer has equal weight, as in the published files. In the tables below
# every displaced weight counts equally, and the last layer may have fewer of them.
#
# ## Exponential or power law?
#
# For every sign and size we fit the tail as in [the chapter on tails](03_tails.ipynb): exponent
# and threshold by likelihood on the raw values, then the alternative distributions on the same
# tail in fine bins.


# %%
def better_fit(z):
    if abs(z) <= 2:
        return "inconclusive"
    return "power law" if z > 0 else "exponential"


# %%
SHORT = {
    "power law with cutoff": "cutoff",
    "stretched exponential": "stretched",
    "not decided": "–",
}


def tail_row(changes):
    sizes = np.abs(changes)
    fit = fit_power_law_samples(sizes[sizes > 0])
    histogram = LogHistogram.from_values(sizes, bits=6)
    binned = fit_power_law(histogram.edges, histogram.counts)
    compared = compare_tails(histogram.edges, histogram.counts, binned).alternatives
    half = power_law_or_exponential(sizes, fraction=0.5)
    return {
        "mean |ΔL|, pooled": f"{sizes.mean():.2g}",
        "no change": f"{np.mean(sizes == 0):.0%}",
        "alpha": f"{fit.alpha:.2f} ± {fit.sigma:.1g}",
        "xmin": f"{fit.xmin:.2g}",
        "in the tail": f"{fit.n_tail:,}",
        **{
            SHORT.get(one.name, one.name): SHORT.get(one.preferred, one.preferred)
            for one in compared
        },
        "larger half": f"{better_fit(half.z)} ({half.z:+.1f})",
    }


# %%
rows = {
    f"δ = {delta:+g}, epoch {epoch}": tail_row(run.responses[epoch].changes(delta))
    for delta in (0.01, -0.01, 1.0, -1.0)
    for epoch in epochs
}

# %%
fitted = pd.DataFrame(rows).T
fitted.loc[:, :"in the tail"]

# %%
fitted.loc[:, "exponential":]

# %% [markdown]
# The second table says which fits better in the tail above the estimated threshold, the power
# law or each alternative; a dash means that the data do not decide. That tail is often too short to
# tell distributions apart. The column *larger half* asks a simpler question: on the larger half of all changes, does the power law or
# the exponential fit better, and by how many standard errors? A positive number favours the
# power law. Within two standard errors of zero the answer is *inconclusive*.
#
# ## Small displacements show the gradient
#
# At $\delta = 0.01$ the two signs give nearly the same sizes. If only the odd part matters,
# $|\Delta L| = \delta\,|\partial L/\partial w_k|$, and the "ruggedness" is just the distribution
# of the entries of the gradient.

# %%
last = run.responses[last_epoch]
energies = last.antisymmetric**2, last.symmetric**2
odd = [np.sum(a) / np.sum(a + b) for a, b in zip(*energies, strict=True)]
both = [np.abs([last.changes(d), last.changes(-d)]) for d in last.deltas]

# %%
signs = {
    f"δ = ±{delta:g}": {
        "correlation of |ΔL| for the two signs": f"{np.corrcoef(pair)[0, 1]:.3f}",
        "odd part of the mean square": f"{fraction:.1%}",
    }
    for delta, pair, fraction in zip(last.deltas, both, odd, strict=True)
}
pd.DataFrame(signs).T

# %% [markdown]
# ## Large displacements: plus and minus differ
#
# At $\delta = \pm 1$ the two signs differ. A unit of an inner layer gets its inputs from ReLUs,
# so they are never negative. $+1$ then raises the unit's input in every image and may activate a
# unit that was inactive, by any amount. $-1$ can only make a unit inactive, and then its output
# cannot fall further. In the first layer it is the other way round, because most pixels are
# background, which has the value $-1$.

# %%
columns = {f"{sign * 1.0:+.0f}": sign * 1.0 for sign in (1, -1)}

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
pd.DataFrame(
    {
        layer: {
            **{
                f"mean |ΔL|, δ = {name}": f"{np.abs(last.changes(d, layer)).mean():.2g}"
                for name, d in columns.items()
            },
            **{
                f"loss falls, δ = {name}": f"{np.mean(last.changes(d, layer) < 0):.0%}"
                for name, d in columns.items()
            },
        }
        for layer in last.layers
    }
).T

# %% [markdown]
# ## One power law, or a mixture of five layers?
#
# The figures above pool five layers, as the published ones do. The layers differ in the
# *size* of their responses. If each layer were exponential with a mean of its own, the pool
# would be a mixture of exponentials. Such a [mixture of scales](../book/symbols.md#scale-mixture)
# can look like a power law although no layer has one. So [this figure](#fig-layers-alone) shows
# each layer alone, divided by its own mean; an exponential is the straight grey line. It
# also compares the pool with a sample from exactly that mixture.

# %%
LINES = ("-", "--", "-.", ":", (0, (6, 1)))
shades = plt.cm.viridis(np.linspace(0, 0.85, len(last.layers)))
looks = {
    layer: {"color": shade, "linestyle": line}
    for layer, shade, line in zip(last.layers, shades, LINES, strict=True)
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-layers-alone", "caption": "A layer above the grey line has a heavier tail than an exponential. Left: each layer at \u03b4 = \u22121, its changes of the loss divided by their mean, up to 20 means. Right: all layers together (solid) and a sample from exponentials with each layer's mean (dashed), for both signs; where the dashed line follows the solid one, unequal layers explain the pool."}, "image": {"alt": "Left: survival of the change of the loss layer by layer on semi-logarithmic axes, with the line of an exponential. Right: survival of all layers together and of a mixture of exponentials, doubly logarithmic."}, "code_prompt_show": "Code of the figure"}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.7))
units = np.linspace(0, 20)
axes[0].plot(units, np.exp(-units), color="#D1D5DB", linewidth=4)
for layer, look in looks.items():
    sizes = np.abs(last.changes(-1.0, layer))
    plotting.plot_survival(sizes / sizes.mean(), axes[0], label=layer, **look)
lowest = 0.5 / np.bincount(last.layer).max()
axes[0].set(xlabel="|ΔL| / mean of its layer", xlim=(0, 20), ylim=(lowest, 1.2))
for delta, colour in ((1.0, "#D55E00"), (-1.0, "#0072B2")):
    sizes = np.abs(last.changes(delta))
    mixture = exponential_mixture(sizes, last.layer, rng=rng)
    plotting.plot_survival(sizes, axes[1], color=colour, label=f"δ = {delta:+g}")
    plotting.plot_survival(mixture, axes[1], color=colour, linestyle="--")
axes[1].set(xlabel="change of the loss |ΔL| (nats)", xscale="log", xlim=(1e-5, None))
for ax in axes:
    ax.legend(fontsize=8)
plotting.stamp_source(figure, run)


# %%
def comparison_row(delta):
    sizes = np.abs(last.changes(delta))
    largest = sizes >= np.quantile(sizes, 0.99)
    fraction = np.bincount(last.layer[largest]).max() / largest.sum()
    mixture = exponential_mixture(sizes, last.layer, rng=rng)
    row = {"pooled": sizes, "mixture": mixture}
    row |= {layer: np.abs(last.changes(delta, layer)) for layer in last.layers}
    z = {name: power_law_or_exponential(x, fraction=0.5).z for name, x in row.items()}
    top = last.layers[np.bincount(last.layer[largest]).argmax()]
    return {name: f"{value:+.1f}" for name, value in z.items()} | {
        "largest 1 %": f"{fraction:.0%} in {top}"
    }


# %%
deltas = (0.01, -0.01, 1.0, -1.0)
comparisons = pd.DataFrame(
    {f"δ = {delta:+g}": comparison_row(delta) for delta in deltas}
).T
comparisons

# %%
alone = comparisons.loc[["δ = +1", "δ = -1"], list(last.layers)].astype(float)
pooled = comparisons.loc[["δ = +1", "δ = -1"], "pooled"].astype(float)
verdicts = [better_fit(z) for z in alone.to_numpy().ravel()]

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "Each number is $z$, in standard errors, on the larger half of the changes: positive "
    "where the power law fits better, negative where the exponential does. At δ = ±1 the "
    f"exponential clearly fits better in {verdicts.count('exponential')} of "
    f"{len(verdicts)} single layers, the power law in {verdicts.count('power law')}."
)

# %% [markdown]
# This test looks at the whole larger half. The few largest changes may still lie far beyond
# anything an exponential would give, and out there neither distribution need fit. The next
# table compares the largest change of each layer, divided by the layer's mean, with the
# typical largest of equally many exponential values.

# %%
by_layer = {layer: np.abs(last.changes(-1.0, layer)) for layer in last.layers}
pd.DataFrame(
    {
        layer: {
            "largest / mean, δ = −1": f"{sizes.max() / sizes.mean():.0f}",
            "same for an exponential": f"{np.log(len(sizes)) + np.euler_gamma:.0f}",
        }
        for layer, sizes in by_layer.items()
    }
).T

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code for the authors' arrays"}
published = read_published(-1.0, first_epoch)
if published is not None:  # five layers one after another, equally many values of each
    groups = np.repeat(np.arange(5), len(published) // 5)
    cases = {f"layer {k + 1}": published[groups == k] for k in range(5)}
    cases["pooled"] = published
    cases["mixture"] = exponential_mixture(published, groups, rng=rng)
    z = {name: power_law_or_exponential(x, fraction=0.5).z for name, x in cases.items()}
    name = f"z of the authors' arrays, δ = −1, epoch {THEIR_EPOCHS[first_epoch]}"
    display(pd.DataFrame({name: z}).T.round(1))

# %% [markdown]
# ## From small to large
#
# We displace some of the weights, at most `curve_weights` of each layer, by twelve sizes. This
# is a smaller sample than that of the tables above. Where the gradient dominates, the change
# grows like $\delta$; where the curvature dominates, it grows like $\delta^2$. [This
# figure](#fig-scaling) shows where one takes over from the other. [This
# figure](#fig-crossover) then compares the power law and the exponential at every size, on the
# larger half of the changes, for all layers together and for each layer alone.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-scaling", "caption": "Where the odd part equals the whole, the gradient alone changes the loss. Standard deviation over the weights of the change of the loss under $+\\delta$, and of its odd and even parts; dotted lines grow like $\\delta$ and $\\delta^2$."}, "image": {"alt": "Spread of the change of the loss and of its odd and even parts against displacement, doubly logarithmic."}, "code_prompt_show": "Code of the figure"}
figure, ax = plt.subplots()
parts = {
    "ΔL(+δ)": curve.response[:, 0],
    "odd": curve.antisymmetric,
    "even": curve.symmetric,
}
for (name, values), line in zip(parts.items(), ("o-", "s--", "^--"), strict=True):
    ax.loglog(curve.deltas, values.std(axis=1), line, markersize=3, label=name)
for part, power in ((curve.antisymmetric, 1), (curve.symmetric, 2)):
    guide = part.std(axis=1)[0] * (curve.deltas / curve.deltas[0]) ** power
    ax.loglog(curve.deltas, guide, ":", color=plotting.GREY)
ax.set(xlabel="displacement δ (weight)", ylabel="standard deviation (nats)")
legend = ax.legend()
plotting.stamp_source(figure, run)

# %%
spreads = {"odd": curve.antisymmetric.std(axis=1), "even": curve.symmetric.std(axis=1)}
gap = np.log(spreads["even"] / spreads["odd"])
crossings = np.flatnonzero((gap[:-1] < 0) & (gap[1:] >= 0))

# %%
crossing = np.nan  # where the even part becomes the larger one for good
if len(crossings):
    k = crossings[-1]
    crossing = np.exp(np.interp(0, gap[k : k + 2], np.log(curve.deltas[k : k + 2])))


# %%
def growth(values, sizes):
    """Return the power of δ by which values grow on average over some sizes."""
    if np.sum(sizes) < 2:
        return "–"
    return f"{np.polyfit(np.log(curve.deltas[sizes]), np.log(values[sizes]), 1)[0]:.1f}"


ranges = {"all displacements": curve.deltas > 0}
if len(crossings):
    ranges = {
        f"δ < {crossing:.2g}": curve.deltas < crossing,
        f"δ > {crossing:.2g}": curve.deltas > crossing,
    }

# %%
pd.DataFrame(
    {
        name: {f"{part} part": growth(x, sizes) for part, x in spreads.items()}
        for name, sizes in ranges.items()
    }
).T

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "The table shows the power of δ by which each part grows on average. The even part "
    + (
        f"becomes the larger one at δ = {crossing:.2g}."
        if len(crossings)
        else "does not become the larger one at any of these sizes."
    )
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-crossover", "caption": "Above zero, the power law fits the larger half of the changes better; below zero, the exponential does. Log-likelihood ratio in nats per weight against the displacement. Thick: all layers together, with bootstrap 95 % intervals; thin: each layer alone."}, "image": {"alt": "Two panels, one for each sign: likelihood ratio of power law and exponential against displacement, for all layers together and for each alone."}, "code_prompt_show": "Code of the figure"}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.6), sharey=True)
crossovers = {}
for sign, (ax, name) in enumerate(zip(axes, ("+δ", "−δ"), strict=True)):
    crossovers[name] = found = crossover_delta(
        curve.deltas, curve.response[:, sign], rng=rng, fraction=0.5
    )
    bold = {"color": "black", "linewidth": 2.4, "label": "pooled"}
    ax.semilogx(found.deltas, found.ratios, "o-", markersize=4, **bold)
    ax.fill_between(found.deltas, found.low, found.high, color="black", alpha=0.15)
    for layer in curve.layers:
        single = np.abs(curve.response[:, sign, curve.of(layer)])
        ratios = [
            power_law_or_exponential(x, fraction=0.5).loglik_ratio for x in single
        ]
        ax.semilogx(curve.deltas, ratios, linewidth=1.1, label=layer, **looks[layer])
    ax.axhline(0, color=plotting.GREY, linewidth=0.8)
    ax.set(xlabel=f"displacement {name} (weight)")
axes[0].set(ylabel="power law − exponential\n(nats per weight)")
legend = axes[0].legend(fontsize=8)
plotting.stamp_source(figure, run)

# %% [markdown]
# [This figure](#fig-displacement) shows the distributions themselves at every second size. Each
# is divided by its mean, so that only the shape changes: a straight line on the left is an
# exponential, a straight line on the right a power law.


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of one frame"}
def displacement_frame(i):
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4))
    units = np.geomspace(1e-3, 12)
    for ax in axes:
        for sign, (name, colour) in enumerate((("+δ", "#D55E00"), ("−δ", "#0072B2"))):
            sizes = np.abs(curve.response[i, sign])
            look = {"color": colour, "label": name}
            plotting.plot_survival(sizes / sizes.mean(), ax, **look)
        ax.plot(units, np.exp(-units), "--", color=plotting.GREY)
        ax.set(xlabel="|ΔL| / mean", ylim=(0.5 / sizes.size, 1.2))
    axes[0].set_xlim(0, 12)
    axes[1].set(xscale="log", xlim=(1e-3, 100))
    axes[0].legend()
    return figure


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the caption"}
def displacement_caption(i):
    z = [power_law_or_exponential(x, fraction=0.5).z for x in np.abs(curve.response[i])]
    texts = [f"{better_fit(value)} (z = {value:+.1f})" for value in z]
    return f"Fits the larger half better: +δ {texts[0]}, −δ {texts[1]}."


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-displacement", "caption": "An exponential would follow the dashed line at every displacement. Fraction of the weights whose change of the loss, divided by the mean change, exceeds the value on the horizontal axis, all layers, on semi-logarithmic (left) and doubly logarithmic axes (right); dashed: the exponential. The slider sets the displacement."}, "code_prompt_show": "Code of the figure that moves"}
widgets.static_slider(
    displacement_frame,
    range(1, len(curve.deltas), 2),
    label=lambda i: f"{curve.deltas[i]:.2g}",
    caption=displacement_caption,
    description="displacement δ",
    alt="Fraction of the weights above a change of the loss, for both signs of one "
    "displacement, with an exponential for comparison",
    runs=[run],
)


# %%
def describe(found):
    low, high = found.interval
    return {
        "power law fits better above δ =": f"{found.delta:.2g}",
        "95 % interval": f"{low:.2g} to {high:.2g}",
        "no crossover": f"{found.undecided:.0%} of bootstrap samples",
    }


# %%
table = pd.DataFrame({name: describe(found) for name, found in crossovers.items()}).T
table.replace({"nan": "–", "nan to nan": "–"})

# %% [markdown]
# The table is for all layers together. The intervals come from a bootstrap over weights. A better
# fit is not yet a good fit: both distributions may be wrong, and the table of alternatives above
# is the stricter test.
#
# ## A picture of the landscape
#
# Moving one weight at a time gives one cut through the landscape. Another cut moves all weights
# at once along two random directions. The part of a direction that belongs to one unit (a
# *filter*) is scaled to the norm of the unit's own weights (Li et al. 2018). So pictures of
# different networks can be compared: [this figure](#fig-landscape).

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-landscape", "caption": "The loss around the trained weights, on one random plane: training loss along two random directions, scaled to the norms of the network's filters. The dot marks the trained network; the numbers are the loss in nats."}, "image": {"alt": "Contours of the loss on a plane of two random directions, with the trained network in the middle."}, "code_prompt_show": "Code of the figure"}
plane = run.plane
figure, ax = plt.subplots(figsize=(4.4, 4.2))
levels = np.geomspace(plane.losses.min(), plane.losses.max(), 16)[1:-1]
look = {"cmap": "viridis", "norm": LogNorm()}
contours = ax.contour(plane.steps, plane.steps, plane.losses.T, levels, **look)
ax.clabel(contours, contours.levels[4:11:3], fontsize=8, fmt="%.2g")
ax.plot(0, 0, "o", color="#D55E00")
ax.set(xlabel="along the first direction", ylabel="along the second", aspect="equal")
ax.locator_params(nbins=5)
plotting.stamp_source(figure, run)

# %% [markdown]
# ## The metrics of this run
#
# A run of this notebook also saves its main numbers for programs.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the metrics"}
signs = {1.0: "plus", -1.0: "minus"}
log_metrics(
    {
        f"mean_change_{signs[np.sign(d)]}_{abs(d):g}": np.abs(last.changes(d)).mean()
        for d in deltas
    }
    | {f"z_together_{signs[d]}_1": pooled[f"δ = {d:+g}"] for d in signs}
    | {f"crossover_{signs[s]}": crossovers[n].delta for s, n in ((1, "+δ"), (-1, "−δ"))}
)

# %% [markdown]
# ## What would refute it
#
# - At $\delta = \pm 1$ the exponential fits the larger half better, or some alternative fits the
#   tail better than the power law in every case.
# - A power law already fits better at $\delta = 0.01$. Then the size of the displacement does not
#   matter.
# - The tail comes from one layer alone. Then it is a mixture of layers, not ruggedness.
#
# Each of these speaks against one reading of the claim. A verdict counts all questions and all
# seeds; [the verdicts](07_claims.ipynb) show which of them occurred.
#
# ## Limits
#
# - The displacements of one are far larger than anything training does in one step.
# - This is one network and one seed. Weights of a unit share its inputs, so they are not
#   independent, but the intervals treat them as if they were.
# - We sample equally many weights of every layer, where it has them, as the paper does. The first
#   layer has most of the weights, so the distribution over *all* weights of the network would be
#   nearly that of the first layer. The pool is a choice, and its shape depends on it.
# - The published files have 4,999 values a layer, nearly all different. The hidden layers of this
#   network have 2,500 weights and the last one 500. Either the authors' network was larger, or
#   something else was sampled again for each value. The paper does not say which.
#
# ## Exercises
#
# **1.** Give each layer a weight in proportion to its number of parameters instead of equal
# weight. What does the pool look like then?
#
# <details><summary>Solution</summary>
#
# ```python
# numbers = np.array([784 * 50, 50 * 50, 50 * 50, 50 * 50, 50 * 10])
# weight = (numbers / np.bincount(last.layer))[last.layer]
# sizes = np.abs(last.changes(-1.0))
# sample = rng.choice(sizes, 5_000, p=weight / weight.sum())
# print("fraction in the first layer", (numbers / numbers.sum())[0].round(2))
# print("equally", power_law_or_exponential(sizes, fraction=0.5))
# print("by number", power_law_or_exponential(sample, fraction=0.5))
# ```
#
# More than four of five weights are in the first layer, so the pool is nearly that layer
# alone, and the answer can change with it. There is no such thing as "the" distribution
# without saying how the layers are pooled.
#
# </details>
#
# **2.** Displace the weights of a barely trained network, after one epoch. Do you find the
# power law?
#
# <details><summary>Solution</summary>
#
# ```python
# numbers = {"weights_per_layer": weights_per_layer, "curve_weights": curve_weights}
# early = run_perturbation(config, epochs=(1,), **numbers)
# for delta in (1.0, -1.0):
#     before, after = (
#         power_law_or_exponential(np.abs(r.changes(delta)), fraction=0.5).z
#         for r in (early.responses[1], last)
#     )
#     print(f"δ = {delta:+g}: z = {before:+.1f} after one epoch, {after:+.1f} at the end")
# ```
#
# A positive $z$ favours the power law, a negative one the exponential. If the sign changes
# between the two columns, training made the shape; if it does not, the shape was there before.
#
# </details>
#
# **3.** The odd part over δ is the gradient. Take the gradient by `torch.autograd` and
# compare.
#
# <details><summary>Solution</summary>
#
# ```python
# exact = small.double()
# torch.nn.functional.cross_entropy(exact(x.double()), y).backward()
# gradient = exact.fc1.weight.grad.flatten().numpy()[response.index]
# np.abs(response.gradient(0.01) - gradient).max() / np.abs(gradient).max()
# ```
#
# The difference comes from the cubic term of
# [Taylor's series](../book/theory.md#one-displaced-weight), and from kinks within $\pm\delta$.
#
# </details>
#
# ## Summary
#
# We measured the change of the loss when one weight is displaced, for both signs and over all
# images. Small displacements measure the gradient. Large ones cross the kinks of the network,
# where plus and minus may differ.

# %%
pd.DataFrame(
    {"fits better, all layers together": comparisons["pooled"].astype(float)}
).map(better_fit).T

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "Within single layers at δ = ±1 the power law clearly fits better in "
    f"{verdicts.count('power law')} of {len(verdicts)} cases."
)

# %% [markdown]
# This is one run. [The verdicts](07_claims.ipynb) use several seeds.
