"""Raw signals behind salted commitments: sealed with a subject's key, so that deleting the key erases them.

A part is the bytes ``salt || content`` under AES-256-GCM (NIST SP 800-38D); its commitment is the SHA-256 of the same
bytes, and the salt, 32 random bytes, is inside the cipher. So whoever has the key can show that what they show is what
was recorded, and once the key is gone nobody can even test a guess of the content against the record.

Example:
    >>> sealer = Sealer("s-1", bytes(32))
    >>> part, blob = sealer.seal(b"left at the lights")
    >>> unseal(part, blob, bytes(32))
    b'left at the lights'
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import IntegrityError
from .canonical import digest_of

__all__ = ["CIPHER", "Sealer", "is_raw", "unseal", "with_salt"]

CIPHER = "AES-256-GCM"

_SALT, _NONCE, _TAG = 32, 12, 16
_RAW = re.compile(r"vision\.frames|audio\.(waveform|spectrogram)|counterfactual\..*", re.DOTALL)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def is_raw(name: str) -> bool:
    """Whether an array holds a signal as it was sensed, or an edited copy of it.

    Maps, units and figures are not raw: they stay in the open, and tell where something was, not what.
    """
    return _RAW.fullmatch(name) is not None


@dataclass(frozen=True)
class Sealer:
    """Seals content for one subject.

    Attributes:
        subject: pseudonym of whom the signals are about.
        key: 32 bytes; kept apart from the log.
    """

    subject: str
    key: bytes = field(repr=False)

    def seal(self, content: bytes) -> tuple[dict[str, Any], bytes]:
        """Return what the record says of a part, and the blob that holds it."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        salted = secrets.token_bytes(_SALT) + content
        commitment = digest_of(salted)
        nonce = secrets.token_bytes(_NONCE)
        blob = nonce + AESGCM(self.key).encrypt(nonce, salted, commitment.encode())
        part = {"commitment": commitment, "blob": digest_of(blob), "bytes": len(content), "cipher": CIPHER}
        return part, blob


def unseal(part: Mapping[str, Any], blob: bytes, key: bytes, where: str = "a sealed part") -> bytes:
    """Return a part's content, held against its commitment; arguments and errors as of `with_salt`."""
    return with_salt(part, blob, key, where)[_SALT:]


def with_salt(part: Mapping[str, Any], blob: bytes, key: bytes, where: str = "a sealed part") -> bytes:
    """Return the salt and the content of a part, whose SHA-256 is the commitment: what shows a third party the content.

    Args:
        part: what the record says of it.
        blob: the sealed bytes.
        key: of the subject.
        where: what is read, for messages.

    Raises:
        IntegrityError: the part is malformed (``format``), names another cipher (``algorithm``), is of another length
            (``size``), or blob, key and commitment do not belong together (``digest``).
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    commitment, size = part.get("commitment"), part.get("bytes")
    if not isinstance(commitment, str) or not _DIGEST.fullmatch(commitment) or type(size) is not int:
        raise IntegrityError(f"{where}: its entry lacks a commitment or a length; the manifest was altered", "format")
    if part.get("cipher") != CIPHER:
        raise IntegrityError(f"{where}: cipher is {part.get('cipher')!r}; this version opens {CIPHER!r}", "algorithm")
    if len(blob) != _NONCE + _SALT + size + _TAG:
        raise IntegrityError(f"{where}: {len(blob)} bytes, {_NONCE + _SALT + size + _TAG} are declared", "size")
    try:
        salted = AESGCM(key).decrypt(blob[:_NONCE], blob[_NONCE:], commitment.encode())
    except (InvalidTag, ValueError) as error:
        raise IntegrityError(
            f"{where} cannot be opened: blob, key and commitment do not belong together; one was altered, or the key "
            "is another subject's",
            "digest",
        ) from error
    if hashlib.sha256(salted).hexdigest() != commitment[7:]:
        raise IntegrityError(f"{where}: its content is not that of the commitment; the writer erred or lied", "digest")
    return salted
