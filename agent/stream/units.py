"""Evidence units of a window: each frame cut up once, and only when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...modalities import vision
from ...modalities.evidence import EvidenceUnit, Segmentation

__all__ = ["Units", "join_frames"]


def join_frames(parts: Sequence[Segmentation], interval: float) -> Segmentation:
    """Return the evidence units of several frames from those of each alone; what `Vision.segment` gives of all.

    Superpixels are found frame by frame, so that nothing is lost; units of successive frames become neighbours.

    Args:
        parts: units of each frame, oldest first; labels (1, size, size).
        interval: seconds between frames.
    """
    labels: list[np.ndarray] = []
    units: list[EvidenceUnit] = []
    frame_of: list[int] = []
    for frame, part in enumerate(parts):
        labels.append(part.labels + len(units))
        span = (frame * interval, (frame + 1) * interval)
        frame_of += [frame] * len(part)
        units += [replace(u, index=len(units) + k, time=span, frame=frame) for k, u in enumerate(part.units)]
    joined = np.concatenate(labels)
    # Vision's own rule of who is whose neighbour: there must not be two.
    return Segmentation(joined, tuple(units), vision.neighbours_of(joined, np.array(frame_of)))


class Units(Mapping[str, Segmentation]):
    """Evidence units by sense, found when they are first asked for: a decision alone needs none."""

    def __init__(self, make: Mapping[str, Callable[[], Segmentation]]) -> None:
        """Know how to find each sense's units."""
        self._make = dict(make)
        self._found: dict[str, Segmentation] = {}

    def __getitem__(self, name: str) -> Segmentation:
        """Return one sense's units."""
        if name not in self._found:
            self._found[name] = self._make[name]()
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        """Whether a sense is present; finds nothing."""
        return name in self._make

    def __iter__(self) -> Iterator[str]:
        return iter(self._make)

    def __len__(self) -> int:
        return len(self._make)
