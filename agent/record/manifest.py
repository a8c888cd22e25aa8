"""A decision's manifest and blobs, composed and read again: the record itself, wherever it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ...errors import InputError, IntegrityError, RecordError
from .budget import plan
from .canonical import canonical_json, digest_of, read_json
from .coding import EXACT, LADDER, decode
from .context import Context
from .frame import FORMAT, RESULT_FORMAT, blobs_of, read_manifest
from .pieces import Pieces
from .plain import plain

__all__ = ["Context", "blobs_of", "compose", "read_arrays", "read_manifest", "read_result"]

Get = Callable[[str], bytes]

_FIRST = {coding.kind: coding for coding in reversed(LADDER)}


def compose(
    result: Mapping[str, Any], arrays: Mapping[str, np.ndarray], context: Context
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Make a decision's manifest, and the blobs that it names.

    Args:
        result: JSON-able mapping whose ``format`` is `RESULT_FORMAT`.
        arrays: name to array, of a boolean, integer or floating dtype, every value finite.
        context: when, why, by which system; what is sealed; how coarsely and how large it may be stored.

    Returns:
        The manifest, plain JSON values to be written by `canonical_json`, and the blobs by digest.

    Raises:
        RecordError: a value or an array that cannot be recorded.
        InputError: the budget cannot be held.
    """
    told = plain(result)
    if told.get("format") != RESULT_FORMAT:
        raise RecordError(f"result.format is {told.get('format')!r}; this version writes {RESULT_FORMAT!r}")
    frame = {"format": FORMAT, "critical": [], **context.frame(told), "inputs": _inputs(told)}
    blobs: dict[str, bytes] = {}
    sealed = None
    if context.seal is not None:
        from .texts import cut_texts

        told, texts = cut_texts(told)
        part, blob = context.seal.seal(canonical_json(texts, "the sealed texts"))
        sealed, blobs[part["blob"]] = {"texts": part}, blob
    manifest = frame | {"result": told, "arrays": {}, "sealed": sealed, "omitted": {}}
    bare = len(canonical_json(manifest, "the result")) + sum(map(len, blobs.values()))
    pieces = Pieces(arrays, told, context.seal)
    # With all that must be known named once, "critical" grows by less than this.
    room = None if context.budget is None else context.budget - bare - _CRITICAL
    chosen = plan(pieces.arrays, pieces.maps, pieces.size, room, _FIRST[context.precision])
    if room is not None and chosen.total > room:
        raise InputError(
            f"a budget of {context.budget} bytes cannot be held: this record needs at least "
            f"{bare + _CRITICAL + chosen.total}; allow as many, or give no budget"
        )
    for name, coding in chosen.codings.items():
        piece = pieces.piece(name, coding)
        manifest["arrays"][name], blobs[piece.digest] = piece.entry, piece.blob
    manifest["omitted"], manifest["critical"] = chosen.omitted, _critical(manifest)
    return manifest, blobs


def read_arrays(
    manifest: Mapping[str, Any], get: Get, names: Iterable[str] | None = None, *, key: bytes | None = None
) -> dict[str, np.ndarray]:
    """Read arrays of a checked manifest, holding every blob against its digest.

    Args:
        manifest: as `read_manifest` returns it.
        get: digest to blob; raises where there is none.
        names: which ones; None for all that can be read.
        key: opens the sealed ones; without it those are left out, or refused where they are asked for by name.

    Returns:
        The arrays by name.

    Raises:
        RecordError: an array that is not there, was omitted, or is sealed and there is no key.
        IntegrityError: a blob that is not that of its digest (``digest``, ``size``), or not what its entry says
            (``format``); what ``get`` raises.
    """
    entries = manifest["arrays"]
    if names is None:
        wanted = [name for name, entry in entries.items() if key is not None or "sealed" not in entry]
    else:
        wanted = list(names)
    found = {}
    for name in sorted(wanted):
        if name not in entries:
            reason = manifest["omitted"].get(name)
            told = f"was left out: {reason}" if reason else f"is not there; the record has {', '.join(sorted(entries))}"
            raise RecordError(f"array {name!r} {told}")
        entry, where = entries[name], f"array {name!r}"
        found[name] = decode(entry, _content(entry, get, key, where), where)
    return found


def read_result(manifest: Mapping[str, Any], get: Get, key: bytes | None = None) -> dict[str, Any]:
    """Return the result of a checked manifest; with a subject's key, the words that were cut out are put back.

    Raises:
        IntegrityError: the sealed texts are not those of the record, or the key is another's.
    """
    part = (manifest["sealed"] or {}).get("texts")
    if part is None or key is None:
        return manifest["result"]
    from .sealing import unseal
    from .texts import put_texts

    texts = read_json(unseal(part, _blob(part, get, "the sealed texts"), key, "the sealed texts"), "the sealed texts")
    if not isinstance(texts, dict):
        raise IntegrityError("the sealed texts are no object; the writer erred or lied", "format")
    return put_texts(manifest["result"], texts)


_KINDS = tuple(sorted({coding.kind for coding in LADDER} - {EXACT.kind}))
_CRITICAL = len(canonical_json([*_KINDS, "zlib", "sealed"]))


def _critical(manifest: Mapping[str, Any]) -> list[str]:
    """What a reader of these arrays must know: a simple one may know exact, open and unpacked arrays alone."""
    entries = manifest["arrays"].values()
    used = {entry["coding"]["kind"] for entry in entries} - {EXACT.kind}
    used |= {entry["packed"] for entry in entries} - {None}
    return sorted(used | ({"sealed"} if manifest["sealed"] else set()))


def _inputs(result: Mapping[str, Any]) -> dict[str, Any]:
    """What each sense was given: the digest of its signal, a salted one where the observation has a salt."""
    seen = result.get("observation")
    told = {}
    for sense, signal in (seen if isinstance(seen, dict) else {}).items():
        present = isinstance(signal, dict) and signal.get("present") is True
        told[sense] = {"present": present, "commitment": signal.get("digest") if present else None}
    return told


def _content(entry: Mapping[str, Any], get: Get, key: bytes | None, where: str) -> bytes:
    """The stored bytes of an array, in the open."""
    part = entry.get("sealed")
    if part is None:
        content = _blob(entry, get, where)
        if len(content) != entry["bytes"]:
            raise IntegrityError(f"{where}: {len(content)} bytes, {entry['bytes']} are declared", "size")
        return content
    if key is None:
        raise RecordError(f"{where} is sealed; it can be read with its subject's key alone")
    from .sealing import unseal

    return unseal(part, _blob(part, get, where), key, where)


def _blob(told: Mapping[str, Any], get: Get, where: str) -> bytes:
    content = get(told["blob"])
    got = digest_of(content)
    if got != told["blob"]:
        raise IntegrityError(
            f"{where}: expected {told['blob']}, got {got} ({len(content)} bytes); the blob was cut short or altered",
            "digest",
        )
    return content
