"""A slider shows for each value the frame of that value, with no Python behind it."""

import io
import json
import re
from itertools import pairwise
from types import SimpleNamespace

import matplotlib as mpl
import pytest
from ipywidgets.embed import embed_data
from PIL import Image

mpl.use("Agg")

import matplotlib.pyplot as plt

from netdyn_utils.widgets import evenly_spaced, static_slider
from netdyn_utils.widgets.static_slider import draw_frames

POWERS = (1, 2, 3)
WORDS = {"description": "power", "alt": "A line that rises."}
RECORD = SimpleNamespace(kind="updates", key="0123456789")


def draw(power, name=""):
    ax = plt.subplots()[1]
    ax.plot([0, 1, 2], [0, 1, 2**power])
    ax.set_title(name)
    return ax


def pages(stack):
    return [child.value for child in stack.children]


def links(widget):
    """Return the links that a page without a kernel has: (source, target)."""
    state = embed_data(views=[widget])["manager_state"]["state"]
    ends = [s["state"] for s in state.values() if s["model_name"] == "LinkModel"]
    return {
        tuple(
            (model.removeprefix("IPY_MODEL_"), trait)
            for model, trait in (link["source"], link["target"])
        )
        for link in ends
    }


@pytest.mark.parametrize("falls", [False, True])
def test_all_frames_have_the_same_limits_and_layout(falls):
    seen, before = [], plt.get_fignums()

    def keep(power):
        seen.append(draw(power))
        if falls:
            seen[-1].invert_yaxis()
        return seen[-1]

    with mpl.rc_context({"figure.constrained_layout.use": True}):
        frames = draw_frames(keep, [(1,), (3,)], [RECORD])
    limits = seen[0].get_ylim()
    assert limits == seen[1].get_ylim()
    assert min(limits) <= 0 < 8 <= max(limits) < 10
    assert (limits[0] > limits[1]) == falls
    assert seen[0].get_position().bounds == seen[1].get_position().bounds
    assert {ax.figure.get_supxlabel() for ax in seen} == {"updates 01234567"}
    one, other = (ax.figure.texts[0].get_position() for ax in seen)
    assert one == other
    images = [Image.open(io.BytesIO(frame.webp)) for frame in frames]
    assert images[0].size == images[1].size
    assert {image.mode for image in images} == {"RGB"}  # opaque: readable by night
    with pytest.raises(TypeError):
        draw_frames(draw, [(1,), ("no number",)])
    assert plt.get_fignums() == before


def test_the_slider_selects_the_frame_of_its_value_in_the_browser():
    moving = static_slider(draw, POWERS, caption=lambda p: f'to "{2**p}" < 9', **WORDS)
    (play, slider), stack = moving.children[0].children, moving.children[1]
    assert links(moving) >= {
        ((slider.model_id, "index"), (stack.model_id, "selected_index")),
        ((play.model_id, "value"), (slider.model_id, "index")),
    }
    assert slider.options == ("1", "2", "3")
    assert len(stack.children) == play.max + 1 == 3
    assert stack.selected_index == slider.index == play.value == 2
    for power, page in zip(POWERS, pages(stack), strict=True):
        words = f"to &quot;{2**power}&quot; &lt; 9"
        assert f'alt="A line that rises. {power}. {words}"' in page
        assert f"<p>{words}</p>" in page
    assert len({*pages(stack)}) == 3
    assert static_slider(draw, [2], **WORDS).children[0].children == ()


def test_each_choice_has_its_own_frames_and_the_same_slider():
    given = {"choices": ("plain", "bold"), "choice": "face", "shown": 0, **WORDS}
    moving = static_slider(draw, POWERS, **given)
    menu, _, slider = moving.children[0].children
    outer = moving.children[1]
    assert menu.options == ("plain", "bold")
    assert links(moving) >= {
        ((menu.model_id, "index"), (outer.model_id, "selected_index")),
        *(
            ((slider.model_id, "index"), (inner.model_id, "selected_index"))
            for inner in outer.children
        ),
    }
    assert [inner.selected_index for inner in (outer, *outer.children)] == [0, 0, 0]
    assert "1, plain" in pages(outer.children[0])[0]
    assert "3, bold" in pages(outer.children[1])[2]


def test_a_page_has_the_plain_picture_beside_the_widget():
    moving = static_slider(draw, POWERS, shown=1, **WORDS)
    bundle = moving._repr_mimebundle_()
    view = "application/vnd.jupyter.widget-view+json"
    page = bundle["text/html"]
    script = re.search(rf'<script type="{re.escape(view)}">(.+?)</script>', page)[1]
    assert json.loads(script) == bundle[view]
    assert bundle[view]["model_id"] == moving.model_id
    assert pages(moving.children[1])[1] in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": []}, "one value or more"),
        ({"values": [1, 1]}, "no two alike"),
        ({"alt": " "}, "alt, description or choice is empty"),
        ({"choices": ("a",)}, "choice is empty"),
    ],
)
def test_invalid_arguments_are_refused(change, message):
    given = {"values": POWERS, **WORDS, **change}
    with pytest.raises(ValueError, match=message):
        static_slider(draw, given.pop("values"), **given)


def test_evenly_spaced_values_hold_the_first_and_the_last():
    for length in range(2, 40):
        few = evenly_spaced(range(length), 7)
        assert (few[0], few[-1], len(few)) == (0, length - 1, min(7, length))
        gaps = {after - before for before, after in pairwise(few)}
        assert max(gaps) - min(gaps) <= 1
