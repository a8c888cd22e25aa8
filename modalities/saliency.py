"""The saliency map: one value per input element, and what is needed to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

__all__ = ["Diagnostics", "SaliencyMap"]


@dataclass(frozen=True)
class Diagnostics:
    """How far a map can be trusted, as far as gradients can tell; None where it was not measured.

    Attributes:
        local_share: what the gradient at the input promises of the score's difference from the baseline,
            ``<ds/dx, x - x0> / (s(x) - s(x0))``; 1 for a linear score, near 0 where the score is saturated.
        saturated: whether the share lies below a tenth in size: the gradient at the input tells little.
        variation: 1 - mean cosine of the gradient at the input with those nearby; 0 for a linear score, about 1 where
            gradients nearby have nothing in common.
        stability: rank correlation of the map with what the method gives from other draws, or from fewer evaluations.
    """

    local_share: float | None = None
    saturated: bool | None = None
    variation: float | None = None
    stability: float | None = None


@dataclass(frozen=True)
class SaliencyMap:
    """Contributions of input elements to one decision score.

    Attributes:
        modality: name of the modality, e.g. ``"vision"``.
        values: one value per element of the raw axes named by ``dims``.
        dims: axis names: ``("frame", "y", "x")``, ``("frequency", "time")``, ``("sample",)`` or ``("word",)``.
        coords: for each dim its coordinates (pixels of the original image, hertz, seconds, word index).
        target: what is explained, e.g. ``"STOP against the rest"``.
        method: name of the attribution method.
        baseline: what absence is on the method's path.
        unit: unit of the values; additive maps are in ``"nat"`` of decision score.
        completeness_gap: |sum of the joint map - score difference| over *all* modalities, in nats; None where the
            method makes no such promise.
        parameters: everything else that is needed to compute the map again.
        seed: seed of a random method, else None.
        diagnostics: saturation and noise of the gradients behind the map.
    """

    modality: str
    values: Float[np.ndarray, "..."]
    dims: tuple[str, ...]
    coords: Mapping[str, np.ndarray]
    target: str
    method: str
    baseline: str
    unit: str = "nat"
    completeness_gap: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    diagnostics: Diagnostics = field(default_factory=Diagnostics)

    def total(self) -> float:
        """Sum of all values, in ``unit``."""
        return float(np.sum(self.values, dtype=np.float64))
