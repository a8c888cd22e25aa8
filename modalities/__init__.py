"""The senses: what a system sees, hears and reads, its evidence units, and what absence looks like.

Names are loaded at first use, so that importing this package does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audio import Audio
    from .check import check_system
    from .contract import Modality, Observation, Prepared, SplitSystem, System
    from .evidence import EvidenceUnit, Segmentation
    from .saliency import SaliencyMap
    from .text import Text
    from .vision import Vision
    from .weights import fetch

__all__ = [
    "Audio",
    "EvidenceUnit",
    "Modality",
    "Observation",
    "Prepared",
    "SaliencyMap",
    "Segmentation",
    "SplitSystem",
    "System",
    "Text",
    "Vision",
    "check_system",
    "fetch",
]

_HOMES = {
    "Audio": "audio",
    "EvidenceUnit": "evidence",
    "Modality": "contract",
    "Observation": "contract",
    "Prepared": "contract",
    "SaliencyMap": "saliency",
    "Segmentation": "evidence",
    "SplitSystem": "contract",
    "System": "contract",
    "Text": "text",
    "Vision": "vision",
    "check_system": "check",
    "fetch": "weights",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
