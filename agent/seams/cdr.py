"""Messages of ROS 2 as its recordings hold them (CDR): the few that a sense needs, field by field.

The encoding is that of the OMG's DDS Interoperability Wire Protocol (RTPS 2.5, section 10): four bytes that say the
order of bytes, then the fields in turn, each number aligned to its own size, a text with its length and a final zero,
a sequence with its length. The fields are those of ROS 2's ``sensor_msgs`` and ``std_msgs``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import RecordError

__all__ = ["READERS", "read_cdr"]


class _Fields:
    """Reads one message from its start to its end."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 4 or data[0] != 0 or data[1] not in (0, 1):
            raise ValueError(f"it begins with {data[:4].hex() or 'nothing'}, which is no plain CDR")
        self.data, self.at = data[4:], 0
        self.order = "<" if data[1] else ">"

    def number(self, code: str) -> int:
        size = struct.calcsize(code)
        self.at = -(-self.at // size) * size
        return struct.unpack(self.order + code, self.take(size))[0]

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise ValueError(f"it wants {size} bytes at {self.at} of {len(self.data)}")
        self.at += size
        return self.data[self.at - size : self.at]

    def text(self) -> str:
        return self.take(self.number("I")).removesuffix(b"\0").decode("utf-8")

    def sequence(self) -> bytes:
        return self.take(self.number("I"))

    def header(self) -> str:
        for code in "iI":  # the time; a recording's own stands beside each message
            self.number(code)
        return self.text()


def _compressed(fields: _Fields) -> dict[str, Any]:
    return {"frame_id": fields.header(), "format": fields.text(), "data": fields.sequence()}


def _image(fields: _Fields) -> dict[str, Any]:
    frame, height, width = fields.header(), fields.number("I"), fields.number("I")
    encoding, big, step = fields.text(), fields.number("B"), fields.number("I")
    told = {"frame_id": frame, "height": height, "width": width, "encoding": encoding, "is_bigendian": big}
    return {**told, "step": step, "data": fields.sequence()}


READERS: Mapping[str, Callable[[_Fields], dict[str, Any]]] = {
    "sensor_msgs/msg/CompressedImage": _compressed,
    "sensor_msgs/msg/Image": _image,
    "std_msgs/msg/String": lambda fields: {"data": fields.text()},
}
"""What reads a message type, by its name."""


def read_cdr(schema: str, data: bytes, where: str) -> dict[str, Any]:
    """Return a message's fields by name.

    Args:
        schema: name of the message type, one of `READERS`.
        data: the message.
        where: what errors begin with.

    Raises:
        RecordError: a type that is not read, or a message cut short or of another form.
    """
    reader = READERS.get(schema)
    if reader is None:
        raise RecordError(f"{where}: {schema} in ROS 2's encoding; {', '.join(READERS)} are read")
    try:
        return reader(_Fields(data))
    except (ValueError, struct.error) as error:
        raise RecordError(f"{where}: no {schema}: {error}") from error
