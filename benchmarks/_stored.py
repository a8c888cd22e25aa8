"""A decision's record as it is stored at each precision and under each budget: for `benchmarks.precision`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from veridical.agent.record.budget import plan
from veridical.agent.record.canonical import canonical_json
from veridical.agent.record.coding import LADDER, Coding, decode
from veridical.agent.record.manifest import Context, compose
from veridical.agent.record.pieces import Pieces
from veridical.agent.record.sealing import Sealer
from veridical.errors import InputError

__all__ = ["BUDGETS", "PARTS", "PRECISIONS", "Budgeted", "Store", "Stored"]

PRECISIONS: Mapping[str, Coding] = {
    coding.kind if coding.kind != "sparse" else f"sparse {100 * coding.share:g} %": coding for coding in LADDER
}
"""Codings of maps by name, the finest first."""
PARTS = ("manifest", "maps", "units", "other", "sealed", "total")
BUDGETS = (2_000_000, 500_000, 100_000)
"""Bytes."""

_LEAST = re.compile(r"needs at least (\d+);")
_ID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Stored:
    """A record at one precision.

    Attributes:
        size: bytes of each of `PARTS`.
        coded: share of the maps that have the coding asked for; 1 where there are none.
        maps: the maps as they are read again.
    """

    size: Mapping[str, int]
    coded: float
    maps: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Budgeted:
    """A record under a budget.

    Attributes:
        kind: of the decision.
        seed: of the scene.
        budget: bytes.
        size: bytes of the record; None where the budget cannot be held.
        least: bytes that the record takes at the least, as far as it was said: where the budget cannot be held.
        omitted: what was left out: how many arrays of a kind.
        codings: maps by coding.
    """

    kind: str
    seed: int
    budget: int
    size: int | None
    least: int | None
    omitted: Mapping[str, int]
    codings: Mapping[str, int]


class Store:
    """One decision, to be stored in several ways, sealed as a log seals it.

    Args:
        result: the explanation.
        arrays: its arrays by name.

    Raises:
        RecordError: a value or an array that cannot be recorded.
    """

    def __init__(self, result: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        self.result, self.arrays, self.seal = result, arrays, Sealer("s-precision", bytes(32))
        self.manifest, self.blobs = compose(result, arrays, Context(id=_ID, seal=self.seal))
        self.pieces = Pieces(arrays, self.manifest["result"], self.seal)

    def at(self, precision: str, forced: bool) -> Stored:
        """Return the record at a precision.

        Args:
            precision: one of `PRECISIONS`.
            forced: give each map this coding; else only where it is smaller than finer ones, as `Context` does.
        """
        coding, pieces = PRECISIONS[precision], self.pieces
        if forced:
            chosen = dict.fromkeys(sorted(pieces.maps), coding)
        else:
            codings = plan(pieces.arrays, pieces.maps, pieces.size, None, coding).codings
            chosen = {name: codings[name] for name in sorted(pieces.maps)}
        made = {name: pieces.piece(name, c) for name, c in chosen.items()}
        entries = {name: piece.entry for name, piece in made.items()}
        blobs = {piece.digest: piece.blob for piece in made.values()}
        size = _sizes(self.manifest, entries, {**self.blobs, **blobs})
        maps = {name: decode(piece.entry, piece.blob, name) for name, piece in made.items()}
        asked = [c == coding for c in chosen.values()]
        return Stored(size, float(np.mean(asked)) if asked else 1.0, maps)

    def within(self, budget: int, kind: str, seed: int) -> Budgeted:
        """Return what becomes of the record under a budget."""
        try:
            manifest, blobs = compose(self.result, self.arrays, Context(id=_ID, seal=self.seal, budget=budget))
        except InputError as error:
            least = _LEAST.search(str(error))
            return Budgeted(kind, seed, budget, None, int(least[1]) if least else None, {}, {})
        omitted = Counter(_sort(name) for name in manifest["omitted"])
        told = [manifest["arrays"][name]["coding"] for name in self.pieces.maps & set(manifest["arrays"])]
        codings = Counter(each["kind"] for each in told)
        size = _sizes(manifest, {}, blobs)["total"]
        return Budgeted(kind, seed, budget, size, None, dict(omitted), dict(codings))


def _sizes(manifest: Mapping[str, Any], entries: Mapping[str, Any], blobs: Mapping[str, bytes]) -> dict[str, int]:
    """Bytes of each part of a record some of whose arrays have other entries; a blob of several counts once."""
    arrays = manifest["arrays"] | entries
    used = {e["coding"]["kind"] for e in arrays.values()} - {"exact"} | {e["packed"] for e in arrays.values()} - {None}
    critical = sorted(used | ({"sealed"} if manifest["sealed"] else set()))
    told = {**manifest, "arrays": arrays, "critical": critical}
    size = dict.fromkeys(PARTS, 0) | {"manifest": len(canonical_json(told, "the manifest"))}
    parts = {e["blob"]: _part(name, e) for name, e in arrays.items() if "sealed" not in e}
    parts |= {e["sealed"]["blob"]: "sealed" for e in arrays.values() if "sealed" in e}
    parts |= {part["blob"]: "sealed" for part in (manifest["sealed"] or {}).values()}
    for digest, part in parts.items():
        size[part] += len(blobs[digest])
    return size | {"total": sum(size.values())}


def _part(name: str, entry: Mapping[str, Any]) -> str:
    if entry["unit"] == "nat":
        return "maps"
    return "units" if name.endswith(".units") else "other"


def _sort(name: str) -> str:
    """Sort of array: edited inputs, maps of layers, attention, spectrogram."""
    head = name.split(".", maxsplit=1)[0]
    if head == "fusion":
        return ".".join(name.split(".")[:2])
    return head if head == "counterfactual" else name
