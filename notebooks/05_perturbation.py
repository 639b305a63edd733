# %% [markdown]
# # Perturbation: one weight at a time
#
# **Question.** The paper moves single weights of a trained network and watches the loss. It
# finds the landscape *exponentially* [rugged](../book/symbols.md#ruggedness) for small
# displacements and *power-law* rugged for large ones, without any noise of batches. That is:
# over weights, the sizes of the change follow an exponential law in the one case and a power
# law in the other. Is that so, and what makes the difference?

# %% tags=["parameters"]
source: str = "sample"  # images: those of the package, or all; in {sample, full}
learning_rate: float = 0.01  # of the five-layer MLP; in (0, 0.5]
batch_size: int = 50  # in images; in [1, inf)
first_epoch: int = 15  # passes through the data before measuring; in [1, inf)
last_epoch: int = 30  # and before measuring again; in [2, inf)
weights_per_layer: int = 150  # weights displaced in each layer; in [40, inf)
curve_weights: int = 40  # weights in each layer for the scaling curve; in [40, inf)
seed: int = 0  # of weights, batches, and weights to displace; in [0, 4294967295]
published_dir: str = ""  # folder of the authors' arrays, to draw them beside ours

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Imports"}
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
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
# with $L$ the mean cross-entropy over *all* training images, in double precision, in
# evaluation mode. There is no batch and no chance in it. The signs are kept, and every
# weight is moved both ways, so that
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
# That is Taylor's series ([equation 9](../book/theory.md#one-displaced-weight) of the theory), and it holds
# as far as the loss is smooth.
#
# In plain code: copy the network, move the weight, run all images, subtract.

# %%
small = build_model("mlp", widths=(4, 3, 2), generator=torch.Generator().manual_seed(1))
x = torch.randn(20, 4, generator=torch.Generator().manual_seed(2))
y = (x[:, 0] > 0).long()
move = {"name": "fc1.weight", "index": 5}
before, after = (
    loss_under_displacement(small, x, y, **move, delta=delta) for delta in (0.0, 0.01)
)
after - before

# %% [markdown]
# `perturbation_scan` gives the same numbers for many weights at once. One weight changes the
# sum of one unit; where that unit stays silent nothing else has to be computed, and where it
# does not, only the *change* is carried on through the layers.

# %%
response = perturbation_scan(
    small,
    x,
    y,
    deltas=[0.01],
    weights_per_layer={"fc1": 12},
    generator=torch.Generator(),
)
float(response.changes(0.01)[5] - (after - before))

# %% [markdown]
# What is left between the two is rounding.
#
# ## The run
#
# A multilayer perceptron with five layers, 784-50-50-50-50-10, is trained on MNIST. After fewer
# and after more epochs, weights drawn at random from every layer are displaced: the same ones
# both times. (The authors measure after 50 and after 100 epochs.)

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
# ## One weight on screen
#
# Before any statistics, [this figure](#fig-one-weight) has three weights: the one that matters
# most when moved far, one that matters more than nine in ten others, and one from the middle.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-one-weight", "caption": "Change of the loss when a single weight is displaced, for three weights: near zero (left), with the straight line that the smallest displacement predicts (dashed), and far from it (right; the vertical axis is linear up to a thousandth and logarithmic beyond). The legend has the layer of each weight."}, "image": {"alt": "Two panels, change of the loss against displacement for three weights: nearly straight lines for small displacements, bent curves for large ones."}, "code_prompt_show": "Code of the figure"}
curve = run.curves[last_epoch]
order = np.argsort(np.abs(curve.response[-2]).max(axis=0))
chosen = [order[-1], order[int(0.9 * len(order))], order[len(order) // 2]]
displaced = np.concatenate([-curve.deltas[::-1], [0], curve.deltas])
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4))
names = {"largest": "#D55E00", "nine in ten": "#0072B2", "middle": plotting.GREY}
for ax, reach in zip(axes, (0.1, curve.deltas[-1]), strict=True):
    shown = np.abs(displaced) <= reach
    for k, (name, colour) in zip(chosen, names.items(), strict=True):
        minus, plus = curve.response[::-1, 1, k], curve.response[:, 0, k]
        change = np.concatenate([minus, [0], plus])
        label = f"{name} ({curve.layers[curve.layer[k]]})"
        ax.plot(displaced[shown], change[shown], ".-", color=colour, label=label)
        if reach < 1:
            slope = curve.gradient(curve.deltas[0])[k]
            ax.plot(displaced[shown], slope * displaced[shown], "--", color=colour)
    ax.set(xlabel="displacement δ (weight)", ylabel="change of the loss ΔL (nats)")
    ax.locator_params(axis="x", nbins=5)
