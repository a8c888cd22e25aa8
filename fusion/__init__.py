"""Fusion: one clock (seconds), one unit (nats of decision score), one semantic space; and what senses do together.

Functions named like their module stand there alone: ``timeline.timeline``, ``through_time.through_time``,
``coherence.coherence``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .arrival import Arrival, arrivals, saliency_by_step
    from .attention import attended
    from .coalitions import Coalitions, measure_coalitions
    from .coherence import follow, smooth, warp
    from .condition import Condition, conditions
    from .conse import Conse, OpenClip, load_conse
    from .depth import Depth, Strip, depths
    from .frame import FusedFrame, RankedUnit, fuse, fuse_units
    from .history import History
    from .interactions import Evidence, Foretold, Interaction, foretell, measure_interactions
    from .lanes import Lane, Mark, Timeline, overlap
    from .line import FlowSettings
    from .matches import Grounded, Match, Thing, ground, match
    from .measure import Laboratory
    from .senses import SenseShare, sense_shares
    from .space import SemanticSpace
    from .synchrony import Synchronised, synchronise
    from .tail import Head
    from .through_time import Conservation, TimeAttribution, WindowAttribution, through_window

_HOME = {
    "Arrival": "arrival",
    "Coalitions": "coalitions",
    "Condition": "condition",
    "Conse": "conse",
    "Conservation": "through_time",
    "Depth": "depth",
    "Evidence": "interactions",
    "FlowSettings": "line",
    "Foretold": "interactions",
    "FusedFrame": "frame",
    "Grounded": "matches",
    "Head": "tail",
    "History": "history",
    "Interaction": "interactions",
    "Laboratory": "measure",
    "Lane": "lanes",
    "Mark": "lanes",
    "Match": "matches",
    "OpenClip": "conse",
    "RankedUnit": "frame",
    "SemanticSpace": "space",
    "SenseShare": "senses",
    "Strip": "depth",
    "Synchronised": "synchrony",
    "Thing": "matches",
    "TimeAttribution": "through_time",
    "Timeline": "lanes",
    "WindowAttribution": "through_time",
    "arrivals": "arrival",
    "attended": "attention",
    "conditions": "condition",
    "depths": "depth",
    "follow": "coherence",
    "foretell": "interactions",
    "fuse": "frame",
    "fuse_units": "frame",
    "ground": "matches",
    "load_conse": "conse",
    "match": "matches",
    "measure_coalitions": "coalitions",
    "measure_interactions": "interactions",
    "overlap": "lanes",
    "saliency_by_step": "arrival",
    "sense_shares": "senses",
    "smooth": "coherence",
    "synchronise": "synchrony",
    "through_window": "through_time",
    "warp": "coherence",
}

__all__ = [
    "Arrival",
    "Coalitions",
    "Condition",
    "Conse",
    "Conservation",
    "Depth",
    "Evidence",
    "FlowSettings",
    "Foretold",
    "FusedFrame",
    "Grounded",
    "Head",
    "History",
    "Interaction",
    "Laboratory",
    "Lane",
    "Mark",
    "Match",
    "OpenClip",
    "RankedUnit",
    "SemanticSpace",
    "SenseShare",
    "Strip",
    "Synchronised",
    "Thing",
    "TimeAttribution",
    "Timeline",
    "WindowAttribution",
    "arrivals",
    "attended",
    "conditions",
    "depths",
    "follow",
    "foretell",
    "fuse",
    "fuse_units",
    "ground",
    "load_conse",
    "match",
    "measure_coalitions",
    "measure_interactions",
    "overlap",
    "saliency_by_step",
    "sense_shares",
    "smooth",
    "synchronise",
    "through_window",
    "warp",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)
