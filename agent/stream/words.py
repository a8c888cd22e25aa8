"""Instructions as they come in: the newest stands until another comes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import Any

from ...errors import InputError
from .source import Source

__all__ = ["Said", "WordBuffer"]

MOST = 64
"""Instructions kept at most; but one stands at a time."""

LONGEST = 100_000
"""Characters that an instruction may have."""


@dataclass(frozen=True)
class Said:
    """One instruction.

    Attributes:
        at: from when on it stands, seconds.
        text: the instruction.
    """

    at: float
    text: str


class WordBuffer:
    """The newest instructions, sorted by time."""

    def __init__(self, source: Source) -> None:
        """Hold nothing yet."""
        self.source = source
        self._said: list[Said] = []

    @property
    def newest(self) -> float | None:
        """From when on the newest instruction stands."""
        return self._said[-1].at if self._said else None

    @property
    def began(self) -> float | None:
        """Always None: words have no time that a window could begin with."""
        return None

    def __len__(self) -> int:
        return len(self._said)

    def read(self, signal: Any) -> Said:
        """Read one instruction, its time still 0.

        Raises:
            InputError: it is no text, not valid Unicode, or too long.
        """
        if not isinstance(signal, str):
            raise InputError(f"words: an instruction of type {type(signal).__name__}; give text")
        if len(signal) > LONGEST:
            raise InputError(f"words: {len(signal)} characters at once; give at most {LONGEST}")
        try:
            signal.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"words: not valid Unicode at character {error.start}; decode the text anew") from error
        return Said(0.0, signal)

    def put(self, at: float, said: Said) -> tuple[str, str]:
        """Put an instruction in its place; returns the kind of arrival and why."""
        place = bisect_left(self._said, at, key=lambda s: s.at)
        if place < len(self._said) and self._said[place].at == at:
            if self._said[place].text == said.text:
                return "twice", ""
            return "refused", f"another instruction stands from {at!r} s on already"
        self._said.insert(place, replace(said, at=at))
        newest = place == len(self._said) - 1
        del self._said[:-MOST]
        return "taken", "" if newest else "put behind the newest, which stands"

    def clear(self) -> None:
        """Forget all instructions."""
        self._said = []

    def rebase(self, at: float) -> None:
        """Let the newest instruction stand from a moment on at the latest: a clock was set back, words were not."""
        if self._said and self._said[-1].at > at:
            self._said = [replace(self._said[-1], at=at)]

    def standing(self, at: float) -> Said | None:
        """Return the instruction that stands at a moment."""
        place = bisect_right(self._said, at, key=lambda s: s.at)
        return self._said[place - 1] if place else None
