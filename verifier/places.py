"""Where evidence units lie, as coordinates that can be halved, compared and moved: each axis runs from 0 to 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ..modalities.evidence import EvidenceUnit, Segmentation

__all__ = ["halve", "places"]

FRAME = 0.15
"""How far frames lie apart, as a share of a frame's width: a thing is the same thing a second later."""


def places(segmentation: Segmentation) -> Float[np.ndarray, "units axes"]:
    """Return the middle of each unit: (frame, y, x) of pictures, (time, frequency) of sound, else (time, index).

    Every axis but that of frames is scaled to 0..1 over the units.
    """
    if not segmentation.units:
        return np.zeros((0, 2))
    found = np.array([_middle(unit) for unit in segmentation.units], np.float64)
    spread = np.ptp(found, axis=0)
    found = (found - found.min(axis=0)) / np.where(spread > 0, spread, 1)
    if segmentation.units[0].frame is not None:
        found[:, 0] *= FRAME * (len({unit.frame for unit in segmentation.units}) - 1)
    return found


def _middle(unit: EvidenceUnit) -> tuple[float, ...]:
    if unit.frame is not None and unit.box is not None:
        left, top, right, bottom = unit.box
        return float(unit.frame), (top + bottom) / 2, (left + right) / 2
    if unit.band is not None:
        # Evenly in pitch: the ear's and the cells' own scale is closer to the logarithm than to hertz.
        return sum(unit.time) / 2, float(np.log1p(sum(unit.band) / 2 / 700))
    return sum(unit.time) / 2, float(unit.index)


def halve(
    segmentation: Segmentation, units: Sequence[int], weight: Float[np.ndarray, " units"]
) -> tuple[tuple[int, ...], ...]:
    """Cut units in two across the axis along which they reach farthest, where half of the weight lies on each side.

    Args:
        segmentation: the units of the sense.
        units: those to cut.
        weight: of every unit of the sense, at least 0; a part of it is spread evenly, so that no half is empty.

    Returns:
        Two parts, indices ascending; one where there is only one unit.
    """
    chosen = np.array(sorted(units), np.int64)
    if len(chosen) < 2:
        return (tuple(chosen.tolist()),) if len(chosen) else ()
    at = places(segmentation)[chosen]
    order = np.argsort(at[:, int(np.argmax(np.ptp(at, axis=0)))], kind="stable")
    each = weight[chosen][order]
    each = each + each.mean() / 2 + 1e-12
    cut = int(np.searchsorted(np.cumsum(each) / each.sum(), 0.5)) + 1
    cut = min(max(cut, 1), len(chosen) - 1)
    return tuple(tuple(sorted(chosen[part].tolist())) for part in (order[:cut], order[cut:]))
