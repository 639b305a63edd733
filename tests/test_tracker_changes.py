"""A tracker stays right while its model changes, is saved, wrapped or moved."""

import copy
import io
import pickle
import threading
import warnings

import numpy as np
import pytest
import torch
from by_hand import network, shake, values
from torch import nn
from torch.optim.swa_utils import AveragedModel

from netdyn_utils.histogram import LogHistogram
from netdyn_utils.tracking import updates
from netdyn_utils.tracking.updates import SILENT_STEPS, UpdateTracker


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def expect(tracker, *changes, group="all"):
    found = tracker.histogram(group)
    wanted = LogHistogram.from_values(np.concatenate([[], *changes]))
    assert (found.total, found.zeros, found.max) == (
        wanted.total,
        wanted.zeros,
        wanted.max,
    )
    assert np.array_equal(found.counts, wanted.counts)


def replace_by_assignment(model):
    state = {k: v + 5 for k, v in model.state_dict().items()}
    model.load_state_dict(state, assign=True)


def new_head(model):
    model[2] = nn.Linear(4, 2)


def swap(model):
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        model.double()
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


@torch.no_grad()
def reshape(model):
    model[2].weight.data = torch.randn(1, 4)
    model[2].bias.data = torch.randn(1)


@pytest.mark.parametrize(
    "change",
    [replace_by_assignment, new_head, swap, reshape, lambda m: m.bfloat16()],
    ids=["assign", "head", "swap", "reshape", "cast"],
)
def test_what_replaces_a_parameter_is_no_update_and_counts_from_the_next_step(change):
    model = network()
    tracker = UpdateTracker(model)
    first = values(shake(model))
    tracker.update()
    change(model)
    tracker.update()
    zeros = tracker.histogram().total - len(first)
    later = values(shake(model))
    tracker.update()
    expect(tracker, first, np.zeros(zeros), later)
    assert zeros in (0, 16)  # 16: what the new head left alone


def test_what_is_added_frozen_and_thawed_is_counted_while_it_is_trained():
    model = network()
    tracker = UpdateTracker(model)
    seen = [values(shake(model))]
    tracker.update()
    model.append(nn.Linear(2, 2))
    tracker.update()  # from now on
    seen += [np.zeros(len(seen[0])), values(shake(model))]
    tracker.update()
    assert tracker.groups == ("0", "2", "3")
    model[0].requires_grad_(False)
    seen.append(values(shake(model)))
    tracker.update()
    model[0].requires_grad_(True)
    tracker.update()
    rest = sum(p.numel() for p in model[2:].parameters())
    seen += [np.zeros(rest), values(shake(model))]
    tracker.update()
    del model[3]
    seen.append(values(shake(model)))
    tracker.update()
    expect(tracker, *seen)


def test_the_windows_before_a_group_came_have_none_of_it():
    model = network()
    tracker = UpdateTracker(model, window=1)
    shake(model)
    tracker.update()
    model.append(nn.Linear(2, 2))
    tracker.update()
    shake(model)
    tracker.update()
    totals = [tracker.histogram("3", k).total for k in range(3)]
    assert totals == [0, 0, 6]
    rms = tracker.rms_histograms()
    assert [rms.histogram("3", k).total for k in range(3)] == [0, 0, 6]


@pytest.mark.parametrize("notice", ["step", "resync"])
@pytest.mark.parametrize("change", [replace_by_assignment, swap, lambda m: m.double()])
def test_a_mean_square_is_over_the_steps_that_were_counted(change, notice):
    model = network()
    tracker = UpdateTracker(model)
    magnitudes = [values(shake(model))]
    tracker.update()
    change(model)
    tracker.resync() if notice == "resync" else tracker.update()
    for _ in range(2):
        magnitudes.append(values(shake(model)))
        tracker.update()
    rms = np.sqrt(np.mean(np.square(magnitudes, dtype=np.float64), axis=0))
    assert tracker.rms_histograms().histogram().max == pytest.approx(rms.max())


def test_a_parameter_that_moves_in_memory_loses_no_step():
    model = network()
    tracker = UpdateTracker(model)
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()  # as some optimizers do
    seen = values(shake(model))
    tracker.update()
    expect(tracker, seen)


