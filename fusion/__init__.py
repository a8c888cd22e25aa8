"""Fusion: every saliency map in one reference frame, one clock (seconds) and one unit (nats of decision score)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .frame import FusedFrame, RankedUnit, fuse, fuse_units

__all__ = ["FusedFrame", "RankedUnit", "fuse", "fuse_units"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(".frame", __name__), name)
