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
from netdyn_utils.study import Answer
from netdyn_utils.tails import fit_power_law, xmin_curve


def histogram(seed=0):
    sizes = np.random.default_rng(seed).pareto(2, 5_000)
    return LogHistogram.from_values(np.r_[sizes, np.zeros(700)])


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
    "training loss": plotting.plot_loss,
    "test accuracy": plotting.plot_accuracy,
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_draws_on_the_axes_it_is_given_and_returns_it(name, run, axes):
    ax, other = axes
    plt.sca(other)  # the current axes is not the one that is meant
    assert PLOTS[name](run, ax) is ax
    assert ax.has_data()
    assert ax.get_ylabel().startswith(name if name != "windows" else "density p(|Δw|)")
    assert not other.has_data()
    assert (other.get_xlabel(), other.get_title(), other.get_legend()) == ("", "", None)
    before = plt.get_fignums()
    alone = PLOTS[name](run, None)
    assert len(plt.get_fignums()) == len(before) + 1
    plt.close(alone.figure)


def test_a_density_integrates_to_the_fraction_that_is_not_zero(axes):
    counted = histogram()
    (line,) = plotting.plot_density(counted, axes[0], label="all").lines
    x, y = line.get_data()
    some = counted.counts > 0
    assert not some.all()
    assert len(x) == some.sum()  # empty bins are left out
    mass = (y * np.diff(counted.edges)[some]).sum()
    assert mass == pytest.approx(5_000 / 5_700)
    assert line.get_label() == "all"
    (line,) = plotting.plot_density(LogHistogram.from_values([0.0]), axes[1]).lines
    assert len(line.get_xdata()) == 0


def test_windows_darken_with_time_and_the_legend_names_first_and_last(run, axes):
    ax = plotting.plot_windows(run, "fc2", axes[0])
    light = [sum(to_rgb(line.get_color())) for line in ax.lines]
    assert light == sorted(light, reverse=True)
    assert len(set(light)) == 3
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    assert named == ["steps 0 to 1,000", "steps 2,000 to 2,500"]


def test_survival_is_the_fraction_at_or_above_and_keeps_the_largest(axes):
    values = np.r_[np.random.default_rng(0).pareto(2, 100_000), [5.0, 5.0]]
    (line,) = plotting.plot_survival(values, axes[0]).lines
    x, fraction = line.get_data()
    assert len(x) < 400
    assert x[:10].tolist() == np.sort(values)[::-1][:10].tolist()
    single = x != 5
    expected = [np.mean(values >= value) for value in x[single]]
    np.testing.assert_allclose(fraction[single], expected)


def test_a_forest_has_a_row_for_each_setting_and_the_bounds(axes):
    given = {"bound": 0.5, "alternative": "within"}
    answers = [
        Answer("q", name, values, **given)
        for name, values in (("a", (0.1, 0.2, 0.0)), ("b", (2.0, 2.1, 2.2)))
    ]
    ax = plotting.plot_forest(answers, axes[0])
    drawn = [line.get_xydata().tolist() for line in ax.lines]
    assert {tuple(np.ravel(ends)[::2]) for ends in drawn[:2]} == {
        (0.5,) * 2,
        (-0.5,) * 2,
    }
    for row, answer in enumerate(answers):
        values, interval, mean = drawn[2 + 3 * row : 5 + 3 * row]
        assert values == [[value, row] for value in answer.values]
        assert interval == [[end, row] for end in answer.interval]
        assert mean == [[answer.mean, row]]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]


def test_the_same_figure_is_the_same_file(run, tmp_path):
    with mpl.rc_context():
        plotting.use_style()
        for name in "ab":
            figure = plotting.plot_windows(run).figure
            figure.savefig(tmp_path / name, format="svg", metadata={"Date": None})
            plt.close(figure)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_figure_names_its_records_below_the_axes():
    records = [SimpleNamespace(kind="updates", key=f"{k}23456789") for k in range(3)]
    runs = [SimpleNamespace(record=record) for record in records]
    with mpl.rc_context():
        plotting.use_style()
        figure, ax = plt.subplots(figsize=(3, 3))
        ax.set(xlabel="step of a run with a long name that fills the whole width")
        plotting.stamp_source(figure)
        assert figure.get_supxlabel() == "computed in this notebook"
        plotting.stamp_source(ax, *runs, runs[1])  # any axes; one record is one
        figure.draw_without_rendering()
        (stamp,) = figure.texts
        place, axes = stamp.get_window_extent(), ax.get_tightbbox()
        plt.close(figure)
    assert stamp.get_text() == "updates 02345678 + 2"
    assert place.y1 <= axes.y0 + 1
    assert 0 <= place.x0 < place.x1 <= figure.bbox.x1


def test_the_curve_of_thresholds_has_each_with_the_chosen_one_marked(axes):
    fit = fit_power_law([1, 10, 100, 1000], [900, 90, 9])
    curve = xmin_curve(fit)
    ax = plotting.plot_xmin_curve(curve, fit, axes[0], color="red")
    line, mark = ax.lines
    assert np.array_equal(line.get_xydata().T, [curve.xmin, curve.alpha])
    assert mark.get_xydata().tolist() == [[fit.xmin, fit.alpha]]
    assert to_rgb(mark.get_color()) == to_rgb("red")
