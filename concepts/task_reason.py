"""A reason of a task, and how it is recognised in a decision's graph."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

__all__ = ["RECOGNISED_BY", "Reason", "words"]

RECOGNISED_BY = ("concepts", "names", "words")
"""Attributes of a `Reason` by which it is told from others of its sense."""

_MORE = re.compile(r" and \d+ more places?$")  # as `wording.shortened` ends what it cuts


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text in lower case, without punctuation."""
    return tuple(re.findall(r"[^\W_]+(?:['’][^\W_]+)*", unicodedata.normalize("NFKC", text).casefold()))


@lru_cache(maxsize=4096)
def _singulars(word: str) -> frozenset[str]:
    """A word and every singular that it may be the plural of, by LemmInflect's lexicon, else by a final s."""
    from lemminflect import getAllLemmas

    known = getAllLemmas(word, upos="NOUN").get("NOUN", ())
    if not known and len(word) > 3 and re.search("[^siu]s$", word):
        known = (word[:-1],)
    return frozenset({word, *known})


@lru_cache(maxsize=4096)
def _spelt(name: str) -> tuple[frozenset[str], ...]:
    return tuple(map(_singulars, words(name)))


def _same_name(one: str, other: str) -> bool:
    a, b = _spelt(one), _spelt(other)
    return len(a) == len(b) > 0 and all(x & y for x, y in zip(a, b, strict=True))


def _says(text: str, phrase: str) -> bool:
    """Whether a text has the phrase's words in one place; quotation marks part places."""
    wanted = words(phrase)
    for piece in re.split("[“”]", _MORE.sub("", text)):
        said = words(piece)
        if any(said[i : i + len(wanted)] == wanted for i in range(len(said) - len(wanted) + 1)):
            return True
    return False


@dataclass(frozen=True)
class Reason:
    """A reason, and how it is recognised in a graph.

    Attributes:
        id: what the rules call it.
        label: what people call it.
        sense: only what belongs to this sense; None for any.
        names: names of a concept or of evidence, compared word by word, in any case, singular or plural.
        concepts: concept families, ``<sense>#<number>``.
        words: words or phrases that were read, in any case, in the form in which they stand.
    """

    id: str
    label: str
    sense: str | None = None
    names: tuple[str, ...] = ()
    concepts: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def recognises(self, node: Mapping[str, Any]) -> bool:
        """Return whether a node of the graph is this reason, by its own attributes alone.

        A reason with a sense and nothing else is all of that sense. The name of evidence that does not give it by
        itself is what its label begins with, up to a comma; quoted words are no name. Words are looked for where the
        evidence or the concept is, and in a concept's name if its n-grams gave it; without a stated sense in ``text``
        only. What no concept accounts for (kind ``unnamed``) has no name.

        Args:
            node: attributes of a node of kind ``evidence``, ``concept``, ``together`` or ``unnamed``.
        """
        modality, kind, label = node.get("modality"), node.get("kind"), str(node.get("label") or "")
        if self.sense is not None and modality != self.sense:
            return False
        if not (self.names or self.concepts or self.words):
            return True
        if kind == "concept":
            titles = [label.strip(" “”")] if node.get("named") else []
            read = [str(node.get("where") or ""), *([label] if node.get("source") == "n-grams" else [])]
        elif kind == "unnamed":
            titles, read = [], []
        else:
            commas = [found.start() for found in re.finditer(", ", label)]
            titles = [] if label.startswith("“") else [label[:end] for end in (*commas, len(label))]
            titles = [str(node["name"] or "")] if "name" in node else titles
            read = [str(node.get("where") or label)]
        if modality != (self.sense or "text"):
            read = []
        return (
            (kind == "concept" and f"{modality}#{node.get('concept')}" in self.concepts)
            or any(_same_name(title, name) for title in titles for name in self.names)
            or any(_says(text, phrase) for text in read for phrase in self.words)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the reason's table as it stands in a file, without its id."""
        table: dict[str, Any] = {"label": self.label} | ({} if self.sense is None else {"sense": self.sense})
        return table | {key: list(getattr(self, key)) for key in RECOGNISED_BY if getattr(self, key)}
