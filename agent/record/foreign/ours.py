"""Our own maps in the common form, so that they go out in the forms of other libraries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....errors import InputError
from ..attributes import attributes_of
from ..dataset import coordinates_of
from ..names import describe
from .maps import ForeignMap

__all__ = ["from_record"]


def from_record(result: Mapping[str, Any], arrays: Mapping[str, np.ndarray], name: str) -> ForeignMap:
    """Return one map of a record: an array in nats, with its coordinates.

    Args:
        result: the explanation, see ``docs/record.md``.
        arrays: by name, as the record's readers give them.
        name: of the map, such as ``vision.saliency``.

    Returns:
        The map, of source ``veridical``. ``gap`` is that of all senses together, null where there is none; what else
        is told of the whole stands in ``attrs``: the ``score``, the ``baseline_score`` and the sense's ``share``.

    Raises:
        InputError: there is no such map.
    """
    units = {key: describe(key, array)["unit"] for key, array in arrays.items()}
    if units.get(name) != "nat":
        maps = ", ".join(sorted(key for key, unit in units.items() if unit == "nat")) or "none"
        raise InputError(f"{name!r:.80} is no map of this record; its maps are: {maps}")
    array = arrays[name]
    entry = describe(name, array) | attributes_of(name, result)
    coords: dict[str, np.ndarray | tuple[str, ...]] = {}
    extras: dict[str, np.ndarray] = {}
    for found in coordinates_of(name, entry, array.shape, result, arrays):
        words = found.values.dtype.kind == "U"
        if found.name == found.dim:
            coords[found.dim] = tuple(found.values.tolist()) if words else found.values
        elif not words:
            extras[found.name] = found.values
    attribution, decision = result.get("attribution", {}), result.get("decision", {})
    told = dict(entry.get("attrs", {}))
    whole = name.endswith("saliency")
    sense = name.partition(".")[0]
    attrs = {key: told[key] for key in told.keys() - {"method", "target", "gap"}} | {
        "action": decision.get("action"),
        "score": decision.get("score"),
        "share": attribution.get("shares", {}).get(sense) if whole else None,
    }
    uncertainty = entry.get("uncertainty")
    attrs |= {"uncertainty": dict(uncertainty)} if uncertainty else {}
    return ForeignMap(
        name=name,
        source="veridical",
        values=array,
        dims=tuple(entry["dims"]),
        version=result.get("version"),
        method=told.get("method"),
        target=decision.get("target"),
        coords=coords,
        baseline="all senses absent",
        unit="nat",
        gap=attribution.get("gap") if whole else None,
        attrs={key: value for key, value in attrs.items() if value is not None},
        extras=extras,
    )