axes[1].set_yscale("symlog", linthresh=1e-3)
legend = axes[0].legend(fontsize=8)
plotting.stamp_source(figure, run)

# %% [markdown]
# ## Small and large displacements
#
# The published figures show $|\Delta L|$ for $\delta = \pm 0.01$ on semi-logarithmic axes and
# for $\delta = \pm 1$ on doubly logarithmic ones: a straight line means exponential in the
# first, a power law in the second. [This figure](#fig-survival) has the share of weights above
# each value, which needs no bins.

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


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-survival", "caption": "Share of the displaced weights for which the loss changes by more than the value on the horizontal axis, all layers, both signs: small displacements on semi-logarithmic axes (left), large ones on doubly logarithmic axes (right). Light: first measurement, dark: last; dashed: $-\\delta$ (grey: published, where its folder is given)."}, "image": {"alt": "Left: share of weights above a change of the loss, semi-logarithmic. Right: the same for large displacements on doubly logarithmic axes."}, "code_prompt_show": "Code of the figure"}
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
off = {
    images: np.exp(np.abs(np.log(means[images] / means["published"])).mean())
    for images in ("training images", "test images")
}

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "Mean $|\\Delta L|$ in nats; the published values are of epochs 50 and 100. Typical "
    "factor between ours and theirs: "
    + ", ".join(f"{factor:.2f} on {images}" for images, factor in off.items())
    + "."
)

# %% [markdown]
# Which images the published values were measured on is not said. It matters: on the training
# images the gradient fades as they are fitted, on others it does not. Everything below is on
# the training images, whose loss is the landscape that training walks on.
#
# Here each layer counts alike, as in the published files. In the tables below each displaced
# weight does, and the last layer may have fewer.
#
# ## Which law?
#
# For every sign and size, the tail is fitted as in the chapter on tails: exponent and cut by
# likelihood on the raw values, rivals on the same tail in fine bins.


# %%
def law(z):
    if abs(z) <= 2:
        return "not decided"
    return "power law" if z > 0 else "exponential"


# %%
BRIEF = {"power law with cutoff": "cutoff", "stretched exponential": "stretched"}


def tail_row(changes):
    sizes = np.abs(changes)
    fit = fit_power_law_samples(sizes[sizes > 0])
    histogram = LogHistogram.from_values(sizes, bits=6)
    binned = fit_power_law(histogram.edges, histogram.counts)
    rivals = compare_tails(histogram.edges, histogram.counts, binned).alternatives
    half = power_law_or_exponential(sizes, fraction=0.5)
    return {
        "mean |ΔL|, pooled": f"{sizes.mean():.2g}",
        "unmoved": f"{np.mean(sizes == 0):.0%}",
        "alpha": f"{fit.alpha:.2f} ± {fit.sigma:.1g}",
        "from": f"{fit.xmin:.2g}",
        "in the tail": f"{fit.n_tail:,}",
        **{
            BRIEF.get(r.name, r.name): BRIEF.get(r.preferred, r.preferred)
            for r in rivals
        },
        "upper half": f"{law(half.z)} ({half.z:+.1f})",
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
# The second table names which of the power law and each rival is favoured in the tail that
# the power law chose for itself, which is often too short to tell laws apart. The column *upper
# half* asks a simpler question of the larger half of all changes: is the power law nearer or
# the exponential, and by how many standard errors? Above zero it is the power law; within two
# of zero it is not decided.
#
# ## Small: it is the gradient
#
# At $\delta = 0.01$ the two signs give nearly the same sizes. If only the odd part is there,
# $|\Delta L| = \delta\,|\partial L/\partial w_k|$: the "ruggedness" is the distribution of
# the gradient's entries, seen through a linear lens.

# %%
last = run.responses[last_epoch]
correlations = {
    size: np.corrcoef(np.abs(last.changes(size)), np.abs(last.changes(-size)))[0, 1]
    for size in last.deltas
}

# %%
odd = {
    size: np.sum(last.antisymmetric[i] ** 2)
    / np.sum(last.antisymmetric[i] ** 2 + last.symmetric[i] ** 2)
    for i, size in enumerate(last.deltas)
}

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "Correlation of $|\\Delta L|$ for the two signs: "
    + ", ".join(f"{r:.3f} at δ = ±{size:g}" for size, r in correlations.items())
    + ". Part of the mean square that is odd: "
    + ", ".join(f"{share:.1%} at δ = ±{size:g}" for size, share in odd.items())
    + "."
)

