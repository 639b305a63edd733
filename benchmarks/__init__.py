"""Measurements of what netdyn costs: `python -m benchmarks`, or `make bench`."""
