"""Packing of what a drive records: pictures and sound as the bytes of a message, a system and a policy as texts."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int16, UInt8

from ...errors import InputError

__all__ = ["named", "packed", "pcm_of"]


def packed(picture: UInt8[np.ndarray, "height width 3"], form: str) -> bytes:
    """Return a picture as a file's bytes, ``png`` or ``jpeg`` (quality 90)."""
    from PIL import Image

    stream = io.BytesIO()
    more = {"quality": 90} if form == "jpeg" else {"compress_level": 3}
    Image.fromarray(picture).save(stream, form.upper(), **more)
    return stream.getvalue()


def pcm_of(samples: Any, rate: Any) -> Int16[np.ndarray, "samples channels"]:
    """Return sound as 16-bit samples: int16 as it is, floats rounded, and clipped beyond -1..1.

    Raises:
        InputError: no sound, values that are not finite, or a rate that is no whole number of hertz.
    """
    array = np.asarray(samples)
    shaped = array[:, None] if array.ndim == 1 else array
    if isinstance(rate, bool) or not isinstance(rate, int) or rate < 1 or shaped.ndim != 2 or 0 in shaped.shape:
        raise InputError(
            f"drive: sound of shape {array.shape} at {rate!r} Hz; (samples,) or (samples, channels) and whole hertz"
        )
    if shaped.dtype == np.int16:
        return shaped
    if shaped.dtype.kind != "f" or not np.isfinite(shaped).all():
        raise InputError(f"drive: sound of {array.dtype}; int16, or finite floats in -1..1 are wanted")
    return np.rint(np.clip(shaped, -1, 1) * 32767).astype(np.int16)


def named(system: Any, policy: Mapping[str, Any] | None) -> dict[str, str]:
    """Return name and digest of a system, and name, version and digest of a policy, as metadata has them."""
    told: dict[str, Any] = {}
    if system is not None:
        name = getattr(system, "name", type(system).__name__)
        told |= {"system": name, "system_digest": getattr(system, "digest", None)}
    if policy is not None:
        told |= {f"policy_{key}": policy.get(key) for key in ("name", "version", "digest")}
    return {key: str(value) for key, value in told.items() if value is not None}
