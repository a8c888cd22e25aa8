"""One observation of many: what it is called, what its files hold, and what it is labelled with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["MAX_FILE", "MAX_ID", "Bad", "Content", "Item", "good_id"]

MAX_FILE = 256 * 2**20
"""Bytes of one file, the most that is read."""

MAX_ID = 200
"""Characters of an item's id, the most: as many as the log's index keeps of a label."""


@dataclass(frozen=True)
class Content:
    """A file as it was read: its bytes are what is digested, sent to a worker and explained.

    Attributes:
        name: of the file within its source, for messages; never a path of the machine.
        content: its bytes.
    """

    name: str
    content: bytes


@dataclass(frozen=True)
class Item:
    """One observation.

    Attributes:
        id: name within its source, unique there and the same in every run: 1 to 200 characters that can be printed.
        observation: by sense: ``vision`` a tuple of `Content` (or of arrays), ``audio`` a `Content` (or a pair of an
            array and its rate in hertz), ``text`` words. Senses left out are absent.
        time: when it was observed, ISO 8601, or seconds of a recording in words; None where nobody says.
        labels: for analysts.
        notes: what is known of the recording, one sentence each; they go into the record.
    """

    id: str
    observation: Mapping[str, Any]
    time: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bad:
    """What was to be an item, and cannot be used.

    Attributes:
        id: its name, or where it stands (``line 7``).
        why: one line: what, where, the likely fix.
    """

    id: str
    why: str


def good_id(text: Any) -> bool:
    """Whether a value can be an item's id."""
    return isinstance(text, str) and 1 <= len(text) <= MAX_ID and text.isprintable() and text == text.strip()
