"""Real images that ship with the package: see LICENSES.md in this folder."""
