"""The database under a log: SQLite's file or a PostgreSQL server, its transactions, and its failures in words."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from ...errors import IntegrityError, RecordError
from .store import TABLES
from .trouble import is_lost, told

__all__ = ["PAUSES", "WAIT", "Database", "Lost"]

WAIT = 60.0
"""Seconds for which a transaction waits for another one's."""

PAUSES = (0.2, 1.0, 3.5)
"""Seconds to wait before what a broken connection interrupted is tried again."""

_LOCK = 0x7665726964696361  # "veridica": advisory locks are numbers, of one database each
_DRIVER = re.compile(r"postgres(ql)?(\+psycopg)?")
_T = TypeVar("_T")


class Lost(Exception):  # no error for users: the writer finds out what became of the transaction
    """The connection broke within a transaction.

    Attributes:
        error: what to tell where nothing can be found out.
        unknown: whether the transaction may have been committed.
    """

    def __init__(self, error: RecordError, unknown: bool) -> None:
        super().__init__(str(error))
        self.error, self.unknown = error, unknown


class Database:
    """Transactions on the tables of `veridical.agent.log.store`. Threads may share one; a forked child reconnects.

    Args:
        url: ``sqlite:///…`` or ``postgresql://…``.
        read_only: whether nothing may be written.

    Raises:
        RecordError: another scheme, no file, or no driver.
    """

    def __init__(self, url: str, read_only: bool = False) -> None:
        self.read_only, self.may_create = read_only, False
        self.path, self._url = _parse(url)
        self.where = str(self.path) if self.path else self._url.render_as_string(hide_password=True)
        self._inherited: list[Engine] = []
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        if self.path is None:
            self._engine = _server(self._url, self.read_only)
        else:
            self._engine = create_engine(
                self._url, creator=self._connect, poolclass=QueuePool, pool_size=8, max_overflow=56
            )
            event.listen(self._engine, "begin", _begin)

    def _connect(self) -> sqlite3.Connection:
        """Open SQLite's file. It is made only while a log is: one that vanished later must not come back empty."""
        path = self.path or Path()  # a server's engine has no use for this
        if self.read_only:
            return _reading(path)
        return _writing(path, "mode=rwc" if self.may_create else "mode=rw")

    def exists(self) -> bool:
        """Whether SQLite's file is there; a server's database always is."""
        return self.path is None or self.path.exists()

    @contextmanager
    def read(self, *, still: bool = False) -> Iterator[Connection]:
        """A transaction that only reads.

        Args:
            still: whether all that is read must be of one moment, as it always is in SQLite.

        Raises:
            RecordError: the database cannot be reached or read; `IntegrityError` where it is damaged.
        """
        try:
            with self._alive().connect() as connection:
                if still and self.path is None:
                    connection = connection.execution_options(isolation_level="REPEATABLE READ")
                yield connection
        except SQLAlchemyError as error:
            raise told(error, self.where, WAIT) from error
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise IntegrityError(f"{self.where} is damaged: {error}; restore a backup", "database") from error

    def write(self, work: Callable[[Connection], _T]) -> _T:
        """Do work in one transaction that no other one runs beside, commit it, and return what the work returned.

        Raises:
            Lost: the connection to a server broke.
            RecordError: it cannot be written; nothing was.
        """
        if self.read_only:
            raise RecordError(f"the log {self.where} is open for reading; open it without read_only to append")
        committing = False
        try:
            with self._alive().connect().execution_options(veridical_write=True) as connection:
                if self.path is None:
                    connection.execute(_ALONE, {"wait": f"{WAIT:g}s", "lock": _LOCK})
                found = work(connection)
                committing = True
                connection.commit()
                return found
        except SQLAlchemyError as error:
            failure = told(error, self.where, WAIT)
            if is_lost(error):
                raise Lost(failure, committing) from error
            raise failure from error
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise IntegrityError(f"{self.where} is damaged: {error}; restore a backup", "database") from error

    def write_patiently(self, work: Callable[[Connection], _T]) -> _T:
        """Do work as `write`, again where the connection broke: work that finds for itself what was done before.

        Raises:
            RecordError: it cannot be written.
        """
        for pause in (*PAUSES, None):
            try:
                return self.write(work)
            except Lost as lost:
                if pause is None:
                    raise lost.error from lost
                time.sleep(pause)
        raise AssertionError

    def create(self, connection: Connection) -> None:
        """Make the tables that are not there."""
        TABLES.create_all(connection)

    def check_schema(self) -> None:
        """See that SQLite's file holds this log's tables, and nothing that would act by itself, such as a trigger.

        Raises:
            IntegrityError: ``database``.
        """
        if self.path is None:
            return
        with self.read() as connection:
            found = connection.execute(text("SELECT type, name FROM sqlite_master")).all()
        known = set(TABLES.tables) | {str(index.name) for table in TABLES.tables.values() for index in table.indexes}
        for kind, name in found:
            if kind not in ("table", "index") or not (
                name in known or str(name).startswith(("sqlite_auto", "sqlite_stat"))
            ):
                raise IntegrityError(
                    f"{self.where} holds the {str(kind)[:20]} {str(name)[:60]!r}, which is none of a log's; "
                    "it was altered",
                    "database",
                )

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        if self._pid == os.getpid():
            self._engine.dispose()

    def _alive(self) -> Engine:
        """The engine; in a forked child a new one, for connections must not be shared with the parent.

        The parent's engine is kept and never closed: SQLite's locks belong to whoever opened the file.
        """
        if self._pid != os.getpid():
            self._engine.dispose(close=False)
            self._inherited.append(self._engine)
            self._start()
        return self._engine


