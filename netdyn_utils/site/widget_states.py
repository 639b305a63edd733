"""Of the widgets that a run has left in its notebook, those that its page shows."""

import json
import re
from collections.abc import Iterator

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
_SCRIPT = re.compile(rf'<script type="{re.escape(VIEW)}">(.*?)</script>', re.DOTALL)
_OTHER = "IPY_MODEL_"  # how one widget names another


def keep_shown(notebook: dict) -> None:
    """Drop the state of widgets that no output shows; without any, all of it.

    A figure that needs a kernel stands on the page as a picture. Its controls would
    weigh on the page, and load the widget manager for nothing.
    """
    saved = notebook["metadata"].get("widgets", {}).get(STATE)
    if not saved:
        return
    states = saved["state"]
    kept, asked = set(), list(_views(notebook))
    while asked:
        name = asked.pop()
        if name in states and name not in kept:
            kept.add(name)
            asked += _named(states[name])
    # A link names what it links, and nothing names the link.
    for name, state in states.items():
        ends = list(_named(state)) if "Link" in state["model_name"] else []
        if ends and kept.issuperset(ends):
            kept.add(name)
    saved["state"] = {name: states[name] for name in states if name in kept}
    if not kept:
        del notebook["metadata"]["widgets"]


def _views(notebook: dict) -> Iterator[str]:
    """Yield the models that the outputs of a page show."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if html := "".join(data.get("text/html", "")):
                views = map(json.loads, _SCRIPT.findall(html))
            else:
                views = [data[VIEW]] if VIEW in data else []
            yield from (view["model_id"] for view in views)


def _named(state: dict) -> Iterator[str]:
    """Yield the models that a state names, however deep."""
    yield from re.findall(rf"{_OTHER}(\w+)", json.dumps(state["state"]))
