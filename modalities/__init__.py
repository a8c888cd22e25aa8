"""The senses: what a system sees, hears and reads, its evidence units, and what absence looks like.

Names are loaded at first use, so that importing this package does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .array import Array
    from .attribution import Attribution, attribute
    from .audio import Audio
    from .axis import Axis
    from .check import check_system
    from .check_sense import check_modality
    from .chunks import chunked
    from .clock import Clock, Stamps
    from .contract import Modality, Observation, Prepared, SplitSystem, System
    from .evidence import EvidenceUnit, Segmentation
    from .saliency import SaliencyMap
    from .scorer import Scorer
    from .target import Target
    from .text import Text
    from .timed import Timed, place
    from .unrolled import AttentiveSystem, RecurrentSystem, Unrolled
    from .vision import Vision
    from .weights import fetch

__all__ = [
    "Array",
    "AttentiveSystem",
    "Attribution",
    "Audio",
    "Axis",
    "Clock",
    "EvidenceUnit",
    "Modality",
    "Observation",
    "Prepared",
    "RecurrentSystem",
    "SaliencyMap",
    "Scorer",
    "Segmentation",
    "SplitSystem",
    "Stamps",
    "System",
    "Target",
    "Text",
    "Timed",
    "Unrolled",
    "Vision",
    "attribute",
    "check_modality",
    "check_system",
    "chunked",
    "fetch",
    "place",
]

_HOMES = {
    "Array": "array",
    "AttentiveSystem": "unrolled",
    "Attribution": "attribution",
    "Audio": "audio",
    "Axis": "axis",
    "Clock": "clock",
    "EvidenceUnit": "evidence",
    "Modality": "contract",
    "Observation": "contract",
    "Prepared": "contract",
    "RecurrentSystem": "unrolled",
    "SaliencyMap": "saliency",
    "Scorer": "scorer",
    "Segmentation": "evidence",
    "SplitSystem": "contract",
    "Stamps": "clock",
    "System": "contract",
    "Target": "target",
    "Text": "text",
    "Timed": "timed",
    "Unrolled": "unrolled",
    "Vision": "vision",
    "attribute": "attribution",
    "check_modality": "check_sense",
    "check_system": "check",
    "chunked": "chunks",
    "fetch": "weights",
    "place": "timed",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