# One statement, for each is a way to the server and back. Its parts are done from left to right.
_ALONE = text(
    "SELECT set_config('lock_timeout', :wait, true), set_config('synchronous_commit', 'on', true), "
    "pg_advisory_xact_lock(:lock)"
)


def _parse(url: str) -> tuple[Path | None, URL]:
    """Split a URL into SQLite's path (None for a server) and SQLAlchemy's URL."""
    if url.startswith("sqlite"):
        scheme, _, rest = url.partition(":///")
        path = unquote(rest.partition("?")[0])
        if scheme not in ("sqlite", "sqlite+pysqlite") or not path or path == ":memory:":
            raise RecordError(f"the log {url[:200]!r} has no file; write sqlite:////folder/log.sqlite")
        return Path(path).expanduser().absolute(), URL.create("sqlite")
    try:
        found = make_url(url)
    except (ArgumentError, ValueError) as error:  # without the URL: it may hold a password
        raise RecordError(
            "the log's URL cannot be read; write postgresql://user@host/database or sqlite:///path"
        ) from error
    if not _DRIVER.fullmatch(found.drivername):
        raise RecordError(f"the log cannot lie on {found.drivername!r:.40}; sqlite and postgresql are what it can")
    return None, found.set(drivername="postgresql+psycopg")


def _server(url: URL, read_only: bool) -> Engine:
    """Make the engine of a PostgreSQL server."""
    arguments: dict[str, Any] = {"connect_timeout": 10, "application_name": "veridical"}
    if read_only:
        arguments["options"] = f"{url.query.get('options', '')} -c default_transaction_read_only=on"  # beside the URL's
    try:
        # READ COMMITTED, whatever the server's default is: a snapshot taken before the lock was had would be stale.
        return create_engine(
            url,
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            pool_size=8,
            max_overflow=56,
            connect_args=arguments,
        )
    except ModuleNotFoundError as error:
        raise RecordError(
            "the log lies on PostgreSQL, and psycopg is not installed: pip install 'veridical[postgresql]'"
        ) from error


def _begin(connection: Connection) -> None:
    """Begin as SQLAlchemy's documentation of pysqlite has it; who writes takes the lock at once."""
    writes = connection.get_execution_options().get("veridical_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _writing(path: Path, how: str) -> sqlite3.Connection:
    """Open SQLite's file to write: WAL, and every commit brought to the disk."""
    connection = _open(path, how)
    try:
        _settle_mode(connection)
        # fullfsync: what macOS needs for a sync that reaches the disk, and nothing elsewhere.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA fullfsync=ON")
        _guard(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _reading(path: Path) -> sqlite3.Connection:
    """Open SQLite's file to read, be it in a folder that cannot be written."""
    connection = _open(path, "mode=ro")
    try:
        _guard(connection)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        connection.close()
        code, beside = getattr(error, "sqlite_errorname", ""), path.with_name(f"{path.name}-wal")
        # A folder that cannot be written holds no WAL index. Without a WAL the file alone is all there is.
        if not code.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) or (beside.exists() and beside.stat().st_size):
            raise
        connection = _open(path, "mode=ro&immutable=1")
        _guard(connection)
    return connection


def _open(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?{how}", uri=True, timeout=WAIT, isolation_level=None, check_same_thread=False
    )


def _settle_mode(connection: sqlite3.Connection) -> None:
    """Use the write-ahead log. SQLite does not wait for a lock when it changes the mode, so that this does."""
    end = time.monotonic() + WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            busy = getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
            if not busy or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _guard(connection: sqlite3.Connection) -> None:
    """Have SQLite distrust what a file's schema asks for, and check its pages as they are read."""
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
