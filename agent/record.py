"""The open record: a canonical JSON manifest for the meaning, safetensors files for the arrays.

The form is specified in ``docs/record.md``. Nothing in a record is ever unpickled, imported or run.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import rfc8785
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..errors import RecordError

__all__ = ["FORMAT", "RESULT_FORMAT", "check_target", "plain", "read_record", "write_record"]

FORMAT = "veridical.record/1"
RESULT_FORMAT = "veridical.explanation/1"
MANIFEST = "manifest.json"

_VIDEO = ["frame", "y", "x", "channel"]
_SPECTRUM = ["frequency", "time"]
_COORDS = {"frequency": "audio.frequencies", "time": "audio.times"}
_KNOWN: dict[str, tuple[list[str], str, dict[str, str]]] = {
    "vision.frames": (_VIDEO, "sRGB code value", {}),
    "vision.saliency": (_VIDEO[:3], "nat", {}),
    "vision.units": (_VIDEO[:3], "unit index", {}),
    "audio.waveform": (["sample"], "full scale", {}),
    "audio.waveform_saliency": (["sample"], "nat", {}),
    "audio.spectrogram": (_SPECTRUM, "dB", _COORDS),
    "audio.saliency": (_SPECTRUM, "nat", _COORDS),
    "audio.units": (_SPECTRUM, "unit index", _COORDS),
    "audio.frequencies": (["frequency"], "Hz", {}),
    "audio.times": (["time"], "s", {}),
    "text.saliency": (["word"], "nat", {}),
    "fusion.speech.seconds": (["edge"], "s", {}),
    "fusion.speech.nats": (["cell"], "nat", {}),
}
_FILE = re.compile(r"arrays/([0-9a-f]{64})\.safetensors")
_KINDS = "biuf"  # dtypes that a record may hold: bool, signed, unsigned, floating point


def plain(value: Any, where: str = "result") -> Any:
    """Return ``value`` as plain JSON values; NumPy scalars and arrays, tuples and paths of mappings are converted.

    Raises:
        RecordError: a value that JSON cannot hold, a float that is not finite, a key that is not a string.
    """
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise RecordError(f"{where}: key {key!r} is a {type(key).__name__}; name it with a string")
        return {key: plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist(), where)
    if isinstance(value, float) and not math.isfinite(value):
        raise RecordError(f"{where} is {value}, and a record holds finite numbers only; mend what computed it")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise RecordError(f"{where} is a {type(value).__name__}, which JSON cannot hold; convert it first")


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
        entries[name] = _describe(name, array, digest)
    files[MANIFEST] = _canonical({"format": FORMAT, "result": plain(result), "arrays": entries})
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


def _describe(name: str, array: np.ndarray, digest: str) -> dict[str, Any]:
    """Return the manifest's entry of one array; dims and unit of an array not in the specification are not guessed."""
    dims, unit, coords = [f"axis_{i}" for i in range(array.ndim)], None, {}
    if name in _KNOWN:
        dims, unit, coords = _KNOWN[name]
    elif name.startswith("fusion.attention."):
        dims, unit = ["unit"], "share of attention"
    elif name.startswith("fusion.depth.") and array.ndim == 3:
        dims, unit = ["frame", "y", "x"], "nat"
    elif name.startswith("concept.") and name.endswith(".prototypes") and array.ndim == 4:
        dims, unit = ["prototype", "y", "x", "channel"], "sRGB code value"
    elif name.startswith("concept.") and name.endswith(".prototypes"):
        dims, unit = ["prototype", "sample"], "full scale"
    elif name.startswith("counterfactual.") and name.endswith(".vision"):
        dims, unit, coords = _KNOWN["vision.frames"]
    elif name.startswith("counterfactual.") and name.endswith(".audio"):
        dims, unit, coords = _KNOWN["audio.waveform"]
    if len(dims) != array.ndim:
        raise RecordError(f"array {name!r} has shape {array.shape}, but its dimensions are {', '.join(dims)}")
    entry: dict[str, Any] = {
        "file": f"arrays/{digest}.safetensors",
        "digest": f"sha256:{digest}",
        "dims": dims,
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "unit": unit,
    }
    return entry | ({"coords": coords} if coords else {})


def _canonical(manifest: dict[str, Any]) -> bytes:
    """Serialise by RFC 8785."""
    try:
        return rfc8785.dumps(manifest)
    except rfc8785.CanonicalizationError as error:
        raise RecordError(f"the result cannot be written as canonical JSON: {error}; mend that value") from error


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
        manifest = json.loads(path.read_bytes(), object_pairs_hook=_unique, parse_constant=_not_json)
    except FileNotFoundError as error:
        raise RecordError(f"{root} is not a record: there is no {MANIFEST} in it") from error
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # malformed JSON, wrong encoding, absurd nesting
        raise RecordError(f"{path} is not the JSON of a record: {error}; it was cut short or altered") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise RecordError(f"{path}: format is {found!r}; this version reads {FORMAT!r}")
    result, arrays = manifest.get("result"), manifest.get("arrays")
    if not isinstance(result, dict) or not isinstance(arrays, dict):
        raise RecordError(f"{path}: 'result' and 'arrays' must both be objects; the manifest was altered")
    if result.get("format") != RESULT_FORMAT:
        raise RecordError(f"{path}: result.format is {result.get('format')!r}; this version reads {RESULT_FORMAT!r}")
    return manifest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object, refusing a key that stands twice (two readers could see two meanings)."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"key {next(n for n in names if names.count(n) > 1)!r} stands twice in one object")
    return found


def _not_json(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python's parser would let through."""
    raise ValueError(f"{name} is not a JSON number")


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
