# %% [markdown]
# # Training: three networks that learn
#
# **Question.** What do the networks of the study learn, how well, and how is that
# training written down so that anyone can repeat it?
#
# Every claim of this book is about what happens *while a network learns*.
# So the book begins with the learning itself: three networks, three data sets, plain
# stochastic gradient descent, and nothing hidden in the loop. Who trains networks in
# PyTorch will find nothing new here but how the runs are kept.

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
import pandas as pd
import torch
from IPython.display import Markdown

from netdyn_utils import plotting, widgets
from netdyn_utils.data import CharText, InMemoryBatches, load_images
from netdyn_utils.experiments import ExperimentConfig, run_updates
from netdyn_utils.metrics import log_metrics
from netdyn_utils.networks import build_model
from netdyn_utils.tracking import UpdateTracker
from netdyn_utils.training import TrainConfig, evaluate, train_steps

plotting.use_style()

# %% [markdown]
# ## The data
#
# MNIST holds handwritten digits in grey, CIFAR-10 small colour photographs of ten kinds
# of things: [this figure](#fig-data) has the first few. Pixels are scaled to the range from
# −1 to 1. Each array is checked against a known fingerprint before it is used;
# [The data](../book/data.md) says how. Here and in the loop below it is the part of both
# that ships with the package. The runs of this book learn from what the parameter `source`
# names: that part, or all.

# %%
mnist = load_images("mnist")
cifar = load_images("cifar10")
mnist, cifar

# %% mystnb={"figure": {"name": "fig-data", "caption": "The first training images of MNIST (top) and of CIFAR-10 (bottom) with their labels."}, "image": {"alt": "Two rows of eight small pictures: handwritten digits above, colour photographs of animals and vehicles below, each with its label."}}
figure, axes = plt.subplots(2, 8, figsize=(7, 2.3))
for row, data in zip(axes, (mnist, cifar), strict=True):
    labels = [data.classes[target] for target in data.train_targets[:8]]
    plotting.plot_images(data.train_inputs[:8], labels, row)

# %% [markdown]
# The transformer reads text: one sentence with every letter of the alphabet, over and
# over. It is asked for the next character at every place.

# %%
text = CharText()
text.decode(text.inputs[0])

# %% [markdown]
# ## The networks
#
# A multilayer perceptron (MLP) for the digits, a convolutional network (ConvNet) for the
# photographs, and a small transformer for the text, of the authors' sizes. One generator
# with one [seed](../book/symbols.md#seed) draws the first weights, the order of the images
# and the dropout, so a seed is a whole run.

# %%
names = ("mlp", "convnet", "transformer")
networks = {name: build_model(name, generator=torch.Generator()) for name in names}
sizes = {
    name: sum(weights.numel() for weights in network.parameters())
    for name, network in networks.items()
}
pd.Series(sizes, name="trainable parameters").to_frame()

# %% [markdown]
# ## The loop
#
# One step of stochastic gradient descent draws a [batch](../book/symbols.md#batch) of $B$
# samples, takes the mean loss $L_B$ on it, and moves each weight $w$ a little downhill, with
# the learning rate $\eta$:
#
# $$ w(t+1) = w(t) - \eta\,\frac{\partial L_B}{\partial w}(t). $$
#
# The loss is the cross-entropy with natural logarithms, so its unit is the
# [nat](../book/symbols.md#nat). That is all the loop does. It is a generator: it yields
# after each step, and whatever watches the training stands outside.

# %%
generator = torch.Generator().manual_seed(seed)
network = build_model("mlp", generator=generator)
batches = InMemoryBatches(
    mnist.train_inputs, mnist.train_targets, 64, generator=generator
)
config = TrainConfig(steps=200, learning_rate=0.1)
losses = [record.loss for record in train_steps(network, batches, config)]

# %% [markdown]
# Measuring must not disturb what is measured. `evaluate` switches dropout and BatchNorm
# to their evaluation mode and gives every layer its own mode back afterwards. In the
# code published with the paper the CNN was never switched back: from step 100 on its
# BatchNorm was frozen. What that changes can be asked for with
# `freeze_batchnorm_after=100`.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
measured = evaluate(network, mnist.test_inputs, mnist.test_targets)
Markdown(
    f"After {config.steps} steps the loss fell from {losses[0]:.2f} to "
    f"{losses[-1]:.2f} nats, and the network names {measured.accuracy:.1%} of the test "
    f"images rightly. Guessing gives {1 / len(mnist.classes):.0%}."
)

# %% [markdown]
# A loop that yields can also be stopped, looked at, and let go on. In
# [this figure](#fig-live) a second MLP has taken its first steps. Beside its loss stands how
# far its weights have moved, step by step; the [next chapter](02_updates.ipynb) says what
# is counted there.

# %%
generator = torch.Generator().manual_seed(seed)
network = build_model("mlp", generator=generator)
batches = InMemoryBatches(
    mnist.train_inputs, mnist.train_targets, batch_size, generator=generator
)
config = TrainConfig(steps=5_000, learning_rate=learning_rate)
tracker = UpdateTracker(network, window=200)
steps = train_steps(network, batches, config)

# %% mystnb={"figure": {"name": "fig-live", "caption": "A training in progress: loss of the steps so far, averaged over neighbouring ones once there are more than 200 (left), and density of the sizes of all updates so far (right)."}}
watch = widgets.training_explorer(
    steps,
    tracker,
    alt="The training loss against the step, and the density of update magnitudes, "
    "for a training in progress",
)
watch.advance(200)

