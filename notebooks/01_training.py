# %% [markdown]
# # Training: three networks that learn
#
# **Question.** What do the three networks of the study learn, how well do they learn it,
# and how can anyone repeat the training?
#
# Every claim in this book is about what happens *while a network learns*, so the book
# begins with the training itself: three networks, three data sets, and plain stochastic
# gradient descent. If you train networks in PyTorch, skip to *The runs of this book*.

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
# MNIST contains handwritten digits in grey, and CIFAR-10 contains small colour photographs
# of ten kinds of objects. [This figure](#fig-data) shows the first few of each. Pixels are
# scaled to the range from −1 to 1, and the checksum of every array is verified before use
# (see [The data](../book/data.md)). This section and the loop below use the small samples
# that ship with the package. The runs of this book use the samples or the full data sets,
# as the parameter `source` says.

# %%
mnist = load_images("mnist")
cifar = load_images("cifar10")
mnist, cifar

# %% mystnb={"figure": {"name": "fig-data", "caption": "MNIST is digits, CIFAR-10 is photographs: the first training images of MNIST (top) and CIFAR-10 (bottom), with their labels."}, "image": {"alt": "Two rows of eight small pictures: handwritten digits above, colour photographs of animals and vehicles below, each with its label."}}
figure, axes = plt.subplots(2, 8, figsize=(7, 2.3))
for row, data in zip(axes, (mnist, cifar), strict=True):
    labels = [data.classes[target] for target in data.train_targets[:8]]
    plotting.plot_images(data.train_inputs[:8], labels, row)

# %% [markdown]
# The transformer reads text: one sentence that contains every letter of the alphabet,
# repeated many times. At every position it predicts the next character.

# %%
text = CharText()
text.decode(text.inputs[0])

# %% [markdown]
# ## The networks
#
# A multilayer perceptron (MLP) learns the digits, a convolutional network (ConvNet) learns
# the photographs, and a small transformer learns the text. Their sizes are the authors'.
# One generator with one [seed](../book/symbols.md#seed) draws the initial weights, the order
# of the images and the dropout masks, so the seed determines the whole run.

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
# samples, computes their mean loss $L_B$, and moves each weight $w$ down the gradient with
# the learning rate $\eta$:
#
# $$ w(t+1) = w(t) - \eta\,\frac{\partial L_B}{\partial w}(t). $$
#
# The loss is the cross-entropy with natural logarithms, so its unit is the
# [nat](../book/symbols.md#nat). The loop does nothing else. It is a generator that yields
# after each step, so the code that measures the training stays outside the loop.

# %%
generator = torch.Generator().manual_seed(seed)
network = build_model("mlp", generator=generator)
batches = InMemoryBatches(
    mnist.train_inputs, mnist.train_targets, 64, generator=generator
)
config = TrainConfig(steps=200, learning_rate=0.1)
losses = [record.loss for record in train_steps(network, batches, config)]

# %% [markdown]
# A measurement must not change the training. `evaluate` switches dropout and BatchNorm to
# evaluation mode and afterwards restores the mode of every layer. The code published with
# the paper never switches the ConvNet back to training mode, so its BatchNorm is frozen from
# step 100 on. The option `freeze_batchnorm_after=100` reproduces this.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
result = evaluate(network, mnist.test_inputs, mnist.test_targets)
Markdown(
    f"After {config.steps} steps the loss has fallen from {losses[0]:.2f} to "
    f"{losses[-1]:.2f} nats. The test accuracy is {result.accuracy:.1%}; guessing gives "
    f"{1 / len(mnist.classes):.0%}."
)

# %% [markdown]
# Because the loop is a generator, you can pause it, inspect the network and resume.
# [This figure](#fig-live) shows the loss of a second MLP during its first steps, and the
# sizes of its weight updates. The [next chapter](02_updates.ipynb) defines these sizes.

# %%
generator = torch.Generator().manual_seed(seed)
network = build_model("mlp", generator=generator)
batches = InMemoryBatches(
    mnist.train_inputs, mnist.train_targets, batch_size, generator=generator
)
config = TrainConfig(steps=5_000, learning_rate=learning_rate)
tracker = UpdateTracker(network, window=200)
steps = train_steps(network, batches, config)

# %% mystnb={"figure": {"name": "fig-live", "caption": "The loss and the sizes of the updates while the network trains. Left: training loss so far, averaged over neighbouring steps once there are more than 200. Right: density of the sizes of all updates so far."}}
explorer = widgets.training_explorer(
    steps,
    tracker,
    alt="Training loss against step, and density of update magnitudes, for a training "
    "in progress",
)
explorer.advance(200)

