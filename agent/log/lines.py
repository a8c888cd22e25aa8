"""The strict text of notes and proofs: lines, key names, base64 and numbers, each in the one way they are written."""

from __future__ import annotations

import base64
import re

from ...errors import IntegrityError
from .merkle import MAX_SIZE

__all__ = ["from_base64", "from_decimal", "is_line", "is_name", "shown", "to_base64"]

_CONTROL = re.compile(r"[\x00-\x1f]")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


def is_line(text: str) -> bool:
    """Whether text can stand on one line of a note: UTF-8 without control characters (c2sp.org/signed-note)."""
    return _CONTROL.search(text) is None and _encodes(text)


def is_name(text: str) -> bool:
    """Whether text can name a key: a line, not empty, without spaces of any kind and plus signs."""
    return bool(text) and is_line(text) and "+" not in text and not any(map(str.isspace, text))


def to_base64(content: bytes) -> str:
    """Write standard base64 (RFC 4648, section 4)."""
    return base64.b64encode(content).decode("ascii")


def from_base64(text: str, what: str, cause: str) -> bytes:
    """Read standard base64 as `to_base64` writes it: two texts never mean the same bytes.

    Raises:
        IntegrityError: anything else; with the given cause.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:  # characters beyond ASCII, or of no base64, or a wrong length
        content = None
    if content is None or to_base64(content) != text:
        raise IntegrityError(f"{what}: {shown(text)} is not base64 as it is written; it was altered", cause)
    return content


def from_decimal(text: str, what: str, cause: str) -> int:
    """Read a whole number from 0 to `MAX_SIZE`, in ASCII digits without leading zeros.

    Raises:
        IntegrityError: anything else; with the given cause.
    """
    if _DECIMAL.fullmatch(text) is None or int(text) > MAX_SIZE:
        problem = f"{shown(text)} is no whole number from 0 to {MAX_SIZE} without leading zeros; it was altered"
        raise IntegrityError(f"{what}: {problem}", cause)
    return int(text)


def shown(text: str) -> str:
    """Quote foreign text for a message: on one line, escaped and not long."""
    return repr(text if len(text) <= 60 else f"{text[:60]}…")


def _encodes(text: str) -> bool:
    """Whether text can be written as UTF-8; lone surrogates cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
