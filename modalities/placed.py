"""An evidence unit that knows its surroundings, so that it can be put in words without the signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .evidence import EvidenceUnit

__all__ = ["PlacedUnit"]


@dataclass(frozen=True)
class PlacedUnit(EvidenceUnit):
    """An evidence unit with what ``Modality.show`` needs to say where it lies.

    The record holds the signal's own geometry once, so these are left out of ``to_dict``; a unit read back from a
    record is a plain ``EvidenceUnit`` and is shown by its coordinates.

    Attributes:
        extent: width and height of the original frame in pixels (vision only).
        area: share of the frame that it covers (vision only).
        gap: characters between the previous word and this one, as they stand in the string (text only).
    """

    extent: tuple[float, float] | None = None
    area: float | None = None
    gap: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the unit as plain JSON values, with the fields of ``EvidenceUnit`` alone."""
        return {k: v for k, v in super().to_dict().items() if k not in ("extent", "area", "gap")}
