"""The one error of this room."""


class SiteError(RuntimeError):
    """The site was not built, or not as it should be."""
