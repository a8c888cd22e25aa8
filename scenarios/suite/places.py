"""Where a thing is in each frame, from the words of a scenario file."""

from __future__ import annotations

import numpy as np

from ..courier.scene import Place
from .plan import GONE
from .schema_scene import Spot, ThingSpec, Track

__all__ = ["beside", "track_of"]

_FOOT, _FOOT_BESIDE, _FOOT_SIGN = 0.9, 0.75, 0.5
_AWAY, _AWAY_SIGN = 0.41, 0.32
_SIZE, _SIZE_BESIDE = 0.5, 0.32
_WIDEST, _WIDEST_BESIDE = 0.62, 0.3
_CROSSING, _ENTERING = 0.36, 0.38
_FAR = 0.35
_HORIZON = 0.4
_BESIDE = frozenset({"sign", "stop-sign", "tree"})
_HUNG = frozenset({"sign", "stop-sign"})


def beside(spec: ThingSpec) -> bool:
    """Whether a thing stands beside the way: to the left, to the right, or where signs and trees do."""
    return spec.where in ("left", "right") or (spec.where is None and spec.kind in _BESIDE)


def track_of(spec: ThingSpec, aspect: float, seconds: int) -> tuple[Place, ...]:
    """Return the place of a thing in each frame.

    Feet and sizes are the middles of what `courier.scene` draws from: ahead 0.9 and 0.5, beside the way 0.75 and 0.32,
    signs 0.5 and 0.32; a size that is left out is less for a thing that would be wider than 0.62 (0.3 beside the way).

    Args:
        spec: the thing.
        aspect: its picture's height over its width.
        seconds: frames of the scene.
    """
    if isinstance(spec.motion, Track):
        steps = spec.motion.track
        return tuple(Place(s.x, s.foot, s.height) for s in (steps[min(i, len(steps) - 1)] for i in range(seconds)))
    x, foot = _stands(spec)
    away = beside(spec)
    usual = min(_SIZE_BESIDE if away else _SIZE, (_WIDEST_BESIDE if away else _WIDEST) * aspect)
    height = usual if spec.size is None else spec.size
    first, past = _seen(spec, seconds)
    side = -1.0 if spec.where == "left" else 1.0
    moving = np.linspace(0, 1, max(past - first, 2))
    track = [GONE] * seconds
    for i in range(first, past):
        at = float(moving[i - first])
        if spec.motion == "cross":
            track[i] = Place(x + side * _CROSSING * (1 - 2 * at), foot, height)
        elif spec.motion == "enter":
            track[i] = Place(x + side * _ENTERING * (1 - at), foot, height)
        elif spec.motion == "approach":  # far things stand as much nearer to the horizon as they are smaller
            scale = _FAR ** (1 - at)
            track[i] = Place(x, _HORIZON + (foot - _HORIZON) * scale, height * scale)
        else:
            track[i] = Place(x, foot, height)
    return tuple(track)


def _stands(spec: ThingSpec) -> tuple[float, float]:
    """Where a thing stands: its middle and its foot."""
    if isinstance(spec.where, Spot):
        return spec.where.x, _FOOT if spec.where.foot is None else spec.where.foot
    if not beside(spec):
        return 0.5, _FOOT
    hung = spec.kind in _HUNG
    away = _AWAY_SIGN if hung else _AWAY
    return 0.5 + (-away if spec.where == "left" else away), _FOOT_SIGN if hung else _FOOT_BESIDE


def _seen(spec: ThingSpec, seconds: int) -> tuple[int, int]:
    """First and past-the-last frame in which it is seen; frame i is taken at second i."""
    first, past = (0.0, float(seconds)) if spec.seen is None else spec.seen
    start = int(np.ceil(first))
    end = min(seconds, int(np.ceil(past)))
    return start, min(end, start + 2) if spec.motion == "glimpse" else end
