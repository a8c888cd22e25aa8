"""Explain everything in a folder, a manifest or a recording: one callable, run here or by Ray, resumed from the log."""
