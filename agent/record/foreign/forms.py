"""What the foreign forms share: files read within bounds, lists that are arrays, and what a form cannot say itself."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import secrets
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import InputError, RecordError
from ..canonical import read_json
from .maps import ForeignMap, changed, same, type_of

__all__ = [
    "MAX_JSON",
    "added",
    "array_of",
    "as_input",
    "as_record",
    "complete",
    "inline",
    "load_json",
    "outline",
    "split_missing",
    "version_of",
    "write_json",
]

MAX_JSON = 64 * 2**20
"""Bytes of a JSON file, unpacked, the most that is read."""

_FIX = "give numbers in lists of equal lengths, one explanation at a time"
_GZIP = b"\x1f\x8b"


_MALFORMED = (KeyError, TypeError, AttributeError, IndexError, ValueError)


@contextlib.contextmanager
def as_record(where: str) -> Iterator[None]:
    """Turn what is wrong with a value read from a file into the error of the file."""
    try:
        yield
    except InputError as error:
        raise RecordError(f"{where}: {error}") from error
    except _MALFORMED as error:
        raise RecordError(f"{where} is malformed: {error!r:.200}; it was altered, or is of another form") from error


@contextlib.contextmanager
def as_input(where: str) -> Iterator[None]:
    """Turn what is wrong with a value that was handed over into an error of the input."""
    try:
        yield
    except InputError:
        raise
    except _MALFORMED as error:
        raise InputError(f"{where} are not as this package makes them: {error!r:.200}; read the map again") from error


def load_json(path: str | Path, what: str) -> dict[str, Any]:
    """Read a JSON object from a file, gzipped or not, of at most `MAX_JSON` bytes unpacked.

    Raises:
        RecordError: it cannot be read, is larger, or is no JSON object; NaN is no JSON.
    """
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_JSON + 1)
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error
    if content.startswith(_GZIP) and len(content) <= MAX_JSON:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            content = unpacker.decompress(content, MAX_JSON + 1)
        except zlib.error as error:
            raise RecordError(f"{path} is not a gzip file: {error}; it was cut short or altered") from error
        if len(content) <= MAX_JSON and (not unpacker.eof or unpacker.unused_data):
            raise RecordError(f"{path} is not one whole gzip file; it was cut short or altered")
    if len(content) > MAX_JSON:
        raise RecordError(f"{path} holds more than {MAX_JSON} bytes of JSON; split the maps over several files")
    value = read_json(content, str(path))
    if not isinstance(value, dict):
        raise RecordError(f"{path} is not {what}: it is a {type(value).__name__}, not an object")
    return value


def write_json(path: str | Path, value: Mapping[str, Any]) -> Path:
    """Write a new JSON file, whole or not at all; floats are written so that they come back bit for bit.

    Raises:
        RecordError: it is there already, or cannot be written.
    """
    target = Path(path)
    if target.exists() or target.is_symlink():
        raise RecordError(f"{target} is there already; name another file, or move it away")
    content = json.dumps(value, allow_nan=False, ensure_ascii=False, sort_keys=True).encode()
    read_json(content, str(target))  # what could not be read back is not written
    staged = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        with staged.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        staged.rename(target)
    except OSError as error:
        raise RecordError(f"{target} cannot be written: {error.strerror}; free space or name another file") from error
    finally:
        staged.unlink(missing_ok=True)
    return target


def array_of(value: Any, what: str) -> np.ndarray:
    """Return numbers as an array: a tensor, an array, or lists within lists that are not ragged.

    Values are not looked at here: NaN passes, and whoever makes a `ForeignMap` of it is told.

    Raises:
        InputError: ragged lists, or something that is not a number.
    """
    if hasattr(value, "detach"):  # a torch tensor, without importing torch
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    try:
        found = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{what} are ragged or no numbers ({error}); {_FIX}") from error
    if found.dtype.kind not in "biuf":
        told = "ragged, or not all numbers" if found.dtype.kind == "O" else f"of {found.dtype}"
        raise InputError(f"{what} are {told}; {_FIX}")
    return found


def split_missing(array: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return an array with 0 in place of NaN, and where that was; None if nowhere."""
    absent = np.isnan(array) if array.dtype.kind == "f" else None
    if absent is None or not absent.any():
        return array, None
    return np.where(absent, array.dtype.type(0), array), absent


def version_of(library: str) -> str | None:
    """Return the version of an installed library, without importing it; None if it is not there."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def inline(value: Any) -> Any:
    """Return a coordinate, a baseline or an array as plain JSON; `outline` reads it."""
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.name, "shape": list(value.shape), "data": value.ravel().tolist()}
    if isinstance(value, Mapping):
        return {key: inline(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def outline(value: Any) -> Any:
    """Read one value that `inline` wrote: an array, labels, words, a number or null."""
    if isinstance(value, Mapping):
        kind = type_of(value["dtype"])
        found = array_of(value["data"], "the numbers of an array")
        with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is told right below
            exact = found.astype(kind)
        if (exact != found).any():
            raise InputError(f"numbers are said to be of {kind}, which does not hold them; the file was altered")
        return exact.reshape(value["shape"])
    return tuple(value) if isinstance(value, list) else value


def added(want: ForeignMap, native: ForeignMap) -> dict[str, Any]:
    """Return what a form did not say of a map, as plain JSON: the fields in which it came back otherwise.

    Args:
        want: the map that was written.
        native: the same, as the form alone tells it; the same numbers in the same order.
    """
    found = {
        f.name: inline(getattr(want, f.name))
        for f in fields(want)
        if f.name != "values" and not same(getattr(want, f.name), getattr(native, f.name))
    }
    if want.values.dtype != native.values.dtype:
        found["dtype"] = want.values.dtype.name
    if want.values.shape != native.values.shape:
        found["shape"] = list(want.values.shape)
    return found


def complete(native: ForeignMap, more: Mapping[str, Any]) -> ForeignMap:
    """Return a map as it was written: what the form says, and what `added` says beside it.

    Raises:
        InputError: the two do not go together.
    """
    known = {f.name for f in fields(native)} - {"values"} | {"dtype", "shape"}
    if not more.keys() <= known:
        raise InputError(f"'veridical' has {sorted(more.keys() - known)}, which this version does not know")
    told = {key: more[key] for key in more.keys() - {"dtype", "shape"}}
    for key in told.keys() & {"dims", "baseline"}:
        told[key] = outline(told[key])
    for key in told.keys() & {"coords", "extras"}:
        told[key] = {name: outline(item) for name, item in told[key].items()}
    flat = inline(native.values) | {key: more[key] for key in more.keys() & {"dtype", "shape"}}
    return changed(native, **told, values=outline(flat))
