"""When two explanations of one item are equal: what of a result is left without when and how quickly it was made."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

__all__ = ["TIMES", "TRANSIENT", "digest_of_result", "essence"]

TRANSIENT = ("id", "created", "timing")
"""Members of a result that are another in each run."""

TIMES = ("milliseconds", "ms")
"""Members, wherever in a result, that say how long something took."""


def essence(result: Mapping[str, Any]) -> bytes:
    """Return the canonical JSON of a result without `TRANSIENT` and `TIMES`: equal bytes are equal explanations.

    Raises:
        RecordError: a result that JSON cannot hold.
    """
    from ..record.canonical import canonical_json
    from ..record.plain import plain

    kept = {name: part for name, part in plain(result).items() if name not in TRANSIENT}
    return canonical_json(_timeless(kept), "the result")


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(part) for name, part in value.items() if name not in TIMES}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


def digest_of_result(result: Mapping[str, Any]) -> str:
    """Return the SHA-256 of `essence`.

    Raises:
        RecordError: a result that JSON cannot hold.
    """
    return f"sha256:{sha256(essence(result)).hexdigest()}"
