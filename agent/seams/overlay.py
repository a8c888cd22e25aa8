"""Overlays of an explanation: each camera frame under its saliency, and the manifest of its record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

if TYPE_CHECKING:
    from ..explanation import Explanation

__all__ = ["manifest_of", "overlays"]


def overlays(explanation: Explanation) -> Iterator[tuple[float, UInt8[np.ndarray, "height width 3"]]]:
    """Yield each frame under its saliency, oldest first, and how long before the last it was, seconds.

    Colours and scale are the report's: orange speaks for the decision, blue against it, at full strength from the
    largest contribution of an evidence unit on.
    """
    from ..pictures import density, tint
    from ..views import limit_of

    arrays, result = explanation.arrays(), explanation.to_dict()
    frames, saliency = arrays.get("vision.frames"), arrays.get("vision.saliency")
    units = arrays.get("vision.units")
    if frames is None or saliency is None or units is None:
        return
    limit, interval = limit_of(result), _interval(explanation, len(frames))
    spread = density(saliency, units)
    for index, frame in enumerate(frames):
        colour = tint(spread[index], limit).astype(np.float32)
        alpha = colour[..., 3:] / 255
        laid = frame.astype(np.float32) * (1 - alpha) + colour[..., :3] * alpha
        yield interval * (len(frames) - 1 - index), np.rint(laid).clip(0, 255).astype(np.uint8)


def _interval(explanation: Explanation, frames: int) -> float:
    """Seconds between frames, by the span of the sense in the result."""
    told = explanation.result.get("observation", {}).get("vision", {})
    duration = told.get("duration") if isinstance(told, dict) else None
    return float(duration) / frames if isinstance(duration, (int, float)) and duration > 0 else 1.0


def manifest_of(explanation: Explanation) -> bytes:
    """Return the manifest of the explanation's record, canonical JSON; its blobs stay out.

    Raises:
        RecordError: a value that cannot be recorded.
    """
    from ..record.canonical import canonical_json
    from ..record.context import Context
    from ..record.manifest import compose

    result = explanation.to_dict()
    context = Context(id=result["id"]) if "id" in result else Context()
    manifest, _ = compose(result, explanation.arrays(), context)
    return canonical_json(manifest, "the manifest")
