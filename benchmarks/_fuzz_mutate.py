"""How a fuzzer changes valid bytes: by their structure where they are JSON, else byte by byte (private)."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any

__all__ = ["mutate"]

_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53 - 1, -(2**53 - 1), 0.5, -0.0, 1e308, 5e-324, "", " ", "\x00", "a\nb", "…",
    "“", "\ud7ff", "0" * 300, "../../etc/passwd", "/etc/passwd", "sha256:" + "0" * 64, "sha256:" + "F" * 64, "ed25519:",
    "2026-11-23T20:12:33.281000+00:00", "9999-99-99T99:99:99.999999+00:00", "__class__", "{0.__class__}", "%s%n",
    "00000000-0000-4000-8000-000000000000", "<script>", [], {}, [[]], [{}], {"": {}}, [None] * 3,
)  # fmt: skip
_BYTES = (b"", b"\x00", b"\xff", b"\n", b"\n\n", b'"', b"{", b"}", b"[", b",", b"e9", b"1e999", b"NaN", b"PK\x03\x04")
_DEEP = 80


def mutate(content: bytes, most: int, rng: random.Random, plain: Callable[[bytes, int], bytes] | None = None) -> bytes:
    """Return other bytes than these.

    Args:
        content: what to change.
        most: bytes, the most that are returned.
        rng: of the changes.
        plain: changes bytes that are taken as they come; the engine's own where there is one.
    """
    if rng.random() < 0.6:
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict | list):
            for _ in range(rng.choice((1, 1, 1, 2, 4))):
                value = _changed(value, rng)
            try:
                found = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
            except (ValueError, RecursionError):
                found = content
            return found[:most] if len(found) <= most else content[:most]
    return plain(content, most) if plain else _bytes(content, rng)[:most]


def _changed(value: Any, rng: random.Random) -> Any:
    """Change one place of a JSON value: it is another value, gone, there twice, of another kind, or elsewhere."""
    places = list(_places(value, ()))
    if not places:
        return rng.choice(_ODD)
    path = rng.choice(places)
    parent, key = _parent(value, path), path[-1]
    old = parent[key]
    turn = rng.randrange(8)
    if turn == 0:
        del parent[key]
    elif turn == 1 and isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), old)
    elif turn == 1:
        parent[rng.choice(("critical", "", "x", str(key).upper(), "format"))] = old
    elif turn == 2:  # another value of the same document
        other = rng.choice(places)
        try:
            parent[key] = json.loads(json.dumps(_parent(value, other)[other[-1]]))
        except (LookupError, TypeError):
            parent[key] = None
    elif turn == 3 and isinstance(old, int | float):
        parent[key] = rng.choice((old + 1, old - 1, -old, old * 1e6, old / 3, 1 << rng.randrange(54)))
    elif turn == 3 and isinstance(old, str):
        parent[key] = _text(old, rng)
    elif turn == 4 and rng.random() < 0.2:
        for _ in range(rng.randrange(2, _DEEP)):
            old = [old] if rng.random() < 0.5 else {"a": old}
        parent[key] = old
    else:
        parent[key] = json.loads(json.dumps(rng.choice(_ODD)))
    return value


def _text(text: str, rng: random.Random) -> str:
    """Change a text: a character, its end, its length; or the bytes within, where it is base64."""
    turn = rng.randrange(4)
    if turn == 0 and text:
        at = rng.randrange(len(text))
        return text[:at] + chr(rng.choice((0, 10, 34, 48, 65, 97, 0x7F, 0x80, 0x2026, 0x1F600))) + text[at + 1 :]
    if turn == 1:
        return text[: rng.randrange(len(text) + 1)]
    if turn == 2:
        return text * 2
    try:
        inner = base64.b64decode(text, validate=True)
    except ValueError:
        return text.upper()
    return base64.b64encode(mutate(inner, 65536, rng)).decode("ascii")


def _bytes(content: bytes, rng: random.Random) -> bytes:
    """Change bytes without knowing what they mean."""
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(content) + 1)
        turn = rng.randrange(6)
        if turn == 0 and content:
            at = min(at, len(content) - 1)
            content = content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
        elif turn == 1:
            content = content[:at] + rng.randbytes(rng.randrange(1, 9)) + content[at:]
        elif turn == 2:
            content = content[:at] + content[at + rng.randrange(1, 33) :]
        elif turn == 3:
            content = content[:at] + rng.choice(_BYTES) + content[at:]
        elif turn == 4:
            start = rng.randrange(len(content) + 1)
            content = content[:at] + content[start : start + rng.randrange(1, 65)] + content[at:]
        else:
            number = rng.choice((0, 1, 255, 2**16, 2**31, 2**32 - 1, 2**63, 2**64 - 1)).to_bytes(8, "little")
            content = content[:at] + number + content[at + 8 :]
    return content


def _places(value: Any, path: tuple[Any, ...]) -> Any:
    """Paths of all that lies within a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield (*path, key)
        if len(path) < _DEEP:
            yield from _places(item, (*path, key))


def _parent(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value