# %% [markdown]
# ## The runs of this book
#
# Longer runs are stored. `run_updates` trains as above, counts every update (the next
# chapter explains how), and saves a small [record](../book/symbols.md#record) whose file
# name describes the run. Running the same configuration again loads the stored record.
# [This figure](#fig-learning) shows the learning curves of the three runs on this page.

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

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-learning", "caption": "A network that learns has a falling loss and a rising accuracy. Left: training loss, averaged over neighbouring steps. Right: test accuracy, measured at the dots. The transformer has no unseen text, so its accuracy is on the training text."}, "image": {"alt": "Left: the training loss of three networks falls with the number of steps, on logarithmic axes. Right: their test accuracy rises with the number of steps."}, "code_prompt_show": "Code of the figure"}
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

# %% [markdown]
# These are single runs: an error bar needs several seeds. The transformer's test accuracy is
# measured on its training text.
#
# ## The numbers of this run
#
# A program can read these numbers from the executed notebook.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the record"}
log_metrics(
    {f"test_accuracy_{name}": run.tests[-1, 2] for name, run in runs.items()}
    | {f"training_loss_{name}": run.record["loss"][-1] for name, run in runs.items()}
)

# %% [markdown]
# ## What would refute it
#
# Everything that follows depends on these runs, so they must be correct before they are
# interesting. A loss that does not fall, an accuracy at the level of guessing, or two
# different runs from one seed would each be a bug and not a finding.
#
# ## Limits
#
# - Without a profile the runs are short and use a sample of the images. The `paper` profile
#   trains on the full data sets, for as many steps as the authors. On the site, *How this
#   page was made* at the end of a page lists its profile and parameters.
# - The transformer's sentence repeats, so there is no unseen text to test it on.
# - One seed is one run. [The verdicts](07_claims.ipynb) use several seeds.
#
# ## Exercises
#
# **1.** Train the MLP with learning rates of 0.3 and 1. At which rate does the loss stop
# falling?
#
# <details><summary>Solution</summary>
#
# ```python
# for rate in (0.1, 0.3, 1.0):
#     config = ExperimentConfig.from_paper("mlp", 300, learning_rate=rate, seed=seed)
#     run = run_updates(config)
#     print(f"{rate}: {run.record['loss'][-30:].mean():.3f} nats, {run.tests[-1, 2]:.0%}")
# ```
#
# At a rate of 1 the steps are too long: the loss stays near $\ln 10 \approx 2.30$ nats,
# the loss of guessing among ten classes.
#
# </details>
#
# **2.** Train the MLP on two digits only, with `digits=(3, 8)`. Which pairs are hard?
#
# <details><summary>Solution</summary>
#
# ```python
# for pair in ((0, 1), (3, 8), (4, 9)):
#     config = ExperimentConfig.from_paper("mlp", 200, digits=pair, seed=seed)
#     print(pair, f"{run_updates(config).tests[-1, 2]:.1%}")
# ```
#
# Digits that share strokes are hard to separate: 3 and 8, 4 and 9. A linear classifier
# nearly suffices for 0 and 1.
#
# </details>
#
# **3.** Freeze the ConvNet's BatchNorm after 100 steps, as the published script does by
# accident. How does the loss change?
#
# <details><summary>Solution</summary>
#
# ```python
# steps = max(convnet_steps, 120)
# for freeze in (None, 100):
#     config = ExperimentConfig.from_paper(
#         "convnet", steps, freeze_batchnorm_after=freeze, source=source, seed=seed
#     )
#     print(freeze, run_updates(config).record["loss"][-20:].mean().round(3))
# ```
#
# Up to step 100 both runs are identical, bit for bit. From then on the layer normalises with
# statistics that are no longer updated, and the two losses differ.
#
# </details>
#
# ## Summary
#
# Three networks learn digits, photographs and a sentence by plain stochastic gradient
# descent. The seed determines a run, the loop yields after every step, and all measurements
# are made outside it. Each run leaves a small record with its configuration, the checksum of
# its data and the library versions, so anyone can repeat it.

# %% tags=["hide-input"] mystnb={"code_prompt_show": "Code of the sentence"}
accuracy = {name: f"{run.tests[-1, 2]:.1%}" for name, run in runs.items()}
Markdown(
    "In this run the test accuracy is {mlp} for the MLP and {convnet} for the ConvNet; the "
    "transformer predicts {transformer} of the characters correctly.".format(**accuracy)
)
