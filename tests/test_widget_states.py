"""A page carries the state of the widgets it shows, whole, and of no others."""

import copy

import ipywidgets
import pytest
from ipywidgets.embed import embed_data

from netdyn_utils.site.widget_states import STATE, VIEW, keep_shown


def bundle(widget, html=None):
    data = {VIEW: {"model_id": widget.model_id, "version_major": 2}}
    return data | ({"text/html": html} if html else {})


def notebook_of(*outputs):
    """Return a notebook as papermill leaves it: with the state of every widget."""
    cells = [{"outputs": [{"data": data}]} for data in outputs]
    state = embed_data(views=None)["manager_state"]
    return {"cells": cells, "metadata": {"widgets": {STATE: state}, "kept": 1}}


@pytest.fixture
def linked():
    """A slider that picks a page of a stack, and a button beside it."""
    ipywidgets.Widget.close_all()
    slider = ipywidgets.IntSlider(max=1)
    stack = ipywidgets.Stack([ipywidgets.HTML("a"), ipywidgets.HTML("b")])
    box = ipywidgets.VBox([slider, stack])
    link = ipywidgets.jslink((slider, "value"), (stack, "selected_index"))
    yield box, link, ipywidgets.Button(description="alone")
    ipywidgets.Widget.close_all()


def test_what_is_shown_is_kept_with_all_that_it_needs(linked):
    box, link, alone = linked
    script = f'<script type="{VIEW}">{{"model_id": "{box.model_id}"}}</script>'
    for shown in (bundle(box), bundle(box, f"<div>{script}</div>")):
        notebook = notebook_of(shown)
        before = copy.deepcopy(notebook["metadata"]["widgets"][STATE]["state"])
        keep_shown(notebook)
        after = notebook["metadata"]["widgets"][STATE]["state"]
        assert alone.model_id in before.keys() - after.keys()
        assert link.model_id in after
        assert sum(s["model_name"] == "HTMLModel" for s in after.values()) == 2
        assert all(after[name] == before[name] for name in after)


def test_a_picture_in_place_of_a_widget_needs_no_state(linked):
    box, *_ = linked
    notebook = notebook_of(bundle(box, "<img src='a.png' alt='a'>"))
    keep_shown(notebook)
    assert notebook["metadata"] == {"kept": 1}


def test_a_link_to_what_is_not_shown_goes_too(linked):
    _, link, alone = linked
    notebook = notebook_of(bundle(alone))
    keep_shown(notebook)
    state = notebook["metadata"]["widgets"][STATE]["state"]
    assert alone.model_id in state
    assert link.model_id not in state


def test_a_notebook_without_widgets_stays_as_it_is():
    notebook = {"cells": [{"source": "1"}], "metadata": {}}
    keep_shown(notebook)
    assert notebook == {"cells": [{"source": "1"}], "metadata": {}}
