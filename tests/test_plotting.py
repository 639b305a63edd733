"""A plot draws what a record holds, on the axes it is given and nowhere else."""

from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb

from netdyn_utils import plotting
from netdyn_utils.histogram import LogHistogram, WindowedHistograms


def histogram(seed=0):
    sizes = np.random.default_rng(seed).pareto(2, 5_000)
    return LogHistogram.of(np.r_[sizes, np.zeros(700)])


@pytest.fixture
def run():
    cells = tuple((histogram(k), histogram(k + 10)) for k in range(3))
    steps = np.array([2, 4, 5])
    return SimpleNamespace(
        updates=WindowedHistograms(("fc1", "fc2"), (1_000, 2_000, 2_500), cells),
        loss=(steps, np.array([2.3, 1.0, 0.1])),
        tests=np.array([[0, 2.3, 0.1], [4, 1.0, 0.7], [5, 0.2, 0.9]]),
    )


@pytest.fixture
def axes():
    """Two axes of one figure; whatever else a plot opens is a leak."""
    opened = plt.get_fignums()
    figure, pair = plt.subplots(1, 2)
    yield pair
    figure.canvas.draw()  # labels and ticks can be drawn, without a warning
    plt.close(figure)
    assert plt.get_fignums() == opened


PLOTS = {
    "density": lambda run, ax: plotting.plot_density(run.updates.histogram(), ax),
    "windows": lambda run, ax: plotting.plot_windows(run, "fc2", ax),
    "loss": plotting.plot_loss,
    "accuracy": plotting.plot_accuracy,
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_draws_on_the_axes_it_is_given_and_returns_it(name, run, axes):
    ax, other = axes
    plt.sca(other)  # the current axes is not the one that is meant
    assert PLOTS[name](run, ax) is ax
    assert ax.has_data()
    assert not other.has_data()
    assert (other.get_xlabel(), other.get_title(), other.get_legend()) == ("", "", None)


@pytest.mark.parametrize("name", PLOTS)
def test_without_an_axes_a_plot_makes_exactly_one(name, run):
    before = plt.get_fignums()
    ax = PLOTS[name](run, None)
    assert len(plt.get_fignums()) == len(before) + 1
    plt.close(ax.figure)


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("density", "magnitude |Δw|", "density p(|Δw|)"),
        ("windows", "magnitude |Δw|", "density p(|Δw|)"),
        ("loss", "step", "training loss (nats)"),
        ("accuracy", "step", "test accuracy"),
    ],
)
def test_labels_name_the_quantity_and_its_unit(name, x, y, run, axes):
    ax = PLOTS[name](run, axes[0])
    assert (ax.get_xlabel(), ax.get_ylabel()) == (x, y)


def test_a_density_integrates_to_the_share_that_is_not_zero(axes):
    counted = histogram()
    (line,) = plotting.plot_density(counted, axes[0], label="all").lines
    x, y = line.get_data()
    held = counted.counts > 0
    assert not held.all()  # bins that hold nothing are left out
    assert len(x) == held.sum()
    mass = (y * np.diff(counted.edges)[held]).sum()
    assert mass == pytest.approx(5_000 / 5_700)
    assert (np.diff(x) > 0).all()
    assert (axes[0].get_xscale(), axes[0].get_yscale()) == ("log", "log")
    assert line.get_label() == "all"


def test_an_empty_histogram_is_drawn_as_nothing(axes):
    (line,) = plotting.plot_density(LogHistogram.of([0.0]), axes[0]).lines
    assert len(line.get_xdata()) == 0


def test_windows_darken_with_time_and_name_the_first_and_the_last(run, axes):
    ax = plotting.plot_windows(run, "fc2", axes[0])
    light = [sum(to_rgb(line.get_color())) for line in ax.lines]
    assert light == sorted(light, reverse=True)
    assert len(set(light)) == 3
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    assert named == ["steps 0 to 1,000", "steps 2,000 to 2,500"]
    assert ax.get_title("left") == "fc2"
    assert plotting.plot_windows(run, ax=axes[1]).get_title("left") == "all parameters"


