"""A slider shows for each value the frame of that value, with no Python behind it."""

import base64
import io
import json
import re
from types import SimpleNamespace

import ipywidgets
import matplotlib as mpl
import pytest
from ipywidgets.embed import embed_data
from PIL import Image

mpl.use("Agg")

import matplotlib.pyplot as plt

from netdyn_utils.plotting.frames import draw_frames
from netdyn_utils.widgets import frame_slider

WORDS = {"description": "power", "alt": "A line that rises."}
POWERS = (1, 2, 3)


def draw(power):
    ax = plt.subplots()[1]
    ax.plot([0, 1, 2], [0, 1, 2**power])
    return ax


def draw_scaled(power, name):
    ax = draw(power)
    ax.set_title(name)
    return ax.figure


def pages(stack):
    return [child.value for child in stack.children]


def picture(page):
    data = re.search(r'src="data:image/webp;base64,([^"]+)"', page)[1]
    return Image.open(io.BytesIO(base64.b64decode(data)))


def links(widget):
    """Return the links that a page without a kernel has: (source, target), by trait."""
    state = embed_data(views=[widget])["manager_state"]["state"]
    found = [s["state"] for s in state.values() if s["model_name"] == "LinkModel"]
    named = [
        tuple(
            (state[model.removeprefix("IPY_MODEL_")]["model_name"], model, trait)
            for model, trait in (link["source"], link["target"])
        )
        for link in found
    ]
    here = {f"IPY_MODEL_{w.model_id}" for w in family(widget)}
    return [link for link in named if {end[1] for end in link} <= here]


