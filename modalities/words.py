"""Words: where they stand in a string."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

__all__ = ["Word", "find_words"]


@dataclass(frozen=True)
class Word:
    """A maximal run of characters that are not space.

    Attributes:
        run: first and past-the-last character of the run.
        span: the same without punctuation at its ends; the whole run where it is only punctuation.
    """

    run: tuple[int, int]
    span: tuple[int, int]


def find_words(text: str) -> tuple[Word, ...]:
    """Return the words of a string, in order."""
    return tuple(Word(match.span(), _bare(text, *match.span())) for match in re.finditer(r"\S+", text))


def _bare(text: str, first: int, last: int) -> tuple[int, int]:
    marks = [unicodedata.category(c).startswith(("P", "C")) for c in text[first:last]]
    if all(marks):
        return first, last
    return first + marks.index(False), last - marks[::-1].index(False)
