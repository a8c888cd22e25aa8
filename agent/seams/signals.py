"""Signals of a drive: what a message holds for a sense, whatever its encoding."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int16, UInt8

from ...errors import RecordError

__all__ = ["KINDS", "PIXELS", "Picture", "Signal", "Sound", "Words", "kind_of", "read_signal"]

PIXELS = 50_000_000
"""Most pixels that a picture may have: what is larger is not unpacked."""

KINDS: Mapping[str, str] = {
    "foxglove.CompressedImage": "vision",
    "foxglove.RawImage": "vision",
    "sensor_msgs/CompressedImage": "vision",
    "sensor_msgs/Image": "vision",
    "foxglove.RawAudio": "audio",
    "foxglove.Audio": "audio",
    "veridical.Instruction": "text",
    "std_msgs/String": "text",
}
"""Sense that a message serves, by its schema's name."""

_RATES = (100, 1_000_000)
_CHANNELS = 64
_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")
_COLOURS: Mapping[str, tuple[int, str]] = {  # bytes of a pixel, order of its channels
    "rgb8": (3, "rgb"),
    "bgr8": (3, "bgr"),
    "8UC3": (3, "bgr"),
    "rgba8": (4, "rgb"),
    "bgra8": (4, "bgr"),
    "mono8": (1, "grey"),
    "8UC1": (1, "grey"),
}


@dataclass(frozen=True)
class Picture:
    """A camera's frame, uint8 (height, width, 3), red first."""

    frame: UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class Sound:
    """A stretch of sound: int16 (samples, channels) at ``rate`` hertz; the message's time is that of its first."""

    samples: Int16[np.ndarray, "samples channels"]
    rate: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate


@dataclass(frozen=True)
class Words:
    """Words that hold from the message's time on."""

    text: str


Signal = Picture | Sound | Words


def kind_of(schema: str) -> str | None:
    """Return the sense that messages of a schema serve, ``vision``, ``audio`` or ``text``; None of others.

    ROS 2 writes ``sensor_msgs/msg/Image`` for what ROS 1 called ``sensor_msgs/Image``; both are known.
    """
    return KINDS.get(schema.replace("/msg/", "/"))


def read_signal(fields: Mapping[str, Any], schema: str, where: str) -> Signal | None:
    """Return what a message holds for a sense; None where its schema is none of those of `KINDS`.

    Args:
        fields: of the message, by name; binary ones as bytes or as base64.
        schema: name of the message's schema.
        where: what errors begin with.

    Raises:
        RecordError: a field is missing or of another type, a picture or sound cannot be read, or is too large.
    """
    kind = kind_of(schema)
    if kind == "text":
        return Words(_field(fields, "text" if "text" in fields else "data", str, where))
    if kind == "audio":
        return _sound(fields, where)
    if kind == "vision":
        return _raw(fields, where) if "encoding" in fields else _compressed(fields, where)
    return None


def _field(fields: Mapping[str, Any], name: str, kind: type, where: str) -> Any:
    value = fields.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        got = "nothing" if value is None else type(value).__name__
        raise RecordError(f"{where}: the field {name!r} holds {got}; {kind.__name__} is wanted")
    return value


def _binary(fields: Mapping[str, Any], where: str) -> bytes:
    data = fields.get("data")
    if isinstance(data, bytes):
        return data
    if isinstance(data, list):  # ROS messages as JSON write bytes as numbers
        try:
            return bytes(data)
        except (TypeError, ValueError) as error:
            raise RecordError(f"{where}: the field 'data' holds no bytes: {error}") from error
    try:
        return base64.b64decode(_field(fields, "data", str, where), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RecordError(f"{where}: the field 'data' is no base64: {error}") from error


def _sound(fields: Mapping[str, Any], where: str) -> Sound:
    form, data = fields.get("format", "pcm-s16"), _binary(fields, where)
    if form != "pcm-s16":
        raise RecordError(f"{where}: sound in the format {form!r}; pcm-s16 is read")
    rate = _field(fields, "sample_rate", int, where)
    channels = _field(fields, "number_of_channels", int, where)
    if not (_RATES[0] <= rate <= _RATES[1] and 1 <= channels <= _CHANNELS):
        raise RecordError(
            f"{where}: {channels} channels at {rate} Hz; 1 to {_CHANNELS} at {_RATES[0]} to {_RATES[1]} Hz are read"
        )
    if len(data) % (2 * channels):
        raise RecordError(f"{where}: {len(data)} bytes are no whole number of {channels} samples of 16 bits")
    return Sound(np.frombuffer(data, "<i2").astype(np.int16).reshape(-1, channels), rate)


def _compressed(fields: Mapping[str, Any], where: str) -> Picture:
    from PIL import Image

    from ...errors import InputError
    from ...modalities.images import read_frame

    data = _binary(fields, where)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            _check_size(width, height, where)
            return Picture(read_frame(image, where)[0])
    except InputError as error:
        raise RecordError(str(error)) from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        told = str(fields.get("format", "an unknown format"))[:40]
        raise RecordError(f"{where}: {len(data)} bytes, said to be {told}, are no picture that can be read") from error
    except Image.DecompressionBombWarning as error:  # an error where warnings are
        raise RecordError(f"{where}: {error}") from error


def _check_size(width: int, height: int, where: str) -> None:
    if not (width > 0 and height > 0 and width * height <= PIXELS):
        raise RecordError(f"{where}: a picture of {width} x {height} pixels; 1 to {PIXELS:,} in all are read")


def _raw(fields: Mapping[str, Any], where: str) -> Picture:
    encoding = _field(fields, "encoding", str, where)
    if encoding not in _COLOURS:
        known = ", ".join(_COLOURS)
        raise RecordError(f"{where}: a raw picture in {encoding[:40]!r}; {known} are read: record it so, or compressed")
    width, height, step = (_field(fields, name, int, where) for name in ("width", "height", "step"))
    size, order = _COLOURS[encoding]
    _check_size(width, height, where)
    data = _binary(fields, where)
    if step < width * size or len(data) < step * (height - 1) + width * size:
        raise RecordError(
            f"{where}: {len(data)} bytes in rows of {step} for {width} x {height} pixels of {size} bytes; they do not "
            "fit"
        )
    rows = np.zeros((height, step), np.uint8)
    rows.reshape(-1)[: min(len(data), height * step)] = np.frombuffer(data, np.uint8)[: height * step]
    pixels = rows[:, : width * size].reshape(height, width, size)
    if order == "grey":
        return Picture(np.repeat(pixels, 3, 2))
    return Picture(np.ascontiguousarray(pixels[:, :, :3] if order == "rgb" else pixels[:, :, 2::-1]))
