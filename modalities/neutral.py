"""Neutral words: one that says little, of the same part of speech and form, for each word of an English text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int

from .parts_of_speech import classify, is_base
from .words import find_words

__all__ = ["GONE", "NEUTRAL", "NONE", "neutral_tokens", "neutral_words"]

NEUTRAL: dict[str, tuple[str, ...]] = {
    "adjective": ("certain", "other"),
    "adverb": ("so", "thus"),
    "conjunction": ("and", "or"),
    "determiner": ("the", "a"),
    "mark": (",", "."),
    "name": ("someone", "somebody"),
    "noun": ("thing", "object"),
    "noun, plural": ("things", "objects"),
    "number": ("one", "two"),
    "preposition": ("of", "with"),
    "pronoun": ("it", "this"),
    "subordinator": ("that", "as"),
    "verb": ("do", "make"),
    "verb, -ing": ("doing", "making"),
    "verb, -s": ("does", "makes"),
    "verb, past": ("did", "made"),
}
"""Neutral words by part of speech and form; the second stands in where the text has the first itself."""

GONE, NONE = -1, -2
"""A token in whose place nothing stands; one for which the tokenizer has no neutral word."""

_IRREGULAR = {"is": "verb, -s", "has": "verb, -s", "does": "verb, -s", "am": "verb", "are": "verb"}
_MODALS = frozenset("can could may might must shall should will would ought cannot be have do".split())


def neutral_words(words: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return for each word the neutral words that may stand in for it, the best first; none is the word itself.

    Number of nouns and form of verbs are kept: "dogs" becomes "things", "stopped" becomes "did". "A" at the start of a
    sentence keeps its capital.

    Args:
        words: a text's words in order, and punctuation marks as words of their own.

    Example:
        >>> neutral_words(["Wait", "at", "the", "kerbs", "."])
        (('Do', 'Make'), ('of', 'with'), ('a',), ('things', 'objects'), (',',))
    """
    found = []
    for at, (word, kind) in enumerate(zip(words, classify(words), strict=True)):
        starts = word[:1].isupper() and kind != "name" and (at == 0 or words[at - 1] in ".!?:;")
        choice = [other for other in NEUTRAL[_form(word.lower(), kind)] if other != word.lower()]
        found.append(tuple(other.capitalize() if starts else other for other in choice))
    return tuple(found)


def _form(word: str, kind: str) -> str:
    """Return the key of `NEUTRAL` for a word of this kind."""
    if kind == "noun":
        return kind if is_base(word, "noun") else "noun, plural"
    if kind != "verb" or word in _MODALS:
        return kind
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ing") and not is_base(word, "verb"):
        return "verb, -ing"
    if is_base(word, "verb"):
        return kind
    return "verb, -s" if word.endswith("s") and word != "was" else "verb, past"


def neutral_tokens(
    read: Callable[[str], Sequence[int]],
    text: str,
    ids: Int[np.ndarray, " tokens"],
    units: Sequence[int],
    labels: Int[np.ndarray, " tokens"],
    offsets: Int[np.ndarray, "tokens 2"],
) -> Int[np.ndarray, " tokens"]:
    """Return for each token the one that stands in for it: a neutral word, `GONE` or `NONE`.

    A word's first token becomes the neutral word, its others go; punctuation at its ends stays where it is a token of
    its own. A neutral word is used only if it is one token, and another than what stands there.

    Args:
        read: gives the tokens of a string without special ones, and without those that stand for the unknown.
        text: the string.
        ids: its tokens.
        units: which of the words (`words.find_words`) each unit is.
        labels: the unit of each token, -1 for special tokens.
        offsets: first and past-the-last character of each token.
    """
    words = find_words(text)
    pieces: list[str] = []
    place = []
    for word in words:
        (start, end), (first, last) = word.run, word.span
        pieces += list(text[start:first])
        place.append(len(pieces))
        pieces += [text[first:last], *text[last:end]]
    choices = neutral_words(pieces)
    found = ids.copy()
    for unit, run in enumerate(units):
        first, last = words[run].span
        own = np.flatnonzero(labels == unit)
        core = own[(offsets[own, 0] < last) & (offsets[own, 1] > first)]
        core = core if len(core) else own
        before = " " if first and text[first - 1].isspace() else ""
        single = (list(read(before + word)) for word in choices[place[run]])
        fitting = (token for token in single if len(token) == 1 and token != ids[core].tolist())
        found[core] = GONE
        found[core[0]] = next(fitting, [NONE])[0]
    return found
