"""What a database says when it fails, told in words: what happened, where, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import IntegrityError, RecordError

if TYPE_CHECKING:
    from sqlalchemy.exc import SQLAlchemyError

__all__ = ["is_lost", "told"]

# By SQLite's result codes (https://www.sqlite.org/rescode.html); a longer name goes before its beginning.
_SQLITE = (
    ("SQLITE_FULL", "the disk is full; make room, nothing was half written"),
    ("SQLITE_IOERR", "the disk fails, is full, or a limit on the size of files is reached; make room or mend it"),
    ("SQLITE_READONLY", "it can only be read; give this user the right to write the file and its folder"),
    ("SQLITE_BUSY", "another process has kept it locked for {wait:g} s; end that process, or try again"),
    ("SQLITE_LOCKED", "another process has kept it locked for {wait:g} s; end that process, or try again"),
    ("SQLITE_CANTOPEN", "it cannot be opened; look whether it is there, and at the rights of this user on its folder"),
    ("SQLITE_PERM", "this user has no right to it; give it, or name another home"),
    ("SQLITE_AUTH", "this user has no right to it; give it, or name another home"),
    ("SQLITE_TOOBIG", "an entry is larger than it can hold; keep large things in blobs"),
    ("SQLITE_NOMEM", "memory does not suffice"),
)

# By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), the beginning suffices.
_POSTGRESQL = (
    ("53100", "the server's disk is full; make room there"),
    ("53300", "the server has no connection left; close others or raise max_connections"),
    ("25006", "the server can only be read (a standby?); name the primary"),
    ("55P03", "another process has kept the log locked for {wait:g} s; end it, or try again"),
    ("28", "the server refuses this user or password; mend them in the URL"),
    ("3D000", "the server has no such database; make it with `createdb`"),
    ("42501", "this user has no right to the tables or the schema; grant it"),
    ("54", "an entry is larger than the server can hold; keep large things in blobs"),
)

# Nothing but these says that bytes were altered: what a database answers when its own pages or tables do not hold.
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_MISMATCH", "SQLITE_CONSTRAINT", "SQLITE_FORMAT")
_DAMAGED_STATES = ("42P01", "42703", "42804", "XX", "23", "22021", "42883")

# The connection, or the server behind it, went away, or is coming back (class 08 and 57P).
_LOST_STATES = ("08", "57P01", "57P02", "57P03")


def is_lost(error: SQLAlchemyError) -> bool:
    """Whether the connection to a server broke, so that what was asked last may or may not have been done."""
    if type(getattr(error, "orig", None)).__module__.startswith("sqlite3"):
        return False
    state = _state(error)
    if state is not None:
        return state.startswith(_LOST_STATES)
    return bool(getattr(error, "connection_invalidated", False)) or type(error).__name__ == "OperationalError"


def told(error: SQLAlchemyError, where: str, wait: float) -> RecordError:
    """Return the error to raise.

    Args:
        error: what SQLAlchemy raised.
        where: the database, without a password.
        wait: seconds for which a lock was waited for.

    Returns:
        an `IntegrityError` of cause ``database`` where the database is damaged or is no log, else a `RecordError`.
    """
    orig = getattr(error, "orig", None) or error
    said = " ".join(str(orig).split())[:300]
    code, state = getattr(orig, "sqlite_errorname", "") or "", _state(error)
    for known, words in _SQLITE:
        if code.startswith(known):
            return RecordError(f"the log {where} failed: {words.format(wait=wait)} ({said})")
    for known, words in _POSTGRESQL if state else ():
        if state and state.startswith(known):
            return RecordError(f"the log {where} failed: {words.format(wait=wait)} ({said})")
    if code.startswith(_DAMAGED) or (state or "").startswith(_DAMAGED_STATES) or "decode" in said.lower():
        return IntegrityError(f"{where} is damaged, or no log of veridical: {said}; restore a backup", "database")
    if is_lost(error):
        return RecordError(f"the log's server {where} cannot be reached: {_reached(said)} ({said})")
    if type(orig).__module__.startswith("sqlite3"):  # without a code: Python could not make sense of what it holds
        return IntegrityError(f"{where} is damaged: {said}; restore a backup", "database")
    return RecordError(f"the log {where} failed: {said}; look at the server's own log")


def _state(error: SQLAlchemyError) -> str | None:
    """SQLSTATE of a server's answer, where it gave one."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state if isinstance(state, str) else None


def _reached(said: str) -> str:
    """What to do about a server that cannot be reached, by what the client library says."""
    low = said.lower()
    if "password" in low or "authentication" in low or "role" in low:
        return "it refuses this user or password; mend them in the URL"
    if "database" in low and "does not exist" in low:
        return "it has no such database; make it with `createdb`"
    return "start it, or mend host and port in the URL"