def test_resync_makes_a_checkpoint_no_update():
    model = network()
    tracker = UpdateTracker(model)
    model.load_state_dict(network().state_dict())
    tracker.resync()
    seen = values(shake(model))
    tracker.update()
    expect(tracker, seen)


@pytest.mark.parametrize("copy_of", [copy.deepcopy, pickle.dumps, copy.copy])
def test_a_copy_of_a_tracker_is_refused(copy_of):
    with pytest.raises(TypeError, match="state_dict"):
        copy_of(UpdateTracker(network()))


@pytest.mark.parametrize("at", [5, 7, 10])
def test_interrupted_and_resumed_equals_uninterrupted(at):
    options = {"window": 5, "relative": True}
    model = network()
    whole, first = UpdateTracker(model, **options), UpdateTracker(model, **options)
    for _ in range(at):
        shake(model)
        whole.update(), first.update()
    file = io.BytesIO()
    torch.save([model.state_dict(), first.state_dict()], file)
    file.seek(0)
    weights, state = torch.load(file, weights_only=True)
    other = network()
    second = UpdateTracker(other, **options)
    other.load_state_dict(weights)
    second.load_state_dict(state)
    for step in range(at, 13):
        torch.manual_seed(step)
        shake(model)
        torch.manual_seed(step)
        shake(other)
        whole.update(), second.update()
    for read in ("histograms", "rms_histograms"):
        one, two = (getattr(t, read)() for t in (whole, second))
        assert (one.stops, one.groups) == (two.stops, two.groups)
        for a, b in zip(
            [c for row in one.cells for c in row],
            [c for row in two.cells for c in row],
            strict=True,
        ):
            assert np.array_equal(a.counts, b.counts)
            assert (a.zeros, a.infs, a.nans, a.max) == (b.zeros, b.infs, b.nans, b.max)
    one, two = (
        each.histograms("relative").histogram("0", 2) for each in (whole, second)
    )
    assert np.array_equal(one.counts, two.counts)


def test_a_state_of_another_model_or_of_other_options_is_refused_by_name():
    state = UpdateTracker(network()).state_dict()
    other = UpdateTracker(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)))
    with pytest.raises(ValueError, match=r"'1\.weight' has shape none in the state"):
        other.load_state_dict(state)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    with pytest.raises(
        ValueError, match=r"'0\.weight' has shape \(4, 3\) in the state and \(5, 3\)"
    ):
        UpdateTracker(model).load_state_dict(state)
    with pytest.raises(ValueError, match="with bits=3, and this tracker has bits=4"):
        UpdateTracker(network(), bits=4).load_state_dict(state)
    other = UpdateTracker(network(), groups="parameter")
    with pytest.raises(ValueError, match=r"in group '0' of the state and in '0\.we"):
        other.load_state_dict(state)
    with pytest.raises(ValueError, match="version 9"):
        UpdateTracker(network()).load_state_dict({**state, "version": 9})


def test_attach_counts_each_step_and_stops_when_it_is_removed():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    tracker = UpdateTracker(model)

    def step():
        model(torch.ones(2, 3)).square().sum().backward()
        optimizer.step()

    with tracker.attach(optimizer) as handle:
        for _ in range(3):
            step()
    step()
    assert tracker.steps == 3
    handle.remove()  # twice is fine
    with pytest.raises(ValueError, match="attach needs an optimizer"):
        tracker.attach()


def test_two_optimizers_make_one_step_and_a_skipped_one_hides_no_step():
    model = network()
    parts = [torch.optim.SGD(model[i].parameters(), 0.1) for i in (0, 2)]
    tracker = UpdateTracker(model)
    tracker.attach(*parts)
    model(torch.ones(2, 3)).square().sum().backward()
    for optimizer in (*parts, *parts):
        optimizer.step()
    assert tracker.steps == 2
    parts[1].step()  # the first was skipped by a scaler
    parts[1].step()
    assert tracker.steps == 3
    assert tracker.histogram("0").zeros == 16
    parts[0].step()
    assert tracker.steps == 4


