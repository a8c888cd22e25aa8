"""The tamper-evident log: append to it, look into it, prove what is in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from ...errors import IntegrityError, RecordError
from ..telemetry import appending
from . import reading
from .blobs import Blobs
from .database import Database
from .dsse import Signer
from .home import home as find_home
from .home import log_url, make_home
from .keys import KeyFolder, Trust, key_member
from .merkle import consistency_path, inclusion_path
from .note import NoteKey
from .opening import check_heads, open_new
from .query import Query, Row, counting, selecting
from .reading import Entry, Stored
from .seen import Seen
from .state import learn_keys
from .statement import Statement, new_statement
from .store import checkpoints
from .writing import Receipt, Writer

if TYPE_CHECKING:
    from .proof import LogProof
    from .subjects import Subjects

__all__ = ["Entry", "Log", "Query", "Receipt", "Row", "Stored"]


class Log:
    """One log, open. Threads may share it; a forked child reconnects by itself.

    Made by `Log.open`; a context manager that closes itself.

    Attributes:
        home: folder of all state.
        origin: name of the log.
        blobs: the bytes that entries name by digest.
        read_only: whether nothing may be written.
        url: of the database, as it was given; None for SQLite's file in the home.
    """

    url: str | None = None

    def __init__(self, home: Path, database: Database) -> None:
        self.home, self.database, self.read_only = home, database, database.read_only
        self.blobs = Blobs(home / "blobs", database.read_only)
        self.seen = Seen(home)
        self.origin = ""
        self._made: tuple[int, Writer] | None = None

    @classmethod
    def open(cls, home: Path | str | None = None, url: str | None = None, *, read_only: bool = False) -> Log:
        """Open a log, and make it on first use.

        Args:
            home: folder of all state; `VERIDICAL_HOME` or the user's data directory if None.
            url: of the database, ``sqlite:///…`` or ``postgresql://…``; SQLite's file in the home if None.
            read_only: write nothing, not even a log that is not there yet.

        Raises:
            RecordError: no log to read, or the home, the database or the keys cannot be used.
            IntegrityError: the log is shorter than, or another than, the one whose tree head the home remembers
                (``rollback``, ``fork``); its tree head does not hold (``checkpoint``, ``signature``, ``key``); it is of
                another version (``format``), or damaged (``database``).
        """
        folder = find_home(None if home is None else Path(home))
        if not read_only:
            make_home(folder)
        log = cls(folder, Database(log_url(folder) if url is None else url, read_only))
        log.url = url
        if read_only and not log.database.exists():
            raise RecordError(f"no log at {log.database.where}; name its home, or let `veridical explain` begin one")
        try:
            log.origin = open_new(log.database, log.seen, log.keys)
            check_heads(log.database, log.origin, log.seen)
        except BaseException:
            log.close()
            raise
        return log

    @classmethod
    def as_it_is(cls, home: Path | str | None = None, url: str | None = None) -> Log:
        """Open a log for verifying alone, sound or not: nothing of it is checked yet, and nothing can be written.

        Raises:
            RecordError: the home or the URL cannot be used.
        """
        folder = find_home(None if home is None else Path(home))
        return cls(folder, Database(log_url(folder) if url is None else url, True))

    @cached_property
    def keys(self) -> KeyFolder:
        """The private keys of this home."""
        return KeyFolder(self.home / "keys")

    @cached_property
    def subjects(self) -> Subjects:
        """The keys of those whose signals are sealed."""
        from .subjects import Subjects

        return Subjects(self.home / "subjects")

    @property
    def note_key(self) -> NoteKey:
        """The public key under which the newest tree head can be checked."""
        return NoteKey(self.origin, self.trust().signing_at(self.size()))

    def trust(self) -> Trust:
        """Return who may sign, as the log says now."""
        with self.database.read() as connection:
            return learn_keys(connection)

    def append(self, statement: Statement, signers: Sequence[Signer] | None = None) -> Receipt:
        """Sign a statement and append it; it is on the disk when this returns.

        A statement that is older than the last entry is appended as well, and its ``clock`` says by how much.

        Args:
            statement: what to say; see `veridical.agent.log.statement.new_statement`.
            signers: who signs it; the log's own key if None.

        Raises:
            RecordError: it cannot be signed or written, or nobody can know whether it was.
            IntegrityError: the log was set back or exchanged since it was opened, or a signer may not sign.
        """
        with appending([statement]) as done:
            receipts = self._writer.append([statement], signers)
            done(receipts)
        return receipts[0]

    def append_all(self, statements: Sequence[Statement]) -> list[Receipt]:
        """Append several statements, all or none, in one transaction and under one tree head.

        Raises:
            RecordError: as `append`.
        """
        held = list(statements)
        with appending(held) as done:
            receipts = self._writer.append(held)
            done(receipts)
        return receipts

    def size(self) -> int:
        """Return how many entries there are."""
        with self.database.read() as connection:
            return reading.tip(connection)

    def checkpoint(self, size: int | None = None) -> str:
        """Return the signed tree head of the log, or the one of a size.

        Raises:
            IntegrityError: ``checkpoint``: there is none.
        """
        wanted = select(checkpoints.c.note)
        asked = wanted.order_by(checkpoints.c.size.desc()) if size is None else wanted.where(checkpoints.c.size == size)
        with self.database.read() as connection:
            note = connection.execute(asked.limit(1)).scalar_one_or_none()
        if not isinstance(note, str):
            told = "the log" if size is None else f"size {size}, which was within one transaction or never reached"
            raise IntegrityError(f"no checkpoint of {told} in {self.database.where}", "checkpoint")
        return note

    def entry(self, which: int | str) -> Entry:
        """Return an entry.

        Args:
            which: its number, its id, or the beginning of its id: six characters or more that no other id begins with.

        Raises:
            RecordError: none, or more than one.
        """
        with self.database.read() as connection:
            return reading.find_entry(connection, which)

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """Yield the entries from one number up to, and without, another, in order."""
        for row in reading.stored(self.database, start, stop, whole=False):
            yield Entry(row.number, row.envelope)

    def stored(self, start: int = 0, stop: int | None = None) -> Iterator[Stored]:
        """Yield all that the database holds of the entries, for whoever checks it."""
        return reading.stored(self.database, start, stop)

    def tree_nodes(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield the stored hashes of the tree from level 1 on: (level, position, hash)."""
        return reading.tree_nodes(self.database)

    def checkpoints(self, start: int = 0) -> Iterator[tuple[int, str]]:
        """Yield the signed tree heads from a size on: (size, note)."""
        return reading.heads(self.database, start)

    def witnessed(self, size: int | None = None) -> list[tuple[int, str, str]]:
        """Return the cosigned tree heads, all or those of a size: (size, the witness's name, note)."""
        return reading.notes(self.database, size)

    def keep_witnessed(self, size: int, name: str, note: str) -> None:
        """Keep a tree head that a witness cosigned; the caller has checked it.

        Raises:
            RecordError: it cannot be written.
        """
        self._writer.keep_note(size, name, note)

    def select(self, query: Query) -> list[Row]:
        """Return the rows that meet a query."""
        with self.database.read() as connection:
            return [reading.row_of(row) for row in connection.execute(selecting(query))]

    def count(self, query: Query) -> int:
        """Return how many rows meet a query, whatever its limit and offset are."""
        with self.database.read() as connection:
            return int(connection.execute(counting(query)).scalar_one())

    def about(self) -> tuple[tuple[str, str], ...]:
        """Return what a statement about the log itself names as its subject: the log, by its first key."""
        return self._about

    def prove(self, number: int, size: int | None = None) -> LogProof:
        """Return the proof that an entry is in the log, under the newest tree head or the one of a size.

        Raises:
            RecordError: no such entry under it.
        """
        from .note import read_checkpoint
        from .proof import LogProof

        note = self.checkpoint(size)
        size = read_checkpoint(note).checkpoint.size
        if not 0 <= number < size:
            raise RecordError(f"no entry {number} in the log of {size}; give a number from 0 to {size - 1}")
        with self.database.read() as connection:
            path = inclusion_path(number, size, reading.node_of(connection))
        return LogProof(number, tuple(path), note)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Return the hashes that show the log of one size to be the beginning of the log of another.

        Args:
            old: the smaller size.
            new: the larger one, the log's own if None.

        Raises:
            RecordError: sizes that the log has not had.
        """
        size = self.size()
        new = size if new is None else new
        if not 0 <= old <= new <= size:
            raise RecordError(
                f"sizes {old} and {new} cannot be compared in a log of {size}; give 0 ≤ old ≤ new ≤ {size}"
            )
        with self.database.read() as connection:
            return consistency_path(old, new, reading.node_of(connection))

    def rotate(self, reason: str) -> Receipt:
        """Make a new key, and sign with it from now on; the old and the new key sign that it is so.

        Raises:
            RecordError: as `append`, or this home does not have the old key.
        """
        old = self._writer.holder()
        new = self.keys.make()
        said = {"act": "rotated", "key": key_member(new.public), "replaced": old.key_id, "reason": reason}
        receipt = self._writer.append([new_statement("keys", said, self._about)], [old, new])[0]
        self.keys.use(new.key_id)
        return receipt

    def revoke(self, key_id: str, reason: str, from_entry: int | None = None) -> Receipt:
        """Say that a key's signatures count no more. The key in use is replaced by a new one first.

        Args:
            key_id: of the key.
            reason: why.
            from_entry: the first entry at which they no longer count; the one that says so if None.

        Raises:
            RecordError: as `append`.
            IntegrityError: ``key``: a key that the log does not know, or that cannot be revoked from there on.
        """
        holder = self._writer.holder()
        known = {str(row["key_id"]): str(row["public"]) for row in self.trust().keys()}  # noqa: SIM118  # no mapping
        if key_id not in known:
            raise RecordError(f"key {key_id[:80]} is none of this log's; its keys: {', '.join(known)}")
        if key_id == holder.key_id:
            self.rotate(reason)
        key = {"key_id": key_id, "public": known[key_id]}
        said = {"act": "revoked", "key": key, "replaced": None, "from_entry": from_entry, "reason": reason}
        return self.append(new_statement("keys", said, self._about))

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        self.database.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def _about(self) -> tuple[tuple[str, str], ...]:
        return self.entry(0).statement.subjects

    @property
    def _writer(self) -> Writer:
        """The writer of this process: a forked child has one of its own, whose locks nobody holds."""
        if self._made is None or self._made[0] != os.getpid():
            self._made = (os.getpid(), Writer(self.database, self.origin, self.keys, self.seen.keep))
        return self._made[1]
