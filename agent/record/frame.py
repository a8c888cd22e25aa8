"""A manifest's frame: everything in it but the result's own meaning, read strictly and without NumPy."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import IntegrityError, RecordError
from .canonical import read_json

__all__ = ["FORMAT", "MAX_MANIFEST", "RESULT_FORMAT", "blobs_of", "check_manifest", "read_manifest", "record_schema"]

FORMAT = "veridical.record/2"
RESULT_FORMAT = "veridical.explanation/1"
MAX_MANIFEST = 64 * 2**20
"""Bytes of a manifest, the most that is read."""

_MEMBERS: dict[str, tuple[type, ...]] = {
    "format": (str,),
    "critical": (list,),
    "id": (str,),
    "time": (dict,),
    "trigger": (str,),
    "provenance": (dict,),
    "subject": (str, type(None)),
    "labels": (dict,),
    "policy": (dict, type(None)),
    "inputs": (dict,),
    "result": (dict,),
    "arrays": (dict,),
    "sealed": (dict, type(None)),
    "omitted": (dict,),
}
_KINDS = ("exact", "fp16", "int8", "sparse")
_KNOWN = {*_MEMBERS, *_KINDS, "zlib", "AES-256-GCM"}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", re.ASCII)


def record_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a manifest's frame; that of an array's entry is under ``$defs/array``."""
    path = Path(__file__).with_name("schema") / "record-2.json"
    return json.loads(path.read_text(encoding="utf-8"))


def read_manifest(content: bytes, where: str, *, canonical: bool = False) -> dict[str, Any]:
    """Parse a manifest of version 2 and check its frame; members that this version does not know are kept.

    Args:
        content: the manifest's bytes.
        where: what is read, for messages.
        canonical: whether the bytes must be exactly canonical JSON. A digest that is signed says more, and is quicker.

    Raises:
        IntegrityError: too large (``size``), malformed JSON (``json``), another format or version, a member that is
            missing or of the wrong kind, or a critical one that this version does not know (``format``).
    """
    if len(content) > MAX_MANIFEST:
        raise IntegrityError(f"{where} has {len(content)} bytes; a manifest has at most {MAX_MANIFEST}", "size")
    try:
        manifest = read_json(content, where, canonical=canonical)
    except RecordError as error:
        raise IntegrityError(str(error), "json") from error
    check_manifest(manifest, where)
    return manifest


def check_manifest(manifest: Any, where: str) -> None:
    """Check the frame of a manifest that is parsed.

    Raises:
        IntegrityError: as `read_manifest` (``format``).
    """
    found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
    if found != FORMAT:
        raise IntegrityError(f"{where}: format is {found!r}; this version reads {FORMAT!r}{_hint(found)}", "format")
    for name, kinds in _MEMBERS.items():
        _see(name in manifest, f"{where}: there is no {name!r}")
        _see(isinstance(manifest[name], kinds), f"{where}: {name!r} is a {type(manifest[name]).__name__}")
    _see_critical(manifest["critical"], where)
    _see(_ID.fullmatch(manifest["id"]), f"{where}: id {manifest['id']!r} is not a UUID of version 4")
    _see_time(manifest["time"], where)
    _see_rest(manifest, where)
    for name, entry in manifest["arrays"].items():
        _see_entry(entry, f"{where}: array {name!r:.80}")


