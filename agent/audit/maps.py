"""Maps and commitments: that maps sum to what is said of the units, and that what was committed to is what is told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ...errors import RecordError
from ..record.canonical import canonical_json, digest_of
from .finding import Case, Sheet

__all__ = ["array_digest", "committed", "saliency"]

_MAP = 1e-5
"""Nats by which a unit's sum over a map may miss its contribution: elements are single, some thousands to a unit."""


def array_digest(array: Any, kind: str | None = None) -> str:
    """Return an array's digest as docs/record.md has it: kind, bytes an element and shape, then the elements.

    Args:
        array: a NumPy array of numbers.
        kind: NumPy type to cast to first, e.g. ``i8``; its own by default.
    """
    import numpy as np

    plain = np.asarray(array if kind is None else array.astype(kind))
    head = f"{plain.dtype.kind}{plain.dtype.itemsize} {plain.shape};".encode()
    little = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
    return f"sha256:{hashlib.sha256(head + little.tobytes()).hexdigest()}"


def saliency(case: Case, sheet: Sheet) -> None:
    """Summed over each evidence unit, a map gives the unit's contribution, and over all the sense's share.

    The recorded maps are those of the account that stands: on the rung *measured* each unit's value is spread over its
    elements, so that the same holds there.
    """
    import numpy as np

    for m, values in case.values.items():
        found, labels = case.arrays.get(f"{m}.saliency"), case.arrays.get(f"{m}.units")
        if found is None:
            sheet.skip(f"{m}.saliency is not at hand")
            continue
        flat = np.asarray(found, np.float64).ravel()
        where = np.arange(flat.size) if labels is None else np.asarray(labels, np.int64).ravel()
        if where.size != flat.size or where.max(initial=-1) >= len(values) or where.min(initial=0) < -1:
            sheet.holds(False, f"{m}.units names units that the ranking does not have, or is of another shape")
            continue
        inside = where >= 0
        sums = np.bincount(where[inside], flat[inside], len(values))
        if len(sums) != len(values):
            sheet.holds(False, f"{m}.saliency has {len(sums)} units, the ranking {len(values)}")
            continue
        loss = case.loss(f"{m}.saliency")
        if loss is None:
            slack = np.full(len(values), _MAP)
        else:  # each element may be off by the largest loss, a sum of n by n times that, the whole by what is told
            slack = _MAP + float(loss["max"]) * np.bincount(where[inside], minlength=len(values))
            share, off = float(sum(values)), abs(float(loss["sum"])) + _MAP * (1 + len(values))
            so = abs(float(flat.sum()) - share) <= off
            sheet.holds(
                so, f"{m}.saliency sums to {flat.sum():.6g}, its share is {share:.6g}, a loss of {off:.2g} is told"
            )
        miss = np.abs(sums - np.array(values, np.float64)) - slack
        sheet.seen += len(values)
        for unit in np.flatnonzero(~(miss <= 0))[:3]:
            sheet.holds(
                False, f"unit {unit} of {m}: its map sums to {sums[unit]:.6g}, told are {values[unit]:.6g} nats"
            )


def committed(case: Case, sheet: Sheet) -> None:
    """Each commitment is the digest of what was committed to, and that is what the record tells elsewhere."""
    if not case.attempts:
        sheet.skip("the record tells of no attempts")
    for number, attempt in enumerate(case.attempts, 1):
        fixed, name = attempt["committed"], f"attempt {number}"
        try:
            digest = digest_of(canonical_json(fixed, name))
        except RecordError as error:
            sheet.holds(False, f"{name}: {error}")
            continue
        sheet.same(f"the commitment of {name}", attempt["commitment"], digest)
        sheet.same(f"the method of {name}", attempt["method"], fixed["method"])
        sheet.same(f"the senses of {name}", sorted(attempt["values"]), sorted(fixed["values"]))
        for m, values in attempt["values"].items():
            sheet.same(f"the digest of {name}'s contributions of {m}", fixed["values"].get(m), _values_digest(values))
        claims = [{k: c[k] for k in ("name", "modality", "units", "predicted")} for c in fixed["claims"]]
        sheet.close(f"claims of {name}", attempt["claims"], claims, 0.0)
        _surroundings(case, fixed, name, sheet)
    if case.attempts:
        _recorded_maps(case, sheet)


def _values_digest(values: Any) -> str:
    import numpy as np

    return array_digest(np.array(values, np.float64) + 0.0)


def _surroundings(case: Case, fixed: Mapping[str, Any], name: str, sheet: Sheet) -> None:
    """What was committed to beside the account: the same observation, system and decision."""
    present = {m: s for m, s in case.result["observation"].items() if s.get("present")}
    told = {m: s["digest"] for m, s in present.items()}
    sheet.close(f"the observation of {name}", fixed["observation"], told)
    system = {k: case.result["system"][k] for k in ("name", "digest")}
    sheet.close(f"the system of {name}", fixed["system"], system)
    sheet.same(f"the decision of {name}", fixed["decision"], case.action)
    clocks = {m: s["clock"] for m, s in present.items() if s.get("clock")}
    sheet.close(f"the clocks of {name}", fixed.get("clocks", {}), clocks)


def _recorded_maps(case: Case, sheet: Sheet) -> None:
    """The arrays are those of the commitment, where they are stored without loss."""
    fixed, seen = case.attempts[-1]["committed"], 0
    for m, views in fixed["saliency"].items():
        name = f"{m}.saliency"
        if name in case.arrays and case.exact(name):
            seen += 1
            sheet.holds(array_digest(case.arrays[name]) in views.values(), f"{name} is not the map committed to")
    for m, digest in fixed["units"].items():
        name = f"{m}.units"
        if name in case.arrays:
            seen += 1
            so = digest in {array_digest(case.arrays[name], kind) for kind in ("i8", "i4", "i2")}
            sheet.holds(so, f"{name} are not the evidence units committed to")
    if not seen:
        sheet.skip("maps and units are not at hand, or stored with a loss")
