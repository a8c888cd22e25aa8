"""Evidence units: what can be edited together, and where it lies.

A unit is a superpixel in a frame, a time-frequency cell or a word. Coordinates are always those of
the signal as it was given: pixels of the original image, seconds of the observation's clock, hertz,
characters of the original string.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

__all__ = ["EvidenceUnit", "Segmentation"]


@dataclass(frozen=True)
class EvidenceUnit:
    """One set of input elements that is edited together.

    Attributes:
        modality: name of the modality, e.g. ``"vision"``.
        index: position in the modality's segmentation.
        time: first and last second on the observation's clock.
        frame: index of the camera frame (vision only).
        box: left, top, right, bottom in pixels of the original frame (vision only).
        band: lowest and highest frequency in hertz (audio only).
        span: first and past-the-last character in the original string (text only).
        text: the characters themselves (text only).
    """

    modality: str
    index: int
    time: tuple[float, float]
    frame: int | None = None
    box: tuple[float, float, float, float] | None = None
    band: tuple[float, float] | None = None
    span: tuple[int, int] | None = None
    text: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the unit as plain JSON values; coordinates that do not apply are left out."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True)
class Segmentation:
    """A partition of one signal's elements into evidence units.

    Attributes:
        labels: unit index of each element, -1 for elements that belong to no unit (padding, special
            tokens). Shape (frames, height, width) for vision, (bins, windows) of the short-time
            spectrum for audio, (tokens,) for text.
        units: the units; ``units[i].index == i``.
        neighbours: for each unit the sorted indices of the units that touch it in space, in time or in the
            sentence.
    """

    labels: Int[np.ndarray, "..."]
    units: tuple[EvidenceUnit, ...]
    neighbours: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.units)

    def total(self, values: Float[np.ndarray, "..."]) -> Float[np.ndarray, " units"]:
        """Sum element values (shape of ``labels``) over each unit."""
        inside = self.labels >= 0
        summed = np.bincount(self.labels[inside], weights=np.asarray(values, np.float64)[inside], minlength=len(self))
        return summed.astype(np.float64)  # which it is not where there are no units
