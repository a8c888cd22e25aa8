"""What is looked into of the senses together."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..verifier.adjudicate import Adjudication
from ..verifier.pairs import PairSettings

__all__ = ["FusionSettings"]


@dataclass(frozen=True)
class FusionSettings:
    """What is looked into beside the account and its test.

    Attributes:
        pairs: how pairs of evidence are looked for and tested; None looks at none.
        attention: how attention and gradient are held against each other; None asks neither.
        depths: layers whose saliency is told; below 2 none.
        through_time: whether relevance is carried back through a recurrent state, step by step.
        matches: whether evidence of different senses is compared in meaning.
    """

    pairs: PairSettings | None = field(default_factory=PairSettings)
    attention: Adjudication | None = field(default_factory=lambda: Adjudication(controls=9))
    depths: int = 6
    through_time: bool = True
    matches: bool = True
