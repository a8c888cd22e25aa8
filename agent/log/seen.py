"""What this machine has seen of a log: its last signed tree head, in a file beside it.

Whoever gives back an older copy of the database, or another log in its place, is found out by this file alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from pathlib import Path

from ...errors import IntegrityError, RecordError
from .note import MAX_NOTE, read_checkpoint

__all__ = ["Seen"]

_WAIT = 60  # seconds


class Seen:
    """The file ``checkpoint`` in a home.

    Args:
        home: folder of all state.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / "checkpoint"

    def read(self) -> str | None:
        """Return the note; None where none was ever kept.

        Raises:
            IntegrityError: ``checkpoint``: it is no text, or too long.
            RecordError: it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                content = file.read(MAX_NOTE + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RecordError(
                f"{self.path} cannot be read: {error.strerror}; give this user the right to it"
            ) from error
        # Renamed files may come back empty after a power failure (the file is not synced, for it is only a memory).
        if not content.strip(b"\0"):
            return None
        try:
            if len(content) > MAX_NOTE:
                raise ValueError(f"it has more than {MAX_NOTE} bytes")
            return content.decode("utf-8")
        except ValueError as error:
            raise IntegrityError(
                f"{self.path} is no checkpoint: {error}; it was altered: compare the log with a copy", "checkpoint"
            ) from error

    def keep(self, note: str, size: int) -> None:
        """Keep a note of a tree head that is in the log, unless a later one is kept already.

        A failure is told to the logger ``veridical`` and goes no further: the entry is in the log, and whoever
        appended it must learn so. The next append keeps its own note.
        """
        try:
            with self.locked():
                kept = self._size()
                if kept is None or kept < size:
                    self._replace(note)
        except (OSError, RecordError) as error:
            logging.getLogger("veridical").warning(
                "%s cannot be written (%s): a log that is set back will not be noticed here", self.path, error
            )

    @contextlib.contextmanager
    def locked(self):  # noqa: ANN201  # a context manager without a value
        """Keep other processes of this machine out.

        Raises:
            RecordError: the file of the lock cannot be made, or another process keeps it for a minute.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.path.with_name("checkpoint.lock"), timeout=_WAIT, poll_interval=0.002)
        try:
            with lock:
                yield
        except Timeout as error:
            raise RecordError(f"{lock.lock_file} is kept by another process for {_WAIT} s; end that process") from error
        except PermissionError as error:
            raise RecordError(
                f"{lock.lock_file} cannot be made: {error.strerror}; give this user the right to write there"
            ) from error

    def _size(self) -> int | None:
        """Size of the tree of the kept note; None where there is none, or none that can be read."""
        try:
            text = self.read()
            return None if text is None else read_checkpoint(text).checkpoint.size
        except IntegrityError:  # opening the log has said so; what is now known to be true takes its place
            return None

    def _replace(self, note: str) -> None:
        beside = self.path.with_name(f".checkpoint.{secrets.token_hex(6)}.part")
        try:
            beside.write_bytes(note.encode("utf-8"))
            os.replace(beside, self.path)  # noqa: PTH105  # the same as Path.replace, and quicker
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
