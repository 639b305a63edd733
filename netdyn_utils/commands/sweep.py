"""``sweep`` runs a notebook over a grid or a list of parameters."""


def add(commands) -> None:
    """Describe the command."""