def blobs_of(manifest: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the digests of the blobs that a checked manifest names, the open and the sealed ones, each sorted."""
    entries = manifest["arrays"].values()
    opened = {entry["blob"] for entry in entries if "blob" in entry}
    parts = [entry["sealed"] for entry in entries if "sealed" in entry]
    parts += [part for part in (manifest["sealed"] or {}).values() if isinstance(part, dict)]
    return sorted(opened), sorted({part["blob"] for part in parts})


def _hint(found: Any) -> str:
    if found == "veridical.record/1":
        return ", and of version 1 records in a folder of their own"
    newer = isinstance(found, str) and re.fullmatch(r"veridical\.record/\d{1,9}", found, re.ASCII)
    return "; a newer veridical may read it" if newer else ""


def _see(fact: Any, told: str) -> None:
    if not fact:
        raise IntegrityError(f"{told}; the manifest was altered, or is not one of {FORMAT}", "format")


def _see_critical(critical: list[Any], where: str) -> None:
    for name in critical:
        _see(isinstance(name, str), f"{where}: 'critical' holds a {type(name).__name__}")
        if name not in _KNOWN:
            raise IntegrityError(
                f"{where}: {name[:80]!r} is critical to it and unknown to this version of {FORMAT}; "
                "a newer veridical may be needed",
                "format",
            )


def _see_time(time: dict[str, Any], where: str) -> None:
    for name in ("start", "end"):
        value = time.get(name)
        _see(
            isinstance(value, str) and _TIME.fullmatch(value),
            f"{where}: time.{name} is {value!r}, no time of the form 2026-11-23T20:12:33.281000+00:00",
        )
    ticks = time.get("monotonic")
    if ticks is not None:
        _see(
            isinstance(ticks, dict) and all(type(ticks.get(name)) is int for name in ("start", "end")),
            f"{where}: time.monotonic has no integers 'start' and 'end'",
        )


def _see_rest(manifest: dict[str, Any], where: str) -> None:
    found = manifest["result"].get("format")
    if found != RESULT_FORMAT:
        raise IntegrityError(
            f"{where}: result.format is {found!r}; this version reads {RESULT_FORMAT!r}{_hint(found)}", "format"
        )
    for name in ("labels", "omitted"):
        strings = all(isinstance(value, str) for value in manifest[name].values())
        _see(strings, f"{where}: {name!r} holds a value that is not a string")
    for sense, told in manifest["inputs"].items():
        _see(isinstance(told, dict) and type(told.get("present")) is bool, f"{where}: input {sense!r} has no 'present'")
    for name, part in (manifest["sealed"] or {}).items():
        _see_part(part, f"{where}: sealed {name!r}")


def _see_entry(entry: Any, where: str) -> None:
    _see(isinstance(entry, dict), f"{where}: its entry is a {type(entry).__name__}, not an object")
    dims, shape = entry.get("dims"), entry.get("shape")
    _see(isinstance(dims, list) and all(isinstance(dim, str) for dim in dims), f"{where}: 'dims' are no list of names")
    _see(
        isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape), f"{where}: 'shape' is {shape!r:.80}"
    )
    _see(len(dims) == len(shape), f"{where}: {len(dims)} dims, but a shape of {len(shape)}")
    _see(isinstance(entry.get("dtype"), str), f"{where}: there is no 'dtype'")
    _see(isinstance(entry.get("unit"), str | None), f"{where}: 'unit' is neither a string nor null")
    for name in ("attrs", "coords", "uncertainty"):
        _see(isinstance(entry.get(name, {}), dict), f"{where}: {name!r} is no object")
    coords = entry.get("coords", {}).values()
    _see(all(isinstance(other, str) for other in coords), f"{where}: 'coords' name no arrays")
    coding = entry.get("coding")
    _see(isinstance(coding, dict) and isinstance(coding.get("kind"), str), f"{where}: there is no 'coding' of a kind")
    _see(entry.get("packed") is None or isinstance(entry["packed"], str), f"{where}: 'packed' is no string")
    _see(("blob" in entry) != ("sealed" in entry), f"{where}: there must be one of 'blob' and 'sealed'")
    if "sealed" in entry:
        _see_part(entry["sealed"], where)
    else:
        _see_digest(entry["blob"], f"{where}: 'blob'")
        _see(type(entry.get("bytes")) is int and entry["bytes"] >= 0, f"{where}: 'bytes' is {entry.get('bytes')!r:.80}")


def _see_part(part: Any, where: str) -> None:
    _see(isinstance(part, dict), f"{where}: its sealed part is a {type(part).__name__}, not an object")
    for name in ("blob", "commitment"):
        _see_digest(part.get(name), f"{where}: {name!r} of its sealed part")
    _see(type(part.get("bytes")) is int and part["bytes"] >= 0, f"{where}: its sealed part has no 'bytes'")
    _see(isinstance(part.get("cipher"), str), f"{where}: its sealed part names no 'cipher'")


def _see_digest(value: Any, told: str) -> None:
    _see(isinstance(value, str) and _DIGEST.fullmatch(value), f"{told} is {value!r:.80}, not sha256:<64 hex>")
