"""The group ``results`` of the command line."""
