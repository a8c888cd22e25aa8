"""The fused frame: saliency maps of all senses on one clock, in one unit, and one ranking of their evidence units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..modalities.contract import Prepared, System
from ..modalities.evidence import EvidenceUnit, Segmentation
from ..modalities.layout import spread
from ..modalities.saliency import Diagnostics, SaliencyMap

__all__ = ["FusedFrame", "MapOrigin", "RankedUnit", "contributions", "fuse", "fuse_units"]


@dataclass(frozen=True)
class MapOrigin:
    """Where maps come from: target, method, completeness gap (nats), its parameters, and diagnostics by sense."""

    target: str
    method: str
    gap: float | None
    parameters: Mapping[str, Any]
    diagnostics: Mapping[str, Diagnostics] = field(default_factory=dict)


@dataclass(frozen=True)
class RankedUnit:
    """An evidence unit with its contribution to the decision score in nats; rank 1 speaks most for the decision."""

    rank: int
    unit: EvidenceUnit
    contribution: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        place = {"modality": self.unit.modality, "index": self.unit.index}
        unit = {k: v for k, v in self.unit.to_dict().items() if k not in ("modality", "index")}
        return {"rank": self.rank, **place, "contribution": self.contribution, "unit": unit}


@dataclass(frozen=True)
class FusedFrame:
    """Saliency of all senses in one frame.

    Attributes:
        maps: by sense and view (``"units"``, ``"pixels"``, ``"waveform"``, ``"words"``), all in nats.
        segmentations: evidence units by sense.
        values: contribution of each evidence unit by sense, nats.
        ranking: all units of all senses, the strongest support first; times are seconds of the one clock.
        shares: sum of contributions by sense, nats.
    """

    maps: Mapping[str, Mapping[str, SaliencyMap]]
    segmentations: Mapping[str, Segmentation]
    values: Mapping[str, Float[np.ndarray, " units"]]
    ranking: tuple[RankedUnit, ...]
    shares: Mapping[str, float]


def contributions(
    system: System,
    prepared: Mapping[str, Prepared],
    segmentations: Mapping[str, Segmentation],
    gradients: Mapping[str, Tensor],
) -> dict[str, Float[np.ndarray, " units"]]:
    """Return the contribution of each evidence unit, nats, from gradients shaped like the prepared tensors."""
    views = {m: system.modalities[m].attribute(p, gradients[m])["units"] for m, p in prepared.items()}
    return {m: segmentations[m].total(values) for m, (_, _, values) in views.items()}


def fuse(
    system: System,
    prepared: Mapping[str, Prepared],
    segmentations: Mapping[str, Segmentation],
    gradients: Mapping[str, Tensor],
    origin: MapOrigin,
) -> FusedFrame:
    """Bring the path gradients of all senses into one frame.

    Args:
        system: what is explained.
        prepared: its prepared signals.
        segmentations: their evidence units.
        gradients: by sense, shaped like the prepared tensor, in nats per unit of input.
        origin: what the maps must say about themselves.
    """
    maps: dict[str, dict[str, SaliencyMap]] = {}
    values: dict[str, np.ndarray] = {}
    shares: dict[str, float] = {}
    for m, p in prepared.items():
        views = system.modalities[m].attribute(p, gradients[m])
        maps[m] = {v: _map(p, array, dims, coords, origin) for v, (dims, coords, array) in views.items()}
        per_element = views["units"][2]
        values[m] = segmentations[m].total(per_element)
        shares[m] = float(np.sum(per_element, dtype=np.float64))
    return _framed(maps, segmentations, values, shares)


def fuse_units(
    system: System,
    prepared: Mapping[str, Prepared],
    segmentations: Mapping[str, Segmentation],
    values: Mapping[str, Float[np.ndarray, " units"]],
    origin: MapOrigin,
) -> FusedFrame:
    """Bring values of evidence units, measured ones say, into one frame; in the maps each is spread over its elements.

    Args:
        system: what is explained.
        prepared: its prepared signals.
        segmentations: their evidence units.
        values: by sense, one for each unit, nats.
        origin: what the maps must say about themselves.
    """
    maps: dict[str, dict[str, SaliencyMap]] = {}
    for m, p in prepared.items():
        views = {"units": spread(values[m], system.modalities[m], p, segmentations[m])}
        if m == "text":
            views["words"] = (("word",), {"word": np.arange(len(segmentations[m]))}, np.asarray(values[m], np.float64))
        maps[m] = {v: _map(p, array, dims, coords, origin) for v, (dims, coords, array) in views.items()}
    shares = {m: float(np.sum(v)) for m, v in values.items()}
    return _framed(maps, segmentations, {m: np.asarray(v, np.float64) for m, v in values.items()}, shares)


def _map(
    prepared: Prepared, values: np.ndarray, dims: tuple[str, ...], coords: Mapping[str, np.ndarray], origin: MapOrigin
) -> SaliencyMap:
    modality = prepared.modality
    if prepared.clock is not None:  # a sense's own seconds, put on the clock of all
        coords = {k: prepared.clock(v) if k in ("time", "sample") else v for k, v in coords.items()}
    return SaliencyMap(
        modality=modality,
        values=np.asarray(values, np.float32),
        dims=dims,
        coords=coords,
        target=origin.target,
        method=origin.method,
        baseline=f"the {modality} modality's baseline",
        completeness_gap=origin.gap,
        parameters=origin.parameters,
        diagnostics=origin.diagnostics.get(modality, Diagnostics()),
    )


def _framed(
    maps: Mapping[str, Mapping[str, SaliencyMap]],
    segmentations: Mapping[str, Segmentation],
    values: Mapping[str, Float[np.ndarray, " units"]],
    shares: Mapping[str, float],
) -> FusedFrame:
    every = [(float(v), unit) for m in values for v, unit in zip(values[m], segmentations[m].units, strict=True)]
    # Ties keep the order of senses and units, so that the ranking is one and the same on every machine.
    every.sort(key=lambda pair: -pair[0])
    ranking = tuple(RankedUnit(i + 1, unit, value) for i, (value, unit) in enumerate(every))
    return FusedFrame(maps, dict(segmentations), values, ranking, shares)
