"""Keys of the people whom signals are about: one key each, kept apart from the log, so that deleting it erases.

A subject stands in the log as a random pseudonym, ``s-`` and 32 hexadecimal digits. The key, and the name that it
belongs to, where there is one, are in a file under ``subjects/`` of the home. Whoever deletes the file takes from every
record of the subject what was sealed; the records themselves, their digests and their proofs stay as they are.

One subject per decision unless a name is given, so that each decision can be erased alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError, RecordError

__all__ = ["Subject", "Subjects"]

_ID = re.compile(r"s-[0-9a-f]{32}")
_LONGEST = 200


@dataclass(frozen=True)
class Subject:
    """Somebody, or something, whom signals are about.

    Attributes:
        id: pseudonym.
        key: 32 bytes.
        name: as it was given; None for a subject of one decision.
    """

    id: str
    key: bytes = field(repr=False)
    name: str | None = None


class Subjects:
    """The subjects' keys in a folder.

    Example:
        >>> subjects = Subjects(home / "subjects")                                    # doctest: +SKIP
        >>> subjects.of("order 4711").id == subjects.of("order 4711").id              # doctest: +SKIP
        True
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, name: str | None = None) -> Subject:
        """Return the subject of a name, made on first use; without a name a new one.

        Raises:
            InputError: a name that is empty, too long or not printable.
            RecordError: the folder cannot be written to, or a key's file is not what it should be.
        """
        if name is None:
            return self._make(None)
        if not name.strip() or len(name) > _LONGEST or not name.isprintable():
            raise InputError(f"subject {name[:40]!r}: give 1 to {_LONGEST} printable characters")
        pointer = self._pointer(name)
        for _ in range(3):
            try:
                identity = pointer.read_text(encoding="ascii")
            except FileNotFoundError:
                made = self._make(name)
                if self._write(pointer, made.id.encode("ascii")):
                    return made
                self._path(made.id).unlink(missing_ok=True)  # another process was quicker
                continue
            except (OSError, UnicodeDecodeError) as error:
                raise RecordError(f"{pointer} cannot be read: {error}; restore it from a copy") from error
            found = self.find(identity)
            if found is not None:
                return found
            pointer.unlink(missing_ok=True)  # erased half way: the key is gone, its name goes too
        raise RecordError(f"{pointer} changes while it is read; see who else erases or makes subjects there")

    def find(self, identity: str) -> Subject | None:
        """Return a subject by its pseudonym; None where its key was deleted, or is not on this machine.

        Raises:
            RecordError: the key's file cannot be read, or is not what it should be.
        """
        if not _ID.fullmatch(identity):
            raise RecordError(f"subject {identity[:60]!r} is not s- and 32 hexadecimal digits; the entry was altered")
        path = self._path(identity)
        try:
            told = json.loads(path.read_bytes())
            key, name = bytes.fromhex(told["key"]), told.get("name")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RecordError(f"{path} cannot be read: {error.strerror}; the key in it is wanted") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordError(f"{path} is not the key of a subject: {error}; restore it from a copy") from error
        if len(key) != 32 or not (name is None or isinstance(name, str)):
            raise RecordError(f"{path} is not the key of a subject: {len(key)} bytes, not 32; restore it from a copy")
        return Subject(identity, key, name)

    def named(self, name: str) -> str | None:
        """Return the pseudonym of a name; None where there is none."""
        if not (self.folder / "pepper").exists():
            return None  # nobody was named yet; asking must write nothing
        try:
            identity = self._pointer(name).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return None
        return identity if _ID.fullmatch(identity) else None

    def forget(self, identity: str) -> bool:
        """Delete a subject's key and name; return whether there was one.

        The file is overwritten and flushed before it is unlinked. What a disk, a snapshot or a backup keeps of it is
        beyond this: keep the folder off both.

        Raises:
            RecordError: the key's file cannot be deleted.
        """
        found = self.find(identity)
        if found is None:
            return False
        path = self._path(identity)
        try:
            with path.open("r+b") as stream:
                stream.write(bytes(os.fstat(stream.fileno()).st_size))
                stream.flush()
                os.fsync(stream.fileno())
            path.unlink()
            if found.name is not None:
                self._pointer(found.name).unlink(missing_ok=True)
            _sync(self.folder)
        except OSError as error:
            raise RecordError(f"{path} cannot be deleted: {error.strerror}; nothing was erased") from error
        return True

    def __len__(self) -> int:
        """How many keys there are."""
        return sum(_ID.fullmatch(path.stem) is not None for path in self.folder.glob("s-*.json"))

    def _make(self, name: str | None) -> Subject:
        made = Subject(f"s-{secrets.token_hex(16)}", secrets.token_bytes(32), name)
        told = {"key": made.key.hex(), **({} if name is None else {"name": name})}
        self._write(self._path(made.id), json.dumps(told).encode())
        return made

    def _path(self, identity: str) -> Path:
        return self.folder / f"{identity}.json"

    def _pointer(self, name: str) -> Path:
        """File that leads from a name to its pseudonym; its own name is a digest keyed with a secret of the folder."""
        return self.folder / "names" / hashlib.sha256(self._pepper() + name.encode()).hexdigest()

    def _pepper(self) -> bytes:
        path = self.folder / "pepper"
        try:
            if not path.exists():
                self._write(path, secrets.token_bytes(32))
            return path.read_bytes()
        except OSError as error:
            raise RecordError(f"{path} cannot be read: {error.strerror}") from error

    def _write(self, path: Path, content: bytes) -> bool:
        """Write a file for the owner alone, durably and whole; False where it is there already."""
        staged = path.parent / f".{path.name}.{secrets.token_hex(6)}"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            try:
                os.link(staged, path)  # unlike a rename, it fails where another process was quicker
            except FileExistsError:
                return False
            _sync(path.parent)
        except OSError as error:
            raise RecordError(
                f"{path} cannot be written: {error.strerror}; free space, or name another home by VERIDICAL_HOME"
            ) from error
        finally:
            with contextlib.suppress(OSError):  # what went wrong was said above
                staged.unlink(missing_ok=True)
        return True


def _sync(folder: Path) -> None:
    """Flush a folder's entries to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
