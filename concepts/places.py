"""Where rows of features lie in the signal: in words, in seconds, as boxes or as words of the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..modalities.contract import Modality, Prepared
from ..modalities.evidence import Segmentation
from ..modalities.placed import PlacedUnit
from ..modalities.wording import listed, seconds, spans

__all__ = ["Place", "locate"]


@dataclass(frozen=True)
class Place:
    """Where rows lie.

    Attributes:
        where: in words, e.g. ``"the middle, frames 1–3 (0–3 s)"``, ``"0.5–2.4 s"``, ``"“creep past animals”"``.
        time: first and last second; None for what has no time.
        boxes: for pictures (frame, left, top, right, bottom) of each row, in pixels of the prepared frame.
        units: for texts the evidence units (words) that the rows belong to.
    """

    where: str
    time: tuple[float, float] | None = None
    boxes: tuple[tuple[int, float, float, float, float], ...] = ()
    units: tuple[int, ...] = ()


def locate(
    system: Any,
    sense: Modality,
    prepared: Prepared,
    segmentation: Segmentation,
    grid: Sequence[int],
    rows: Sequence[int],
) -> Place:
    """Return where rows of one sense's features lie.

    Args:
        system: whose ``row_times(sense, rows)`` tells when each row is, if it has that.
        sense: the sense.
        prepared: its signal.
        segmentation: its evidence units.
        grid: shape of the places of its features, see `rows.grid_of`.
        rows: indices of the rows.
    """
    if prepared.modality == "vision" and len(grid) >= 2:
        return _seen(sense, prepared, grid, rows)
    labels = segmentation.labels
    if labels.shape == tuple(grid):
        units = sorted({int(labels.ravel()[r]) for r in rows} - {-1})
        if units:
            told = [segmentation.units[u] for u in units]
            time = (min(u.time[0] for u in told), max(u.time[1] for u in told))
            return Place(sense.show(told), time if prepared.modality != "text" else None, units=tuple(units))
    times = system.row_times(prepared.modality, int(np.prod(grid))) if hasattr(system, "row_times") else None
    if times is not None:
        parts = spans([(float(times[r][0]), min(float(times[r][1]), prepared.duration)) for r in rows])
        return Place(listed([seconds(*part) for part in parts]), (parts[0][0], parts[-1][1]))
    return Place(f"{listed([str(r + 1) for r in sorted(rows)])} of {int(np.prod(grid))} places")


def _seen(sense: Modality, prepared: Prepared, grid: Sequence[int], rows: Sequence[int]) -> Place:
    frames = grid[0] if len(grid) == 3 else 1
    down, across = grid[-2:]
    height, width = prepared.tensor.shape[-2:]
    step = prepared.duration / max(frames, 1)
    units, boxes = [], []
    for row in rows:
        frame, y, x = (int(i) for i in np.unravel_index(row, (frames, down, across)))
        box = (x * width / across, y * height / down, (x + 1) * width / across, (y + 1) * height / down)
        boxes.append((frame, *box))
        time = (frame * step, (frame + 1) * step)
        units.append(
            PlacedUnit(
                prepared.modality, row, time, frame, box, extent=(float(width), float(height)), area=1 / (down * across)
            )
        )
    time = (min(u.time[0] for u in units), max(u.time[1] for u in units))
    return Place(sense.show(units), time, tuple(boxes))
