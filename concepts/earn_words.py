"""Names for concepts of what is read: the words that they lie on.

Of each prototype the rows (tokens) are taken in which the concept is at least half as strong as where it is strongest.
The *share* of a phrase (one to three words in a row) is the part of their strength that lies on its words, wherever in
the text they stand. Its **score** as a name is the mean share over the prototypes: 1 where the concept is on these
words and on nothing else in each of them, 0.5 where it is in half of them.

English words count by their stem ("slow", "slowing"); the name is the form that the concept is most on. Phrases
compete by their score times the share of the *other* concepts' texts in which they do not stand, so that "the" does not
win; and a word more must add a twentieth, so that "the repaired clock" wins over "clock" only where the concept is on
all of it.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .bank import ConceptName
from .earn_exhibits import Exhibit
from .earn_settings import EarnSettings

__all__ = ["Reading", "fitting", "name_read", "reading", "shares", "stem"]

_STRONG = 0.5
_LONGEST = 3
_WORD_MORE = 0.05
_QUOTES = str.maketrans("", "", "\"“”„«»'‘’`")

Phrase = tuple[str, ...]
"""Stems of words in a row."""


@dataclass(frozen=True)
class Reading:
    """The words of one prototype and how much of the concept is on each.

    Attributes:
        words: in lower case, without quotation marks.
        weights: share of the concept's strength on each; what is missing to 1 lies on no word.
    """

    words: tuple[str, ...]
    weights: tuple[float, ...]

    def phrases(self) -> Iterator[tuple[Phrase, range]]:
        """Return each phrase and the words that it stands on, as often as it occurs."""
        stems = tuple(stem(word) for word in self.words)
        for length in range(1, _LONGEST + 1):
            for first in range(len(stems) - length + 1):
                phrase = stems[first : first + length]
                if all(phrase):
                    yield phrase, range(first, first + length)


def name_read(exhibits: Iterable[Exhibit], count: int, settings: EarnSettings) -> tuple[ConceptName | None, ...]:
    """Name concepts by the words that they lie on.

    Args:
        exhibits: of texts, in any order.
        count: how many concepts there are.
        settings: thresholds.
    """
    read: list[list[Reading]] = [[] for _ in range(count)]
    for exhibit in exhibits:
        read[exhibit.concept].append(reading(exhibit))
    found: list[ConceptName | None] = []
    for k, each in enumerate(read):
        others = [r for j, rest in enumerate(read) if j != k for r in rest]
        found.append(fitting(each, others, settings) if len(each) >= settings.least else None)
    return tuple(found)


def reading(exhibit: Exhibit) -> Reading:
    """Return the words of an exhibit and how much of the concept lies on each."""
    strengths = exhibit.strengths * (exhibit.strengths >= _STRONG * exhibit.strengths.max())
    units = exhibit.segmentation.units
    weights = [0.0] * len(units)
    # Labels of another shape: rows that are no tokens, so that the place tells the words.
    if exhibit.segmentation.labels.shape == exhibit.grid:
        for unit, strength in zip(exhibit.segmentation.labels.ravel().tolist(), strengths.tolist(), strict=True):
            if unit >= 0:
                weights[unit] += strength / max(float(strengths.sum()), 1e-12)
    else:
        for unit in exhibit.place.units:
            weights[unit] = 1 / len(exhibit.place.units)
    return Reading(tuple(_plain(unit.text or "") for unit in units), tuple(weights))


@functools.lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """Return the shortest form that an English word may be an inflection of; any other word as it is."""
    from lemminflect import getAllLemmas

    forms = [form for every in getAllLemmas(word).values() for form in every]
    return min(forms, key=lambda form: (len(form), form), default=word)


def shares(each: Reading) -> Mapping[Phrase, float]:
    """Return the share of each phrase of a text; a word in two overlapping occurrences counts once."""
    places: defaultdict[Phrase, set[int]] = defaultdict(set)
    for phrase, at in each.phrases():
        places[phrase].update(at)
    return {phrase: sum(each.weights[i] for i in at) for phrase, at in places.items()}


def fitting(readings: Sequence[Reading], others: Sequence[Reading], settings: EarnSettings) -> ConceptName | None:
    """Return the phrase that a concept lies on, or None if none has earned to be its name.

    The margin is the score less that of the best phrase that has no word in common with it.

    Args:
        readings: of the concept's prototypes, at least one.
        others: of the prototypes of all other concepts.
        settings: thresholds.
    """
    scores: defaultdict[Phrase, float] = defaultdict(float)
    for each in readings:
        for phrase, share in shares(each).items():
            scores[phrase] += share / len(readings)
    texts = [set(shares(each)) for each in others]
    usual = {p: sum(p in text for text in texts) / max(len(texts), 1) for p, score in scores.items() if score > 0}
    ranks = {p: scores[p] * (1 - usual[p]) - _WORD_MORE * (len(p) - 1) for p in usual}
    if not ranks:
        return None
    best = min(ranks, key=lambda p: (-ranks[p], p))
    margin = scores[best] - max((s for p, s in scores.items() if not set(p) & set(best)), default=0.0)
    if scores[best] < settings.read or margin < settings.margin:
        return None
    return ConceptName(_form(best, readings), "n-grams", min(1.0, scores[best]), min(1.0, margin))


def _form(phrase: Phrase, readings: Sequence[Reading]) -> str:
    """Return the words of a phrase in the form that the concept is most on."""
    forms: defaultdict[str, float] = defaultdict(float)
    for each in readings:
        for found, at in each.phrases():
            if found == phrase:
                forms[" ".join(each.words[i] for i in at)] += sum(each.weights[i] for i in at)
    return min(forms, key=lambda form: (-forms[form], form))


def _plain(word: str) -> str:
    return word.translate(_QUOTES).lower()
