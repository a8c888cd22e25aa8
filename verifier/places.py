"""Where evidence units lie, as coordinates that can be halved, compared and moved: each axis runs from 0 to 1."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..modalities.evidence import EvidenceUnit, Segmentation
from ..modalities.placed import PlacedUnit

__all__ = ["around", "halve", "places", "ringed", "windows"]

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


def windows(segmentation: Segmentation, width: float = 0.5) -> tuple[tuple[int, ...], ...]:
    """Return overlapping windows over a sense: what a thing in the middle is not cut apart by.

    Boxes of a share ``width`` of the picture's sides, through all frames; spans of time of all frequencies; runs of
    words, and each sentence. Each begins half a width after the one before.

    Args:
        segmentation: the units of the sense.
        width: side of a window, as a share of the whole.

    Returns:
        Units by window, indices ascending; no window twice, none empty, none that holds all units.

    Raises:
        InputError: a width that is no share.
    """
    if not len(segmentation):
        return ()
    at = places(segmentation)
    pictures = segmentation.units[0].frame is not None
    moving = at[:, 1:] if pictures else at[:, 1:] if segmentation.units[0].span is not None else at[:, :1]
    if not 0 < width < 1:
        raise InputError(f"windows: width {width}; give a share of the whole, between 0 and 1")
    steps = np.linspace(0, 1 - width, math.ceil((1 - width) / (width / 2) - 1e-9) + 1)
    found: dict[tuple[int, ...], None] = {}
    for corner in itertools.product(*[steps] * moving.shape[1]):
        low = np.asarray(corner)
        inside = ((moving >= low - 1e-9) & (moving <= low + width + 1e-9)).all(1)
        found[tuple(np.flatnonzero(inside).tolist())] = None
    for sentence in _sentences(segmentation):
        found[sentence] = None
    return tuple(units for units in found if 0 < len(units) < len(segmentation))


def _sentences(segmentation: Segmentation) -> list[tuple[int, ...]]:
    """Words between marks that end a sentence; none where units are not words, or do not tell their text."""
    sentences: list[list[int]] = [[]]
    for unit in segmentation.units:
        if unit.text is None:
            return []
        # The marks after a word are no part of it: they stand in the gap before the next one.
        gap = unit.gap if isinstance(unit, PlacedUnit) else None
        if any(mark in (gap or "") for mark in ".!?;:"):
            sentences.append([])
        sentences[-1].append(unit.index)
    return [tuple(words) for words in sentences if words]


def around(segmentation: Segmentation, units: Sequence[int]) -> frozenset[int]:
    """Return units with what may be part of the same thing: rings around them (`ringed`), and of words their sentences.

    Sentences are left as they are where fewer units would lie outside of them than ``units`` has.
    """
    own = set(units)
    whole = own.union(*(s for s in _sentences(segmentation) if own.intersection(s)))
    near = ringed(segmentation, units)
    return near | whole if len(segmentation) - len(near | whole) >= len(own) else near


def ringed(segmentation: Segmentation, units: Sequence[int], share: float = 0.5) -> frozenset[int]:
    """Return units with what lies around them: rings of neighbours, until there are three times as many.

    Args:
        segmentation: the units of the sense.
        units: where rings begin.
        share: of all units, how many must be left outside at least; a ring that would leave fewer is not added.
    """
    found = set(units)
    while len(found) < 3 * len(units):
        grown = found | {n for u in found for n in segmentation.neighbours[u]}
        if grown == found or len(segmentation) - len(grown) < share * len(segmentation):
            break
        found = grown
    return frozenset(found)
