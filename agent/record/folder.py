"""The open record: a canonical JSON manifest for the meaning, safetensors files for the arrays.

The form is specified in ``docs/record.md``. Nothing in a record is ever unpickled, imported or run.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ...errors import RecordError
from .canonical import canonical_json, read_json
from .names import describe
from .plain import plain

__all__ = ["FORMAT", "RESULT_FORMAT", "check_target", "read_record", "write_record"]

FORMAT = "veridical.record/1"
RESULT_FORMAT = "veridical.explanation/1"
MANIFEST = "manifest.json"

_FILE = re.compile(r"arrays/([0-9a-f]{64})\.safetensors")
_KINDS = "biuf"  # dtypes that a record may hold: bool, signed, unsigned, floating point


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


def write_record(folder: str | Path, result: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Path:
    """Write one decision's record, whole or not at all.

    Args:
        folder: where to; must not exist, or be empty. Its parents are made.
        result: JSON-able mapping whose ``format`` is `RESULT_FORMAT`.
        arrays: name to array, of a boolean, integer or floating dtype, every value finite.

    Returns:
        The folder.

    Raises:
        RecordError: the target is taken or cannot be written to, or a value cannot be recorded.
    """
    target = Path(folder)
    check_target(target)
    if result.get("format") != RESULT_FORMAT:
        raise RecordError(f"result.format is {result.get('format')!r}; this version writes {RESULT_FORMAT!r}")
    files, entries = {}, {}
    for name, array in sorted(arrays.items()):
        content = _encode(name, array)
        digest = hashlib.sha256(content).hexdigest()
        files[f"arrays/{digest}.safetensors"] = content
        entries[name] = describe(name, array, digest)
    files[MANIFEST] = canonical_json({"format": FORMAT, "result": plain(result), "arrays": entries}, "the result")
    staged = target.parent / f".{target.name}.{secrets.token_hex(6)}"
    try:
        _fill(staged, files)
        if target.is_dir():
            target.rmdir()  # empty, as checked; a rename onto it is not portable
        staged.rename(target)
    except OSError as error:
        reason = error.strerror or error
        raise RecordError(f"{target} cannot be written: {reason}; free space or name another folder") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return target


def read_record(folder: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a record, checking every digest.

    Returns:
        The result and the arrays by name. Whole floats come back as integers, as in any canonical JSON.

    Raises:
        RecordError: nothing there, an unknown format, malformed JSON, or a file that is missing or altered.
    """
    root = Path(folder)
    manifest = _read_manifest(root)
    arrays = {name: _read_array(root, name, entry) for name, entry in sorted(manifest["arrays"].items())}
    return manifest["result"], arrays


def _encode(name: str, array: np.ndarray) -> bytes:
    """Serialise one array as a safetensors file with the one tensor ``data`` and no metadata."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in _KINDS:
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise RecordError(f"array {name!r} is of {kind}; a record holds NumPy arrays of bool, int, uint or float")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise RecordError(f"array {name!r} has {bad} of {array.size} values that are not finite; mend what computed it")
    little = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    return save({"data": little})


def _fill(staged: Path, files: Mapping[str, bytes]) -> None:
    """Write all files below a new folder and flush them to disk."""
    (staged / "arrays").mkdir(parents=True)
    for name, content in files.items():
        with (staged / name).open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())


def _read_manifest(root: Path) -> dict[str, Any]:
    """Read and check the manifest's outer form."""
    path = root / MANIFEST
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise RecordError(f"{root} is not a record: there is no {MANIFEST} in it") from error
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error
    manifest = read_json(content, str(path))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise RecordError(f"{path}: format is {found!r}; this version reads {FORMAT!r}")
    result, arrays = manifest.get("result"), manifest.get("arrays")
    if not isinstance(result, dict) or not isinstance(arrays, dict):
        raise RecordError(f"{path}: 'result' and 'arrays' must both be objects; the manifest was altered")
    if result.get("format") != RESULT_FORMAT:
        raise RecordError(f"{path}: result.format is {result.get('format')!r}; this version reads {RESULT_FORMAT!r}")
    return manifest


def _read_array(root: Path, name: str, entry: Any) -> np.ndarray:
    """Read one array and hold it against its entry."""
    if not isinstance(entry, dict):
        raise RecordError(f"array {name!r}: its entry is a {type(entry).__name__}, not an object")
    file, digest = entry.get("file"), entry.get("digest")
    match = _FILE.fullmatch(file) if isinstance(file, str) else None
    if match is None or digest != f"sha256:{match[1]}":
        raise RecordError(f"array {name!r}: file {file!r} and digest {digest!r} must be arrays/<sha256>.safetensors")
    path = root / match[0]
    if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
        raise RecordError(f"array {name!r}: {path} is missing or not a plain file; copy the whole folder again")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"array {name!r}: {path} cannot be read: {error.strerror}") from error
    got = hashlib.sha256(content).hexdigest()
    if got != match[1]:
        raise RecordError(
            f"array {name!r}: expected sha256:{match[1]}, got sha256:{got} ({len(content)} bytes); "
            "the file was cut short or altered"
        )
    try:
        tensors = load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise RecordError(f"array {name!r}: {path} is not a safetensors file: {error}") from error
    if list(tensors) != ["data"]:
        raise RecordError(f"array {name!r}: {path} holds {sorted(tensors)}; expected the one tensor 'data'")
    array = tensors["data"]
    if entry.get("shape") != list(array.shape) or entry.get("dtype") != array.dtype.name:
        raise RecordError(
            f"array {name!r}: the manifest says {entry.get('dtype')} {entry.get('shape')}, "
            f"the file holds {array.dtype.name} {list(array.shape)}"
        )
    return array
