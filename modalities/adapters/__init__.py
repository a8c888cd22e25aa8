"""Adapters: wrap a model of a known kind, in a line or two, as a system that can be explained."""
