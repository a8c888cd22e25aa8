"""The log's tables, and what their columns must say of an entry.

Only ``entries.envelope``, ``checkpoints`` and ``meta`` say anything of their own: every other column, the facets and
the hashes are derived from the envelopes, so that whoever checks a log derives them again and compares.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, String, Table

if TYPE_CHECKING:
    from .statement import Statement

__all__ = [
    "FORMAT",
    "MAX_FACETS",
    "MAX_WORD",
    "TABLES",
    "checkpoints",
    "columns_of",
    "entries",
    "facets",
    "facets_of",
    "meta",
    "nodes",
    "witnessed",
]

FORMAT = "veridical.log/1"
"""Name and version of the log's form, in ``meta.format`` and in entry 0."""

MAX_WORD = 200
"""Characters of a text in a column or a facet, the most that are kept: an index takes no longer ones."""

MAX_FACETS = 512
"""Facets of one entry, the most that are kept: the first ones."""

TABLES = MetaData()
"""The tables below."""

# Bytes are compared, in every locale: a range of identities then means the same on every server.
_TEXT = String().with_variant(String(collation="C"), "postgresql")
# SQLite takes a column for the row's own number only where its type is INTEGER.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "meta",
    TABLES,
    Column("name", _TEXT, primary_key=True),
    Column("value", _TEXT, nullable=False),
)
"""``format`` and ``origin``."""

entries = Table(
    "entries",
    TABLES,
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("id", _TEXT, nullable=False, unique=True),
    Column("kind", _TEXT, nullable=False),
    Column("time", _TEXT, nullable=False),
    Column("about", _TEXT),
    Column("action", _TEXT),
    Column("verdict", _TEXT),
    Column("system", _TEXT),
    Column("subject", _TEXT),
    Column("leaf", LargeBinary, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Index("entries_about", "about"),
    Index("entries_kind", "kind", "action", "verdict"),
    Index("entries_time", "time"),
)
"""One row an entry. ``leaf`` is the hash of ``envelope``, and with it level 0 of the tree."""

facets = Table(
    "facets",
    TABLES,
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", _TEXT, nullable=False),
    Column("value", _TEXT, nullable=False),
    Column("amount", Double),
    Index("facets_value", "name", "value", "number"),
    sqlite_with_rowid=False,
)
"""What entries can be found by beside their columns, in the order of `facets_of`."""

nodes = Table(
    "nodes",
    TABLES,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("position", _NUMBER, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""Hashes of the tree's full subtrees from level 1 on; level 0 is ``entries.leaf``."""

checkpoints = Table(
    "checkpoints",
    TABLES,
    Column("size", _NUMBER, primary_key=True, autoincrement=False),
    Column("note", _TEXT, nullable=False),
)
"""Every tree head that was signed, one for each transaction that appended."""

witnessed = Table(
    "witnessed",
    TABLES,
    Column("size", _NUMBER, primary_key=True, autoincrement=False),
    Column("name", _TEXT, primary_key=True),
    Column("note", _TEXT, nullable=False),
)
"""Tree heads that a witness cosigned, by the witness's name."""


def columns_of(statement: Statement) -> dict[str, str | None]:
    """Return what the columns ``id, kind, time, about, action, verdict, system, subject`` of an entry must say.

    Texts are cut to `MAX_WORD` characters, and NUL, which PostgreSQL cannot hold, gives way to U+FFFD. A member that is
    absent, or no text, gives None.
    """
    predicate = statement.predicate
    system = predicate.get("system")
    return {
        "id": statement.id,
        "kind": statement.kind,
        "time": statement.time,
        "about": _word(predicate.get("about")),
        "action": _word(predicate.get("action")),
        "verdict": _word(predicate.get("verdict")),
        "system": _word(system.get("name") if isinstance(system, Mapping) else system),
        "subject": _word(predicate.get("subject")),
    }


def facets_of(statement: Statement) -> list[tuple[str, str, float | None]]:
    """Return what an entry can be found by: (name, value, amount), in order, `MAX_FACETS` at most.

    Names are ``label:<label>``, ``concept`` and ``evidence`` (with the effect in nats as amount), ``act``, ``who``,
    ``cause``, ``trigger``, ``flag``, ``policy`` and ``key``. What is not of the form that its kind of entry has is
    passed over: an index says nothing of its own.
    """
    predicate, found = statement.predicate, []
    for name, value in _items(predicate.get("labels")):
        found.append((_cut(f"label:{name}"), _plain(value), None))
    for row in _rows(predicate.get("reliance")):
        kind, label = row.get("kind"), _word(row.get("label"))
        if kind in ("concept", "evidence") and label is not None:
            found.append((kind, label, _amount(row.get("effect"))))
    for name in ("act", "who", "cause", "trigger"):
        word = _word(predicate.get(name))
        if word is not None:
            found.append((name, word, None))
    flags = predicate.get("flags")
    found += [
        ("flag", _cut(flag), None) for flag in (flags if isinstance(flags, list) else ()) if isinstance(flag, str)
    ]
    for name, member in (("policy", "name"), ("key", "key_id")):
        word = _word(dict(_items(predicate.get(name))).get(member))
        if word is not None:
            found.append((name, word, None))
    return found[:MAX_FACETS]


def _items(value: Any) -> Sequence[tuple[str, Any]]:
    """Members of an object, by name; nothing where it is none."""
    return sorted(value.items()) if isinstance(value, Mapping) else ()


def _rows(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []


def _word(value: Any) -> str | None:
    """A text as a column holds it; None where it is none."""
    return _cut(value) if isinstance(value, str) else None


def _cut(text: str) -> str:
    return text[:MAX_WORD].replace("\x00", "\ufffd")


def _plain(value: Any) -> str:
    """The value of a label: a text as it is, anything else as JSON."""
    return _cut(value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str))


def _amount(value: Any) -> float | None:
    """A finite number; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
