"""Concepts: names for evidence, a causal graph of measured effects, plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .graph import causal_graph
    from .naming import Name, Namer
    from .sentences import Sentence, justify

__all__ = ["Name", "Namer", "Sentence", "causal_graph", "justify"]

_HOME = {"Name": "naming", "Namer": "naming", "Sentence": "sentences", "causal_graph": "graph", "justify": "sentences"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)
