"""Read the tensors of a TensorFlow checkpoint ("tensor bundle") without TensorFlow.

A bundle is an index (a LevelDB table that maps a variable's name to a ``BundleEntryProto``) and data shards. Formats:
LevelDB's ``doc/table_format.md``; TensorFlow's ``core/protobuf/tensor_bundle.proto``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import numpy as np

from ..errors import WeightsError

__all__ = ["read_bundle"]

_FOOTER = 48
_MAGIC = 0xDB4775248B80FB57
_FLOAT32 = 1  # tensorflow.DataType.DT_FLOAT


def read_bundle(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """Return the float32 variables of a one-shard bundle by name; variables of other types are left out.

    Args:
        index: content of ``variables.index``.
        data: content of ``variables.data-00000-of-00001``.

    Raises:
        WeightsError: the index is not an uncompressed LevelDB table, or an entry points outside the data.
    """
    try:
        return dict(_variables(index, data))
    except (IndexError, ValueError, struct.error) as error:
        raise WeightsError(f"tensor bundle index of {len(index)} bytes is damaged ({error})") from error


def _variables(index: bytes, data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    for key, value in _table(index):
        numbers, messages = _fields(value)
        if not key:  # the bundle's header: number of shards and byte order
            if numbers.get(1, 1) != 1 or numbers.get(2, 0) != 0:
                raise WeightsError(
                    f"tensor bundle of {numbers.get(1, 1)} shards, byte order {numbers.get(2, 0)}: want 1, 0"
                )
            continue
        if numbers.get(1) != _FLOAT32:
            continue
        # TensorShapeProto: a message for each dimension, whose first field is the size
        dimensions = _fields(messages[2][0])[1].get(2, []) if 2 in messages else []
        shape = tuple(_fields(dimension)[0].get(1, 0) for dimension in dimensions)
        offset, size = numbers.get(4, 0), numbers.get(5, 0)
        if size != 4 * math.prod(shape) or offset + size > len(data):
            raise WeightsError(
                f"tensor bundle entry {key.decode()}: shape {shape} at bytes {offset}..{offset + size}"
                f" does not fit the data of {len(data)} bytes"
            )
        yield key.decode(), np.frombuffer(data, "<f4", size // 4, offset).reshape(shape)


def _table(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the (key, value) pairs of a LevelDB table."""
    if len(index) < _FOOTER or struct.unpack_from("<Q", index, len(index) - 8)[0] != _MAGIC:
        raise WeightsError(f"tensor bundle index of {len(index)} bytes does not end as a LevelDB table does")
    footer = len(index) - _FOOTER
    _, at = _varint(index, footer)  # the handle (offset, size) of the metaindex block comes first
    _, at = _varint(index, at)
    for _, handle in _block(index, *_handle(index, at)):
        yield from _block(index, *_handle(handle, 0))


def _handle(buffer: bytes, at: int) -> tuple[int, int]:
    """Return offset and size of a block."""
    offset, at = _varint(buffer, at)
    size, _ = _varint(buffer, at)
    return offset, size


def _block(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of one block; a key shares its first bytes with the key before it."""
    if index[offset + size] != 0:  # the byte behind the block names its compression
        raise WeightsError(f"tensor bundle index: block at byte {offset} is compressed, expected plain")
    block = index[offset : offset + size]
    (restarts,) = struct.unpack_from("<I", block, size - 4)
    end, at, key = size - 4 - 4 * restarts, 0, b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + length]
        at += length


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    """Return a base-128 integer and the position behind it."""
    value = shift = 0
    while True:
        byte = buffer[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(message: bytes) -> tuple[dict[int, int], dict[int, list[bytes]]]:
    """Return a protocol buffer's fields by number: the numbers (the last of each), and the byte strings (all)."""
    numbers: dict[int, int] = {}
    strings: dict[int, list[bytes]] = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        field, kind = tag >> 3, tag & 7
        if kind == 2:
            length, at = _varint(message, at)
            strings.setdefault(field, []).append(message[at : at + length])
            at += length
        elif kind == 0:
            numbers[field], at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
            numbers[field] = int.from_bytes(message[at : at + length], "little")
            at += length
        else:
            raise WeightsError(f"tensor bundle: protocol buffer field of kind {kind}, expected 0, 1, 2 or 5")
    return numbers, strings
