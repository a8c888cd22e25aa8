"""What waits to be written down: notes, explanations and acts, in order and bounded; the least needed go first."""

from __future__ import annotations

import math
import uuid
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..explanation import Explanation
    from ..record.context import Context

__all__ = ["Item", "Lost", "Waiting", "tidy"]

LANES = ("decided", "other", "explanation", "needed")
"""What waits, by kind, in the order in which it is dropped; what is ``needed`` is not dropped for anything else."""

KEPT = 16
"""Explanations that wait at the most: each has arrays of some megabytes."""

_NEEDED = ("fault", "oversight", "override", "released", "lost", "closed")
_LONGEST, _ITEMS, _LEVELS = 2000, 256, 6


@dataclass(frozen=True)
class Item:
    """One thing to be written.

    Attributes:
        kind: of the entry: ``note``, ``operator`` or ``decision``.
        event: what happened, as its entry or the count of what was lost names it.
        time: when it was said, ISO 8601 in UTC.
        said: detail of a note, members of an act.
        explanation: of a decision, with ``context`` and ``subject``.
        id: of the entry. Drawn beforehand, so that what was written though its answer was lost is known again.
    """

    kind: str
    event: str
    time: str
    said: Mapping[str, Any] = field(default_factory=dict)
    explanation: Explanation | None = None
    context: Context | None = None
    subject: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def lane(self) -> str:
        """One of `LANES`."""
        if self.kind == "decision":
            return "explanation"
        if self.kind == "operator" or self.event in _NEEDED:
            return "needed"
        return "decided" if self.event == "decided" else "other"


class Waiting:
    """What waits, taken in the order in which it came. Not for threads: whoever owns it has a lock.

    Args:
        capacity: how many may wait.
        kept: how many explanations of them.
    """

    def __init__(self, capacity: int, kept: int = KEPT) -> None:
        self._capacity, self._kept = capacity, kept
        self._lanes: dict[str, deque[tuple[int, Item]]] = {lane: deque() for lane in LANES}
        self._number = count()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, item: Item) -> Item | None:
        """Take one more; return what had to be dropped for it, be it the item itself."""
        dropped = None
        explanations = self._lanes["explanation"]
        if item.lane == "explanation" and len(explanations) >= self._kept:
            dropped = self._drop("explanation")
        elif self._size >= self._capacity:
            lane = next((lane for lane in LANES[:-1] if self._lanes[lane]), None)
            if lane is None:  # nothing but what is needed waits: the first of a trouble tells more than its last
                return item
            dropped = self._drop(lane)
        self._lanes[item.lane].append((next(self._number), item))
        self._size += 1
        return dropped

    def take(self, most: int) -> list[Item]:
        """Take the next ones in order: up to so many that can be written at once, or one explanation alone."""
        taken: list[Item] = []
        while len(taken) < most:
            heads = [(lane[0][0], name) for name, lane in self._lanes.items() if lane]
            if not heads:
                break
            name = min(heads)[1]
            if name == "explanation" and taken:
                break
            taken.append(self._drop(name))
            if name == "explanation":
                break
        return taken

    def clear(self) -> list[Item]:
        """Take all that is left, in order."""
        left = sorted((each for lane in self._lanes.values() for each in lane), key=lambda each: each[0])
        for lane in self._lanes.values():
            lane.clear()
        self._size = 0
        return [item for _, item in left]

    def _drop(self, lane: str) -> Item:
        self._size -= 1
        return self._lanes[lane].popleft()[1]


@dataclass
class Lost:
    """What was said and will not be in the log: how many of what, between when and when, and why.

    Attributes:
        events: how many of each.
        first: when the earliest of them was said, ISO 8601; empty while nothing is lost.
        last: the latest.
        why: each reason once.
    """

    events: Counter[str] = field(default_factory=Counter)
    first: str = ""
    last: str = ""
    why: list[str] = field(default_factory=list)

    def add(self, item: Item, why: str) -> None:
        """Count one."""
        self.events[item.event] += 1
        self.first = min(self.first or item.time, item.time)
        self.last = max(self.last, item.time)
        if why not in self.why and len(self.why) < 4:
            self.why.append(why)

    def detail(self) -> dict[str, Any]:
        """Return what a note says of it."""
        told = {"from": self.first, "to": self.last, "count": self.events.total()}
        return told | {"events": dict(sorted(self.events.items())), "why": "; ".join(self.why)}


def tidy(value: Any, levels: int = _LEVELS) -> Any:
    """Return something as values that canonical JSON can hold; nothing is refused, for a note must be written.

    Figures that are not finite, and whole numbers beyond 2⁵³, become words; NumPy's scalars and small arrays become
    numbers; long texts and lists are cut; anything else becomes what it prints as.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return int(value) if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if levels > 0 and isinstance(value, Mapping):
        rows = list(value.items())[:_ITEMS]
        return {_text(str(name)): tidy(each, levels - 1) for name, each in rows}
    if levels > 0 and isinstance(value, list | tuple | set | frozenset):
        rows = sorted(map(str, value)) if isinstance(value, set | frozenset) else value
        return [tidy(each, levels - 1) for each in rows[:_ITEMS]]
    size = getattr(value, "size", None)
    if levels > 0 and isinstance(size, int) and size <= _ITEMS and callable(getattr(value, "tolist", None)):
        return tidy(value.tolist(), levels - 1)
    return _text(str(value))


def _text(text: str) -> str:
    """Text that UTF-8 can hold, and not long."""
    kept = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return kept.encode("utf-8", "replace").decode("utf-8")
