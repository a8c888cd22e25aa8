"""What stands in a log's database, read row by row, and checked to be of the form that its columns have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, func, select, tuple_

from ...errors import IntegrityError, RecordError
from ..record.canonical import digest_of
from .database import Database
from .dsse import Envelope, read_envelope
from .merkle import HASH_BYTES, Node
from .query import Row
from .statement import Statement, read_statement
from .store import checkpoints, entries, facets, meta, nodes, witnessed

__all__ = [
    "COLUMNS",
    "PAGE",
    "Entry",
    "Stored",
    "find_entry",
    "frontiers_of",
    "heads",
    "meta_of",
    "node_of",
    "notes",
    "row_of",
    "stored",
    "tip",
    "tree_nodes",
]

COLUMNS = ("id", "kind", "time", "about", "action", "verdict", "system", "subject")
"""Columns of an entry that `veridical.agent.log.store.columns_of` derives."""

PAGE = 256
"""Rows that are read at once: a log is never held whole, and no transaction stays open between two pages."""

_ID = re.compile(r"[0-9a-f-]{6,36}")


@dataclass(frozen=True)
class Entry:
    """One entry of a log.

    Attributes:
        number: from 0.
        envelope: its bytes, the content of the tree's leaf.
    """

    number: int
    envelope: bytes

    @cached_property
    def sealed(self) -> Envelope:
        """The envelope, read strictly; its signatures are not checked here.

        Raises:
            IntegrityError: it cannot be read.
        """
        return read_envelope(self.envelope, f"entry {self.number}", self.number)

    @cached_property
    def statement(self) -> Statement:
        """What the entry says.

        Raises:
            IntegrityError: it cannot be read.
        """
        return read_statement(self.sealed.payload, f"entry {self.number}", self.number)

    @cached_property
    def digest(self) -> str:
        """Digest of the envelope, ``sha256:…``: what a statement about this entry names as its subject."""
        return digest_of(self.envelope)


@dataclass(frozen=True)
class Stored:
    """All that a database holds of one entry, as it stands there.

    Attributes:
        number: from 0.
        columns: by the names of `COLUMNS`.
        leaf: the hash that the tree is said to be built on.
        envelope: the entry's bytes.
        facets: (name, value, amount) in their order.
    """

    number: int
    columns: dict[str, str | None]
    leaf: bytes
    envelope: bytes
    facets: list[tuple[str, str, float | None]]


def meta_of(connection: Connection) -> dict[str, str]:
    """Return the table ``meta``."""
    return {_text(name, "meta"): _text(value, "meta") for name, value in connection.execute(select(meta))}


def tip(connection: Connection) -> int:
    """Return how many entries there are, by the last one's number."""
    last = connection.execute(select(func.max(entries.c.number))).scalar_one()
    return 0 if last is None else _count(last, "the last entry") + 1


def find_entry(connection: Connection, which: int | str) -> Entry:
    """Return an entry by its number, its id, or the beginning of its id: six characters or more.

    Raises:
        RecordError: none, or more than one.
    """
    columns = select(entries.c.number, entries.c.envelope)
    text = str(which).strip().lower().removeprefix("#")
    rows: Sequence[Any] = ()
    if not isinstance(which, int) and _ID.fullmatch(text):
        begins = (entries.c.id >= text) & (entries.c.id < f"{text}~")  # a tilde sorts after all that an id is made of
        rows = connection.execute(columns.where(begins).limit(2)).all()
    if not rows and text.isascii() and text.isdigit() and len(text) < 19:
        rows = connection.execute(columns.where(entries.c.number == int(text))).all()
    if len(rows) > 1:
        raise RecordError(f"more than one entry's id begins with {text!r:.60}; give more of it")
    if not rows:
        size = tip(connection)
        told = f"no entry {str(which)!r:.60} in the log of {size}"
        raise RecordError(f"{told}; give a number below {size}, or six characters or more of an id")
    number, envelope = rows[0]
    return Entry(_count(number, "an entry"), _bytes(envelope, f"entry {text:.40}", None))


def row_of(found: Sequence[Any]) -> Row:
    """Return the columns of an entry, as a query found them."""
    number = _count(found[0], "an entry")
    words = [_maybe(value, f"entry {number}", number) for value in found[1:]]
    ident, kind, time = (_text(word, f"entry {number}") for word in words[:3])
    return Row(number, ident, kind, time, *words[3:])


def node_of(connection: Connection) -> Node:
    """Return the reader of the tree's hashes."""
    leaf = select(entries.c.leaf)
    inner = select(nodes.c.hash)

    def node(level: int, position: int) -> bytes:
        if level == 0:
            found = connection.execute(leaf.where(entries.c.number == position)).scalar_one_or_none()
        else:
            where = (nodes.c.level == level) & (nodes.c.position == position)
            found = connection.execute(inner.where(where)).scalar_one_or_none()
        if not isinstance(found, bytes) or len(found) != HASH_BYTES:
            raise IntegrityError(
                f"the tree's hash at level {level}, position {position} is absent or no hash; it was altered", "tree"
            )
        return found

    return node


