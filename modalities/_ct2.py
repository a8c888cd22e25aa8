"""Read the tensors of a CTranslate2 model without CTranslate2.

The layout is that of CTranslate2's ``python/ctranslate2/specs/model_spec.py`` (``ModelSpec._serialize``), binary
version 6, little-endian: version, name of the specification, revision, number of tensors; for each tensor its name,
rank, dimensions, type, number of bytes and data; then names that stand for other tensors.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import WeightsError

__all__ = ["CT2Model", "read_ct2"]

_VERSION = 6
_TYPES = ("<f4", "<i1", "<i2", "<i4", "<f2")  # by CTranslate2's number; 5 is bfloat16, which NumPy does not know


@dataclass(frozen=True)
class CT2Model:
    """What a CTranslate2 file holds.

    Attributes:
        spec: name of the specification, ``"WhisperSpec"``.
        revision: its revision.
        tensors: arrays by name.
        aliases: further names, and the tensor that each stands for.
    """

    spec: str
    revision: int
    tensors: Mapping[str, np.ndarray]
    aliases: Mapping[str, str]


def read_ct2(content: bytes) -> CT2Model:
    """Read a CTranslate2 model.

    Args:
        content: content of ``model.bin``.

    Raises:
        WeightsError: another version of the format, or content that does not fit it.
    """
    try:
        return _read(_Reader(content))
    except (struct.error, UnicodeDecodeError) as error:
        raise WeightsError(f"CTranslate2 model of {len(content)} bytes is damaged ({error})") from error


class _Reader:
    """A position in bytes."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(f"<{form}", self.content, self.at)
        self.at += struct.calcsize(form)
        return value

    def take(self, size: int, what: str) -> bytes:
        if self.at + size > len(self.content):
            raise WeightsError(
                f"CTranslate2 model: {what} at bytes {self.at}..{self.at + size} does not fit the"
                f" {len(self.content)} bytes there are"
            )
        self.at += size
        return self.content[self.at - size : self.at]

    def text(self) -> str:
        return self.take(self.number("H"), "a name").removesuffix(b"\0").decode()


def _read(reader: _Reader) -> CT2Model:
    version = reader.number("I")
    if version != _VERSION:
        raise WeightsError(f"CTranslate2 model: binary version {version}, expected {_VERSION}")
    spec, revision = reader.text(), reader.number("I")
    tensors = dict(_tensor(reader) for _ in range(reader.number("I")))
    aliases = {}
    for _ in range(reader.number("I")):
        alias, meant = reader.text(), reader.text()
        if meant not in tensors:
            raise WeightsError(f"CTranslate2 model: {alias} stands for {meant!r}, which is not there")
        aliases[alias] = meant
    if reader.at != len(reader.content):
        raise WeightsError(f"CTranslate2 model: {len(reader.content) - reader.at} bytes are left over at the end")
    return CT2Model(spec, revision, tensors, aliases)


def _tensor(reader: _Reader) -> tuple[str, np.ndarray]:
    name = reader.text()
    shape = tuple(reader.number("I") for _ in range(reader.number("B")))
    kind, size = reader.number("B"), reader.number("I")
    if kind >= len(_TYPES):
        raise WeightsError(f"CTranslate2 model: {name} is of type {kind}, expected 0 to {len(_TYPES) - 1}")
    dtype = np.dtype(_TYPES[kind])
    if size != dtype.itemsize * math.prod(shape):
        raise WeightsError(f"CTranslate2 model: {name} of shape {shape} and type {dtype} does not fit {size} bytes")
    return name, np.frombuffer(reader.take(size, name), dtype).reshape(shape)
