"""A record's arrays as they are stored: each coded, packed, sealed where it must be, and described, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .attributes import attributes_of
from .canonical import canonical_json, digest_of
from .coding import Coding, can_be_coarse, check_array, encode, pack
from .names import describe
from .sealing import Sealer, is_raw

__all__ = ["Piece", "Pieces"]


@dataclass(frozen=True)
class Piece:
    """One array as stored.

    Attributes:
        entry: what the manifest says of it.
        digest: of the blob.
        blob: the bytes.
    """

    entry: dict[str, Any]
    digest: str
    blob: bytes


class Pieces:
    """The arrays of one record, stored in any coding that is asked for.

    Args:
        arrays: by name.
        result: plain JSON values; what it tells of the maps goes beside them.
        seal: seals the raw ones; None leaves everything in the open.

    Raises:
        RecordError: an array that cannot be recorded.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], result: Mapping[str, Any], seal: Sealer | None) -> None:
        self.arrays, self.seal = dict(arrays), seal
        self.told: dict[str, dict[str, Any]] = {}
        for name, array in self.arrays.items():
            check_array(name, array)
            self.told[name] = describe(name, array) | attributes_of(name, result)
        self._made: dict[tuple[str, Coding], Piece] = {}

    @property
    def maps(self) -> frozenset[str]:
        """Names of the arrays that may be stored more coarsely."""
        return frozenset(name for name, array in self.arrays.items() if can_be_coarse(array, self.told[name]["unit"]))

    def piece(self, name: str, coding: Coding) -> Piece:
        """Return an array in a coding; the same one when asked again, for sealing is different each time."""
        if (name, coding) not in self._made:
            self._made[name, coding] = self._make(name, coding)
        return self._made[name, coding]

    def size(self, name: str, coding: Coding) -> int:
        """Return the bytes that an array takes, its entry in the manifest included."""
        piece = self.piece(name, coding)
        return len(piece.blob) + len(canonical_json({name: piece.entry}, f"array {name!r}"))

    def _make(self, name: str, coding: Coding) -> Piece:
        content, how = encode(self.arrays[name], coding)
        hidden = self.seal is not None and is_raw(name)
        stored, packed = pack(content, always=hidden)
        entry = self.told[name] | {"coding": how, "packed": packed}
        if self.seal is None or not hidden:
            digest = digest_of(stored)
            return Piece(entry | {"blob": digest, "bytes": len(stored)}, digest, stored)
        part, blob = self.seal.seal(stored)
        return Piece(entry | {"sealed": part}, part["blob"], blob)
