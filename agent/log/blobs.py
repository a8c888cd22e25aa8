"""Blobs: bytes by their digest, each a file that is written once, whole, and never changed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from ...errors import IntegrityError, RecordError
from ..record.canonical import digest_of

__all__ = ["MAX_BLOB", "Blobs"]

MAX_BLOB = 2**31
"""Bytes of one blob, the most that is read."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAME = re.compile(r"[0-9a-f]{64}")
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


class Blobs:
    """A folder of blobs, ``<folder>/<first two digits>/<64 digits>``.

    A blob is written beside its place, brought to the disk, and renamed: whoever finds one by its name finds it whole.

    Args:
        folder: where they lie; made on the first `put`.
        read_only: refuse to write.
    """

    def __init__(self, folder: Path, read_only: bool = False) -> None:
        self.folder, self.read_only = folder, read_only

    def put(self, content: bytes) -> str:
        """Keep bytes, and return their digest; durable when it returns. Nothing is written if they are there.

        Raises:
            RecordError: opened for reading, a full disk, no permission.
        """
        digest = digest_of(content)
        place = self._place(digest)
        self._writable("written", digest)
        try:
            # A file of another length was damaged since it was renamed here: it is written anew.
            if place.is_symlink() or not place.is_file() or place.stat().st_size != len(content):
                self._write(place, content)
        except OSError as error:
            raise RecordError(f"blob {digest} cannot be written to {place.parent}: {_why(error)}") from error
        return digest

    def get(self, digest: str, limit: int | None = None) -> bytes:
        """Return the bytes of a digest, which are checked against it.

        Args:
            digest: ``sha256:…``.
            limit: the most bytes that they may be; `MAX_BLOB` if None.

        Raises:
            IntegrityError: ``missing``, ``digest`` (other bytes), ``size`` (more than the limit), ``path`` (no digest,
                or a link where the blob should lie).
            RecordError: it cannot be read.
        """
        place, most = self._place(digest), MAX_BLOB if limit is None else limit
        try:
            content = _read(place, most)
        except FileNotFoundError as error:
            raise IntegrityError(
                f"blob {digest} is not in {self.folder}: it was erased or lost; a backup may have it", "missing"
            ) from error
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO):
                raise IntegrityError(f"{place} is no plain file, as a blob must be; it was replaced", "path") from error
            raise RecordError(f"blob {digest} cannot be read from {place.parent}: {_why(error)}") from error
        if len(content) > most:
            raise IntegrityError(f"blob {digest} has more than the {most} bytes allowed; it was altered", "size")
        if digest_of(content) != digest:
            raise IntegrityError(
                f"blob {digest} in {self.folder} holds other bytes ({digest_of(content)}); it was altered", "digest"
            )
        return content

    def has(self, digest: str) -> bool:
        """Whether the bytes of a digest are there; they are not read.

        Raises:
            IntegrityError: ``path``: the words are no digest.
        """
        place = self._place(digest)
        return place.is_file() and not place.is_symlink()

    def drop(self, digest: str) -> None:
        """Delete the bytes of a digest, for good; nothing happens if they are not there.

        Raises:
            IntegrityError: ``path``: the words are no digest.
            RecordError: opened for reading, or no permission.
        """
        place = self._place(digest)
        self._writable("dropped", digest)
        try:
            place.unlink(missing_ok=True)
            if place.parent.is_dir():
                _settle(place.parent)
        except OSError as error:
            raise RecordError(f"blob {digest} cannot be dropped from {place.parent}: {_why(error)}") from error

    def __iter__(self) -> Iterator[str]:
        """Digests of the blobs that lie in their places, in order; other files are passed over."""
        for folder in sorted(self.folder.glob("[0-9a-f][0-9a-f]")):
            for place in sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else ():
                if _NAME.fullmatch(place.name) and place.name[:2] == folder.name:
                    yield f"sha256:{place.name}"

    def _place(self, digest: str) -> Path:
        """Where a digest's bytes lie. The form is checked first, so that no name leads out of the folder."""
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise IntegrityError(
                f"{str(digest)[:100]!r} is no digest of a blob: `sha256:` and 64 hexadecimal digits are asked for",
                "path",
            )
        return self.folder / digest[7:9] / digest[7:]

    def _writable(self, done: str, digest: str) -> None:
        if self.read_only:
            raise RecordError(f"blob {digest} cannot be {done}: the log at {self.folder.parent} is open for reading")

    def _write(self, place: Path, content: bytes) -> None:
        """Write beside the place, bring to the disk, rename, and bring the names of the folder to the disk."""
        if not place.parent.is_dir():
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _settle(place.parent.parent)
            _settle(place.parent.parent.parent)
        beside = place.with_name(f".{place.name[:16]}.{secrets.token_hex(6)}.part")
        try:
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(place)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        _settle(place.parent)


def _read(place: Path, most: int) -> bytes:
    """Read a plain file of no more than `most` bytes; one byte more tells that it is longer."""
    # O_NONBLOCK: a pipe put in a blob's place must not hold the reader for ever.
    handle = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.ENXIO, "no plain file")
        return file.read(most + 1)


def _settle(folder: Path) -> None:
    """Bring the names in a folder to the disk: a renamed file is there after a power failure only then."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _why(error: OSError) -> str:
    """Say why a file failed, and what to do."""
    if error.errno in _FULL:
        return f"{error.strerror}: the disk, the quota or the limit on a file's size is reached; make room"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{error.strerror}: give this user the right to write there, or name another home"
    return f"{error.strerror or error}; look at the disk"
