"""Words of a person, taken out of a result and put back: what was read or heard is raw signal too.

The justification quotes the instruction, the ranking lists its words, a transcript repeats it. In the open result each
such quote is an ellipsis, “…”, so that sentences, figures and the graph stay readable without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import IntegrityError

__all__ = ["GONE", "cut_texts", "put_texts"]

GONE = "…"
"""What stands where words were cut out."""

_QUOTE = re.compile("“([^“”]*)”")
_WORD = re.compile(r"\w+", re.UNICODE)
_RUN = 4  # so many words in a row are a quote, marked as one or not
_WHOLE = (  # texts that are words of a person as a whole, by their place; * is any key or index
    ("observation", "text", "text"),
    ("observation", "*", "salt"),
    ("ranking", "*", "unit", "text"),
    ("claims", "*", "effects", "*", "text"),
    ("complement", "*", "text"),
    ("senses", "*", "*", "text"),
    ("fusion", "clock", "lanes", "*", "marks", "*", "label"),
    ("fusion", "speech", "transcript"),
    ("fusion", "speech", "told"),
    ("fusion", "speech", "notes", "*"),
    ("fusion", "speech", "words", "*", "text"),
    ("fusion", "speech", "words", "*", "heard"),
)

Path = tuple[str | int, ...]


def cut_texts(result: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Take the words of a person, and the salts of the inputs' digests, out of a result.

    Args:
        result: plain JSON values, see ``docs/record.md``.

    Returns:
        The open result, and what was taken out by its place, a JSON pointer (RFC 6901).
    """
    said = _Said(result)
    texts: dict[str, str] = {}
    spoken = _lanes(result)

    def cut(value: Any, path: Path) -> Any:
        if isinstance(value, Mapping):
            return {key: cut(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [cut(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        kept = said.without(value) if not _whole(path, spoken) else GONE if value else value
        if kept != value:
            texts[_pointer(path)] = value
        return kept

    return cut(result, ()), texts


def put_texts(result: Mapping[str, Any], texts: Mapping[str, Any]) -> dict[str, Any]:
    """Put what was taken out back into an open result.

    Raises:
        IntegrityError: a place that is not there, or where nothing was cut out (``format``).
    """
    wanted = dict(texts)

    def put(value: Any, path: Path) -> Any:
        if isinstance(value, Mapping):
            return {key: put(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [put(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, str) and GONE in value:
            told = wanted.pop(_pointer(path), value)
            if isinstance(told, str):
                return told
            raise IntegrityError(f"sealed texts: {_pointer(path)} is a {type(told).__name__}, not a text", "format")
        return value

    whole = put(result, ())
    if wanted:
        raise IntegrityError(
            f"sealed texts: nothing was cut out at {min(wanted)}; they are of another record", "format"
        )
    return whole


class _Said:
    """What a person said or wrote, as words in a row."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        self.rows = [row for text in _sources(result) if (row := _words(text))]
        self.names = {tuple(_words(name)) for name in _names(result)}

    def without(self, text: str) -> str:
        """A text without its quotes of a person; the whole is gone where it repeats many words in a row unmarked."""
        told = _QUOTE.sub(lambda match: f"“{GONE}”" if self._quotes(match[1]) else match[0], text)
        words = _words(_QUOTE.sub(" ", told))
        runs = (words[i : i + _RUN] for i in range(len(words) - _RUN + 1))
        return GONE if any(self._holds(run, clipped=False) for run in runs) else told

    def _quotes(self, quoted: str) -> bool:
        words = _words(quoted)
        if not words or tuple(words) in self.names:
            return False
        *inner, last = (_words(piece) for piece in quoted.split(GONE))  # “stop … animal”: a quote with a gap
        held = [self._holds(piece, clipped=True) for piece in inner if piece]
        return all(held) and (not last or self._holds(last, clipped=False))

    def _holds(self, words: list[str], *, clipped: bool) -> bool:
        """Whether words stand in a row somewhere; the last of them perhaps cut short."""
        count = len(words)
        for row in self.rows:
            for start in range(len(row) - count + 1):
                part = row[start : start + count]
                if part == words or (clipped and part[:-1] == words[:-1] and part[-1].startswith(words[-1])):
                    return True
        return False


def _sources(result: Mapping[str, Any]) -> Iterator[str]:
    for path in (("observation", "text", "text"), ("fusion", "speech", "transcript")):
        value: Any = result
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            yield value
    speech = result.get("fusion", {}).get("speech") if isinstance(result.get("fusion"), Mapping) else None
    for word in speech.get("words", ()) if isinstance(speech, Mapping) else ():
        if isinstance(word, Mapping) and isinstance(word.get("heard"), str):
            yield word["heard"]


def _names(result: Mapping[str, Any]) -> Iterator[str]:
    """Names of concepts: they are the bank's words, not the person's."""
    graph = result.get("graph")
    for node in graph.get("nodes", ()) if isinstance(graph, Mapping) else ():
        if isinstance(node, Mapping) and node.get("named") and isinstance(node.get("label"), str):
            yield node["label"]


def _lanes(result: Mapping[str, Any]) -> frozenset[int]:
    """Lanes of the clock whose marks are words."""
    fusion = result.get("fusion")
    clock = fusion.get("clock") if isinstance(fusion, Mapping) else None
    lanes = clock.get("lanes", ()) if isinstance(clock, Mapping) else ()
    return frozenset(i for i, lane in enumerate(lanes) if isinstance(lane, Mapping) and lane.get("sense") == "text")


def _whole(path: Path, lanes: frozenset[int]) -> bool:
    if path[:3] == ("fusion", "clock", "lanes") and path[3] not in lanes:
        return False
    return any(
        len(path) == len(place) and all(want in ("*", key) for want, key in zip(place, path, strict=True))
        for place in _WHOLE
    )


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _pointer(path: Path) -> str:
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)
