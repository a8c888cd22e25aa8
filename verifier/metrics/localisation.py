"""Localisation: does a map lie where the thing is that it should be about?

That is a question of plausibility: a true account of a network that looks elsewhere fails, and is true all the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from ...errors import InputError
from .removal import checked_map
from .result import Result

__all__ = ["Pointing", "PointingGame", "localisation_mass", "point", "pointing_game"]


@dataclass(frozen=True)
class Pointing(Result):
    """One picture's pointing: whether the map's maximum lies on the object, and whether the frame's centre does.

    Attributes:
        centre: the same for the frame's centre, which any explanation must beat.
    """

    centre: float = field(kw_only=True)


@dataclass(frozen=True)
class PointingGame(Result):
    """Mean of per-class accuracies, beside that of the centre.

    Attributes:
        centre: the centre's mean of per-class accuracies on the same pictures.
        by_class: accuracy of each class.
        undefined: pictures left out, of which the map points nowhere.
    """

    centre: float | None = field(default=None, kw_only=True)
    by_class: dict[str, float] = field(default_factory=dict, kw_only=True)
    undefined: int = field(default=0, kw_only=True)


def point(
    values: Float[np.ndarray, "height width"], mask: Bool[np.ndarray, "height width"], tolerance: float = 15.0
) -> Pointing:
    """Return 1 if the map's maximum lies on the object or within ``tolerance`` pixels of it, else 0.

    Where several pixels share the maximum (superpixels do), the share of them that hit, which is what a random choice
    among them gives. Source: Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016, section 4.1.

    Args:
        values: the map.
        mask: where the object is.
        tolerance: pixels, Euclidean; 15 in the paper.

    Raises:
        InputError: an empty mask, one of another shape, or a map that is not finite.
    """
    each = checked_map(values, _inside(mask)).reshape(mask.shape)
    told = f"maximum within {tolerance:g} pixels of the object"
    middle = (np.array([[(n - 1) / 2 for n in mask.shape]]), mask)
    centre = float(_hits(*middle, tolerance)[0])
    if each.min() == each.max():
        return Pointing("pointing-game", None, told, reason="the map is constant: it points nowhere", centre=centre)
    share = _hits(np.argwhere(each == each.max()), mask, tolerance).mean()
    return Pointing("pointing-game", float(share), told, centre=centre)


def pointing_game(pointings: Sequence[Pointing], classes: Sequence[str]) -> PointingGame:
    """Return the mean of per-class accuracies, beside the centre baseline on the same pictures; higher is better.

    Pictures whose map points nowhere are left out of both, and counted.

    Args:
        pointings: one for each picture and object class in it.
        classes: the class of each.

    Raises:
        InputError: not one class for each, or pointings of several protocols.
    """
    if len(pointings) != len(classes) or len({p.protocol for p in pointings}) > 1:
        raise InputError(
            f"pointing game: {len(pointings)} pointings, {len(classes)} classes, "
            f"{len({p.protocol for p in pointings})} protocols; one class for each and one protocol are wanted"
        )
    hits: dict[str, list[float]] = {}
    middle: dict[str, list[float]] = {}
    for one, name in zip(pointings, classes, strict=True):
        if one.value is not None:
            hits.setdefault(name, []).append(one.value)
            middle.setdefault(name, []).append(one.centre)
    left_out = len(pointings) - sum(map(len, hits.values()))
    if not hits:
        return PointingGame("pointing-game", None, "none", reason="no map points anywhere", undefined=left_out)
    by_class = {name: sum(found) / len(found) for name, found in hits.items()}
    centre = sum(sum(found) / len(found) for found in middle.values()) / len(middle)
    told = f"{pointings[0].protocol}; mean of the accuracies of {len(by_class)} classes"
    value = sum(by_class.values()) / len(by_class)
    return PointingGame("pointing-game", value, told, centre=centre, by_class=by_class, undefined=left_out)


def localisation_mass(values: Float[np.ndarray, "..."], mask: Bool[np.ndarray, "..."]) -> Result:
    """Return the share of positive attribution that lies inside the true cause's mask; higher is better.

    Args:
        values: the map: pixels, time-frequency elements or evidence units.
        mask: where the cause is, of the same shape.

    Raises:
        InputError: an empty mask, one of another shape, or a map that is not finite.
    """
    positive = checked_map(values, _inside(mask)).clip(min=0)
    told = "share of positive attribution inside the mask"
    total = math.fsum(positive)
    if total == 0:
        return Result("localisation-mass", None, told, reason="the map has no positive attribution")
    return Result("localisation-mass", math.fsum(positive[mask.reshape(-1)]) / total, told)


def _inside(mask: Bool[np.ndarray, "..."]) -> tuple[int, ...]:
    """Return a mask's shape, once it is known that something is in it."""
    if not mask.any():
        raise InputError(f"localisation: the mask of shape {mask.shape} is empty; give one that holds the object")
    return mask.shape


def _hits(places: np.ndarray, mask: Bool[np.ndarray, "height width"], tolerance: float) -> Bool[np.ndarray, " places"]:
    """Return whether each place (y, x) lies within the tolerance of some pixel of the mask."""
    from scipy.spatial import KDTree

    distance, _ = KDTree(np.argwhere(mask)).query(places)
    return np.atleast_1d(distance <= tolerance)
