"""Windows add up to the run, and the arrays on disk are the same counts."""

import numpy as np
import pytest

from netdyn_utils.histogram import LogHistogram, WindowedHistograms

GROUPS, STOPS = ("fc1", "fc2.é"), (10, 20, 25)
ODD = [0.0, -0.0, 0.0, np.inf, -np.inf, np.nan, 1e-45, 3.4e38]


def magnitudes(window, group):
    """Heavy tails, and in one cell each: everything odd, only zeros, nothing."""
    rng = np.random.default_rng((window, group))
    values = rng.pareto(2, 500).astype(np.float32) * 10.0**-window
    odd = {(0, 1): np.float32(ODD), (1, 0): np.zeros(4), (2, 1): np.zeros(0)}
    return odd.get((window, group), values)


def windowed(bits=3):
    cells = tuple(
        tuple(LogHistogram.from_values(magnitudes(w, g), bits) for g in range(2))
        for w in range(3)
    )
    return WindowedHistograms(GROUPS, STOPS, cells)


def equal(one, other):
    scalars = ("start", "zeros", "infs", "nans", "max", "bits")
    return np.array_equal(one.counts, other.counts) and all(
        getattr(one, name) == getattr(other, name) for name in scalars
    )


@pytest.mark.parametrize("bits", [0, 3, 4])
def test_a_round_trip_through_npz_is_exact(tmp_path, bits):
    before = windowed(bits)
    np.savez(tmp_path / "run.npz", other=np.zeros(3), **before.to_arrays())
    with np.load(tmp_path / "run.npz", allow_pickle=False) as stored:
        after = WindowedHistograms.from_arrays(dict(stored))
    assert (after.groups, after.stops) == (GROUPS, STOPS)
    assert {type(stop) for stop in after.stops} == {int}
    for one, other in zip(sum(before.cells, ()), sum(after.cells, ()), strict=True):
        assert equal(one, other)
    empty = WindowedHistograms(("a",), (1,), ((LogHistogram(),),))
    after = WindowedHistograms.from_arrays(empty.to_arrays())
    assert equal(after.histogram(), LogHistogram())


def test_merged_windows_and_groups_equal_the_whole():
    run = windowed()
    cells = [[magnitudes(w, g) for g in range(2)] for w in range(3)]
    everything = np.concatenate([values for row in cells for values in row])
    assert equal(run.histogram(), LogHistogram.from_values(everything))
    first = np.concatenate([row[0] for row in cells])
    assert equal(run.histogram("fc1"), LogHistogram.from_values(first))
    late = np.concatenate(cells[1] + cells[2])
    assert equal(run.histogram(window=slice(1, None)), LogHistogram.from_values(late))
    assert equal(run.histogram("fc2.é", 0), LogHistogram.from_values(ODD))


@pytest.mark.parametrize("kind", [int, np.int64])
@pytest.mark.parametrize("window", range(3))
def test_a_window_is_counted_from_either_end(kind, window):
    run = windowed()
    for index in (window, window - 3):
        assert equal(run.histogram("fc1", kind(index)), run.cells[window][0])


def test_an_unknown_group_or_window_is_refused():
    with pytest.raises(ValueError, match=r"'all', 'fc1' or 'fc2.é' .*mean 'fc1'"):
        windowed().histogram("fc11")
    for window in (3, -4, slice(3, None)):
        with pytest.raises(IndexError, match="does not exist: the run has 3 windows"):
            windowed().histogram("all", window)
