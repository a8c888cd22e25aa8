"""Named texts, numbers and bytes as one run of bytes: what workers are sent and send back, without pickling."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...errors import RecordError

__all__ = ["from_bytes", "to_bytes"]


def to_bytes(row: Mapping[str, Any]) -> bytes:
    """Serialise members that are bytes, or that JSON can hold: a length, JSON, and the bytes one after another."""
    head = {name: value for name, value in row.items() if not isinstance(value, bytes)}
    parts = {name: value for name, value in row.items() if isinstance(value, bytes)}
    lengths = {name: len(value) for name, value in parts.items()}
    first = json.dumps([head, lengths], separators=(",", ":"), sort_keys=True).encode()
    return b"".join([len(first).to_bytes(8, "little"), first, *(parts[name] for name in sorted(parts))])


def from_bytes(content: bytes) -> dict[str, Any]:
    """Read what `to_bytes` wrote.

    Raises:
        RecordError: anything else.
    """
    size = int.from_bytes(content[:8], "little")
    try:
        head, lengths = json.loads(content[8 : 8 + size])
        row, offset = dict(head), 8 + size
        for name in sorted(lengths):
            row[name] = content[offset : offset + lengths[name]]
            offset += lengths[name]
    except (ValueError, TypeError, AttributeError) as error:
        raise RecordError(f"a worker's message of {len(content)} bytes cannot be read: {error}; run again") from error
    if offset != len(content):
        raise RecordError(f"a worker's message has {len(content)} bytes where {offset} are declared; run again")
    return row
