"""Opening a log: made on first use, and held against what this machine has seen of it before."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, insert, inspect, select

from ...errors import IntegrityError, RecordError
from ..record.canonical import digest_of
from .database import Database
from .keys import KeyFolder, key_member
from .merkle import EMPTY, root_at
from .note import Checkpoint, NoteKey, check_checkpoint, read_checkpoint
from .reading import frontiers_of, meta_of, tip
from .seen import Seen
from .state import learn_keys
from .statement import new_statement
from .store import FORMAT, checkpoints, meta
from .trust import Trust
from .writing import Writer

__all__ = ["check_heads", "open_new"]


def open_new(database: Database, seen: Seen, keys: KeyFolder) -> str:
    """Return the origin of the log in a database; where there is none, make it.

    Raises:
        RecordError: no log, in a database that is only to be read, or one that cannot be made.
        IntegrityError: ``rollback``: this machine has seen a log, and the database has none; ``format``: another
            version; ``database``: damaged.
    """
    said = _meta(database)
    if said is None:
        if database.read_only:
            raise RecordError(f"{database.where} holds no log; name another home, or let `veridical explain` begin one")
        said = _make(database, seen, keys)
    form, origin = said.get("format"), said.get("origin")
    if form != FORMAT:
        told = f"{database.where} holds a log of the form {form!r:.60}, and this version reads {FORMAT!r}"
        raise IntegrityError(f"{told}; a newer veridical may be needed", "format")
    if not origin:
        raise IntegrityError(f"{database.where} does not say which log it holds; it was altered", "database")
    return origin


def check_heads(database: Database, origin: str, seen: Seen) -> None:
    """See that the newest tree head is of the tree, and that the log continues the one that was seen here.

    No entry is read but those about keys: whether the tree is that of the entries is what ``verify`` finds out.

    Raises:
        IntegrityError: ``rollback``, ``fork``, ``checkpoint``, ``tree``, ``signature``, ``key``.
    """
    memory = seen.read()  # first: what is appended meanwhile must not make it newer than the log
    where = database.where
    with database.read(still=True) as connection:
        size = tip(connection)
        newest = connection.execute(select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)).one_or_none()
        if newest is None or not isinstance(newest.note, str) or newest.size < size:
            raise IntegrityError(f"the last entries of {where} have no checkpoint; it was altered", "checkpoint")
        if newest.size > size or size == 0:
            told = f"{where} has {size} entries, and a checkpoint of {newest.size}"
            raise IntegrityError(f"{told}; its last ones were dropped: restore a later copy", "rollback")
        if memory is not None and _of(memory, seen, origin).size > size:
            _check_memory(memory, seen, origin, learn_keys(connection))
            told = f"{where} has {size} entries, and {seen.path} remembers {_of(memory, seen, origin).size}"
            raise IntegrityError(f"{told}; the log was set back: restore the later copy", "rollback")
        trust = learn_keys(connection)
        head = _checked(newest.note, origin, trust, f"the newest checkpoint of {where}")
        if (head.size, head.root) != (size, root_at(size, frontiers_of(connection, [size]))):
            told = f"the newest checkpoint of {where} is not that of its tree; database or checkpoint was altered"
            raise IntegrityError(told, "tree")
        if memory is not None and memory != newest.note:
            held = _of(memory, seen, origin)
            if held.root != (root_at(held.size, frontiers_of(connection, [held.size])) if held.size else EMPTY):
                told = f"the first {held.size} entries of {where} are not those that {seen.path} remembers"
                _check_memory(memory, seen, origin, trust)
                raise IntegrityError(f"{told}; it is another log, or an altered one: restore the right one", "fork")
            _checked(memory, origin, trust, str(seen.path))


def _meta(database: Database) -> dict[str, str] | None:
    """Return the table ``meta``; None where there is no log yet."""
    if not database.exists():
        return None
    database.check_schema()
    with database.read() as connection:
        if not inspect(connection).has_table("meta"):
            return None
        return meta_of(connection) or None


def _make(database: Database, seen: Seen, keys: KeyFolder) -> dict[str, str]:
    """Make a log, unless another process makes it meanwhile; return its ``meta``."""

    def work(connection: Connection) -> str | None:
        database.create(connection)
        if meta_of(connection):
            return None
        signer = keys.current()
        origin = f"veridical.local/{secrets.token_hex(4)}"
        connection.execute(insert(meta), [{"name": "format", "value": FORMAT}, {"name": "origin", "value": origin}])
        said = {"origin": origin, "key": key_member(signer.public), "format": FORMAT}
        # The log is named by its origin and first key together: a second log of that origin is another one.
        subject = (f"log {origin}", digest_of(NoteKey(origin, signer.public).vkey().encode()))
        opened = new_statement("opened", said, [subject])
        return Writer(database, origin, keys, seen.keep).first(connection, opened, signer)

    with seen.locked():
        if seen.read() is not None and not _meta(database):
            told = f"{database.where} holds no log, and {seen.path} remembers one; it was deleted: restore it"
            raise IntegrityError(f"{told}, or give a new log a home of its own", "rollback")
        database.may_create = True
        try:
            note = database.write_patiently(work)
        finally:
            database.may_create = False
    if note is not None:
        seen.keep(note, 1)
    with database.read() as connection:
        return meta_of(connection)


def _of(memory: str, seen: Seen, origin: str) -> Checkpoint:
    """Read the remembered note."""
    try:
        found = read_checkpoint(memory).checkpoint
    except IntegrityError as error:
        raise IntegrityError(f"{seen.path}: {error}; compare the log with a copy", error.cause) from error
    if found.origin != origin:
        told = f"{seen.path} is of the log {found.origin}, and this one is {origin}; give each log a home of its own"
        raise IntegrityError(told, "checkpoint")
    return found


def _check_memory(memory: str, seen: Seen, origin: str, trust: Trust) -> Checkpoint:
    """See that the remembered note is signed by a key of the log.

    One whose key the log does not know is signed by a later key, or by another log's: what follows tells which.
    """
    try:
        return _checked(memory, origin, trust, str(seen.path))
    except IntegrityError as error:
        if error.cause != "key":
            raise
        return read_checkpoint(memory).checkpoint


def _checked(note: str, origin: str, trust: Trust, where: str) -> Checkpoint:
    """Check a note under the key that signs at its size."""
    try:
        size = read_checkpoint(note).checkpoint.size
        return check_checkpoint(note, NoteKey(origin, trust.signing_at(size)), origin)
    except IntegrityError as error:
        raise IntegrityError(f"{where}: {error}", error.cause) from error
