"""Safetensors files, written and read strictly by ourselves: named arrays, no metadata, nothing hidden between them.

The form is that of https://github.com/huggingface/safetensors (eight bytes: the header's length, little-endian; the
header, JSON, padded with spaces to a multiple of eight; the bytes). Writing it here keeps the bytes, and so the digest,
the same whatever version of the library is installed; the tests hold it against the library both ways.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np

from ...errors import IntegrityError, RecordError
from .canonical import read_json

__all__ = ["MAX_HEADER", "read_tensors", "write_tensors"]

MAX_HEADER = 4096
"""Bytes of a file's header, the most that is read."""

_CODES = {
    "bool": "BOOL",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
}
_TYPES = {code: np.dtype(name).newbyteorder("<") for name, code in _CODES.items()}


def write_tensors(tensors: Mapping[str, np.ndarray]) -> bytes:
    """Serialise arrays in the order given, those of larger items first (readers map them without copying).

    Raises:
        RecordError: a dtype that the format does not have.
    """
    header, parts, offset = {}, [], 0
    for name, array in tensors.items():
        code = _CODES.get(array.dtype.name)
        if code is None:
            raise RecordError(f"an array of {array.dtype} cannot be written; convert it to one of {', '.join(_CODES)}")
        content = np.asarray(array, dtype=_TYPES[code], order="C").tobytes()
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [offset, offset + len(content)]}
        parts.append(content)
        offset += len(content)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return b"".join([len(head).to_bytes(8, "little"), head, *parts])


def read_tensors(content: bytes, where: str) -> dict[str, np.ndarray]:
    """Parse a file; the arrays are copies.

    Args:
        content: the whole file.
        where: what is read, for messages.

    Raises:
        IntegrityError: not such a file, or one with gaps, overlaps, metadata or anything over (``format``).
    """
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(MAX_HEADER, len(content) - 8):
        raise IntegrityError(f"{where} is not a safetensors file: its header is cut short or too long", "format")
    try:
        header = read_json(content[8 : 8 + size], "its header")
    except RecordError as error:
        raise IntegrityError(f"{where} is not a safetensors file: {error}", "format") from error
    if not isinstance(header, dict):
        raise IntegrityError(f"{where} is not a safetensors file: its header is no object", "format")
    body, offset, found = memoryview(content)[8 + size :], 0, {}
    for name, told in header.items():
        kind, shape = _told(told, f"{where}: tensor {name[:80]!r}")
        count = math.prod(shape)
        end = offset + count * kind.itemsize
        if told.get("data_offsets") != [offset, end] or end > len(body):
            raise IntegrityError(f"{where}: tensor {name[:80]!r} does not lie where its shape puts it", "format")
        part = body[offset:end]
        if told["dtype"] == "BOOL" and any(byte > 1 for byte in part):
            raise IntegrityError(f"{where}: tensor {name[:80]!r} has booleans beyond 0 and 1", "format")
        found[name] = np.frombuffer(part, kind).reshape(shape).astype(kind.newbyteorder("="))
        offset = end
    if offset != len(body):
        raise IntegrityError(f"{where}: {len(body) - offset} bytes are left over after the last tensor", "format")
    return found


def _told(told: object, where: str) -> tuple[np.dtype, list[int]]:
    if not isinstance(told, dict) or told.keys() != {"dtype", "shape", "data_offsets"}:
        raise IntegrityError(f"{where}: it has other members than dtype, shape and data_offsets", "format")
    shape, kind = told["shape"], _TYPES.get(told["dtype"]) if isinstance(told["dtype"], str) else None
    if kind is None:
        raise IntegrityError(f"{where}: dtype {told['dtype']!r:.80} is not known", "format")
    if not isinstance(shape, list) or len(shape) > 16 or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise IntegrityError(f"{where}: shape {shape!r:.80} is not one", "format")
    return kind, shape