# %% [markdown]
# ## Large: plus and minus differ
#
# At $\delta = \pm 1$ the signs part. A unit's inputs in the inner layers are outputs of ReLUs,
# never negative. So $+1$ raises the unit's sum in every image and can wake it where it was
# silent, by any amount; $-1$ can only silence it, and a silent unit cannot fall further. In
# the first layer it is the other way round: most pixels are background, and background is
# $-1$.

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
# ## One law, or five layers?
#
# The figures above pool five layers, as the published ones do. The layers differ in the
# *size* of their responses. If each layer were exponential with its own mean, the pool
# would be a mixture of exponentials, and a [mixture of scales](../book/symbols.md#scale-mixture)
# can look like a power law without one being there. So [this figure](#fig-layers-alone) shows
# each layer alone, in units of its own mean, where an exponential is the straight grey
# line; and the pool beside a sample drawn from exactly that mixture.

# %%
LINES = ("-", "--", "-.", ":", (0, (6, 1)))
shades = plt.cm.viridis(np.linspace(0, 0.85, len(last.layers)))
looks = {
    layer: {"color": shade, "linestyle": line}
    for layer, shade, line in zip(last.layers, shades, LINES, strict=True)
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-layers-alone", "caption": "Left: each layer alone, negative large displacement, changes of the loss over the layer's mean, semi-logarithmic, up to 20 means; the broad grey line is the exponential. Right: all layers together (solid), and values drawn from exponentials with each layer's mean (dashed), for both signs of the large displacement."}, "image": {"alt": "Left: survival of the change of the loss layer by layer on semi-logarithmic axes, beside the line of an exponential. Right: survival of all layers together beside that of a mixture of exponentials, doubly logarithmic."}, "code_prompt_show": "Code of the figure"}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.7))
units = np.linspace(0, 20)
axes[0].plot(units, np.exp(-units), color="#D1D5DB", linewidth=4)
for layer, look in looks.items():
    sizes = np.abs(last.changes(-1.0, layer))
    plotting.plot_survival(sizes / sizes.mean(), axes[0], label=layer, **look)
lowest = 0.5 / np.bincount(last.layer).max()
axes[0].set(xlabel="|ΔL| over its layer's mean", xlim=(0, 20), ylim=(lowest, 1.2))
for delta, colour in ((1.0, "#D55E00"), (-1.0, "#0072B2")):
    sizes = np.abs(last.changes(delta))
    drawn = exponential_mixture(sizes, last.layer, rng=rng)
    plotting.plot_survival(sizes, axes[1], color=colour, label=f"δ = {delta:+g}")
    plotting.plot_survival(drawn, axes[1], color=colour, linestyle="--")
axes[1].set(xlabel="change of the loss |ΔL| (nats)", xscale="log", xlim=(1e-5, None))
for ax in axes:
    ax.legend(fontsize=8)
plotting.stamp_source(figure, run)


# %%
def contest_row(delta):
    sizes = np.abs(last.changes(delta))
    largest = sizes >= np.quantile(sizes, 0.99)
    share = np.bincount(last.layer[largest]).max() / largest.sum()
    drawn = exponential_mixture(sizes, last.layer, rng=rng)
    row = {"together": sizes, "mixture drawn": drawn}
    row |= {layer: np.abs(last.changes(delta, layer)) for layer in last.layers}
    z = {name: power_law_or_exponential(x, fraction=0.5).z for name, x in row.items()}
    top = last.layers[np.bincount(last.layer[largest]).argmax()]
    return {name: f"{value:+.1f}" for name, value in z.items()} | {
        "of the largest 1 %": f"{share:.0%} in {top}"
    }


# %%
deltas = (0.01, -0.01, 1.0, -1.0)
contests = pd.DataFrame({f"δ = {delta:+g}": contest_row(delta) for delta in deltas}).T
contests

# %%
alone = contests.loc[["δ = +1", "δ = -1"], list(last.layers)].astype(float)
pooled = contests.loc[["δ = +1", "δ = -1"], ["together", "mixture drawn"]].astype(float)

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "Standard errors by which the power law is nearer on the larger half of the changes "
    f"(negative: the exponential). At δ = ±1 the layers together give "
    f"{' and '.join(f'{z:+.1f}' for z in pooled['together'])}, a mixture of exponentials "
    f"{' and '.join(f'{z:+.1f}' for z in pooled['mixture drawn'])}. One by one the "
    f"exponential is nearer by more than two standard errors in "
    f"{np.sum(alone.to_numpy() < -2)} of {alone.size} cases, the power law in "
    f"{np.sum(alone.to_numpy() > 2)}."
)

