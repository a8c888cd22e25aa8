"""What is held against a record, point by point, each with its finding in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..modalities.contract import Prepared, System
from ..verifier.commitment import commit, digest_array
from ..verifier.verify import Reference
from .assemble import signal_digest
from .record import plain
from .tried import Tried

__all__ = ["Point", "commitments", "compared", "copies", "maps", "observed", "same_reference", "same_system"]

_MOST = 3  # differences told of one point


@dataclass(frozen=True)
class Point:
    """One thing that was checked.

    Attributes:
        what: what was checked, in a few words.
        agrees: whether the record holds.
        told: what was found, in words.
    """

    what: str
    agrees: bool
    told: str


def commitments(tried: Sequence[Tried]) -> Point:
    """Whether each commitment is the digest of what was committed to."""
    bad = []
    for number, one in enumerate(tried, 1):
        digest = commit(one.committed).digest
        if digest != one.digest:
            bad.append(
                f"attempt {number}: what is said to have been committed to has the digest {digest[:19]}…, the "
                f"commitment is {one.digest[:19]}…: one of them was altered"
            )
    return Point("commitments", not bad, _told(bad) or "each is the digest of what was committed to")


def copies(result: Mapping[str, Any], tried: Sequence[Tried]) -> Point:
    """Whether what the record says more than once is the same everywhere, and as it was committed to."""
    verdict, last, found = result["verdict"], tried[-1], list[str]()
    for number, one in enumerate(tried, 1):
        found += _claims_differ(f"attempt {number}", one.entry["claims"], one.committed["claims"])
        found += [
            f"attempt {number}: the contributions of {m} are not those committed to"
            for m, digest in one.committed["values"].items()
            if one.rung != "measured" and digest_array(one.account.values[m]) != digest
        ]
    found += _claims_differ("claims", result["claims"], last.committed["claims"][: len(result["claims"])])
    for key in ("verdict", "cause", "commitment", "committed", "salt", "rung"):
        found += _differences(last.entry[key], verdict.get(key), f"verdict.{key}")
    return Point("the record with itself", not found, _told(found) or "what is told twice is told alike")


def _claims_differ(where: str, told: Any, committed: Any) -> list[str]:
    if len(told) != len(committed):
        return [f"{where}: {len(told)} claims, {len(committed)} committed to"]
    found = []
    for number, (claim, fixed) in enumerate(zip(told, committed, strict=True), 1):
        for key in ("modality", "units", "predicted"):
            if claim[key] != fixed[key]:
                shown = f": {claim[key]} here, {fixed[key]} committed to" if key != "units" else ""
                found.append(f"{where}: claim {number} is not as it was committed to, its {key} differ{shown}")
    return found


def maps(committed: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Point:
    """Whether the recorded saliency maps are those committed to."""
    bad, seen = [], 0
    for m, views in committed["saliency"].items():
        if f"{m}.saliency" in arrays:
            seen += 1
            digest = digest_array(arrays[f"{m}.saliency"])
            if digest not in views.values():
                bad.append(f"{m}.saliency has the digest {digest[:19]}…, which was not committed to")
    return Point("saliency maps", not bad, _told(bad) or f"the {seen} recorded are those committed to")


def observed(committed: Mapping[str, Any], prepared: Mapping[str, Prepared], salts: Mapping[str, str | None]) -> Point:
    """Whether these are the signals that were committed to, by their digests with the salts recorded."""
    fixed, bad = committed["observation"], []
    for m in dict.fromkeys((*fixed, *prepared)):
        if m not in prepared:
            bad.append(f"{m} was there and is missing now")
        elif m not in fixed:
            bad.append(f"{m} was absent and is there now")
        elif signal_digest(prepared[m], salts.get(m)) != fixed[m]:
            bad.append(f"{m} is another signal")
        elif _clock(prepared[m]) != committed.get("clocks", {}).get(m):
            bad.append(f"{m} has another clock")
    return Point("observation", not bad, _told(bad) or f"the same {', '.join(prepared)}")


def _clock(prepared: Prepared) -> dict[str, Any] | None:
    return None if prepared.clock is None else prepared.clock.to_dict()


def same_system(committed: Mapping[str, Any], system: System) -> Point:
    """Whether this is the system that was committed to, by its name and its digest."""
    name, digest = getattr(system, "name", type(system).__name__), getattr(system, "digest", None)
    fixed = committed["system"]
    if fixed == {"name": name, "digest": digest}:
        told = f"{digest[:19]}…" if digest else "it states no digest, so that only its name is the same"
        return Point("system", True, f"{name}; {told}")
    return Point("system", False, f"{fixed['name']} ({fixed['digest']}) decided, this is {name} ({digest})")


def same_reference(tried: Sequence[Tried], reference: Reference) -> Point:
    """Whether what was measured of the system beforehand is what was committed to."""
    same = all(reference.content(one.account.method) == one.committed["reference"] for one in tried)
    told = "the same" if any(one.committed["reference"] for one in tried) else "none, as then"
    return Point("calibration", same, told if same else "not the one committed to; give the one used then")


def compared(what: str, found: Mapping[str, Any], recorded: Any, agreeing: str) -> Point:
    """Hold what was found against the record; what only the record has is not looked at.

    Args:
        what: what is compared.
        found: plain values, as they came out now.
        recorded: the record's, in the same form.
        agreeing: what is told where nothing differs.
    """
    differences = list(_differences(plain(found), recorded, ""))
    return Point(what, not differences, _told(differences) or agreeing)


def _told(differences: Sequence[str]) -> str:
    more = len(differences) - _MOST
    return "; ".join(differences[:_MOST]) + (f"; and {more} more differences" if more > 0 else "")


def _differences(found: Any, recorded: Any, where: str) -> Iterator[str]:
    """Tell where two plain values differ; what only the record has is not looked at."""
    if isinstance(found, dict) and isinstance(recorded, Mapping):
        for key, value in found.items():
            if key not in recorded:
                yield f"{_place(where, key)} is not in the record"
            else:
                yield from _differences(value, recorded[key], _place(where, key))
    elif isinstance(found, list) and isinstance(recorded, list) and len(found) == len(recorded):
        for index, pair in enumerate(zip(found, recorded, strict=True)):
            yield from _differences(*pair, f"{where}[{index}]")
    elif found != recorded:
        yield f"{where} is {_short(recorded)} in the record, {_short(found)} now"


def _place(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _short(value: Any) -> str:
    shown = f"{value:.9g}" if isinstance(value, float) else str(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