def test_a_step_that_the_scaler_skips_is_no_step_of_an_attached_optimizer():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    tracker = UpdateTracker(model)
    tracker.attach(optimizer)
    for factor in (1.0, float("inf"), 1.0):
        optimizer.zero_grad()
        scaler.scale(factor * model(torch.ones(2, 3)).square().sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    assert tracker.steps == 2


def test_every_kth_step_alone_is_counted():
    model = network()
    tracker = UpdateTracker(model, every=3)
    seen = []
    for step in range(1, 8):
        change = values(shake(model))
        tracker.update()
        if step % 3 == 0:
            seen.append(change)
    expect(tracker, *seen)
    assert tracker.steps == 7


def test_relative_updates_are_those_of_the_definition():
    model = nn.Linear(4, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[2.0, -4.0, 0.0, 0.0]]))
    tracker = UpdateTracker(model, relative=True)
    with torch.no_grad():
        model.weight += torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    tracker.update()
    found, wanted = (
        tracker.histograms("relative").histogram(),
        LogHistogram.from_values([0.5, 0.25, np.inf, 0]),
    )
    assert np.array_equal(found.counts, wanted.counts)
    assert (found.zeros, found.infs, found.max) == (1, 1, 0.5)
    with pytest.raises(ValueError, match="relative=True"):
        UpdateTracker(model).histograms("relative")


def test_groups_are_a_list_of_names_or_a_function():
    model = network()
    only = UpdateTracker(model, groups=["2", "0.bias"])
    kinds = UpdateTracker(
        model, groups=lambda name: None if name == "0.bias" else name.split(".")[-1]
    )
    changes = shake(model)
    only.update()
    kinds.update()
    assert only.groups == ("0.bias", "2")
    assert kinds.groups == ("weight", "bias")
    expect(only, changes["2.weight"], changes["2.bias"], group="2")
    expect(kinds, changes["2.bias"], group="bias")
    with pytest.raises(ValueError, match="no trainable parameters to track"):
        UpdateTracker(model, groups=["fc"])


def test_a_layer_called_like_the_total_is_refused_and_the_root_gets_its_own_name():
    class Named(nn.Module):
        def __init__(self, name):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2))
            self.add_module(name, nn.Linear(2, 2))

    with pytest.raises(ValueError, match=r"'all\.weight' is called 'all'"):
        UpdateTracker(Named("all"))
    assert UpdateTracker(Named("model")).groups == ("(model)", "model")


@pytest.mark.parametrize(
    "wrap",
    [nn.DataParallel, torch.compile, lambda m: nn.DataParallel(torch.compile(m))],
)
def test_wrappers_leave_the_names_as_they_are(wrap):
    model = network()
    tracker = UpdateTracker(wrap(model))
    assert tracker.groups == ("0", "2")
    seen = values(shake(model))
    tracker.update()
    expect(tracker, seen)


def test_a_parametrized_layer_is_one_layer():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)))
    assert UpdateTracker(model).groups == ("0",)
    names = UpdateTracker(model, groups="parameter").groups
    assert names == ("0.bias", "0.weight.original0", "0.weight.original1")


def test_memory_order_does_not_matter():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3))
    model[0].to(memory_format=torch.channels_last)
    model[1].weight.data = torch.randn(8, 8, 3, 3)[::4, ::2]  # with gaps
    tracker = UpdateTracker(model)
    seen = [values(shake(model))]
    tracker.update()
    model.to(memory_format=torch.channels_last)
    seen.append(values(shake(model)))
    tracker.update()
    expect(tracker, *seen)


def test_bytes_a_parameter():
    model = nn.Linear(400, 400, bias=False)
    for options, most in (({}, 12), ({"mean_squares": False}, 4)):
        tracker = UpdateTracker(model, **options)
        tensors = [t for slot in tracker._slots for t in vars(slot).values()]
        tensors = [t for t in tensors if torch.is_tensor(t) and t is not model.weight]
        assert sum(t.nbytes for t in tensors) == most * model.weight.numel()
    tracker = UpdateTracker(model.bfloat16(), mean_squares=False)
    assert tracker._slots[0].previous.dtype == torch.bfloat16


def test_tiny_magnitudes_keep_their_mean_square():
    model = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(model.weight)
    tracker = UpdateTracker(model)
    with torch.no_grad():
        model.weight += 1e-30
    tracker.update()
    assert tracker.rms_histograms().histogram().max == pytest.approx(1e-30)


def test_more_than_32_bits_of_counts_are_kept():
    model = nn.Linear(2, 1, bias=False)
    tracker = UpdateTracker(model)
    tracker.update()
    counter = next(iter(tracker._counters.values()))
    counter._tables[0, 0, 0, 0] = 2**32 - 2
    counter._since = counter._limit
    tracker.update()
    tracker.update()
    assert tracker.histogram().zeros == 2**32 - 2 + 4