# %%
by_layer = {layer: np.abs(last.changes(-1.0, layer)) for layer in last.layers}
heights = {layer: sizes.max() / sizes.mean() for layer, sizes in by_layer.items()}
most = max(map(len, by_layer.values()))

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "Nearer is judged on the whole larger half. The few largest changes may lie far "
    "beyond where an exponential has any, and there neither law need fit. At δ = −1 the "
    "largest of a layer, over its mean, is "
    + ", ".join(f"{height:.0f} ({layer})" for layer, height in heights.items())
    + f"; {most:,} exponential values reach about {np.log(most) + np.euler_gamma:.0f}."
)

# %% [markdown]
# The authors' arrays hold the layers one after another, equally many values of each. A run
# that is given their folder as `published_dir` puts the same question to them.

# %%
kept = read_published(-1.0, first_epoch)
cases = {}
if kept is not None:
    groups = np.repeat(np.arange(5), len(kept) // 5)
    cases = {f"layer {k + 1}": kept[groups == k] for k in range(5)}
    drawn = exponential_mixture(kept, groups, rng=rng)
    cases |= {"together": kept, "mixture drawn": drawn}

# %%
told = "The authors' arrays are not part of this book; this page was made without them."
if cases:
    told = f"Their arrays, δ = −1, epoch {THEIR_EPOCHS[first_epoch]}: " + ", ".join(
        f"{name} {power_law_or_exponential(x, fraction=0.5).z:+.1f}"
        for name, x in cases.items()
    )
Markdown(told)

# %% [markdown]
# ## From small to large
#
# Some of the weights, at most `curve_weights` of each layer and not the pool of the tables
# above, displaced by twelve sizes. A response by the gradient alone grows like $\delta$, one by
# curvature like $\delta^2$: [this figure](#fig-scaling) shows where one takes over from the
# other. [This figure](#fig-crossover) then compares the two laws at every size, on the larger
# half of the changes, for the layers together and for each alone.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-scaling", "caption": "Standard deviation over weights of the change of the loss $\\Delta L$ under $+\\delta$, and of its odd and even parts, against the displacement; dotted lines grow like $\\delta$ and $\\delta^2$."}, "image": {"alt": "Spread of the change of the loss and of its odd and even parts against displacement, doubly logarithmic."}, "code_prompt_show": "Code of the figure"}
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
meets = np.flatnonzero((gap[:-1] < 0) & (gap[1:] >= 0))


# %%
def growth(part):
    sizes = np.log(curve.deltas[part])
    lines = [np.polyfit(sizes, np.log(s[part]), 1) for s in spreads.values()]
    return " and ".join(f"$\\delta^{{{power:.1f}}}$" for power, _ in lines)


# %%
def told_parts(k):
    place = np.exp(np.interp(0, gap[k : k + 2], np.log(curve.deltas[k : k + 2])))
    told = f"The even part takes over at δ = {place:.2g}."
    for word, part in (("Below", slice(k + 1)), ("Above", slice(k + 1, None))):
        if len(curve.deltas[part]) > 1:
            told += f" {word} it odd and even part grow like {growth(part)} on average."
    return told


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    told_parts(meets[-1])
    if len(meets)
    else "The even part does not take over from the odd one at any of these sizes."
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-crossover", "caption": "Which law is nearer to the larger half of the changes, in nats per weight, against the displacement: above zero the power law, below zero the exponential. Thick, with 95 % intervals from weights drawn anew: all layers together; thin: each layer alone."}, "image": {"alt": "Two panels, one for each sign: likelihood ratio of power law and exponential against displacement, for all layers together and for each alone."}, "code_prompt_show": "Code of the figure"}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.6), sharey=True)
turns = {}
for sign, (ax, name) in enumerate(zip(axes, ("+δ", "−δ"), strict=True)):
    turns[name] = turn = crossover_delta(
        curve.deltas, curve.response[:, sign], rng=rng, fraction=0.5
    )
    bold = {"color": "black", "linewidth": 2.4, "label": "together"}
    ax.semilogx(turn.deltas, turn.ratios, "o-", markersize=4, **bold)
    ax.fill_between(turn.deltas, turn.low, turn.high, color="black", alpha=0.15)
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
# [This figure](#fig-displacement) has the same distributions to look at, at every second size.
# Each is drawn over its own mean, so that only the shape changes: a straight line on the left
# is an exponential, on the right a power law.


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
        ax.set(xlabel="|ΔL| over its mean", ylim=(0.5 / sizes.size, 1.2))
    axes[0].set_xlim(0, 12)
    axes[1].set(xscale="log", xlim=(1e-3, 100))
    axes[0].legend()
    return figure


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the caption"}
def displacement_caption(i):
    contests = (
        power_law_or_exponential(x, fraction=0.5) for x in np.abs(curve.response[i])
    )
    told = (
        f"{name} {law(found.z)} (z = {found.z:+.1f})"
        for name, found in zip(("+δ", "−δ"), contests, strict=True)
    )
    return f"Nearer to the larger half of the changes: {', '.join(told)}."


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-displacement", "caption": "Share of the weights for which the loss changes by more than the value on the horizontal axis, in units of the mean, all layers, on semi-logarithmic (left) and doubly logarithmic axes (right); dashed, the exponential. The slider takes the displacement."}, "code_prompt_show": "Code of the figure that moves"}
widgets.static_slider(
    displacement_frame,
    range(1, len(curve.deltas), 2),
    label=lambda i: f"{curve.deltas[i]:.2g}",
    caption=displacement_caption,
    description="displacement δ",
    alt="Share of the weights above a change of the loss, for both signs of one "
    "displacement, beside an exponential",
    runs=[run],
)


# %%
def told_turn(turn):
    low, high = turn.interval
    if np.isnan(turn.delta):
        return f"never (in {1 - turn.undecided:.0%} of the samples drawn anew it does)"
    told = f"at δ = {turn.delta:.2g} ({low:.2g} to {high:.2g}"
    if turn.undecided >= 0.005:
        told += f"; no such turn in {turn.undecided:.0%} of the samples drawn anew"
    return told + ")"


# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    "For the layers together the power law becomes the nearer law, for good, "
    + "; ".join(f"{name}: {told_turn(turn)}" for name, turn in turns.items())
    + "."
)

