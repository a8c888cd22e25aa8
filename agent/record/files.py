"""A record as a folder of its own: ``manifest.json``, and the blobs that it names under ``blobs/``.

Version 2 is written; versions 1 and 2 are read. The forms are specified in ``docs/record.md``.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import IntegrityError, RecordError
from .canonical import canonical_json, read_json
from .context import Context
from .folder import FORMAT as FIRST
from .folder import read_first
from .frame import FORMAT, MAX_MANIFEST, check_manifest
from .manifest import compose, read_arrays, read_result

__all__ = ["MANIFEST", "blob_in", "check_target", "read_record", "save_record", "write_record"]

MANIFEST = "manifest.json"

_MAX_BLOB = 2**30 + 2**16
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


def check_target(folder: Path) -> None:
    """Raise at once if a record cannot be written to ``folder``; an empty directory may be filled.

    Raises:
        RecordError: the target is a file or a directory with something in it, or its parent cannot be written to.
    """
    if folder.is_dir() and not folder.is_symlink():
        if any(folder.iterdir()):
            raise RecordError(f"{folder} is there already and is not empty; name another folder, or move it away")
    elif folder.exists() or folder.is_symlink():
        raise RecordError(f"{folder} is there already and is not a directory; name another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"{folder.parent} cannot be made: {error.strerror}; name another folder") from error
    if not os.access(folder.parent, os.W_OK | os.X_OK):
        raise RecordError(f"{folder.parent} cannot be written to; name another folder, or change its permissions")


def write_record(
    folder: str | Path, result: Mapping[str, Any], arrays: Mapping[str, np.ndarray], context: Context | None = None
) -> Path:
    """Write one decision's record, whole or not at all.

    Args:
        folder: where to; must not exist, or be empty. Its parents are made.
        result: JSON-able mapping whose ``format`` is `RESULT_FORMAT`.
        arrays: name to array, of a boolean, integer or floating dtype, every value finite.
        context: what else the record tells; by default a fresh id, the result's own time, and everything in the open.

    Returns:
        The folder.

    Raises:
        RecordError: the target is taken or cannot be written to, or a value cannot be recorded.
        InputError: the context's budget cannot be held.
    """
    check_target(Path(folder))
    manifest, blobs = compose(result, arrays, context or Context())
    return save_record(folder, canonical_json(manifest, "the manifest"), blobs)


def save_record(folder: str | Path, manifest: bytes, blobs: Mapping[str, bytes]) -> Path:
    """Write a manifest and blobs that are there already, such as those of a log, as a folder; whole or not at all.

    Args:
        folder: where to; must not exist, or be empty.
        manifest: canonical JSON.
        blobs: by digest.

    Returns:
        The folder.

    Raises:
        RecordError: the target is taken or cannot be written to.
    """
    target = Path(folder)
    check_target(target)
    files = {f"blobs/{digest.removeprefix('sha256:')}": content for digest, content in blobs.items()}
    staged = target.parent / f".{target.name}.{secrets.token_hex(6)}"
    try:
        _fill(staged, files | {MANIFEST: manifest})
        if target.is_dir():
            target.rmdir()  # empty, as checked; a rename onto it is not portable
        staged.rename(target)
        _flush(target.parent)
    except OSError as error:
        reason = error.strerror or error
        raise RecordError(f"{target} cannot be written: {reason}; free space or name another folder") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return target


def read_record(folder: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a record of version 1 or 2, checking every digest.

    Returns:
        The result and the arrays by name. Whole floats come back as integers, as in any canonical JSON. What is sealed
        is left out.

    Raises:
        RecordError: nothing there, an unknown format, malformed JSON, or a file that is missing or altered.
    """
    root = Path(folder)
    path = root / MANIFEST
    content = _manifest_in(root)
    try:
        manifest = read_json(content, str(path))
    except RecordError as error:
        raise IntegrityError(str(error), "json") from error
    found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
    if found == FIRST:
        return read_first(root, manifest)
    if found != FORMAT:
        newer = isinstance(found, str) and found.startswith("veridical.record/")
        raise IntegrityError(
            f"{path}: format is {found!r}; this version reads {FIRST!r} and {FORMAT!r}"
            f"{'; a newer veridical may read it' if newer else ''}",
            "format",
        )
    check_manifest(manifest, str(path))

    def get(digest: str) -> bytes:
        return blob_in(root, digest)

    return read_result(manifest, get), read_arrays(manifest, get)


def blob_in(root: Path, digest: str) -> bytes:
    """Return a blob of a record's folder, by its digest; whether it is that of the digest the caller sees.

    Raises:
        IntegrityError: the digest is none (``path``), or there is no plain file of it (``missing``), or one too large.
        RecordError: it cannot be read.
    """
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise IntegrityError(f"{root}: blob {digest!r:.80} is not sha256:<64 hex>", "path")
    path = root / "blobs" / match[1]
    if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
        raise IntegrityError(f"{path} is missing or not a plain file; copy the whole folder again", "missing")
    try:
        if path.stat().st_size > _MAX_BLOB:
            raise IntegrityError(f"{path} has {path.stat().st_size} bytes; at most {_MAX_BLOB} are read", "size")
        return path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error


def _manifest_in(root: Path) -> bytes:
    path = root / MANIFEST
    if path.is_symlink():
        raise IntegrityError(f"{path} is a link, not a plain file; copy the whole folder again", "path")
    try:
        if path.stat().st_size > MAX_MANIFEST:
            raise IntegrityError(
                f"{path} has {path.stat().st_size} bytes; a manifest has at most {MAX_MANIFEST}", "size"
            )
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RecordError(f"{root} is not a record: there is no {MANIFEST} in it") from error
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error


def _fill(staged: Path, files: Mapping[str, bytes]) -> None:
    """Write all files below a new folder and flush them to disk."""
    (staged / "blobs").mkdir(parents=True)
    for name, content in files.items():
        with (staged / name).open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    _flush(staged / "blobs")
    _flush(staged)


def _flush(folder: Path) -> None:
    """Flush a folder's own entries; without that a rename may be lost when the power goes."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