def family(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from family(child)


# Frames: one place, one size, one pair of axes.


def test_every_frame_has_the_limits_that_hold_all_of_them():
    seen = []

    def keep(power):
        seen.append(draw(power))
        return seen[-1]

    draw_frames(keep, [(1,), (3,)])
    assert seen[0].get_ylim() == seen[1].get_ylim()
    low, high = seen[0].get_ylim()
    assert low <= 0
    assert 8 <= high < 10
    places = [ax.get_position().bounds for ax in seen]
    assert places[0] == places[1]


def test_a_falling_axis_goes_on_falling():
    seen = []

    def falling(power):
        seen.append(draw(power))
        seen[-1].invert_yaxis()
        return seen[-1]

    draw_frames(falling, [(1,), (3,)])
    top, bottom = seen[0].get_ylim()
    assert top > 8 > 0 > bottom - 1


def test_every_frame_names_its_record_in_the_same_place():
    seen = []

    def keep(power):
        seen.append(draw(power).figure)
        return seen[-1]

    record = SimpleNamespace(kind="updates", key="0123456789")
    with mpl.rc_context({"figure.constrained_layout.use": True}):
        draw_frames(keep, [(1,), (3,)], [record])
    assert [figure.get_supxlabel() for figure in seen] == ["updates 01234567"] * 2
    one, other = (figure.texts[0].get_position() for figure in seen)
    assert one == other
    draw_frames(keep, [(1,)])
    assert seen[-1].texts == []


def test_no_figure_is_left_open_even_when_one_fails():
    before = plt.get_fignums()
    draw_frames(draw, [(1,), (2,)])
    assert plt.get_fignums() == before
    with pytest.raises(TypeError):
        draw_frames(draw, [(1,), ("no number",)])
    assert plt.get_fignums() == before


def test_frames_are_opaque_sharp_and_small():
    frames = draw_frames(draw, [(power,) for power in POWERS])
    sizes = [Image.open(io.BytesIO(frame.webp)).size for frame in frames]
    assert len(set(sizes)) == 1
    assert sizes[0][0] >= 1.5 * frames[0].width - 1
    for frame in frames:
        image = Image.open(io.BytesIO(frame.webp))
        assert image.mode == "RGB"  # opaque: it can be read by night
        assert image.getpixel((1, 1)) == (255, 255, 255)
        assert len(frame.webp) < 20_000
    assert len({frame.webp for frame in frames}) == len(frames)


# The slider.


def test_the_slider_picks_the_frame_in_the_browser():
    moving = frame_slider(draw, POWERS, **WORDS)
    (play, slider), stack = moving.children[0].children, moving.children[1]
    ends = links(moving)
    assert (
        ("SelectionSliderModel", f"IPY_MODEL_{slider.model_id}", "index"),
        ("StackModel", f"IPY_MODEL_{stack.model_id}", "selected_index"),
    ) in ends
    assert (
        ("PlayModel", f"IPY_MODEL_{play.model_id}", "value"),
        ("SelectionSliderModel", f"IPY_MODEL_{slider.model_id}", "index"),
    ) in ends
    assert slider.options == ("1", "2", "3")
    assert len(stack.children) == play.max + 1 == 3
    assert stack.selected_index == slider.index == play.value == 2


def test_frames_stand_in_the_order_of_the_slider():
    stack = frame_slider(draw, POWERS, **WORDS).children[1]
    alone = [frame_slider(draw, [p], **WORDS).children[1].children[0] for p in POWERS]
    words = [re.search('alt="([^"]*)"', page.value)[1] for page in alone]
    assert words == [re.search('alt="([^"]*)"', page)[1] for page in pages(stack)]
    heights = [picture(page).convert("L").getbbox() for page in pages(stack)]
    assert len(heights) == len({picture(page).tobytes() for page in pages(stack)})


def test_every_frame_says_in_words_what_it_shows():
    moving = frame_slider(
        draw, POWERS, caption=lambda p: f'ends at "{2**p}" < 9', **WORDS
    )
    page = pages(moving.children[1])[2]
    words = "ends at &quot;8&quot; &lt; 9"
    assert f'alt="A line that rises. 3. {words}"' in page
    assert f"<p>{words}</p>" in page


def test_choices_are_frames_of_their_own_and_share_the_slider():
    names = ("plain", "bold")
    moving = frame_slider(
        draw_scaled, POWERS, choices=names, choice="face", shown=0, **WORDS
    )
    menu, _, slider = moving.children[0].children
    outer = moving.children[1]
    assert menu.options == names
    assert [len(inner.children) for inner in outer.children] == [3, 3]
    targets = [
        target[1] for source, target in links(moving) if slider.model_id in source[1]
    ]
    assert targets == [f"IPY_MODEL_{inner.model_id}" for inner in outer.children]
    assert any(
        menu.model_id in source[1] and outer.model_id in target[1]
        for source, target in links(moving)
    )
    assert outer.selected_index == 0
    assert [inner.selected_index for inner in outer.children] == [0, 0]
    assert "1, plain" in pages(outer.children[0])[0]
    assert "3, bold" in pages(outer.children[1])[2]


def test_one_value_has_nothing_to_slide():
    moving = frame_slider(draw, [2], **WORDS)
    assert moving.children[0].children == ()
    assert links(moving) == []


def test_a_page_has_the_plain_picture_beside_the_widget():
    moving = frame_slider(draw, POWERS, shown=1, **WORDS)
    bundle = moving._repr_mimebundle_()
    view = "application/vnd.jupyter.widget-view+json"
    assert bundle[view]["model_id"] == moving.model_id
    page = bundle["text/html"]
    script = re.search(rf'<script type="{re.escape(view)}">(.+?)</script>', page)[1]
    assert json.loads(script) == bundle[view]
    assert pages(moving.children[1])[1] in page
    assert "A line that rises. 2" in page


def test_the_page_needs_nothing_but_the_widgets_every_front_end_has():
    moving = frame_slider(draw, POWERS, **WORDS)
    for widget in family(moving):
        assert widget._model_module.startswith("@jupyter-widgets/")
    assert isinstance(moving, ipywidgets.VBox)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": []}, "no values came"),
        ({"values": [1, 1]}, "two values have the label '1'"),
        ({"alt": " "}, "alt is empty"),
        ({"description": ""}, "description is empty"),
        ({"choices": ("a",)}, "choice is empty"),
        ({"choices": ("a", "a"), "choice": "face"}, "the choice 'a'"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_drawn(change, message):
    def never(*_):
        raise AssertionError("drawn")

    given = {"values": POWERS, **WORDS, **change}
    with pytest.raises(ValueError, match=message):
        frame_slider(never, given.pop("values"), **given)
