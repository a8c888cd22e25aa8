"""YAML, read strictly: what two readers could see differently is refused, or is text.

Of YAML 1.2 only what plain data needs: mappings with text as keys, lists, text, true, false, null, decimal numbers. No
anchors, aliases, tags or merge keys, no key twice, one document. A plain scalar that YAML 1.1 and 1.2 read differently
(``yes``, ``on``, ``1e3``, ``017``, ``1_000``, ``1:30``) is text, so that it is refused where a number or a truth value
is wanted. Nothing is constructed but plain data; the depth is counted, not recursed into.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

from ...errors import InputError

__all__ = ["MOST_BYTES", "MOST_DEPTH", "Lines", "read_yaml"]

MOST_BYTES = 2**20
"""Bytes of a file, the most that is read."""

MOST_DEPTH = 32
"""Mappings and lists within each other, the most that is read."""

Lines = dict[tuple[str | int, ...], int]
"""The line, from 1, on which the value of each key or the item of each index stands, by its path."""

_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NOTHING = frozenset(("", "~", "null", "Null", "NULL"))


def read_yaml(content: bytes, where: str) -> tuple[Any, Lines]:
    """Read one YAML document.

    Args:
        content: its bytes, UTF-8.
        where: what is read, for messages.

    Returns:
        Plain data, and the line of each part of it.

    Raises:
        InputError: no such document; the message begins with ``where`` and the line.
    """
    import yaml

    if len(content) > MOST_BYTES:
        raise InputError(f"{where}: {len(content)} bytes; a scenario has at most {MOST_BYTES}; split it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{where}:{line}: not UTF-8: {error.reason}; save the file as UTF-8") from error
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same events, ten times as fast
    try:
        return _Reading(where).build(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InputError(f"{where}:{line}: not YAML: {error.problem or error.context}; mend that line") from error
    except yaml.YAMLError as error:
        told = " ".join(str(error).split())
        raise InputError(f"{where}:1: not YAML: {told}; leave out what cannot be printed") from error


class _Open(NamedTuple):
    """A mapping or list that has begun: its value so far, its path, and the key that waits for its value."""

    value: dict[str, Any] | list[Any]
    path: tuple[str | int, ...]
    key: list[str]


class _Reading:
    """One document on its way from events to data."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.stack: list[_Open] = []
        self.lines: Lines = {}
        self.documents = 0
        self.root: Any = None

    def refuse(self, event: Any, what: str) -> InputError:
        return InputError(f"{self.where}:{event.start_mark.line + 1}: {what}")

    def build(self, events: Iterator[Any]) -> tuple[Any, Lines]:
        """Take all events; see `read_yaml`."""
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                self.documents += 1
                if self.documents > 1:
                    raise self.refuse(event, "a second document begins; a file holds one scenario")
            elif kind == "AliasEvent":
                raise self.refuse(event, f"an alias, *{event.anchor}; write the value out")
            elif kind in ("ScalarEvent", "SequenceStartEvent", "MappingStartEvent"):
                self._check(event)
                self._add(event, kind)
            elif kind in ("SequenceEndEvent", "MappingEndEvent"):
                self.stack.pop()
        if self.documents == 0:
            raise InputError(f"{self.where}:1: the file is empty; `veridical scenarios new` writes one to begin with")
        return self.root, self.lines

    def _check(self, event: Any) -> None:
        if event.anchor is not None:
            raise self.refuse(event, f"an anchor, &{event.anchor}; write the value out where it is needed")
        if event.tag is not None:
            raise self.refuse(event, f"a tag, {event.tag!r}; only plain data is read")

    def _add(self, event: Any, kind: str) -> None:
        """Put a value where it belongs: a key, the value of one, the next item of a list, or the document."""
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and not top.key:
            top.key.append(self._key(event, kind, top.value))
            return
        opened: dict[str, Any] | list[Any] = [] if kind == "SequenceStartEvent" else {}
        value = _plain(event) if kind == "ScalarEvent" else opened
        if isinstance(value, str):
            self._printable(event, value)
        path: tuple[str | int, ...] = ()
        if top is None:
            self.root = value
        elif isinstance(top.value, dict):
            key = top.key.pop()
            path = (*top.path, key)
            top.value[key] = value
        else:
            path = (*top.path, len(top.value))
            top.value.append(value)
        self.lines.setdefault(path, event.start_mark.line + 1)
        if kind != "ScalarEvent":
            if len(self.stack) >= MOST_DEPTH:
                raise self.refuse(event, f"more than {MOST_DEPTH} lists and mappings within each other")
            self.stack.append(_Open(opened, path, []))

    def _key(self, event: Any, kind: str, inside: dict[str, Any]) -> str:
        if kind != "ScalarEvent":
            raise self.refuse(event, "a key is a list or a mapping; keys are text")
        key = event.value
        self._printable(event, key)
        if key == "<<" and event.implicit[0]:
            raise self.refuse(event, "a merge key, <<; write the keys out")
        if key in inside:
            raise self.refuse(event, f"key {key!r} stands twice in one mapping; keep one of the two")
        return key

    def _printable(self, event: Any, text: str) -> None:
        """Refuse control characters and halves of characters; scenarios are printed, and hashed as UTF-8."""
        odd = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"), None)
        if odd is not None:
            raise self.refuse(event, f"character U+{ord(odd):04X} in text; leave it out")


def _plain(event: Any) -> str | int | float | bool | None:
    """What a scalar says; see this module's text."""
    text: str = event.value
    if not event.implicit[0]:  # quoted, or a block
        return text
    if text in _NOTHING:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) and len(text) < 64 else text