def test_a_single_window_is_named_once(run, axes):
    run.updates = WindowedHistograms(("fc1",), (50,), ((histogram(),),))
    ax = plotting.plot_windows(run, ax=axes[0])
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    assert named == ["steps 0 to 50"]


def test_curves_are_the_numbers_of_the_record(run, axes):
    (loss,) = plotting.plot_loss(run, axes[0], color="red").lines
    (accuracy,) = plotting.plot_accuracy(run, axes[1], markersize=7).lines
    assert loss.get_xydata().tolist() == np.transpose(run.loss).tolist()
    assert accuracy.get_xydata().tolist() == run.tests[:, [0, 2]].tolist()
    assert axes[1].get_ylim() == (0, 1)
    assert (loss.get_color(), accuracy.get_markersize()) == ("red", 7)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_shown_from_black_to_white_under_their_labels(channels, axes):
    images = np.linspace(-1, 1, 2 * channels * 16).reshape(2, channels, 4, 4)
    plotting.plot_images(images, ["3", "cat"], axes)
    for ax, image, label in zip(axes, images, ("3", "cat"), strict=True):
        shown = ax.images[0].get_array()
        expected = np.moveaxis((image + 1) / 2, 0, -1).reshape(shown.shape)
        assert np.allclose(shown, expected)
        assert shown.ndim == (2 if channels == 1 else 3)
        assert (ax.get_title(), ax.axison) == (label, False)


def test_more_axes_than_images_is_an_error(axes):
    with pytest.raises(ValueError, match="shorter"):
        plotting.plot_images(np.zeros((1, 1, 4, 4)), [3], axes)


def test_the_same_figure_is_the_same_file(run, tmp_path):
    with mpl.rc_context():
        plotting.use_style()
        for name in "ab":
            figure = plotting.plot_windows(run).figure
            figure.savefig(tmp_path / name, format="svg", metadata={"Date": None})
            plt.close(figure)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_survival_is_the_share_at_or_above_each_value(axes):
    values = np.array([3.0, 1.0, 2.0, 2.0])
    (line,) = plotting.plot_survival(values, axes[0]).lines
    x, share = line.get_data()
    assert x.tolist() == [3.0, 2.0, 2.0, 1.0]
    assert share.tolist() == [np.mean(values >= 3), 0.5, np.mean(values >= 2), 1.0]


def test_survival_of_many_values_keeps_all_of_the_largest(axes):
    values = np.random.default_rng(0).pareto(2, 100_000)
    (line,) = plotting.plot_survival(values, axes[0]).lines
    x, share = line.get_data()
    assert len(x) < 400
    assert x[:10].tolist() == np.sort(values)[::-1][:10].tolist()
    expected = [np.mean(values >= value) for value in x]
    np.testing.assert_allclose(share, expected)


def record(kind, key):
    return SimpleNamespace(kind=kind, key=key)


def test_a_figure_is_signed_with_its_first_record_and_the_number_of_others(axes):
    figure = axes[0].figure
    runs = [SimpleNamespace(record=record("updates", f"{k}23456789")) for k in range(3)]
    plotting.sign(figure, *runs)
    assert figure.get_supxlabel() == "updates 02345678 + 2"
    plotting.sign(axes[1], runs[1], runs[1])  # any axes of it; one record is one
    assert figure.get_supxlabel() == "updates 12345678"
    plotting.sign(figure)
    assert figure.get_supxlabel() == "computed in this notebook"
    assert len(figure.texts) == 1


@pytest.mark.parametrize("width", [3.0, 6.4])
def test_the_signature_covers_nothing(width):
    with mpl.rc_context():
        plotting.use_style()
        figure, ax = plt.subplots(figsize=(width, 3))
        ax.set(xlabel="step of a run with a long name that fills the whole width")
        plotting.sign(figure, record("perturbation", "0" * 32), record("b", ""))
        figure.draw_without_rendering()
        (sign,) = figure.texts
        place = sign.get_window_extent()
        held = ax.get_tightbbox()
        plt.close(figure)
    assert place.y1 <= held.y0 + 1
    assert place.x0 >= 0
    assert place.x1 <= figure.bbox.x1
