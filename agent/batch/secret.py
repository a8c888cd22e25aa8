"""The home's secret, under which the contents of items are digested.

A bare digest of what was seen, heard or read, signed into a log for good, would let anybody test guesses ("was the
instruction this?") even after the signals were erased. With a secret key only the owner of the home can. Deleting the
file makes all of a home's items' digests meaningless; items are then explained anew.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from ...errors import RecordError

__all__ = ["NAME", "digest_of_content", "secret_of"]

NAME = "batch.key"
"""The secret's file in the home: 32 bytes, readable by its owner alone."""

_BYTES = 32


def secret_of(home: Path) -> bytes:
    """Return the home's secret, and make it on first use.

    Raises:
        RecordError: it cannot be read or made, or has another length.
    """
    path = home / NAME
    try:
        if not path.exists():
            fresh = home / f".{NAME}.{secrets.token_hex(8)}"
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(_BYTES))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, path)  # whoever is first stays: processes that begin at once all take the same
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        found = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: the key of items' digests cannot be used: {error.strerror}") from error
    if len(found) != _BYTES:
        raise RecordError(f"{path}: {len(found)} bytes, not {_BYTES}; it was cut short: restore it, or remove it")
    return found


def digest_of_content(secret: bytes, content: bytes) -> str:
    """Return the HMAC-SHA-256 (RFC 2104) of a packed observation, hexadecimal."""
    return hmac.new(secret, content, "sha256").hexdigest()