# %% [markdown]
# The ranges are 95 % intervals from weights drawn anew. Nearer does not mean right: both laws
# may be wrong, and the rivals in the table above are the better judges.
#
# ## The landscape, as a picture
#
# Moving one weight at a time is one cut through the landscape. Another one moves all weights
# at once along two random directions. The part of a direction that leads to one unit (a
# *filter*) is scaled to the size of the unit's own weights (Li et al. 2018), so that pictures
# of different networks can be compared: [this figure](#fig-landscape).

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-landscape", "caption": "Training loss on a plane through the trained weights, along two random directions scaled to the size of the network's filters. The dot is where training ended; numbers: loss in nats."}, "image": {"alt": "Contours of the loss on a plane of two random directions, with the trained network in the middle."}, "code_prompt_show": "Code of the figure"}
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
# ## The numbers of this run
#
# What a program reads from this notebook, whoever ran it.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the record"}
signs = {1.0: "plus", -1.0: "minus"}
log_metrics(
    {
        f"mean_change_{signs[np.sign(d)]}_{abs(d):g}": np.abs(last.changes(d)).mean()
        for d in deltas
    }
    | {f"z_together_{signs[d]}_1": pooled.loc[f"δ = {d:+g}", "together"] for d in signs}
    | {f"crossover_{signs[s]}": turns[n].delta for s, n in ((1, "+δ"), (-1, "−δ"))}
)

