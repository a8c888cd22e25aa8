"""What a map is, in a few figures beside it: method, target, baseline, gap, uncertainty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["attributes_of"]

_MAP = re.compile(r"(?P<sense>.+)\.(waveform_)?saliency", re.DOTALL)
_DEPTH = re.compile(r"fusion\.depth\.(?P<layer>[0-9]{1,6})", re.ASCII)


def attributes_of(name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``attrs`` and ``uncertainty`` of an array by its name, as far as the result tells them; {} for no map.

    Args:
        name: of the array.
        result: plain JSON values, see ``docs/record.md``.

    Returns:
        ``attrs``, strings and numbers. Of a map along the path also ``uncertainty``: relative, what the path's last
        refinement still changed; a map of measured effects has no such figure.
    """
    if _MAP.fullmatch(name):
        return _saliency(result)
    depth = _DEPTH.fullmatch(name)
    return _depth(int(depth["layer"]), result) if depth else {}


def _saliency(result: Mapping[str, Any]) -> dict[str, Any]:
    told, decision = _object(result.get("attribution")), _object(result.get("decision"))
    attrs = {
        "method": told.get("method"),
        "target": decision.get("target"),
        "baseline_action": told.get("baseline_action"),
        "baseline_score": told.get("baseline_score"),
        "gap": told.get("gap"),
        "nodes": told.get("nodes"),
    }
    out: dict[str, Any] = {"attrs": {k: v for k, v in attrs.items() if isinstance(v, str | int | float)}}
    change = told.get("map_change")
    if told.get("additive") is True and isinstance(change, int | float):
        out["uncertainty"] = {"kind": "relative", "value": change}
    return out if out["attrs"] else {}


def _depth(layer: int, result: Mapping[str, Any]) -> dict[str, Any]:
    depths = _object(result.get("fusion")).get("depths")
    told = _object(depths[layer]) if isinstance(depths, list) and layer < len(depths) else {}
    attrs = {"method": "gradient times change, first order", "layer": told.get("layer")}
    return {"attrs": {k: v for k, v in attrs.items() if isinstance(v, str)}}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
