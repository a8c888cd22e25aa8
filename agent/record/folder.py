"""Records of version 1, which are read and no longer written: a manifest and one safetensors file an array."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import IntegrityError, RecordError
from .canonical import digest_of
from .frame import RESULT_FORMAT
from .tensors import read_tensors

__all__ = ["FORMAT", "read_first"]

FORMAT = "veridical.record/1"

_FILE = re.compile(r"arrays/([0-9a-f]{64})\.safetensors")
_MAX_FILE = 2**30 + 2**16


def read_first(root: Path, manifest: dict[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a record of version 1, whose manifest is parsed, checking every digest.

    Returns:
        The result and the arrays by name.

    Raises:
        RecordError: a manifest of another form, or a file that is missing or altered.
    """
    result, arrays = manifest.get("result"), manifest.get("arrays")
    if not isinstance(result, dict) or not isinstance(arrays, dict):
        raise IntegrityError(f"{root}: 'result' and 'arrays' must both be objects; the manifest was altered", "format")
    if result.get("format") != RESULT_FORMAT:
        found = result.get("format")
        raise IntegrityError(f"{root}: result.format is {found!r}; this version reads {RESULT_FORMAT!r}", "format")
    return result, {name: _read_array(root, name, entry) for name, entry in sorted(arrays.items())}


def _read_array(root: Path, name: str, entry: Any) -> np.ndarray:
    """Read one array and hold it against its entry."""
    if not isinstance(entry, dict):
        raise IntegrityError(f"array {name!r}: its entry is a {type(entry).__name__}, not an object", "format")
    file, digest = entry.get("file"), entry.get("digest")
    match = _FILE.fullmatch(file) if isinstance(file, str) else None
    if match is None or digest != f"sha256:{match[1]}":
        raise IntegrityError(
            f"array {name!r}: file {file!r} and digest {digest!r} must be arrays/<sha256>.safetensors", "path"
        )
    content = _content(root / match[0], f"array {name!r}")
    got = digest_of(content)
    if got != digest:
        raise IntegrityError(
            f"array {name!r}: expected {digest}, got {got} ({len(content)} bytes); the file was cut short or altered",
            "digest",
        )
    tensors = read_tensors(content, f"array {name!r}")
    if list(tensors) != ["data"]:
        raise IntegrityError(f"array {name!r} holds {sorted(tensors)}; expected the one tensor 'data'", "format")
    array = tensors["data"]
    if entry.get("shape") != list(array.shape) or entry.get("dtype") != array.dtype.name:
        raise IntegrityError(
            f"array {name!r}: the manifest says {entry.get('dtype')} {entry.get('shape')}, "
            f"the file holds {array.dtype.name} {list(array.shape)}",
            "format",
        )
    return array


def _content(path: Path, where: str) -> bytes:
    if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
        raise IntegrityError(f"{where}: {path} is missing or not a plain file; copy the whole folder again", "missing")
    try:
        if path.stat().st_size > _MAX_FILE:
            raise IntegrityError(f"{where}: {path} has more than {_MAX_FILE} bytes", "size")
        return path.read_bytes()
    except OSError as error:
        raise RecordError(f"{where}: {path} cannot be read: {error.strerror}") from error
