"""Settings of how names are earned."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError

__all__ = ["EarnSettings"]


@dataclass(frozen=True)
class EarnSettings:
    """When a concept has earned a name; chosen on Courier's training scenes.

    Attributes:
        prototypes: of each concept that are looked at, at most.
        least: prototypes that must be left, for a name.
        seen: least score of a name for what is seen; `earn_images` says what it is.
        heard: least score of a name for what is heard; see `earn_sounds`.
        read: least score of a name for words; see `earn_words`.
        margin: by how much a name's score must exceed that of the best one of another meaning.
        alike: cosine in the shared sentence space from which on two names have one meaning.
        specific: a more special name is taken if it has this share of the best score.
        context: width added to a crop on each side, as a share of the crop.
        seed: of the random places that a concept's are held against.

    Raises:
        InputError: a number out of range.
    """

    prototypes: int = 8
    least: int = 3
    seen: float = 0.25
    heard: float = 0.3
    read: float = 0.45
    margin: float = 0.15
    alike: float = 0.35
    specific: float = 0.9
    context: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        shares = (self.seen, self.heard, self.read, self.margin, self.alike, self.specific)
        if not (all(0 <= share <= 1 for share in shares) and self.context >= 0 and self.seed >= 0):
            raise InputError(
                f"names: {self}; scores, margin, alike and specific are 0 to 1, context and seed 0 or more"
            )
        if not 1 <= self.least <= self.prototypes:
            raise InputError(f"names: least {self.least} of prototypes {self.prototypes}; give 1 or more, and no more")
