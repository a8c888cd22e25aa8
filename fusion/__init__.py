"""Fusion: one clock (seconds), one unit (nats of decision score), one semantic space; and what senses do together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .frame import FusedFrame, RankedUnit, fuse, fuse_units
    from .measure import Laboratory
    from .tail import Head

_HOME = {
    "FusedFrame": "frame",
    "Head": "tail",
    "Laboratory": "measure",
    "RankedUnit": "frame",
    "fuse": "frame",
    "fuse_units": "frame",
}

__all__ = ["FusedFrame", "Head", "Laboratory", "RankedUnit", "fuse", "fuse_units"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)
