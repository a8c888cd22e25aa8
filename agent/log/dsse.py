"""Signed envelopes: DSSE version 1 with Ed25519, written and read strictly.

The protocol is https://github.com/secure-systems-lab/dsse (protocol.md and envelope.md). A log holds a narrower form of
it, so that one content has one envelope: canonical JSON, all three members, standard base64 with padding, a key id on
every signature. Other readers of DSSE read these envelopes; the wider forms are refused here.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ...errors import IntegrityError, RecordError
from ..record.canonical import canonical_json, read_json
from .lines import to_base64

__all__ = [
    "MAX_BYTES",
    "MAX_SIGNATURES",
    "PAYLOAD_TYPE",
    "Envelope",
    "Signer",
    "check_public",
    "check_signature",
    "from_base64",
    "key_id_of",
    "pae",
    "read_envelope",
    "seal",
    "to_base64",
]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""The payload's media type: an in-toto Statement."""

MAX_BYTES = 8 * 2**20
"""The largest envelope that is written or read, bytes."""

MAX_SIGNATURES = 8
"""The most signatures on one envelope."""

_PRIME = 2**255 - 19
# Affine y of the points whose order divides 8, up to their sign (RFC 8032, section 5.1, gives the curve).
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_WEAK = frozenset({0, 1, _PRIME - 1, _ORDER_8, _PRIME - _ORDER_8})


@runtime_checkable
class Signer(Protocol):
    """Who can sign: a key of a folder, or of a module that never gives it away."""

    @property
    def key_id(self) -> str:
        """``ed25519:`` and 32 hexadecimal digits, as `key_id_of` gives them."""
        ...

    @property
    def public(self) -> bytes:
        """The raw public key, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of a message, 64 bytes."""
        ...


