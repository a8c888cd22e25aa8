"""Messages of an MCAP recording, with what reads their fields."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InputError, RecordError
from .signals import Signal, kind_of, read_signal

__all__ = ["Channels", "DriveMessage"]

Fields = Callable[[bytes, str], Mapping[str, Any]]


@dataclass(frozen=True)
class DriveMessage:
    """A message of a recording.

    Attributes:
        topic: of its channel.
        schema: name of its schema; empty where it has none.
        encoding: of the message, such as ``json``.
        ns: when it was recorded, nanoseconds on the recording's clock.
        data: as it stands in the file.
        where: file, offset and topic, for errors.
    """

    topic: str
    schema: str
    encoding: str
    ns: int
    data: bytes = field(repr=False)
    where: str
    _read: Fields | None = field(default=None, repr=False, compare=False)

    @property
    def at(self) -> float:
        """When it was recorded, seconds on the recording's clock."""
        return self.ns / 1e9

    def fields(self) -> Mapping[str, Any]:
        """Return its fields by name; binary ones as bytes, or as base64 in JSON.

        Raises:
            RecordError: it is not what its schema says.
            InputError: an encoding that is not read, or whose package is not installed.
        """
        if self._read is None:
            raise InputError(
                f"{self.where}: messages of {self.schema or 'no schema'} in {self.encoding or 'no encoding'}; json, "
                "protobuf with its descriptors, and cdr (ROS 2) for pictures and texts are read"
            )
        return self._read(self.data, self.where)

    def signal(self) -> Signal | None:
        """Return what it holds for a sense; None where its schema serves none.

        Raises:
            RecordError: it is not what its schema says, or is too large.
            InputError: an encoding that is not read, or whose package is not installed.
        """
        return None if kind_of(self.schema) is None else read_signal(self.fields(), self.schema, self.where)


class Channels:
    """The schemas and channels of a file that were met so far; turns its records into messages."""

    def __init__(self, path: str | Path) -> None:
        self.where = f"mcap: {str(path)!r}"
        self.schemas: dict[int, Any] = {}
        self.channels: dict[int, Any] = {}
        self.readers: dict[int, Fields | None] = {}

    def take(self, record: Any, offset: int) -> DriveMessage | None:
        """Take a record; returns the message that it is, or None where it is none.

        Raises:
            RecordError: a message of a channel that was never named.
        """
        kind = type(record).__name__
        if kind == "Schema":
            self.schemas.setdefault(record.id, record)
        elif kind == "Channel":
            self.channels.setdefault(record.id, record)
        elif kind == "Message":
            return self._message(record, offset)
        return None

    def _message(self, record: Any, offset: int) -> DriveMessage:
        channel = self.channels.get(record.channel_id)
        if channel is None:
            raise RecordError(f"{self.where}: offset {offset}: a message of channel {record.channel_id}, never named")
        where = f"{self.where}: offset {offset}: {channel.topic}"
        schema = self.schemas.get(channel.schema_id)
        name = schema.name if schema is not None else ""
        # What reads a channel is made when a message is first looked into: a broken schema spoils nothing else.
        reader = self._reader(channel, schema, where)
        return DriveMessage(channel.topic, name, channel.message_encoding, record.log_time, record.data, where, reader)

    def _reader(self, channel: Any, schema: Any, where: str) -> Fields | None:
        if channel.id not in self.readers:
            self.readers[channel.id] = _reader(channel.message_encoding, schema, where)
        return self.readers[channel.id]

    def known(self) -> Iterator[tuple[str, str, str]]:
        """Yield topic, schema and encoding of each channel."""
        for channel in self.channels.values():
            schema = self.schemas.get(channel.schema_id)
            yield channel.topic, schema.name if schema is not None else "", channel.message_encoding


def _reader(encoding: str, schema: Any, where: str) -> Fields | None:
    if encoding == "json":
        return _read_json
    if encoding == "cdr" and schema is not None:
        from .cdr import read_cdr

        return lambda data, place: read_cdr(schema.name, data, place)
    if encoding == "protobuf" and schema is not None and schema.encoding == "protobuf":
        made: list[Fields] = []

        def read(data: bytes, place: str) -> Mapping[str, Any]:
            if not made:
                from .protobuf import reader_of

                made.append(reader_of(schema.name, schema.data, where))
            return made[0](data, place)

        return read
    return None


def _read_json(data: bytes, where: str) -> Mapping[str, Any]:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: the message is no JSON: {error}") from error
    if not isinstance(told, dict):
        raise RecordError(f"{where}: the message is a {type(told).__name__}; an object is wanted")
    return told
