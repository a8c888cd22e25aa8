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
    from .contract import Modality, Observation, Prepared, SplitSystem, System
    from .evidence import EvidenceUnit, Segmentation
    from .saliency import SaliencyMap
    from .scorer import Scorer
    from .target import Target
    from .text import Text
    from .vision import Vision
    from .weights import fetch

__all__ = [
    "Array",
    "Attribution",
    "Audio",
    "Axis",
    "EvidenceUnit",
    "Modality",
    "Observation",
    "Prepared",
    "SaliencyMap",
    "Scorer",
    "Segmentation",
    "SplitSystem",
    "System",
    "Target",
    "Text",
    "Vision",
    "attribute",
    "check_modality",
    "check_system",
    "fetch",
]

_HOMES = {
    "Array": "array",
    "Attribution": "attribution",
    "Audio": "audio",
    "Axis": "axis",
    "EvidenceUnit": "evidence",
    "Modality": "contract",
    "Observation": "contract",
    "Prepared": "contract",
    "SaliencyMap": "saliency",
    "Scorer": "scorer",
    "Segmentation": "evidence",
    "SplitSystem": "contract",
    "System": "contract",
    "Target": "target",
    "Text": "text",
    "Vision": "vision",
    "attribute": "attribution",
    "check_modality": "check_sense",
    "check_system": "check",
    "fetch": "weights",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