@dataclass(frozen=True)
class Envelope:
    """What was signed, and by whom it says so.

    Attributes:
        payload: the bytes that were signed, under their type.
        payload_type: says how to read them.
        signatures: (key id, signature) each. The key id is a hint, not signed: it only says which key to try.
    """

    payload: bytes
    payload_type: str
    signatures: tuple[tuple[str, bytes], ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed: DSSE's pre-authentication encoding of a payload and its type."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(payload: bytes, signers: Sequence[Signer]) -> bytes:
    """Sign a statement's payload and return its envelope as canonical JSON: the content of the log's leaf.

    Raises:
        RecordError: no signer, more than `MAX_SIGNATURES`, one twice, or an envelope larger than `MAX_BYTES`.
    """
    names = [signer.key_id for signer in signers]
    if not 1 <= len(names) <= MAX_SIGNATURES or len(set(names)) != len(names):
        told = ", ".join(names) or "none"
        raise RecordError(f"an envelope takes 1 to {MAX_SIGNATURES} signers, each once; these are given: {told}")
    if len(payload) > MAX_BYTES:  # before any work on it
        raise RecordError(_too_large("the envelope's payload", len(payload)))
    message = pae(PAYLOAD_TYPE, payload)
    signatures = [{"keyid": signer.key_id, "sig": to_base64(signer.sign(message))} for signer in signers]
    document = {"payload": to_base64(payload), "payloadType": PAYLOAD_TYPE, "signatures": signatures}
    content = canonical_json(document, "the envelope")
    if len(content) > MAX_BYTES:
        raise RecordError(_too_large("the envelope", len(content)))
    return content


def read_envelope(content: bytes, where: str, entry: int | None = None) -> Envelope:
    """Read an envelope strictly; no signature is looked at.

    Args:
        content: the envelope's bytes, canonical JSON.
        where: what is read, for messages, such as ``entry 12``.
        entry: the log's entry, for errors.

    Raises:
        IntegrityError: ``size`` beyond `MAX_BYTES`; ``json`` malformed, not canonical, not base64; ``format`` members
            that this version does not know.
    """
    if len(content) > MAX_BYTES:
        raise IntegrityError(_too_large(where, len(content)), "size", entry)
    try:
        document = read_json(content, where, canonical=True)
    except RecordError as error:
        raise IntegrityError(str(error), "json", entry) from error
    _members(document, ("payload", "payloadType", "signatures"), f"{where}: the envelope", entry)
    kind, rows = document["payloadType"], document["signatures"]
    if not isinstance(kind, str) or not kind:
        raise IntegrityError(f"{where}: payloadType is {kind!r:.60}, not a media type; it was altered", "json", entry)
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_SIGNATURES:
        count = len(rows) if isinstance(rows, list) else "no list of"
        told = f"{where} has {count} signatures, and 1 to {MAX_SIGNATURES} are read; it was altered"
        raise IntegrityError(told, "json", entry)
    payload = from_base64(document["payload"], f"{where}: payload", entry)
    signatures = tuple(_signature(row, f"{where}: signature {i}", entry) for i, row in enumerate(rows))
    names = [name for name, _ in signatures]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise IntegrityError(f"{where} holds two signatures by key {twice!r:.60}; it was altered", "json", entry)
    return Envelope(payload, kind, signatures)


def check_signature(envelope: Envelope, key_id: str, public: bytes, where: str, entry: int | None = None) -> None:
    """See that the signature under a key id holds for a public key.

    Args:
        envelope: what was signed.
        key_id: which of its signatures.
        public: the raw public key, 32 bytes, that is trusted for this key id.
        where: what is read, for messages.
        entry: the log's entry, for errors.

    Raises:
        IntegrityError: ``signature`` where there is none by this key id or it does not hold; ``key`` for a public key
            that is none (see `check_public`).
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    found = dict(envelope.signatures).get(key_id)
    if found is None:
        raise IntegrityError(f"{where} is not signed by key {key_id}; it was altered", "signature", entry)
    check_public(public, f"{where}: key {key_id}", entry)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(found, pae(envelope.payload_type, envelope.payload))
    except InvalidSignature:
        told = (
            f"{where}: the signature by key {key_id} does not hold; the payload, its type or the signature was altered"
        )
        raise IntegrityError(told, "signature", entry) from None


def check_public(public: bytes, where: str, entry: int | None = None) -> None:
    """See that a raw Ed25519 public key is 32 bytes, and none under which anyone could sign.

    Points whose order divides 8 are refused, and encodings that are not the shortest of their point: under them one
    signature holds for many messages, so that a signer could deny what it signed (RFC 8032, section 5.1.7, checks
    neither; Chalkias, Garillot and Nikolaenko, "Taming the many EdDSAs", 2020, section 3).

    Raises:
        IntegrityError: ``key``.
    """
    if len(public) != 32:
        raise IntegrityError(f"{where} has {len(public)} bytes, and an Ed25519 public key has 32", "key", entry)
    ordinate = int.from_bytes(public, "little") & (2**255 - 1)
    if ordinate >= _PRIME or ordinate in _WEAK:
        told = f"{where}: {public.hex()} is a weak Ed25519 key, under which signatures prove nothing; make a new one"
        raise IntegrityError(told, "key", entry)


def key_id_of(public: bytes) -> str:
    """Return ``ed25519:`` and the first 32 hexadecimal digits of the SHA-256 of a raw public key."""
    return f"ed25519:{hashlib.sha256(public).hexdigest()[:32]}"


def from_base64(text: Any, where: str, entry: int | None = None) -> bytes:
    """Read standard base64 that re-encodes to itself: with padding, without spare bits, spaces or other alphabets.

    Raises:
        IntegrityError: ``json``.
    """
    try:
        content = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:  # binascii.Error is one
        content = b""
    if not isinstance(text, str) or to_base64(content) != text:
        told = f"{where} is {text!r:.60}, which is not standard base64 with padding (RFC 4648); it was altered"
        raise IntegrityError(told, "json", entry)
    return content


def _signature(row: Any, where: str, entry: int | None) -> tuple[str, bytes]:
    """Read one signature of an envelope."""
    _members(row, ("keyid", "sig"), where, entry)
    name = row["keyid"]
    if not isinstance(name, str) or not 1 <= len(name) <= 128:
        raise IntegrityError(f"{where}: keyid is {name!r:.60}, not the id of a key; it was altered", "json", entry)
    return name, from_base64(row["sig"], where, entry)


def _members(document: Any, names: tuple[str, ...], where: str, entry: int | None) -> None:
    """See that an object has these members, and no others."""
    if not isinstance(document, dict) or not set(names) <= document.keys():
        told = f"{where} is not a JSON object with {', '.join(names)}; it was cut short or altered"
        raise IntegrityError(told, "json", entry)
    if unknown := sorted(document.keys() - set(names)):
        told = f"{where} has members that this version does not know: {', '.join(unknown)[:80]}"
        raise IntegrityError(f"{told}; a newer veridical may be needed", "format", entry)


def _too_large(what: str, count: int) -> str:
    """Say that something is larger than an envelope may be."""
    return f"{what} has {count} bytes, and an envelope has {MAX_BYTES} at most; keep large things in blobs"
