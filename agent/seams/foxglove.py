"""Messages of a drive as the tools of roboticists know them: their JSON Schemas, and how they are put together.

Names, fields and meaning are those of Foxglove's published schemas (``foxglove.CompressedImage``,
``foxglove.RawAudio``, ``foxglove.Log``; https://docs.foxglove.dev/docs/visualization/message-schemas). What has no
counterpart there stands under a name of our own, ``veridical.Instruction`` and ``veridical.Decision``.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

__all__ = ["LEVELS", "SCHEMAS", "decision", "instruction", "log", "nanoseconds", "picture", "sound", "stamp"]

LEVELS: Mapping[str, int] = {"supported": 2, "inconclusive": 3, "unsupported": 4}
"""Foxglove's log levels (2 info, 3 warning, 4 error) by verdict."""

_LATEST = 2**63 - 1
_TIME = {
    "type": "object",
    "title": "time",
    "properties": {
        "sec": {"type": "integer", "minimum": 0},
        "nsec": {"type": "integer", "minimum": 0, "maximum": 999_999_999},
    },
}
_BYTES = {"type": "string", "contentEncoding": "base64"}
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}


def _schema(title: str, properties: Mapping[str, Any], required: bool = True) -> dict[str, Any]:
    told = {"title": title, "type": "object", "properties": {"timestamp": _TIME, **properties}}
    return {**told, "required": list(told["properties"])} if required else told


SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    schema["title"]: schema
    for schema in (
        _schema("foxglove.CompressedImage", {"frame_id": _TEXT, "data": _BYTES, "format": _TEXT}),
        _schema(
            "foxglove.RawAudio",
            {"data": _BYTES, "format": _TEXT, "sample_rate": _COUNT, "number_of_channels": _COUNT},
            required=False,
        ),
        _schema(
            "foxglove.Log",
            {
                "level": {"type": "integer", "minimum": 0, "maximum": 5},
                "message": _TEXT,
                "name": _TEXT,
                "file": _TEXT,
                "line": _COUNT,
            },
        ),
        _schema("veridical.Instruction", {"text": _TEXT}),
        _schema(
            "veridical.Decision",
            {
                "id": _TEXT,
                "number": _COUNT,
                "time": _TEXT,
                "action": _TEXT,
                "chosen": {"type": ["string", "null"]},
                "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
                "explained": _TEXT,
                "explanation": {"type": ["object", "null"]},
            },
            required=False,
        ),
    )
}
"""JSON Schema of each message, by name."""


def nanoseconds(at: float) -> int:
    """Return a time in seconds as whole nanoseconds.

    Raises:
        ValueError: not finite, before 0, or beyond what a recording can hold (the year 2262 of the Unix epoch).
    """
    if not 0 <= at < _LATEST / 1e9:
        raise ValueError(f"time {at} s; seconds from 0 on are wanted, the same clock for all messages")
    return round(at * 1e9)


def stamp(ns: int) -> dict[str, int]:
    """Return a time in nanoseconds as these messages have it, seconds and nanoseconds apart."""
    sec, nsec = divmod(ns, 1_000_000_000)
    return {"sec": sec, "nsec": nsec}


def picture(data: bytes, form: str, ns: int, frame_id: str) -> dict[str, Any]:
    """Return a ``foxglove.CompressedImage``: an image file's bytes, ``png`` or ``jpeg``."""
    return {"timestamp": stamp(ns), "frame_id": frame_id, "data": _base64(data), "format": form}


def sound(data: bytes, rate: int, channels: int, ns: int) -> dict[str, Any]:
    """Return a ``foxglove.RawAudio``: interleaved 16-bit samples, little-endian; the time is that of the first."""
    return {
        "timestamp": stamp(ns),
        "data": _base64(data),
        "format": "pcm-s16",
        "sample_rate": rate,
        "number_of_channels": channels,
    }


def instruction(text: str, ns: int) -> dict[str, Any]:
    """Return a ``veridical.Instruction``; it holds until the next."""
    return {"timestamp": stamp(ns), "text": text}


def log(text: str, level: int, ns: int) -> dict[str, Any]:
    """Return a ``foxglove.Log`` of this package."""
    return {"timestamp": stamp(ns), "level": level, "message": text, "name": "veridical", "file": "", "line": 0}


def decision(told: Mapping[str, Any], ns: int) -> dict[str, Any]:
    """Return a ``veridical.Decision``: what `veridical.agent.loop.decision.Decision.to_dict` gives, with a time."""
    return {"timestamp": stamp(ns), **told}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
