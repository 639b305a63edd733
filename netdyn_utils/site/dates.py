"""A Sphinx extension: the foot of a page says when what it shows last changed."""


def setup(app) -> dict:
    """Connect to Sphinx."""
    app.add_config_value("last_changed", {}, "html", types=(dict,))
    app.connect("html-page-context", _tell)
    return {"parallel_read_safe": True}


def _tell(app, page: str, _template, context: dict, _doctree) -> None:
    """Give the theme's foot the page's own day, not that of the build."""
    context["last_updated"] = app.config.last_changed.get(page)
