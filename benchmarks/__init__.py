"""Measurements of cost and of truth, run from the root: `python -m benchmarks.NAME`."""
