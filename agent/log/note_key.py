"""Keys of notes: a public key, the name that its signatures carry, and the text that hands it over (signed-note)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from ...errors import InputError, IntegrityError
from .lines import from_base64, is_name, shown, to_base64

__all__ = ["ID_BYTES", "NoteKey"]

ID_BYTES = 4
"""Bytes of a key id."""

_KEY_BYTES = 32
_TYPES = {"log": 1, "witness": 4}  # signature types of C2SP: Ed25519, and Ed25519 with the time of a cosignature


@dataclass(frozen=True)
class NoteKey:
    """The public key of a log or of a witness, with the name that its signatures carry.

    Attributes:
        name: a URL without its scheme, by custom; without spaces and plus signs.
        public: raw Ed25519 public key, 32 bytes.
        kind: whose signatures it checks: a ``log``'s, or a ``witness``'s, which carry a time.

    Raises:
        InputError: a name that no key may have, or another length.
    """

    name: str
    public: bytes
    kind: Literal["log", "witness"] = "log"

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise InputError(f"{shown(self.name)} cannot name a key: spaces, control characters and + are not allowed")
        if len(self.public) != _KEY_BYTES:
            raise InputError(f"key {self.name} has {len(self.public)} bytes; an Ed25519 public key has {_KEY_BYTES}")

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart: of SHA-256 of name, newline, type and key (signed-note)."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed()).digest()[:ID_BYTES]

    def vkey(self) -> str:
        """Write the key as a verifier key: name, key id and key, joined by plus signs."""
        return f"{self.name}+{self.key_id.hex()}+{to_base64(self._typed())}"

    @classmethod
    def read(cls, vkey: str) -> NoteKey:
        """Read a verifier key, exactly as `vkey` writes it.

        Raises:
            IntegrityError: malformed, or its key id is not that of the key (cause ``key``), or no Ed25519 key (cause
                ``algorithm``).
        """
        name, plus, rest = vkey.partition("+")
        content = from_base64(rest.partition("+")[2], f"verifier key {shown(name)}", "key")
        if not plus or not is_name(name) or not content:
            raise IntegrityError(f"{shown(vkey)} is no verifier key: name+id+base64 is wanted; copy it anew", "key")
        kinds: dict[int, Literal["log", "witness"]] = {1: "log", 4: "witness"}
        kind = kinds.get(content[0])
        if kind is None:
            what = f"key {shown(name)} is of signature type {content[0]}; Ed25519 alone is read, types 1 and 4"
            raise IntegrityError(what, "algorithm")
        if len(content) != 1 + _KEY_BYTES:
            raise IntegrityError(f"key {shown(name)} has {len(content) - 1} bytes, not {_KEY_BYTES}", "key")
        key = cls(name, content[1:], kind)
        if key.vkey() != vkey:
            raise IntegrityError(
                f"key {shown(name)} has the id {key.key_id.hex()}, not as it says; copy it anew", "key"
            )
        return key

    def _typed(self) -> bytes:
        """Signature type and key, as ids and verifier keys hold them."""
        return bytes([_TYPES[self.kind]]) + self.public
