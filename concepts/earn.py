"""Names that are earned: what the prototypes of a concept have in common, where something tells it clearly.

A name is evidence about the prototypes, not about the decision: what a concept does to a decision is measured, whatever
it is called. A concept whose prototypes show nothing in common, or two things as well as one, stays unnamed.
"""

from __future__ import annotations

from ..errors import InputError
from ..modalities.contract import SplitSystem
from .bank import ConceptBank, ConceptName
from .earn_exhibits import Recall, exhibits
from .earn_settings import EarnSettings

__all__ = ["EarnSettings", "Recall", "name_bank"]


def name_bank(
    bank: ConceptBank, system: SplitSystem, recall: Recall, settings: EarnSettings | None = None
) -> ConceptBank:
    """Return the bank with the names that its concepts have earned; names that it had are given up.

    What is seen is named by ImageNet's classes and general nouns over them (`earn_images`), what is heard by AudioSet's
    (`earn_sounds`), what is read by its own words (`earn_words`). Concepts of any other sense stay unnamed.

    Args:
        bank: of one sense.
        system: the one that the bank was fitted on.
        recall: returns an observation that the bank was fitted on by its name, or None.
        settings: thresholds; the default is `EarnSettings`.

    Raises:
        InputError: the system has no such sense, or none of the prototypes' observations is had any more.
        ContractError: the bank was not fitted on this system's features.
        WeightsError: an encoder's weights cannot be had.
    """
    settings = settings or EarnSettings()
    shown = exhibits(bank, system, recall, settings)
    first = next(shown, None)
    if first is None:
        raise InputError(
            f"names: none of the observations of the {bank.sense} bank's prototypes is had any more, as it was; give a "
            "recall that returns them by name"
        )
    every = (e for part in ((first,), shown) for e in part)
    if first.prepared.modality == "vision":
        from .earn_images import name_seen

        return bank.named(name_seen(every, len(bank), settings))
    if first.prepared.modality == "audio":
        from .earn_sounds import name_heard

        return bank.named(name_heard(every, len(bank), settings))
    if first.prepared.modality == "text":
        from .earn_words import name_read

        return bank.named(name_read(every, len(bank), settings))
    unnamed: tuple[ConceptName | None, ...] = (None,) * len(bank)
    return bank.named(unnamed)