def frontiers_of(connection: Connection, sizes: Sequence[int]) -> Node:
    """Return the reader of the hashes that the roots of some sizes are made of: all had in two questions, not in many.

    Of any other hash it knows nothing, and asks for it as `node_of` does.
    """
    wanted = {(level, (size >> level) - 1) for size in sizes for level in range(size.bit_length()) if size >> level & 1}
    inner, leaves = [one for one in wanted if one[0]], [position for level, position in wanted if not level]
    had: dict[tuple[int, int], Any] = {}
    if inner:
        rows = connection.execute(select(nodes).where(tuple_(nodes.c.level, nodes.c.position).in_(inner)))
        had.update(((row.level, row.position), row.hash) for row in rows)
    if leaves:
        rows = connection.execute(select(entries.c.number, entries.c.leaf).where(entries.c.number.in_(leaves)))
        had.update(((0, row.number), row.leaf) for row in rows)
    ask = node_of(connection)

    def node(level: int, position: int) -> bytes:
        found = had.get((level, position))
        return found if isinstance(found, bytes) and len(found) == HASH_BYTES else ask(level, position)

    return node


def stored(database: Database, start: int, stop: int | None, *, whole: bool = True) -> Iterator[Stored]:
    """Read entries in the order of their numbers, a page at a time.

    Args:
        database: where.
        start: the first number.
        stop: the number before which to end, None for all.
        whole: whether the facets are read too.

    Yields:
        what stands there; a number that is absent is passed over.
    """
    wanted = select(entries).order_by(entries.c.number).limit(PAGE)
    words = select(facets).order_by(facets.c.number, facets.c.position)
    while True:
        above = entries.c.number >= start
        with database.read() as connection:
            page = connection.execute(wanted.where(above if stop is None else above & (entries.c.number < stop))).all()
            said: dict[int, list[tuple[str, str, float | None]]] = {}
            if page and whole:
                span = facets.c.number.between(page[0].number, page[-1].number)
                for row in connection.execute(words.where(span)):
                    said.setdefault(row.number, []).append(_facet(row))
        for row in page:
            number = _count(row.number, "an entry")
            told = f"entry {number}"
            columns = {name: _maybe(getattr(row, name), told, number) for name in COLUMNS}
            leaf, envelope = _bytes(row.leaf, told, number), _bytes(row.envelope, told, number)
            yield Stored(number, columns, leaf, envelope, said.get(number, []))
        if len(page) < PAGE:
            return
        start = page[-1].number + 1


def tree_nodes(database: Database) -> Iterator[tuple[int, int, bytes]]:
    """Read the tree's hashes from level 1 on: (level, position, hash), level by level."""
    level, position = 0, -1
    while True:
        after = (nodes.c.level > level) | ((nodes.c.level == level) & (nodes.c.position > position))
        wanted = select(nodes).where(after).order_by(nodes.c.level, nodes.c.position).limit(PAGE * 8)
        with database.read() as connection:
            page = connection.execute(wanted).all()
        for row in page:
            where = "a hash of the tree"
            level, position = _count(row.level, where), _count(row.position, where)
            yield level, position, _bytes(row.hash, where, None)
        if len(page) < PAGE * 8:
            return


def heads(database: Database, start: int = 0) -> Iterator[tuple[int, str]]:
    """Read the signed tree heads: (size, note), the smallest first."""
    start -= 1
    while True:
        wanted = select(checkpoints).where(checkpoints.c.size > start).order_by(checkpoints.c.size).limit(PAGE)
        with database.read() as connection:
            page = connection.execute(wanted).all()
        for row in page:
            start = _count(row.size, "a checkpoint")
            yield start, _text(row.note, f"the checkpoint of size {start}")
        if len(page) < PAGE:
            return


def notes(database: Database, size: int | None = None) -> list[tuple[int, str, str]]:
    """Read the cosigned tree heads: (size, the witness's name, note), the smallest first."""
    wanted = select(witnessed).order_by(witnessed.c.size, witnessed.c.name)
    if size is not None:
        wanted = wanted.where(witnessed.c.size == size)
    with database.read() as connection:
        page = connection.execute(wanted).all()
    told = "a witnessed checkpoint"
    return [(_count(row.size, told), _text(row.name, told), _text(row.note, told)) for row in page]


def _facet(row: Any) -> tuple[str, str, float | None]:
    where = f"a facet of entry {row.number}"
    right = _checked(row.amount, lambda v: v is None or isinstance(v, float), where, row.number)
    return _text(row.name, where), _text(row.value, where), right


def _checked(value: Any, right: Callable[[Any], bool], where: str, number: int | None) -> Any:
    """SQLite's columns take any type: whoever edits the file can put a text where a number was."""
    if not right(value):
        told = f"{where}: the database holds {value!r:.60} where that cannot stand; it was altered"
        raise IntegrityError(told, "database", number)
    return value


def _count(value: Any, where: str) -> int:
    return _checked(value, lambda v: isinstance(v, int) and 0 <= v < 2**63, where, None)


def _text(value: Any, where: str) -> str:
    return _checked(value, lambda v: isinstance(v, str), where, None)


def _maybe(value: Any, where: str, number: int | None) -> str | None:
    return _checked(value, lambda v: v is None or isinstance(v, str), where, number)


def _bytes(value: Any, where: str, number: int | None) -> bytes:
    return _checked(value, lambda v: isinstance(v, bytes), where, number)
