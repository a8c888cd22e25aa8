"""A bound on a record's bytes: what goes first, what is stored more coarsely, and what can't be done without."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from .coding import EXACT, LADDER, Coding

__all__ = ["Plan", "plan"]

Size = Callable[[str, Coding], int]

_PICTURES = re.compile(r"counterfactual\..*", re.DOTALL)
_PROTOTYPES = re.compile(r"concept\..*\.prototypes", re.DOTALL)  # they are the bank's, which has them still
_LAST = (re.compile(r"fusion\.depth\..*", re.DOTALL), re.compile(r"fusion\.attention\..*", re.DOTALL))
_SPECTROGRAM = re.compile(r".+\.spectrogram", re.DOTALL)
_GONE = "over the record's budget"


@dataclass
class Plan:
    """How each array is stored.

    Attributes:
        codings: of the arrays that are kept, by name.
        omitted: why an array is left out, by name.
        total: bytes of all arrays with their entries, and of what is said of those left out.
    """

    codings: dict[str, Coding] = field(default_factory=dict)
    omitted: dict[str, str] = field(default_factory=dict)
    total: int = 0


def plan(names: Iterable[str], maps: Collection[str], size: Size, room: int | None, first: Coding = EXACT) -> Plan:
    """Make a record's arrays fit, giving up as little as possible, always in the same order.

    First go the edited pictures and sounds, those of the last claim first; then the prototypes of concepts; then all
    maps are stored more coarsely, rung by rung of `LADDER`; then the maps of the layers go, then attention, then the
    spectrogram, and the maps get back the finest rung that there is room for now. A coarser coding is taken only where
    it is smaller.

    Args:
        names: of all arrays.
        maps: those of them that may be stored more coarsely.
        size: bytes that an array takes in a coding, its entry in the manifest included.
        room: bytes for all arrays, None for no bound.
        first: the coding of maps to begin with.

    Returns:
        The plan. Its ``total`` may be above ``room``: then nothing smaller can be had.
    """
    draft = _Draft(size)
    for name in sorted(names, key=_natural):
        draft.keep(name, EXACT)
    for rung in LADDER[1 : LADDER.index(first) + 1]:
        draft.coarser(maps, rung)
    if room is None or draft.total <= room:
        return draft.plan()
    held = list(draft.codings)
    for pattern in (_PICTURES, _PROTOTYPES):
        for name in reversed([n for n in held if pattern.fullmatch(n)]):
            draft.leave_out(name)
            if draft.total <= room:
                return draft.plan()
    for rung in LADDER[LADDER.index(first) + 1 :]:
        draft.coarser(maps, rung)
        if draft.total <= room:
            return draft.plan()
    for pattern in (*_LAST, _SPECTROGRAM):
        for name in (n for n in held if pattern.fullmatch(n)):
            draft.leave_out(name)
            if draft.total <= room:
                draft.refine(maps, room, first)
                return draft.plan()
    return draft.plan()


class _Draft:
    """Codings while they are being chosen, and what they cost."""

    def __init__(self, size: Size) -> None:
        self.size, self.codings, self.costs, self.omitted = size, {}, {}, {}

    @property
    def total(self) -> int:
        return sum(self.costs.values())

    def keep(self, name: str, coding: Coding) -> None:
        self.codings[name], self.costs[name] = coding, self.size(name, coding)

    def coarser(self, maps: Collection[str], rung: Coding) -> None:
        for name in [n for n in self.codings if n in maps]:
            if self.size(name, rung) < self.costs[name]:
                self.keep(name, rung)

    def refine(self, maps: Collection[str], room: int, first: Coding) -> None:
        """Store all maps on the finest rung from ``first`` on that fits."""
        held = [name for name in self.codings if name in maps]
        for last in range(LADDER.index(first), len(LADDER)):
            for name in held:
                self.keep(name, EXACT)
            for rung in LADDER[1 : last + 1]:
                self.coarser(maps, rung)
            if self.total <= room:
                return

    def leave_out(self, name: str) -> None:
        told = len(name.encode()) + len(_GONE) + 6  # "name":"reason",
        if told < self.costs[name]:
            del self.codings[name]
            self.omitted[name], self.costs[name] = _GONE, told

    def plan(self) -> Plan:
        return Plan(dict(self.codings), dict(self.omitted), self.total)


def _natural(name: str) -> list[tuple[int, str]]:
    """Order names as a reader does: claim c2 before c10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"([0-9]+)", name)]