# %% [markdown]
# ## What would refute it
#
# - A distribution at $\delta = \pm 1$ whose upper half is nearer to the exponential, or whose
#   tail has a rival that is favoured over the power law in every case.
# - A power law already at $\delta = 0.01$: then size of displacement would not matter.
# - Tails that come from one layer alone: then it is a mixture of layers, not ruggedness.
#
# One of these speaks against one reading of the claim. A verdict counts all its questions and
# all seeds: [the verdicts](07_claims.ipynb) say which have come about.
#
# ## Limits
#
# - One network, one seed. Weights of a unit share its inputs, so they are not independent;
#   the intervals treat them as if they were.
# - Every layer gives equally many weights where it has them, as in the paper, though the first
#   layer has most. The distribution over *all* weights of the network would be nearly that of
#   the first layer, so the pool is a choice, and its shape depends on it.
# - The published files hold 4,999 values a layer, nearly all different; the hidden layers of this
#   network have 2,500 weights and the last one 500. The network behind them was larger, or
#   something else was drawn anew for each value. It is not said.
# - The larger displacements are far beyond anything training does in one step.
#
# ## Exercises
#
# **1.** Weigh the layers by their numbers of weights instead of equally. What does the
# pool look like then?
#
# <details><summary>Solution</summary>
#
# ```python
# held = np.array([784 * 50, 50 * 50, 50 * 50, 50 * 50, 50 * 10])
# weight = (held / np.bincount(last.layer))[last.layer]
# sizes = np.abs(last.changes(-1.0))
# drawn = rng.choice(sizes, 5_000, p=weight / weight.sum())
# print("first layer's share", (held / held.sum())[0].round(2))
# print("equally", power_law_or_exponential(sizes, fraction=0.5))
# print("by number", power_law_or_exponential(drawn, fraction=0.5))
# ```
#
# More than four of five weights are in the first layer, so the pool is nearly that layer
# alone, and the nearer law can change with it. The form of "the" distribution is a choice of
# the pool.
#
# </details>
#
# **2.** Displace the weights of a hardly trained network, after one epoch. Is the power
# law there?
#
# <details><summary>Solution</summary>
#
# ```python
# drawn = {"weights_per_layer": weights_per_layer, "curve_weights": curve_weights}
# early = run_perturbation(config, epochs=(1,), **drawn)
# for delta in (1.0, -1.0):
#     before, after = (
#         power_law_or_exponential(np.abs(r.changes(delta)), fraction=0.5).z
#         for r in (early.responses[1], last)
#     )
#     print(f"δ = {delta:+g}: z = {before:+.1f} after one epoch, {after:+.1f} at the end")
# ```
#
# Above zero the power law is nearer, below zero the exponential. A change of sign between
# the two columns says that learning made the form; none, that it was there before.
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
# What is left is the cubic term of [Taylor's series](../book/theory.md#one-displaced-weight),
# and kinks that lie within $\pm\delta$.
#
# </details>
#
# ## Summary
#
# The change of the loss under one displaced weight was measured for both signs over all
# images, without noise. Small displacements read the gradient; large ones cross the kinks of
# the network, where plus and minus may differ.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
words = [law(z) for z in alone.to_numpy().ravel()]
Markdown(
    "Nearer to the larger half of the changes, all layers together: "
    + ", ".join(f"{law(float(z))} ({name})" for name, z in contests["together"].items())
    + f". For single layers at δ = ±1 the power law is nearer in "
    f"{words.count('power law')} of {len(words)} cases, the exponential in "
    f"{words.count('exponential')}; what is not decided is left."
)

# %% [markdown]
# This is one run. What several seeds say is in [the verdicts](07_claims.ipynb).