def test_threads_may_share_a_tracker():
    model = nn.Linear(50, 50)
    tracker = UpdateTracker(model, window=7)
    shake(model)

    def work():
        for _ in range(50):
            tracker.update()
            tracker.histogram()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tracker.histogram().total == 200 * 2550


def test_large_models_are_counted_by_several_threads_with_the_same_result():
    model = nn.Linear(1500, 1500, bias=False)
    trackers = [UpdateTracker(model) for _ in range(2)]
    threads = torch.get_num_threads()
    change = values(shake(model))
    try:
        for tracker, count in zip(trackers, (1, 3), strict=True):
            torch.set_num_threads(count)
            tracker.update()
            expect(tracker, change)
    finally:
        torch.set_num_threads(threads)


def test_an_average_and_its_model_are_tracked_side_by_side():
    model = network()
    average = AveragedModel(model, use_buffers=False)
    for parameter in average.parameters():
        parameter.requires_grad_(True)
    trackers = UpdateTracker(model), UpdateTracker(average)
    for _ in range(3):
        shake(model)
        average.update_parameters(model)
        for tracker in trackers:
            tracker.update()
    assert trackers[1].groups == ("module.0", "module.2")
    assert trackers[0].histogram().n_binned == trackers[1].histogram().n_binned == 78


def test_inference_mode_changes_nothing():
    model = network()
    with torch.inference_mode():
        tracker = UpdateTracker(model)
    seen = values(shake(model))
    with torch.inference_mode():
        tracker.update()
    expect(tracker, seen)


def test_steps_without_any_change_are_noticed():
    tracker = UpdateTracker(network())
    for _ in range(SILENT_STEPS - 1):
        tracker.update()
    with pytest.warns(UserWarning, match="no tracked parameter has changed"):
        tracker.update()
    model = network()
    tracker = UpdateTracker(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2 * SILENT_STEPS):
            shake(model)
            tracker.update()


@pytest.mark.parametrize(
    ("parameter", "sentence"),
    [
        (nn.Parameter(torch.zeros(2, dtype=torch.complex64)), "view_as_real"),
        (nn.Parameter(torch.zeros(2, device="meta")), "meta device"),
        (nn.Parameter(torch.eye(2).to_sparse()), "only dense parameters"),
        (nn.UninitializedParameter(), "run a batch through"),
    ],
)
def test_what_has_no_real_dense_values_is_refused_by_name(parameter, sentence):
    model = nn.Module()
    model.w = parameter
    with pytest.raises(ValueError, match=f"'w'.*{sentence}"):
        UpdateTracker(model)


class NoReading(torch.utils._python_dispatch.TorchDispatchMode):
    """Raise where a result would be read back, or its size would depend on values."""

    BANNED = ("_local_scalar_dense", "nonzero", "bincount", "_to_copy.cpu", "unique")

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if any(name in str(function) for name in self.BANNED):
            raise AssertionError(f"{function} waits for the device")
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("relative", [False, True])
def test_the_path_of_other_devices_counts_alike_and_reads_nothing_back(
    relative, dtype, monkeypatch
):
    model = nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 3)).to(dtype)
    cpu = UpdateTracker(model, relative=relative)
    monkeypatch.setattr(
        updates, "CpuCounter", lambda *a: updates.DeviceCounter(*a, torch.device("cpu"))
    )
    device = UpdateTracker(model, relative=relative)
    shake(model)
    cpu.update()
    device.update()
    shake(model)
    with torch.no_grad():
        model[1].bias.copy_(torch.tensor([torch.inf, torch.nan, 1e-42]))
    cpu.update()
    with NoReading():
        device.update()
    for kind in ("updates", "relative", "rms") if relative else ("updates", "rms"):
        for group in ("all", *cpu.groups):
            one, two = (t.histograms(kind).histogram(group) for t in (cpu, device))
            assert np.array_equal(one.counts, two.counts)
            outside = [(h.zeros, h.infs, h.nans, h.max) for h in (one, two)]
            assert outside[0] == outside[1]


def test_a_model_that_is_no_module_is_refused():
    with pytest.raises(ValueError, match=r"must be a torch\.nn\.Module, got list"):
        UpdateTracker(list(network().parameters()))