# %% [markdown]
# ## The runs of this book
#
# A longer run is worth keeping. `run_updates` trains as above, counts every update on
# the way (the next chapter says how), and stores a small
# [record](../book/symbols.md#record) under a name that says what it is. Who asks
# for the same run again gets the record. [This figure](#fig-learning) shows how the three
# runs of this page went.

# %%
mlp = {"learning_rate": learning_rate, "batch_size": batch_size, "source": source}
configs = {
    "mlp": ExperimentConfig.from_paper("mlp", mlp_steps, seed=seed, **mlp),
    "convnet": ExperimentConfig.from_paper(
        "convnet", convnet_steps, seed=seed, source=source
    ),
    "transformer": ExperimentConfig.from_paper(
        "transformer", transformer_steps, seed=seed
    ),
}
runs = {name: run_updates(config) for name, config in configs.items()}
[run.record for run in runs.values()]

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-learning", "caption": "Training loss, averaged over neighbouring steps, and test accuracy of the three networks, measured at the dots. The transformer's text has no unseen part, so its accuracy is on the text it learns."}, "image": {"alt": "Left: the training loss of three networks falls with the steps on a logarithmic axis. Right: their test accuracy rises with the steps."}, "code_prompt_show": "Code of the figure"}
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4))
for name, run in runs.items():
    plotting.plot_loss(run, axes[0], label=name, color=plotting.COLOURS[name])
    plotting.plot_accuracy(run, axes[1], label=name, color=plotting.COLOURS[name])
axes[0].set_xscale("log")
axes[1].set_xscale("symlog", linthresh=10)
axes[1].set_xlim(left=0)
legend = axes[0].legend()
plotting.stamp_source(figure, *runs.values())

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the table"}
rows = {
    name: {
        "steps": run.updates.stops[-1],
        "learning rate": configs[name].train.learning_rate,
        "batch": configs[name].train.batch_size,
        "training loss": round(float(run.record["loss"][-1]), 3),
        "test loss": round(float(run.tests[-1, 1]), 3),
        "test accuracy": f"{run.tests[-1, 2]:.1%}",
    }
    for name, run in runs.items()
}
pd.DataFrame(rows).T

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
Markdown(
    f"With seed {seed}, the MLP ends at a test accuracy of {runs['mlp'].tests[-1, 2]:.1%}, "
    f"the ConvNet at {runs['convnet'].tests[-1, 2]:.1%}, and the transformer at "
    f"{runs['transformer'].tests[-1, 2]:.1%} on the text that it learns. These are single "
    "runs: an error bar needs several seeds."
)

# %% [markdown]
# ## The numbers of this run
#
# What a program reads from this notebook, whoever ran it.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the record"}
log_metrics(
    {f"test_accuracy_{name}": run.tests[-1, 2] for name, run in runs.items()}
    | {f"training_loss_{name}": run.record["loss"][-1] for name, run in runs.items()}
)

# %% [markdown]
# ## What would refute it
#
# The runs are the ground for all that follows, so they must be *right* before they are
# interesting. A loss that does not fall, an accuracy at the level of guessing, or two
# runs of one seed that differ would each mean a fault in the training and not a finding.
#
# ## Limits
#
# - Without a profile the runs are short and use a part of the images; the `paper` profile
#   trains on everything, for as long as the authors did. The site names the profile and the
#   parameters of a page at its end, under *How this page was made*.
# - The transformer's sentence repeats, so there is no text that it has not seen.
# - One seed is one run. Spread over seeds comes with the verdicts.
#
# ## Exercises
#
# **1.** Train the MLP with learning rates of 0.3 and of 1. Where does the loss stop
# falling?
#
# <details><summary>Solution</summary>
#
# ```python
# for rate in (0.1, 0.3, 1.0):
#     tried = ExperimentConfig.from_paper("mlp", 300, learning_rate=rate, seed=seed)
#     run = run_updates(tried)
#     print(f"{rate}: {run.record['loss'][-30:].mean():.3f} nats, {run.tests[-1, 2]:.0%}")
# ```
#
# At 1 the steps are too long: the loss stays near $\ln 10 \approx 2.30$ nats, that of
# guessing among ten.
#
# </details>
#
# **2.** Train the MLP on two digits only, with `digits=(3, 8)`. Which pairs are hard?
#
# <details><summary>Solution</summary>
#
# ```python
# for pair in ((0, 1), (3, 8), (4, 9)):
#     tried = ExperimentConfig.from_paper("mlp", 200, digits=pair, seed=seed)
#     print(pair, f"{run_updates(tried).tests[-1, 2]:.1%}")
# ```
#
# Digits that share strokes are hard: 3 and 8, 4 and 9. For 0 and 1 a straight line through
# the space of pixels is nearly enough.
#
# </details>
#
# **3.** Freeze the ConvNet's BatchNorm after 100 steps, as the published script does by
# accident. What becomes of the loss?
#
# <details><summary>Solution</summary>
#
# ```python
# steps = max(convnet_steps, 120)
# for freeze in (None, 100):
#     tried = ExperimentConfig.from_paper(
#         "convnet", steps, freeze_batchnorm_after=freeze, source=source, seed=seed
#     )
#     print(freeze, run_updates(tried).record["loss"][-20:].mean().round(3))
# ```
#
# From step 100 on, the layer divides by running means that no longer run. Up to there both
# runs are the same, bit for bit; how far they part afterwards is what the two numbers say.
#
# </details>
#
# ## Summary
#
# Three networks learn digits, photographs and a sentence by plain gradient descent from
# seeded batches; how well, the table of the runs says. The loop yields after every step, and
# what is measured stands outside. Each run leaves a small record with its configuration, data
# fingerprint and versions, from which anyone can repeat it.
