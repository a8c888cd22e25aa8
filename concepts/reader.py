"""The reader: takes sentences apart again into the clauses that they are made of.

It knows the grammar of `clauses.CLAUSES` and what the things of a graph are called, and nothing of how a sentence was
written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .clauses import CLAUSES, SLOTS, pattern_of, unit_of
from .phrases import Phrases

__all__ = ["Read", "Reader"]

_JOINS = ("; ", ": ", " and ")
_END = r"(?=\.$|; |: | and )"


@dataclass(frozen=True)
class Read:
    """A clause found in a text.

    Attributes:
        clause: its name.
        thing: the node that it is about, carried on from the clause before where this one says "it"; empty at first.
        slots: what stands in each slot, as it is shown.
    """

    clause: str
    thing: str
    slots: Mapping[str, str]


class Reader:
    """Reads sentences about one graph."""

    def __init__(self, phrases: Phrases) -> None:
        """Collect the words that may stand in a slot."""
        self._nodes = {phrase: node for node, phrase in phrases.things.items()}
        self._actions = {words: action for action, words in phrases.actions.items()}
        system = phrases.system
        self._words = {
            "thing": _any(self._nodes),
            "action": _any(self._actions),
            "system": _any([system, system[:1].lower() + system[1:]]),
            "reason": _any([phrases.reason] if phrases.reason else []),
            "absent": r"[^.;:]+",
        }
        self._compiled: dict[str, re.Pattern[str]] = {}

    def read(self, text: str) -> list[Read] | None:
        """Return the clauses of a sentence, or None where it is not one that the grammar makes."""
        first = text[:1]
        if first != first.upper():
            return None
        for start in dict.fromkeys((text, first.lower() + text[1:])):
            found = self._clauses(start, 0, "")
            if found is not None:
                return found
        return None

    def asserted(self, read: Read, claim: str) -> list[tuple[tuple[str, str, str, str], str | None, str]]:
        """Return what a clause says: (subject, relation, unit, action that it is of), its value as shown, its slot.

        Args:
            read: the clause.
            claim: the evidence that stands beside the thing.
        """
        subject = {"thing": read.thing, "decision": "decision", "claim": claim}
        told: list[tuple[tuple[str, str, str, str], str | None, str]] = []
        for name, words in read.slots.items():
            slot = SLOTS[name]
            of = self._actions[read.slots[slot.of]] if slot.of else ""
            told.append(((subject[slot.on], slot.relation, unit_of(slot.form), of), words, name))
        if (says := CLAUSES[read.clause].says) is not None:
            told.append(((subject[says[0]], says[1], "", ""), None, ""))
        return told

    def action(self, words: str) -> str:
        """Return the action that is shown by these words."""
        return self._actions[words]

    def _clauses(self, text: str, at: int, thing: str) -> list[Read] | None:
        for name, clause in CLAUSES.items():
            if not text.startswith(clause.template.split("{", 1)[0], at):
                continue
            found = self._pattern(name).match(text, at)
            if found is None:
                continue
            slots, end = found.groupdict(), found.end()
            read = Read(name, self._nodes[slots["thing"]] if "thing" in slots else thing, slots)
            if text[end:] == ".":
                return [read]
            for join in _JOINS:
                rest = self._clauses(text, end + len(join), read.thing) if text.startswith(join, end) else None
                if rest is not None:
                    return [read, *rest]
        return None

    def _pattern(self, name: str) -> re.Pattern[str]:
        if name not in self._compiled:
            self._compiled[name] = re.compile(_expression(CLAUSES[name].template, self._words) + _END)
        return self._compiled[name]


def _any(words: Iterable[str]) -> str:
    longest_first = sorted(words, key=len, reverse=True)
    return "|".join(map(re.escape, longest_first)) if longest_first else r"(?!)"


def _expression(template: str, words: Mapping[str, str]) -> str:
    """A clause's regular expression; a slot that comes again must hold the same."""
    out, seen = "", set()
    for piece in re.split(r"({\w+})", template):
        slot = piece[1:-1]
        if not piece.startswith("{"):
            out += re.escape(piece)
        elif slot in seen:
            out += f"(?P={slot})"
        else:
            seen.add(slot)
            out += f"(?P<{slot}>{pattern_of(slot, words)})"
    return out
