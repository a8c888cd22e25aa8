"""Courier, the reference system: a sidewalk delivery robot whose scenes have known causes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Courier, load, load_biased
    from .scene import Cause, Scene, mask, render, sample_scene

__all__ = ["Cause", "Courier", "Scene", "load", "load_biased", "mask", "render", "sample_scene"]

_HOME = {"Courier": "model", "load": "model", "load_biased": "model"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME.get(name, 'scene')}", __name__), name)
