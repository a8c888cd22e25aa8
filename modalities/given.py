"""What is known already of an observation, so that nothing is prepared, cut up or encoded twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from .contract import Prepared, System
from .evidence import Segmentation

__all__ = ["Given"]


@dataclass(frozen=True)
class Given:
    """What a stream, or a decision that fell already, knows of an observation.

    Attributes:
        prepared: the prepared signals, all senses that are present.
        segmentations: evidence units of those senses for which they are known.
        features: what a split system made of each sense, a batch of one; of all senses, or of none.
        logits: its scores of all actions, where it decided already.
        system: the system as it stands at this moment, with its carried state; None: as it was wrapped.
        notes: what is to be told of the observation (a sense that fell silent, say), one sentence each.
    """

    prepared: Mapping[str, Prepared]
    segmentations: Mapping[str, Segmentation] = field(default_factory=dict)
    features: Mapping[str, Tensor] = field(default_factory=dict)
    logits: Tensor | None = None
    system: System | None = None
    notes: tuple[str, ...] = ()
