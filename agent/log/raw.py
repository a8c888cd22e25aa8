"""A log's database as it is, read for verifying: nothing of it is believed, not even the types of its columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

__all__ = ["RawStore"]

_TABLES = ("checkpoints", "entries", "facets", "meta", "nodes", "witnessed")


class RawStore:
    """Rows of a log's tables, in their order, within one transaction: what is appended meanwhile is not seen."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.sqlite = connection.dialect.name == "sqlite"

    @contextmanager
    def as_it_is(self) -> Iterator[RawStore]:
        """Read texts byte for byte: a spoilt one must come out as a difference, not as an error of the driver."""
        driver: Any = self.connection.connection.driver_connection if self.sqlite else None
        if driver is None:
            yield self
            return
        usual = driver.text_factory
        driver.text_factory = lambda content: content.decode("utf-8", "surrogateescape")
        try:
            yield self
        finally:
            driver.text_factory = usual

    def damage(self) -> list[str]:
        """What the database itself finds wrong with its pages and indices."""
        if not self.sqlite:
            return []
        found = [str(row[0]) for row in self._rows("PRAGMA integrity_check(20)")]
        return [] if found == ["ok"] else [f"SQLite finds the database damaged: {told}" for told in found]

    def meta(self) -> dict[str, Any]:
        """Format and origin."""
        return {row.name: row.value for row in self._rows("SELECT name, value FROM meta")}

    def count(self, table: str) -> int:
        """How many rows a table has."""
        if table not in _TABLES:
            raise ValueError(f"there is no table {table!r}")
        return int(next(iter(self._rows(f"SELECT count(*) FROM {table}")))[0])  # noqa: S608  # one of the names above

    def sizes(self) -> list[Any]:
        """Sizes of the tree heads."""
        return [row[0] for row in self._rows("SELECT size FROM checkpoints ORDER BY size")]

    def entries(self, chunk: int) -> Iterator[list[Row[Any]]]:
        """Entries in the order of their numbers, some at a time."""
        columns = "number, id, kind, time, about, action, verdict, system, subject, leaf, envelope"
        last: Any = None
        while True:
            where = "" if last is None else "WHERE number > :last"
            query = f"SELECT {columns} FROM entries {where} ORDER BY number LIMIT :chunk"  # noqa: S608  # no input in it
            rows = list(self._rows(query, {"chunk": chunk} if last is None else {"chunk": chunk, "last": last}))
            if rows:
                yield rows
            if len(rows) < chunk or not isinstance(rows[-1].number, int):
                return
            last = rows[-1].number

    def facets(self, first: int, past: int) -> Iterator[Row[Any]]:
        """Facets of the entries from one number to before another."""
        query = "SELECT number, position, name, value, amount FROM facets WHERE number >= :a AND number < :b"
        return iter(self._rows(f"{query} ORDER BY number, position", {"a": first, "b": past}))

    def nodes(self, level: int, low: int, high: int) -> Iterator[Row[Any]]:
        """Hashes of subtrees of a level, from one position to another, that one included."""
        query = "SELECT position, hash FROM nodes WHERE level = :level AND position BETWEEN :a AND :b"
        return iter(self._rows(query, {"level": level, "a": low, "b": high}))

    def heads(self) -> Iterator[tuple[Any, Any]]:
        """Signed tree heads: size, note."""
        for row in self._rows("SELECT size, note FROM checkpoints ORDER BY size"):
            yield row.size, row.note

    def cosigned(self) -> Iterator[tuple[Any, Any, Any]]:
        """Cosigned tree heads: size, name of the witness, note."""
        for row in self._rows("SELECT size, name, note FROM witnessed ORDER BY size, name"):
            yield row.size, row.name, row.note

    def _rows(self, query: str, values: Mapping[str, Any] | None = None) -> Iterator[Row[Any]]:
        from sqlalchemy import text

        yield from self.connection.execute(text(query), dict(values or {}))
