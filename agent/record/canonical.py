"""Canonical JSON (RFC 8785), written and read strictly: two readers never see two meanings.

A key that stands twice, NaN, numbers that a double cannot hold, absurd nesting and lone surrogates are refused, as
RFC 7493 (I-JSON) and RFC 8785, section 3.1, ask.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, NoReturn

import rfc8785

from ...errors import RecordError

__all__ = ["MAX_DEPTH", "canonical_json", "digest_of", "read_json"]

MAX_DEPTH = 64
"""Objects and arrays within each other, the most that is read."""

_EXACT = 2**53 - 1


def canonical_json(value: Any, what: str = "the value") -> bytes:
    """Serialise plain JSON values by RFC 8785, as UTF-8.

    Raises:
        RecordError: something that canonical JSON cannot hold, such as NaN or an integer beyond ±(2⁵³ − 1).
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise RecordError(f"{what} cannot be written as canonical JSON: {error}; mend that value") from error


def read_json(content: bytes, where: str, *, canonical: bool = False) -> Any:
    """Parse JSON strictly.

    Args:
        content: UTF-8 bytes.
        where: what is read, for messages.
        canonical: whether the bytes must be exactly those that `canonical_json` writes.

    Raises:
        RecordError: malformed JSON, a key that stands twice, a number that is not finite or not exact, nesting deeper
            than `MAX_DEPTH`, a lone surrogate, or, where it is asked for, bytes that are not canonical.
    """
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_not_json,
            parse_float=_finite,
            parse_int=_exact,
        )
        _check(value, 0)
    except (ValueError, RecursionError) as error:  # malformed JSON, wrong encoding, absurd nesting
        raise RecordError(f"{where} is not the JSON of a record: {error}; it was cut short or altered") from error
    if canonical and canonical_json(value, where) != content:
        raise RecordError(f"{where} is not canonical JSON (RFC 8785): spaces, order or numbers differ; it was altered")
    return value


def digest_of(content: bytes) -> str:
    """Return ``sha256:`` and the SHA-256 of bytes, in hexadecimal."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object, refusing a key that stands twice (two readers could see two meanings)."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"key {next(n for n in names if names.count(n) > 1)!r} stands twice in one object")
    return found


def _not_json(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python's parser would let through."""
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    """A number that a double can hold: 1e999 would be read as infinity."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is beyond what a number can be")
    return value


def _exact(digits: str) -> int:
    """An integer that every reader sees alike; the length is looked at first, for long ones take long to parse."""
    if len(digits) > 17 or abs(int(digits)) > _EXACT:
        raise ValueError(f"{digits[:40]} is beyond ±(2^53 − 1)")
    return int(digits)


def _check(value: Any, depth: int) -> None:
    """See that nothing lies too deep, and that every string can be written as UTF-8."""
    if depth > MAX_DEPTH:
        raise ValueError(f"objects and arrays lie more than {MAX_DEPTH} deep in each other")
    if isinstance(value, dict):
        for key, item in value.items():
            key.encode("utf-8")
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, str):
        value.encode("utf-8")
